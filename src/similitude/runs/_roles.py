"""Which column of a table plays which role: N, D, C, loss, ... by the names people give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude._quantity import (
    COUNT,
    EPOCHS,
    FLOP,
    NATS_PER_TOKEN,
    PARAMETERS,
    STEPS,
    TOKENS,
    TOKENS_PER_PARAMETER,
    Unit,
    parse_unit,
)

COUNTS = ("undeclared", "total", "without embeddings", "without embeddings and head", "active")


@dataclass(frozen=True, slots=True)
class Role:
    """A quantity a column can stand for: its unit, and its aliases from plain to loose."""

    name: str
    meaning: str
    unit: Unit
    plain: str
    loose: str = ""
    positive: bool = True
    tiers: Mapping[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        own = {fold(self.name): 1} if len(self.name) > 1 else {}  # n, d and c in small letters mean other things too
        tiers = {fold(a): 2 for a in self.loose.split()} | {fold(a): 1 for a in self.plain.split()} | own
        object.__setattr__(self, "tiers", tiers)

    @property
    def label(self) -> str:
        """The name with its meaning, when they differ."""
        return self.name if self.name == self.meaning else f"{self.name} ({self.meaning})"

    def tier(self, column: str) -> int | None:
        """0 for the role's own name, 1 for a plain alias, 2 for a loose one, None otherwise."""
        return 0 if column == self.name else self.tiers.get(fold(column))


def fold(name: str) -> str:
    """A column name without case, spaces, dashes, dots and slashes.

    >>> fold("Model Size"), fold("train/val-loss")
    ('model_size', 'train_val_loss')
    """
    return re.sub(r"[\s./\\-]+", "_", name.strip()).casefold()


ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "N",
            "parameters",
            PARAMETERS,
            "params parameters n_params num_params nparams n_parameters num_parameters model_params model_parameters "
            "model_size total_params params_total total_parameters n_total",
            "size param_count parameter_count params_count active_params params_active n_active params_non_embedding "
            "non_embedding_params n_params_non_embedding params_no_emb n_no_emb n_params_no_emb "
            "nonembedding_params non_embedding_parameters",
        ),
        Role(
            "D",
            "tokens",
            TOKENS,
            "tokens n_tokens num_tokens ntokens train_tokens training_tokens total_tokens tokens_seen tokens_trained "
            "n_train_tokens num_train_tokens tokens_total",
            "data_size dataset_size dataset_tokens num_input_tokens_seen throughput_total_tokens",
        ),
        Role(
            "C",
            "training FLOP",
            FLOP,
            "flops flop training_flop training_flops train_flops train_flop total_flops compute n_flops num_flops "
            "training_compute train_compute compute_flops",
            "budget flops_budget compute_budget flop_budget",
        ),
        Role(
            "loss",
            "loss",
            NATS_PER_TOKEN,
            "val_loss validation_loss final_val_loss final_loss test_loss eval_loss heldout_loss held_out_loss",
            "train_loss training_loss final_train_loss c4_eval_loss c4_val_loss cross_entropy ce_loss lm_loss nll "
            "loss_final loss_val loss_eval loss_test",
            positive=False,
        ),
        Role(
            "U",
            "unique tokens",
            TOKENS,
            "unique_tokens n_unique_tokens num_unique_tokens tokens_unique unique_data",
            "unique",
        ),
        Role(
            "M",
            "tokens per parameter",
            TOKENS_PER_PARAMETER,
            "tokens_per_parameter tokens_per_param token_multiplier tpp tok_per_param",
            "tokens_parameters d_n",
        ),
        Role("step", "training step", STEPS, "steps global_step train_step training_step _step", positive=False),
        Role("run", "id of the run", COUNT, "run_id run_name runid", "", positive=False),
        Role("epochs", "epochs", EPOCHS, "epoch n_epochs num_epochs", positive=False),
    )
}

SEARCHED = ("N", "D", "C", "loss", "U", "M", "step", "run")
NUMERIC = ("N", "D", "C", "loss", "U", "M", "step")

COUNT_COLUMNS: dict[str, str] = {
    name: counts
    for counts, names in {
        "total": "params_total total_params total_parameters n_total",
        "without embeddings": "params_non_embedding non_embedding_params n_params_non_embedding params_no_emb n_no_emb "
        "n_params_no_emb nonembedding_params non_embedding_parameters",
        "without embeddings and head": "params_no_emb_no_head n_no_emb_no_head",
        "active": "active_params params_active n_active",
    }.items()
    for name in names.split()
}

_CONVENTIONS = {
    "total": "total",
    "all": "total",
    "with_embeddings": "total",
    "without_embeddings": "without embeddings",
    "no_embeddings": "without embeddings",
    "non_embedding": "without embeddings",
    "nonembedding": "without embeddings",
    "without_embeddings_and_head": "without embeddings and head",
    "active": "active",
}

# words in a folded name -> the unit that they state, the first that fits; "bits" leaves open per what
_UNIT_NAMES = {
    "bpb": "bits/byte",
    "bits_per_byte": "bits/byte",
    "bits_byte": "bits/byte",
    "bits_per_token": "bits/token",
    "bits_token": "bits/token",
    "ppl": "perplexity",
    "perplexity": "perplexity",
    "bits": "bits",
}
_BRACKETS = re.compile(r"(.+?)\s*[\(\[](.+?)[\)\]]\s*")


@dataclass(frozen=True, slots=True)
class Binding:
    """The columns found for the roles: role -> column, with what had to be assumed."""

    columns: dict[str, str]
    header_units: dict[str, tuple[float, Unit | None]]
    assumed: tuple[str, ...]


def bind_roles(names: Iterable[str], given: Mapping[str, str], source: str) -> Binding:
    """Find the column of each role; a role given by the user is taken as it is, the others by alias.

    Raises DataError when a given column is not there, or two columns fit one role equally well.
    """
    names = list(names)
    columns = {role: require_column(column, names, source, role) for role, column in given.items()}
    _refuse_shared(columns, source)
    assumed: list[str] = []
    header_units: dict[str, tuple[float, Unit | None]] = {}
    for role in SEARCHED:
        if role not in columns:
            found = _search(ROLES[role], names, set(columns.values()), source)
            if found is None:
                continue
            columns[role] = found
            if found != role:
                assumed.append(f"column '{found}' is {ROLES[role].label}")
        if unit := _unit_in_header(columns[role]):
            header_units[role] = unit
            assumed.append(f"column '{columns[role]}' is in the unit its header names")
    return Binding(columns, header_units, tuple(assumed))


def require_column(column: str, names: Iterable[str], source: str, role: str | None = None) -> str:
    """`column` itself, when it is among `names`; a DataError with the nearest name otherwise."""
    names = list(names)
    if column in names:
        return column
    what = f" for {role}" if role and role != column else ""
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise DataError(f"{source}: no column '{column}'{what}; the columns are: {listed}{did_you_mean(column, names)}")


def near_alias(role: str, names: Iterable[str]) -> str:
    """``"; did you mean 'tokns'?"`` when a column is nearly one of the usual names of a role, else an empty string.

    >>> near_alias("D", ["run", "tokns"])
    "; did you mean 'tokns'?"
    """
    aliases = ROLES[role].tiers if role in ROLES else {}
    near = [n for n in names if did_you_mean(fold(n), [a for a in aliases if len(a) > 3 and a[0] == fold(n)[:1]])]
    return f"; did you mean '{near[0]}'?" if near else ""


def _refuse_shared(columns: Mapping[str, str], source: str) -> None:
    seen: dict[str, str] = {}
    for role, column in columns.items():
        if column in seen:
            raise ArgumentError(f"{source}: column '{column}' is given both as {seen[column]} and as {role}")
        seen[column] = role


def _search(role: Role, names: list[str], taken: set[str], source: str) -> str | None:
    ranked = sorted((tier, i) for i, n in enumerate(names) if n not in taken and (tier := _tier(role, n)) is not None)
    if not ranked:
        return None
    best = [names[i] for tier, i in ranked if tier == ranked[0][0]]
    if len(best) > 1:
        both = " and ".join(f"'{name}'" for name in best[:2])
        raise DataError(f"{source}: columns {both} could both be {role.name}; choose one with {role.name}='{best[0]}'")
    return best[0]


def _tier(role: Role, column: str) -> int | None:
    tier = role.tier(column)
    if tier is None and (match := _BRACKETS.fullmatch(column)) and _unit_in_header(column):
        tier = role.tier(match[1])
    return tier


def stated_convention(label: str) -> str | None:
    """The counting convention that a cell states, None when it is none.

    >>> stated_convention("non-embedding"), stated_convention("Total"), stated_convention("12")
    ('without embeddings', 'total', None)
    """
    return _CONVENTIONS.get(fold(label))


def unit_by_name(column: str) -> str | None:
    """The unit of a loss that a column's name states; "bits" when it does not say per what; None when it is silent.

    >>> unit_by_name("val_bpb"), unit_by_name("C4 perplexity"), unit_by_name("val_loss")
    ('bits/byte', 'perplexity', None)
    """
    name = f"_{fold(column)}_"
    return next((unit for words, unit in _UNIT_NAMES.items() if f"_{words}_" in name), None)


def _unit_in_header(column: str) -> tuple[float, Unit | None] | None:
    """The unit a header states in brackets, as in "Tokens (B)"; None when the brackets hold something else."""
    match = _BRACKETS.fullmatch(column)
    if match is None:
        return None
    factor, unit = parse_unit(match[2])
    known = unit is None or unit.kind != unit.name or unit.kind in ("parameters", "tokens", "perplexity")
    return (factor, unit) if known else None
