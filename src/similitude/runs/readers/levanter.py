"""Levanter's JSON logger: records within the lines of a log, or alone, one a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar, flat

from ._points import Collector
from ._reader import Claim, Place, reader
from ._text import parse_json

if TYPE_CHECKING:
    import polars as pl

__all__ = ["levanter"]

_RECORD = b'{"tracker": "json_logger", "event": "'
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
_LONGEST = 16 << 20  # bytes of a line
_ENDINGS = (".log", ".txt", ".out", ".err", ".jsonl", ".ndjson")


def _sniff(place: Place) -> Iterator[Claim]:
    for name in place.files:
        if (name.casefold().endswith(_ENDINGS) or "." not in name) and _RECORD in place.head(name):
            yield place.claim(name)


@reader(
    "levanter",
    title="Levanter's JSON logger",
    sniff=_sniff,
    verified="marin-levanter 0.2.20.dev202606180959",
    whole=True,
)
def levanter(claim: Claim) -> Iterator[LoggedRun]:
    """One file is one run."""
    (path,) = claim.files
    config: dict[str, Scalar] = {}
    final: dict[str, float] = {}
    done, found = False, 0
    for _, record in _records(path):
        event = record.get("event")
        done = event == "finish" or (done and event != "log")
        found += event == "log"
        if event == "hparams" and isinstance(record.get("hparams"), Mapping):
            config |= flat(record["hparams"])
        elif event == "summary":
            final |= dict(_numbers(record.get("metrics")))
    if not found and not final:
        raise DataError(f"{path.name} has no record with metrics")
    yield LoggedRun(
        kind="levanter",
        key=f"levanter:{path.absolute().parent.name}/{path.name}",
        name=path.stem,
        source=str(path),
        config=config,
        final=final,
        points=lambda: _points(path),
        state="finished" if done else "unknown",
    )


def _records(path: Path) -> Iterator[tuple[float | None, Mapping[str, Any]]]:
    """The time at the head of a line and its record; a last line that was cut off is left out."""
    with open(path, "rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST), b""), 1):
            start = line.find(_RECORD)
            if start < 0:
                continue
            try:
                record = parse_json(line[start:], f"{path.name}, line {number}")
            except DataError:
                if line.endswith(b"\n") or len(line) >= _LONGEST:
                    raise
                return
            yield _when(line[:start]), record


def _when(head: bytes) -> float | None:
    """Seconds, taken as UTC."""
    found = _TIME.search(head)
    try:
        return datetime.fromisoformat(found[0].decode()).replace(tzinfo=UTC).timestamp() if found else None
    except ValueError:
        return None


def _points(path: Path) -> Iterator[pl.DataFrame]:
    collector = Collector()
    for time, record in _records(path):
        step = record.get("step")
        if record.get("event") != "log" or type(step) is not int:
            continue
        for name, value in _numbers(record.get("metrics")):
            collector.add_bounded(name, step, time, value)
        if collector.full:
            yield from collector.take()
    yield from collector.take()


def _numbers(metrics: object) -> Iterator[tuple[str, float]]:
    """Metrics that are numbers; those within others, such as `mean` of a summary of gradients, with dotted names."""
    if isinstance(metrics, Mapping):
        for name, value in flat(metrics).items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield name, float(value)
