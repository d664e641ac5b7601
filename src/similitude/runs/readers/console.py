"""What training programs print: torchtitan, nanochat, OLMo-core, modded-nanogpt, nanoGPT, llm.c, and their kin.

Layouts read off the printing code of pytorch/torchtitan (components/metrics.py), karpathy/nanochat
(scripts/base_train.py), KellerJordan/modded-nanogpt, karpathy/nanoGPT, karpathy/llm.c, and off output of
allenai/OLMo-core's console logger.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar

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
_SIZE = re.compile(
    r"(?:size:|number of parameters:?|total parameters:?|parameters:)\s*(\d[\d,]{3,17})( total)?", re.IGNORECASE
)
_GIVEN = re.compile(r"global batch size (\d{1,18}), .*sequence length (\d{1,18}), total steps (\d{1,18})")  # torchtitan
_COUNTED = re.compile(r"^- (\d[\d,]{0,17}) (total|non-embedding) params$")
_SHORTENED = {"tel": "test loss", "trl": "train loss"}
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_MOST_WAITING, _MOST_EVALUATED = 20, 1000  # evaluations whose step is not known yet, values of one
_LONGEST = 10_000  # characters of a line that are looked at
_PIECE = 1 << 20  # characters of a line that are read at a time


def _sniff(place: Place) -> Iterator[Claim]:
    """Text files in whose beginning two lines at least have a step with numbers, or OLMo-core has told of the model."""
    for name in place.files:
        if not name.casefold().endswith((".log", ".txt", ".out", ".err")) and "." in name:
            continue
        head = place.head(name)
        if b"\x00" in head[:1024]:
            continue
        lines = _COLOUR.sub("", head.decode("utf-8", "replace")).replace("\r", "\n").splitlines()
        if sum(_counts(line) for line in lines) >= 2 or b"olmo_core.train." in head:
            yield place.claim(name)


def _counts(line: str) -> bool:
    line = line[:_LONGEST]
    if _MARK.search(line) or (_SHORT.match(line) and _PAIR.search(line[_SHORT.match(line).end() :])):  # type: ignore[union-attr]
        return True
    found = _STEP.search(line)
    return (
        found is not None
        and "loss" in line.casefold() + ("loss" if "bpb" in line.casefold() else "")
        and bool(_PAIR.search(line[found.end() :]))
    )


@dataclass(slots=True)
class _Seen:
    """Settings, times and the number of steps planned, as far as lines say them."""

    config: dict[str, Scalar] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    planned: int | None = None
    step: int = -1
    reached: int = -1
    back: int = 0


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
    title="printed logs (torchtitan, nanochat, OLMo-core, modded-nanogpt, nanoGPT, llm.c)",
    sniff=_sniff,
    verified="torchtitan 0.3.0, ai2-olmo-core 3.0.0",
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
    name = path.stem if path.stem not in ("log", "train", "main", "out", "stdout", "output") else path.parent.name
    said = ("steps go back: the run was resumed, what was logged later counts in the table",) if seen.back else ()
    yield LoggedRun(
        kind="console",
        key=f"console:{path.parent.name}/{path.name}",
        name=name,
        source=str(path),
        config=seen.config,
        points=lambda: _points(path, _Seen()),
        state="finished" if done else "unknown",
        started=seen.first,
        ended=seen.last,
        assumed=said,
    )


def _points(path: Path, seen: _Seen) -> Iterator[pl.DataFrame]:
    collector = Collector()
    block = _Block()
    with open(path, encoding="utf-8", errors="replace", newline="") as stream:
        for line in _lines(stream):
            time = _when(line, seen)
            pairs = block.read(line, time, seen)
            if pairs is None:
                step, pairs = _read(line, seen)
            else:
                step, time = block.mark or 0, block.time
            for name, value in pairs:
                collector.add_bounded(name, step, time, value)
            if collector.full:
                yield from collector.take()
    yield from collector.take()


def _lines(stream: IO[str]) -> Iterator[str]:
    """Lines without colours; what overwrote itself on a terminal counts as lines."""
    for raw in iter(lambda: stream.readline(_PIECE), ""):
        for line in raw.split("\r"):
            if line.strip():
                yield _COLOUR.sub("", line[:_LONGEST]).rstrip("\n")


def _read(line: str, seen: _Seen) -> tuple[int, list[tuple[str, float]]]:
    """The step of a line and its pairs of name and number."""
    if (size := _SIZE.search(line)) is not None:
        seen.config.setdefault("total_params" if size[2] else "n_params", int(size[1].replace(",", "")))
    elif (given := _GIVEN.search(line)) is not None:
        seen.config |= {"global_batch_size": int(given[1]), "seq_len": int(given[2])}
        _planned(given[3], seen)
    elif (counted := _COUNTED.match(line)) is not None:
        name = "total_params" if counted[2] == "total" else "non_embedding_params"
        seen.config.setdefault(name, int(counted[1].replace(",", "")))
    short = _SHORT.match(line)
    found = short or _STEP.search(line)
    if found is None:
        return 0, []
    step = int(found[1] if short else found[2])
    rest = line[found.end() :]
    held = not short and found[1] is not None
    if not short:
        _planned(found[3], seen)
    pairs = [(_named(m[1], held), _value(m[2])) for m in _PAIR.finditer(re.sub(r"\(([^()]*%)\)", " ", rest))]
    pairs = [(n, v) for n, v in pairs if n]
    if pairs:
        _moved(step, seen)
    return step, pairs


def _named(name: str, held: bool) -> str:
    name = name.strip(" |,-().")
    name = _SHORTENED.get(name, name)
    return f"validation {name}" if held else name


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
        return None
    try:
        time = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    seen.first = time if seen.first is None else seen.first
    seen.last = time
    return time
