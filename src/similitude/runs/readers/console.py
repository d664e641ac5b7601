"""What training programs print: torchtitan, OLMo-core, MaxText, nanochat, modded-nanogpt, nanoGPT, llm.c, their kin.

Layouts read off the printing code of karpathy/nanochat (scripts/base_train.py), KellerJordan/modded-nanogpt,
karpathy/nanoGPT (train.py, configurator.py) and karpathy/llm.c (train_gpt2.cu, train_gpt2.py, llmc/logger.h), and
checked on excerpts of logs that their users published; the others are tested on what the libraries print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from similitude._errors import DataError
from similitude.runs._families import counted
from similitude.runs._logged import LoggedRun, Scalar
from similitude.runs._meanings import loss_metrics

from ._points import MOST_METRICS, Collector
from ._reader import Claim, Place, reader

if TYPE_CHECKING:
    import polars as pl

__all__ = ["console"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_STEP = re.compile(
    r"(?:^|[\s\]|])(validate )?(?:step|iter)(?:ation)?[ :]\s*0*(\d{1,18})(?:/0*(\d{1,18}))?(?![\d.])", re.IGNORECASE
)
_MARK = re.compile(
    r"\[step=(\d{1,3}(?:,\d{3})+|\d{1,18})(?:/(\d{1,3}(?:,\d{3})+|\d{1,18}))?(?=[,\]/])"
)  # OLMo-core; its metrics stand on the lines below
_EVALUATED = re.compile(r"Finished (\S+)(?: '[^']*')? evals in [\d.]+ seconds\. Metrics:")
_TOTAL = re.compile(r"^\s+Total evaluation time: (\d+\.\d) seconds")
_EVALUATION_TIME = "throughput/in-loop eval time (s)"
_SHORT = re.compile(r"^s:(\d{1,18}) ")  # llm.c's main.log
_PAIR = re.compile(
    rf"([A-Za-z][\w/ ().-]{{0,80}}?)\s{{0,20}}[:= ]\s{{0,20}}({_NUMBER})\s*(?:ms|s|m|%|[KMGT]?i?B)?(?=[\s|,(%]|$)"
)
_LINE = re.compile(rf"^\s+(\S[^=]*?)=({_NUMBER})([KMBTPE]?)\s*$")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?)")
_TELLING = re.compile("[Pp]aram|batch|tokens per|FLOPs|Model config|Overriding")  # in all lines that tell of the run
_COUNT = r"(\d[\d,]{0,17})"
_PARAMETERS = re.compile(
    r"(?:size: (?=[\d,]+(?: total)? param)|(?:number (?:of )?|total )parameters:?\s+|\bparameters:\s*)"
    r"(?:(\d[\d,]{3,17})( total)?(?![\d.])|(\d{1,9}\.\d{1,3}) ?(M|B|million|billion)\b)",
    re.IGNORECASE,
)
_TOLD = (
    re.compile(  # torchtitan
        r"global batch size (?P<global_batch_size>\d{1,18}), .*sequence length (?P<seq_len>\d{1,18}), "
        r"total steps (?P<max_steps>\d{1,18})"
    ),
    re.compile(rf"^- (?P<total_params>{_COUNT}) total params$"),  # OLMo-core
    re.compile(rf"^- (?P<non_embedding_params>{_COUNT}) non-embedding params$"),
    re.compile(rf"^tokens per iteration will be: (?P<tokens_per_step>{_COUNT})$"),  # nanoGPT
    re.compile(rf"^Total batch size (?P<tokens_per_step>{_COUNT}) => gradient accumulation"),  # nanochat
    re.compile(r"seq_len T=(?P<seq_len>\d{1,18}) .*total_batch_size=(?P<tokens_per_step>\d{1,18})$"),  # llm.c
    re.compile(r"^num_parameters: (?P<total_params>\d{1,18}) => bytes"),
)
_ESTIMATE = re.compile(rf"^(Estimated FLOPs per token|Total training FLOPs estimate): ({_NUMBER})$")  # nanochat
_PART = re.compile(rf"^(\w{{1,60}})\s*: {_COUNT}$")  # of nanochat's parameter counts, and an entry of its model
_ENTRY = re.compile(r'^\s+"(\w{1,60})": (.{1,100}?),?$')
_TENSORS = re.compile(rf"num (non-)?decayed parameter tensors: \d+, with {_COUNT} parameters")  # nanoGPT: all of them
_OVERRIDING = re.compile(r"^Overriding: (\w{1,60}) = (.{1,200})$")
_ASSIGNED = re.compile(r"^(\w{1,60}) ?= ?([^#]{1,200}?)\s*(?:#.*)?$")
_SET = re.compile(
    "Overriding: |tokens per|number of|Initializing|Resuming|step |iter "
)  # what comes after a file of settings
_ROW = re.compile(r"^\|\s*([\w ()]{1,40}?)\s*\|\s*(\S{1,60})\s*\|$")  # of llm.c's table
_ROWS = {
    "total batch size": "tokens_per_step",
    "sequence length T": "seq_len",
    "learning rate (LR)": "learning_rate",
    "weight decay": "weight_decay",
    "train_num_batches": "max_steps",
    "max_sequence_length T": "n_positions",
    "vocab_size V": "vocab_size",
    "padded_vocab_size Vp": "padded_vocab_size",
    "num_layers L": "n_layer",
    "num_heads NH": "n_head",
    "channels C": "n_embd",
    "num_parameters": "total_params",
}
_PARAM = re.compile(r"Config param (\w{1,80}): (.{0,300})$")  # MaxText
_PARAMS = {
    "run_name": "run_name",
    "model_name": "model_name",
    "dataset_type": "dataset_type",
    "dataset_name": "dataset_name",
    "steps": "max_steps",
    "global_batch_size_to_train_on": "global_batch_size",
    "max_target_length": "seq_len",
    "learning_rate": "learning_rate",
    "decoder_block": "decoder_block",
    "emb_dim": "hidden_size",
    "mlp_dim": "intermediate_size",
    "mlp_activations": "mlp_activations",
    "num_decoder_layers": "num_hidden_layers",
    "num_query_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "vocab_size": "vocab_size",
    "num_experts": "num_experts",
    "num_experts_per_tok": "num_experts_per_tok",
    "logits_via_embedding": "tie_word_embeddings",
}
_BLOCKS = {
    "LLAMA2": "llama",
    "MISTRAL": "mistral",
    "MIXTRAL": "mixtral",
    "QWEN3": "qwen3",
}  # MaxText's name of a family
_OF_EVALUATION = re.compile(r"(?:^|[\s\]|])(?:eval|val|test)\w*(?: \w+){0,3} ?$", re.IGNORECASE)
_WITHIN = "Completed eval step: "  # MaxText: means of a part of an evaluation, by its own steps
_UNSTEPPED = re.compile(rf"^(?:(val loss)|(HellaSwag): \d+/\d+ =) ({_NUMBER})$")  # llm.c: the step comes after it
_BARE = re.compile(rf"\|\s{{0,20}}\(?({_NUMBER})%?\s{{1,4}}([A-Za-z][\w/ ]{{0,30}}?)\)?\s{{0,20}}(?=\||$)")
_DAY = re.compile(r"^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{4})\s*$")  # of nvidia-smi
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORTENED = {"tel": "test loss", "trl": "train loss", "total_weights": "learning/total_weights"}
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_MOST_WAITING, _MOST_EVALUATED = 20, 1000  # evaluations whose step is not known yet, values of one
_LONGEST = 10_000  # characters of a line that are looked at
_PIECE = 1 << 20  # characters of a line that are read at a time


def _sniff(place: Place) -> Iterator[Claim]:
    """Text files that name OLMo-core at their beginning, or have two lines at least with a step and numbers.

    Their end is looked at too: the source of the program, or a thousand settings, may be printed first.
    """
    for name in place.files:
        if not name.casefold().endswith((".log", ".txt", ".out", ".err")) and "." in name:
            continue
        head = place.head(name)
        if b"\x00" in head[:1024]:
            continue
        if b"olmo_core.train." in head or _has_steps(head) or _has_steps(place.tail(name)):
            yield place.claim(name)


def _has_steps(text: bytes) -> bool:
    lines = _COLOUR.sub("", text.decode("utf-8", "replace")).replace("\r", "\n").splitlines()
    return sum(_counts(line) for line in lines) >= 2


def _counts(line: str) -> bool:
    line = line[:_LONGEST]
    if _MARK.search(line) or (_SHORT.match(line) and _PAIR.search(line[_SHORT.match(line).end() :])):  # type: ignore[union-attr]
        return True
    found = _stepped(line)
    return (
        found is not None
        and "loss" in line.casefold() + ("loss" if "bpb" in line.casefold() else "")
        and bool(_PAIR.search(line[found.end() :]))
    )


def _stepped(line: str) -> re.Match[str] | None:
    """Where a line names a step; not in a comment of a program that was printed."""
    found = _STEP.search(line)
    return None if found is None or "#" in line[: found.start()] or _WITHIN in line else found


@dataclass(slots=True)
class _Seen:
    """Settings, times and the number of steps planned, as far as lines say them.

    `listing` is what the lines at hand list: the "counts" of parameters, a "model", or the "settings" of a file;
    `waiting` are values printed before their step.
    """

    config: dict[str, Scalar] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    listing: str = ""
    rounded: str = ""
    compute: float | None = None
    first: float | None = None
    last: float | None = None
    timed: bool = True  # whether the last time stands in or after the last line with a step
    planned: int | None = None
    step: int = -1
    reached: int = -1
    back: int = 0
    ahead: int = 1  # steps from the last line with one to what is printed next
    waiting: list[tuple[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """Where OLMo-core's lines `name=value` belong: to the step marked above them, or to an evaluation.

    An evaluation is printed before the metrics of its step, which may come steps later; that step's metrics tell how
    long it took.
    """

    mark: int | None = None
    time: float | None = None
    names: set[str] = field(default_factory=set)
    evaluator: str | None = None
    running: dict[str, float] = field(default_factory=dict)
    waiting: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    def read(self, line: str, time: float | None, seen: _Seen) -> list[tuple[str, float]] | None:
        """The points of the marked step that a line holds; None where it belongs to no block."""
        if (found := _MARK.search(line)) is not None:
            self.mark, self.time, self.evaluator = int(found[1].replace(",", "")), time, None
            self.names.clear()
            _planned(found[2], seen)
            seen.reached = max(seen.reached, self.mark)
            return []
        if (found := _EVALUATED.search(line)) is not None:
            self.mark, self.evaluator = None, found[1]
            return []
        if (found := _TOTAL.match(line)) is not None:
            self.waiting = [*self.waiting[-_MOST_WAITING:], (float(found[1]), self.running)]
            self.running = {}
            return []
        found = _LINE.match(line) if self.mark is not None or self.evaluator is not None else None
        if found is None:
            self.mark = self.evaluator = None
            return None
        name, value = found[1].strip(), _value(found[2]) * _SCALES[found[3]]
        if self.evaluator is not None:
            if len(self.running) < _MOST_EVALUATED:
                self.running[f"eval/{self.evaluator}/{name}"] = value
            return []
        if len(self.names) < MOST_METRICS:
            self.names.add(name)
        _moved(self.mark or 0, seen)
        held = self.evaluated(value) if name == _EVALUATION_TIME else {}
        return [(name, value), *((n, v) for n, v in held.items() if n not in self.names)]

    def evaluated(self, seconds: float) -> dict[str, float]:
        """The evaluations that took so long together; nothing where several may have, or none."""
        ends = range(1, len(self.waiting) + 1)
        found = [
            (start, end)
            for end in ends
            for start in range(end)
            if abs(sum(w[0] for w in self.waiting[start:end]) - seconds) <= 0.051 * (end - start) + seconds / 1000
        ]
        if len(found) != 1:
            self.waiting.clear()
            return {}
        start, end = found[0]
        values = {n: v for _, part in self.waiting[start:end] for n, v in part.items()}
        del self.waiting[:end]
        return values


@reader(
    "console",
    title="printed logs (torchtitan, OLMo-core, MaxText, nanochat, modded-nanogpt, nanoGPT, llm.c)",
    sniff=_sniff,
    verified="torchtitan 0.3.0, ai2-olmo-core 3.0.0, maxtext 0.2.5",
    whole=True,
    unverified="nanochat, modded-nanogpt, nanoGPT, llm.c",
)
def console(claim: Claim) -> Iterator[LoggedRun]:
    """One file is one run."""
    (path,) = claim.files
    seen = _Seen()
    if not sum(frame.height for frame in _points(path, seen)):
        raise DataError(f"{path.name} has no line with a step and a loss")
    if seen.planned is not None:
        seen.config["max_steps"] = seen.planned
    done = seen.planned is not None and seen.reached >= seen.planned - 1
    if done and seen.compute is not None:
        seen.config["C"] = seen.compute
    said = [*_sized(seen)]
    if seen.back:
        said.append("steps go back: the run was resumed, what was logged later counts in the table")
    name = path.stem if path.stem not in ("log", "train", "main", "out", "stdout", "output") else path.parent.name
    yield LoggedRun(
        kind="console",
        key=f"console:{path.parent.name}/{path.name}",
        name=str(seen.config.get("run_name") or name),
        source=str(path),
        config=seen.config,
        points=lambda: _points(path, _Seen()),
        state="finished" if done else "unknown",
        started=seen.first,
        ended=seen.last if seen.timed else None,
        assumed=tuple(said),
    )


def _sized(seen: _Seen) -> Iterator[str]:
    """Makes sure of the settings that tell N: a family's shape must have the number printed, which may be rounded."""
    config = seen.config
    number, _, word = seen.rounded.partition(" ")
    unit = _SCALES[word[:1].upper()] * 10.0 ** -len(number.partition(".")[2])
    near = round(float(number or 0) * _SCALES[word[:1].upper()])
    if "decoder_block" in config:
        family = _BLOCKS.get(str(config["decoder_block"]).rpartition(".")[2])
        gated = str(config.get("mlp_activations")).count(",") == 1
        config |= {"model_type": family} if family and gated else {}
    elif "n_positions" in config:
        config["model_type"] = "gpt2"
    exact = config.get("total_params")
    shape = counted(config) if "model_type" in config else None
    if shape is not None and shape.total != exact and (exact or not number or abs(shape.total - near) > 0.51 * unit):
        del config["model_type"]
        shape = None
    if number and shape is None and exact is None and unit <= 0.02 * near:
        config["total_params" if word == "billion" else "n_params"] = near
        yield f"N is rounded as the log prints it, {seen.rounded}"


def _points(path: Path, seen: _Seen) -> Iterator[pl.DataFrame]:
    collector = Collector()
    block = _Block()
    with open(path, encoding="utf-8", errors="replace", newline="") as stream:
        for line in _lines(stream):
            time = _when(line, seen)
            pairs = block.read(line, time, seen)
            if pairs is None:
                for step, named in _read(line, seen):
                    seen.timed = time is not None
                    for name, value in named:
                        collector.add_bounded(name, step, time, value)
            else:
                for name, value in pairs:
                    collector.add_bounded(name, block.mark or 0, block.time, value)
            if collector.full:
                yield from collector.take()
    if seen.step >= 0:
        for name, value in seen.waiting:
            collector.add_bounded(name, seen.step + seen.ahead, None, value)
    yield from collector.take()


def _lines(stream: IO[str]) -> Iterator[str]:
    """Lines without colours; what overwrote itself on a terminal counts as lines."""
    for raw in iter(lambda: stream.readline(_PIECE), ""):
        for line in raw.split("\r"):
            if line.strip():
                yield _COLOUR.sub("", line[:_LONGEST]).rstrip("\n")


def _read(line: str, seen: _Seen) -> list[tuple[int, list[tuple[str, float]]]]:
    """The steps of which a line tells, mostly one or none, with pairs of name and number."""
    short = _SHORT.match(line)
    found = short or _stepped(line)
    if (seen.listing or line.startswith("|") or _TELLING.search(line)) and not line.lstrip().startswith("#"):
        _told(line, seen)
    if found is None:
        if (alone := _UNSTEPPED.match(line)) is not None and len(seen.waiting) < _MOST_WAITING:
            seen.waiting.append((alone[1] or alone[2], _value(alone[3])))
        return []
    step = int(found[1] if short else found[2])
    rest = line[found.end() :]
    held = "" if short else "validation" if found[1] else "eval" if _OF_EVALUATION.search(line[: found.start()]) else ""
    if not short:
        _planned(found[3], seen)
    pairs = [(_named(m[1], held), _value(m[2])) for m in _PAIR.finditer(re.sub(r"\(([^()]*%)\)", " ", rest))]
    if "|" in rest:
        pairs += [(_named(m[2], held), _value(m[1])) for m in _BARE.finditer(rest)]
    pairs = [(n, v) for n, v in pairs if n]
    if not pairs:
        return []
    _moved(step, seen)
    if not held:  # llm.c counts from 1 where it tells how many steps there are, from 0 where it does not
        seen.ahead = 1 if short or not found[3] else 0
        if seen.waiting:
            before, seen.waiting = seen.waiting, []
            return [(step - 1 + seen.ahead, before), (step, pairs)]
    return [(step, pairs)]


def _told(line: str, seen: _Seen) -> None:
    """What a line says of the run as a whole."""
    config = seen.config
    if (listed := _listed(line, seen)) is not None:
        config |= listed
    elif (param := _PARAM.search(line)) is not None:
        if (name := _PARAMS.get(param[1])) is not None and not (name.startswith("num_experts") and param[2] == "1"):
            config[name] = _plain(param[2])
    elif (row := _ROW.match(line)) is not None:
        if (name := _ROWS.get(row[1])) is not None:
            config[name] = _plain(row[2])
    elif (given := _OVERRIDING.match(line)) is not None:
        config[given[1]] = _plain(given[2])
    elif (tensors := _TENSORS.search(line)) is not None:
        seen.parts["fixed" if tensors[1] else "decayed"] = int(tensors[2].replace(",", ""))
        if {"fixed", "decayed"} <= seen.parts.keys():
            config["total_params"] = seen.parts["fixed"] + seen.parts["decayed"]
    elif (estimate := _ESTIMATE.match(line)) is not None:
        if estimate[1].startswith("Total"):
            seen.compute = _value(estimate[2])
        else:
            config["flops_per_token"] = _value(estimate[2])
    elif (size := _PARAMETERS.search(line)) is not None:
        if size[1]:
            config.setdefault("total_params" if size[2] else "n_params", int(size[1].replace(",", "")))
        else:
            seen.rounded = f"{size[3]} {size[4]}"
    else:
        for layout in _TOLD:
            if (told := layout.search(line)) is not None:
                config |= {n: int(v.replace(",", "")) for n, v in told.groupdict().items() if n not in config}
    for name in ("max_steps", "max_iters"):
        if isinstance(steps := config.pop(name, None) if name == "max_steps" else config.get(name), int):
            seen.planned = steps


def _listed(line: str, seen: _Seen) -> dict[str, Scalar] | None:
    """Settings of a listing that the lines before began; None for a line that is of none."""
    begun = {"Parameter counts:": "counts", "Model config:": "model"}.get(line.rstrip())
    if line.startswith("Overriding config with "):
        begun = "settings"
    if begun is not None:
        seen.listing = begun
        return {}
    if seen.listing == "counts" and (part := _PART.match(line)) is not None:
        seen.parts[part[1]] = int(part[2].replace(",", ""))
        if part[1] != "total":
            return {}
        bare = seen.parts["total"] - sum(n for k, n in seen.parts.items() if re.search("embed|wte|wpe", k))
        return {"total_params": seen.parts["total"], "non_embedding_params": bare}
    if seen.listing == "model" and (entry := _ENTRY.match(line)) is not None:
        return {entry[1]: _plain(entry[2])}
    if seen.listing == "settings" and not _SET.match(line):
        assigned = _ASSIGNED.match(line)
        value = _plain(assigned[2], None) if assigned is not None else None
        return {} if value is None or assigned is None else {assigned[1]: value}
    if line.strip() not in ("{", "}"):
        seen.listing = ""
    return None


def _plain(text: str, words: str | None = "") -> Scalar:
    """A setting as it was printed: number, truth, text without its quotes; what is none of these only with `words`."""
    text = text.strip()
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return None if words is None else text


def _named(name: str, held: str) -> str:
    name = name.strip(" |,-().")
    if held == "eval" and (loss_metrics([name])[0] or name.casefold().startswith(("eval", "val", "test"))):
        return name
    return f"{held} {name}" if held else _SHORTENED.get(name, name)


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _planned(text: str | None, seen: _Seen) -> None:
    if text:
        seen.planned = int(text.replace(",", ""))


def _moved(step: int, seen: _Seen) -> None:
    if step < seen.step:
        seen.back += 1
        seen.reached = step
    seen.step, seen.reached = step, max(seen.reached, step)


def _when(line: str, seen: _Seen) -> float | None:
    """The time at the head of a line, taken as UTC where it says no zone."""
    found = _TIME.search(line[:80])
    if found is None:
        if seen.first is None and (day := _DAY.match(line)) is not None and day[1] in _MONTHS:
            found = f"{day[4]}-{_MONTHS.index(day[1]) + 1:02}-{int(day[2]):02}T{day[3]}"
            seen.first = datetime.fromisoformat(found).replace(tzinfo=UTC).timestamp()
        return None
    try:
        time = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    seen.first = time if seen.first is None else seen.first
    seen.last, seen.timed = time, True
    return time
