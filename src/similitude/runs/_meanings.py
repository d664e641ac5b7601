"""Which metric is the loss, which counts tokens, which setting is the batch: by the names loggers give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import isfinite

from ._logged import Scalar
from ._roles import COUNT_COLUMNS, ROLES, fold, unit_by_name

__all__ = [
    "as_number",
    "is_placeholder_counter",
    "loss_metrics",
    "parameter_settings",
    "rate_metric",
    "setting",
    "step_tokens",
    "token_metrics",
    "unit_of",
]

_VALIDATION = re.compile(r"(^|_)(val|valid|validation|eval|evaluation|test|heldout|held_out|dev)(_|$)")
_LOSS = re.compile(r"(^|_)(loss|ce|nll|cross_entropy|crossentropyloss|ppl|perplexity|bpb|bits_per_byte)$")
_NO_LOSS = re.compile(r"(^|_)(z|aux|router|kd|ema|grad|scale|std|min|max|best|moe|balance|reg)(_|$)")
_RATE = re.compile(r"(^|_)(lr|learning_rate|lrm|lr_0|group_?0)$")
_TOKENS = (
    "num_input_tokens_seen",
    "num_tokens_seen",
    "tokens_seen",
    "total_tokens",
    "tokens",
    "n_tokens",
    "consumed_tokens",
    "train_tokens",
    "train_total_tokens",
    "total_training_tokens",
    "tokens_trained",
    "throughput_total_tokens",
)
_NO_TOKENS = re.compile(r"(^|_)(per|adapter|prompt|completion|output|new|generated|perplexity)(_|$)")  # of evaluations
_PARAMETERS = [*(n for n, tier in ROLES["N"].tiers.items() if n not in ("model_size", "size")), *COUNT_COLUMNS]
_STEP_TOKENS = "learning_total_weights"  # MaxText: the tokens of one step that its loss is of
_SETTINGS = {
    "tokens": "tokens_per_step tokens_per_iteration tokens_per_iter",
    "batch": "global_batch_size total_batch_size effective_batch_size global_train_batch_size",
    "one_batch": "per_device_train_batch_size device_batch_size micro_batch_size train_batch_size batch_size",
    "accumulation": "gradient_accumulation_steps grad_accum_steps accumulate_grad_batches gradient_accumulation",
    "devices": "world_size n_devices num_devices num_gpus data_parallel_size",
    "length": "sequence_length seq_len seq_length max_seq_len max_sequence_length train_seq_len context_length "
    "max_seq_length block_size train_context_length",
    "steps": "max_steps train_steps num_training_steps total_steps num_iterations max_iters training_steps",
}


def as_number(value: Scalar) -> float | None:
    """A setting as a number; as text too, which is all that MLflow keeps. None for anything else.

    >>> as_number("0.5"), as_number(True), as_number("small")
    (0.5, None, None)
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def loss_metrics(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names that are losses: those of validation and those of training, best first.

    >>> loss_metrics(["eval/loss", "train/loss", "lr", "loss/z_loss"])
    (['eval/loss'], ['train/loss'])
    """
    losses = [n for n in names if _LOSS.search(fold(n)) and not _NO_LOSS.search(fold(n))]
    order = sorted(losses, key=lambda n: (unit_of(n) != "nats/token", len(fold(n)), n))
    validation = [n for n in order if _VALIDATION.search(fold(n))]
    return validation, [n for n in order if n not in validation]


def unit_of(metric: str, config: Mapping[str, Scalar] | None = None) -> str:
    """The unit a loss's name states, else the setting 'units.loss' of its run, nats a token where both are silent.

    >>> unit_of("val/loss"), unit_of("val/loss", {"units.loss": "nats/image"})
    ('nats/token', 'nats/image')
    """
    return unit_by_name(metric) or str((config or {}).get("units.loss") or "nats/token")


def rate_metric(names: Iterable[str]) -> str | None:
    """The metric that is the learning rate, the plainest name first."""
    found = sorted((n for n in names if _RATE.search(fold(n))), key=lambda n: (len(fold(n)), n))
    return found[0] if found else None


def token_metrics(names: Iterable[str]) -> list[str]:
    """Metrics that count the tokens seen, the plainest first.

    >>> token_metrics(["task/num_prompt_tokens", "train/tokens", "num_tokens_seen", "adapter_spec.max_tokens"])
    ['num_tokens_seen', 'train/tokens']
    """
    known = {
        n: next((i for i, t in enumerate(_TOKENS) if fold(n) == t or fold(n).endswith(f"_{t}")), None)
        for n in names
        if not _NO_TOKENS.search(fold(n))
    }
    return sorted((n for n, place in known.items() if place is not None), key=lambda n: (known[n], len(n)))


def step_tokens(names: Iterable[str]) -> str | None:
    """The metric that counts the tokens of each step, as MaxText logs it; None where there is none."""
    return next((n for n in names if fold(n) == _STEP_TOKENS), None)


def is_placeholder_counter(name: str) -> bool:
    """Whether a setting of this name is 0 where nothing was counted."""
    return fold(name.rpartition(".")[2]) in (*_TOKENS, "total_flos")


def parameter_settings(values: Mapping[str, Scalar]) -> dict[str, float]:
    """Settings or final values that are numbers of parameters, by name, the plainest first."""
    found = {}
    for name, value in values.items():
        folded = fold(name)
        hit = next((i for i, p in enumerate(_PARAMETERS) if folded == p or folded.endswith(f"_{p}")), None)
        hit = -1 if name == "N" else hit
        number = as_number(value) if hit is not None else None
        if number is not None and number >= 1:
            found[name] = (hit, number)
    return {n: v for n, (_, v) in sorted(found.items(), key=lambda item: (item[1][0], len(item[0])))}


def setting(config: Mapping[str, Scalar], what: str) -> tuple[str, float] | None:
    """Name and number of a setting of that meaning; of several the one with the shortest name."""
    names = _SETTINGS[what].split()
    found = []
    for name, value in config.items():
        last = fold(name.rpartition(".")[2])
        number = as_number(value) if last in names else None
        if number is not None and number > 0:
            found.append((names.index(last), len(name), name, number))
    return min(found)[2:] if found else None
