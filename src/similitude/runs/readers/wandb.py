"""Weights & Biases: the transaction log `run-ID.wandb` of a run's folder, of runs made offline and online.

Where the log is not there or cannot be read, what `files/` keeps of settings and summary is.

Records of protocol buffers in the framing of LevelDB's log, blocks of 32 KB, with CRC-32 (not CRC-32C) over the kind
and the data; read off files and message definitions of wandb 0.31.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, flat

from ._kept import kept
from ._points import MOST_METRICS, Collector
from ._protobuf import Malformed, double, fields, signed, text, zigzag
from ._reader import Claim, Place, reader
from ._text import number, parse_document, parse_json
from ._yaml import blocks

if TYPE_CHECKING:
    import polars as pl

__all__ = ["wandb"]

MAGIC = b":W&B\xe1\xbe"
BLOCK = 1 << 15
LARGEST = 1 << 28  # bytes of one record put together
_LONGEST = 2_000  # characters of a name
HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18  # fields of Record
_OWN = ("_wandb", "_step", "_runtime", "_timestamp", "_tick")


_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(.+)")
_BESIDE = ("config.yaml", "wandb-summary.json", "wandb-metadata.json")


def _sniff(place: Place) -> Iterator[Claim]:
    """Transaction logs; with what the run's folder keeps beside where there is one, or none in such a folder."""
    logs = [n for n in place.files if n.endswith(".wandb")]
    beside = [p for n in _BESIDE if (p := place.path / "files" / n).is_file() and not p.is_symlink()]
    known = "files" in place.folders and any(p.name != "wandb-metadata.json" for p in beside)
    if known and (len(logs) == 1 or (not logs and _FOLDER.fullmatch(place.path.name))):
        yield Claim((*(place.path / n for n in logs), *beside))
    else:
        yield from map(place.claim, logs)


@dataclass(slots=True)
class _Said:
    """What the records other than history say of a run, and what was seen of the history."""

    run: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    started: float | None = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    exit: int | None = None
    runtime: float | None = None
    resumed: bool = False
    other: dict[str, str] = field(default_factory=dict)
    cut: str = ""
    names: dict[bytes, str] = field(default_factory=dict)
    late: dict[bytes, bytes] = field(default_factory=dict)  # of the summary, by the bytes of their names


@reader("wandb", title="Weights & Biases run folders (.wandb)", sniff=_sniff, verified="wandb 0.31.0", whole=True)
def wandb(claim: Claim) -> Iterator[LoggedRun]:
    """Settings and summary are read now, the history when it is asked for."""
    path, beside = claim.files[0], claim.files[1:]
    if path.suffix != ".wandb":
        yield _without_history(claim.files, "run-*.wandb is missing")
        return
    try:
        run = _with_history(path)
    except (DataError, OSError) as error:
        if not beside:
            raise
        why = str(error) if isinstance(error, DataError) else f"{path.name} cannot be read ({error.strerror or error})"
        run = _without_history(beside, why)
    yield run


def _with_history(path: Path) -> LoggedRun:
    said = _Said()
    points = kept(_points(path, said), lambda: _points(path, _Said()))
    _settle(said)
    if not said.run and not said.config:
        raise DataError(f"{path.name} has no record of a run{': ' + said.cut if said.cut else ''}")
    state = "unknown" if said.exit is None else "finished" if said.exit == 0 else "crashed"
    identity = said.run.get("id") or path.stem.removeprefix("run-")
    return LoggedRun(
        kind="wandb",
        key="wandb:" + "/".join(filter(None, (said.run.get("entity"), said.run.get("project"), identity))),
        name=said.run.get("name") or identity,
        source=str(path),
        config=flat({k: v for k, v in said.config.items() if k not in _OWN}),
        final=_final(said.summary),
        points=points,
        state=state,
        started=said.started,
        ended=None if said.started is None or said.runtime is None else said.started + said.runtime,
        tags=tuple(said.tags),
        assumed=("the run was resumed",) if said.resumed else (),
        left_out=(*((said.cut,) if said.cut else ()), *_others(said.other)),
    )


def _final(summary: dict[str, Any]) -> dict[str, float]:
    """The numbers of a summary, but for the library's own."""
    ours = {k: v for k, v in summary.items() if k not in _OWN}
    return {k: v for k, raw in _plain(ours) if (v := number(raw)) is not None}


def _without_history(files: Sequence[Path], why: str) -> LoggedRun:
    """Settings and final values of a run as its folder keeps them beside the history; DataError where neither is."""
    by, folder = {p.name: p for p in files}, files[0].parent.parent
    gone = [f"the history is not there: {why}"]
    found: dict[str, dict[str, Any]] = {}
    for name, read in zip(_BESIDE, (_settings, _object, _object)):
        try:
            found[name] = read(by[name]) if name in by else {}
        except DataError as error:
            gone.append(str(error))
    if not (found.get(_BESIDE[0]) or found.get(_BESIDE[1])):
        raise DataError("; ".join(gone))
    config, summary, metadata = (found.get(name, {}) for name in _BESIDE)
    matched = _FOLDER.fullmatch(folder.name)
    identity = matched[1] if matched else folder.name
    return LoggedRun(
        kind="wandb",
        key=f"wandb:{identity}",
        name=identity,
        source=str(folder),
        config=flat({k: v for k, v in config.items() if k not in _OWN}),
        final=_final(summary),
        started=_moment(metadata.get("startedAt")),
        left_out=tuple(gone),
    )


def _settings(path: Path) -> dict[str, Any]:
    """`config.yaml`, where each setting is a mapping with its value."""
    entries = blocks(path)
    if not all(isinstance(v, dict) and "value" in v for k, v in entries.items() if k != "wandb_version"):
        raise DataError(f"{path.name} is not as wandb writes it; expected a 'value' of each setting")
    return {k: v["value"] for k, v in entries.items() if k != "wandb_version"}


def _object(path: Path) -> dict[str, Any]:
    found = parse_document(path, LARGEST)
    if not isinstance(found, dict):
        raise DataError(f"{path.name} holds no values by name; expected an object")
    return found


def _moment(text: Any) -> float | None:
    """Seconds since 1970 of a time as ISO 8601 writes it, to the microsecond."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _others(other: dict[str, str]) -> Iterator[str]:
    """What is no number, by kind."""
    for kind in dict.fromkeys(other.values()):
        names = [n for n, k in other.items() if k == kind]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{', '.join(names[:3])}{more}: {kind}, which {'is' if len(names) == 1 else 'are'} no number"


# -- the framing ----------------------------------------------------------------------------------------------------


def _records(path: Path, said: _Said) -> Iterator[bytes]:
    """Whole records up to where the file is cut off or damaged, which is then said."""
    parts: list[bytes] = []
    whole, within = 0, False  # bytes of the parts; whether more are to come
    with open(path, "rb") as stream:
        head = stream.read(7)
        if not head.startswith(MAGIC):
            raise DataError(f"{path.name} does not begin as a .wandb file does")
        at, block = 7, stream.read(BLOCK - 7)
        place = 0
        while block:
            if len(block) - place < 7:
                at, block, place = at + len(block), stream.read(BLOCK), 0
                continue
            check, size, kind = struct.unpack_from("<IHB", block, place)
            if kind == 0 and size == 0:  # the rest of a block that was filled up
                at, block, place = at + len(block), stream.read(BLOCK), 0
                continue
            data = block[place + 7 : place + 7 + size]
            if kind not in (1, 2, 3, 4) or len(data) < size or zlib.crc32(data, zlib.crc32(bytes((kind,)))) != check:
                what = "ends" if len(data) < size and len(block) < BLOCK - 7 else "is damaged"
                said.cut = f"the file {what} within a record at byte {at + place:,}; what comes before is read"
                return
            place += 7 + size
            if kind in (1, 2):
                parts, whole = [], 0
            if data:
                parts.append(data)
                whole += size
            if whole > LARGEST:
                said.cut = (
                    f"a record at byte {at + place:,} is larger than {LARGEST >> 20} MB; what comes before is read"
                )
                return
            if kind in (1, 4):
                yield b"".join(parts)
                parts, whole = [], 0
            within = kind in (2, 3)
    if within:
        said.cut = "the file ends within a record; what comes before is read"


# -- the records ----------------------------------------------------------------------------------------------------


def _points(path: Path, said: _Said) -> Iterator[pl.DataFrame]:
    """Points of the history in chunks; everything else into `said`."""
    collector = Collector()
    metrics: set[str] = set()
    place = 0
    for record in _records(path, said):
        try:
            for kind, wire, start, end in fields(record):
                if wire != 2:
                    continue
                if kind == HISTORY:
                    place = _history(record, start, end, place, collector, metrics, said)
                elif kind in _READ:
                    _READ[kind](record, start, end, said)
        except Malformed as error:
            said.cut = said.cut or f"a record holds {error}; it is left out"
            continue
        if collector.full:
            yield from collector.take()
    yield from collector.take()


def _history(
    data: bytes, start: int, end: int, place: int, collector: Collector, metrics: set[str], said: _Said
) -> int:
    """One record of history; the step of the next where that is not said."""
    step, values = None, _numbers(data, start, end, said.names)
    if values is None:
        step, values = _any_items(data, start, end)
    given = values.pop("_step", None)
    step = int(given) if isinstance(given, (int, float)) and abs(given) < 1 << 62 else step
    step = place if step is None else step
    place = min(step, (1 << 63) - 2) + 1
    time = number(values.pop("_timestamp", None))
    values.pop("_runtime", None)
    for name, raw in _plain(values):
        value = raw if type(raw) is float else number(raw)
        if value is None:
            said.other.setdefault(name, _what(raw)) if len(said.other) < MOST_METRICS else None
        elif name in metrics or len(metrics) < MOST_METRICS:
            metrics.add(name)
            collector.add(name, step, time, value)
    return place


def _any_items(data: bytes, start: int, end: int) -> tuple[int | None, dict[str, Any]]:
    """Step and values of a record of history of any form."""
    step, values = None, {}
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 2:
            name, value = _item(data, a, b)
            values[name] = value
        elif kind == 2 and wire == 2:
            step = next((signed(v) for k, w, v, _ in fields(data, a, b) if k == 1 and w == 0), 0)
    return step, values


def _numbers(data: bytes, start: int, end: int, names: dict[bytes, str]) -> dict[str, Any] | None:
    """Values of a record of history as nearly all are: short items of one name and a number; None for any other.

    An item is 0A and its length; in it 0A or 12, a length and the name, 82 01, a length and the number as JSON.
    """
    values: dict[str, Any] = {}
    at = start
    try:
        while at < end:
            stop = at + 2 + data[at + 1]
            if data[at] == 0x12 and data[at + 1] < 0x80:  # the step, which is among the items too
                at = stop
                continue
            mid = at + 4 + data[at + 3]
            if (
                data[at] != 0x0A
                or data[at + 1] >= 0x80
                or data[at + 2] not in (0x0A, 0x12)
                or data[at + 3] >= 0x80
                or data[mid : mid + 2] != b"\x82\x01"
                or mid + 3 + data[mid + 2] != stop
                or stop > end
            ):
                return None
            name = names.get(data[at + 4 : mid])
            if name is None:
                if len(names) >= MOST_METRICS:
                    return None
                name = names[data[at + 4 : mid]] = text(data, at + 4, mid)
            values[name] = float(data[mid + 3 : stop])
            at = stop
        values["_step"] = int(values["_step"])
    except (ValueError, KeyError, IndexError, OverflowError):
        return None
    return values if at == end and values["_step"] < 1 << 53 else None


def _what(raw: Any) -> str:
    """What a value is that is no number."""
    if isinstance(raw, dict) and "_type" in raw:
        return str(raw["_type"])[:40]
    return {str: "text", bool: "true or false", list: "a list", type(None): "nothing"}.get(type(raw), "an object")


def _plain(values: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Nested values by dotted names; media and tables, which say their type, as they are."""
    for name, value in values.items():
        whole = f"{prefix}{name}"[:_LONGEST]
        if isinstance(value, dict) and "_type" not in value and depth < 20:
            yield from _plain(value, f"{whole}.", depth + 1)
        else:
            yield whole, value


def _item(data: bytes, start: int, end: int) -> tuple[str, Any]:
    """Name and value of an item of history, settings or summary; nested keys with dots."""
    key, nested, value = "", [], None
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 2:
            key = text(data, a, b)
        elif kind == 2 and wire == 2:
            nested.append(text(data, a, b))
        elif kind in (8, 16) and wire == 2:
            value = _json(data[a:b])
        elif kind == 4 and wire == 0:
            value = bool(a)
        elif kind == 5 and wire == 0:
            value = zigzag(a)
        elif kind == 6 and wire == 1:
            value = double(data, a)
        elif kind == 7 and wire == 2:
            value = text(data, a, b)
    return key or ".".join(nested), value


def _json(data: bytes) -> Any:
    try:
        return parse_json(data, "")
    except DataError:
        return data.decode("utf-8", "replace")


def _read_items(data: bytes, start: int, end: int, into: dict[str, Any]) -> None:
    """Updates and removals of settings or of the summary."""
    for kind, wire, a, b in fields(data, start, end):
        if wire == 2 and kind in (1, 2):
            name, value = _item(data, a, b)
            if kind == 1:
                into[name] = value
            else:
                into.pop(name, None)


def _read_summary(data: bytes, start: int, end: int, said: _Said) -> None:
    """Updates come after every step and only the last counts: they are read when all are known, but for odd ones."""
    if not _postponed(data, start, end, said.late):
        _settle(said)
        _read_items(data, start, end, said.summary)


def _postponed(data: bytes, start: int, end: int, late: dict[bytes, bytes]) -> bool:
    """Whether all items are short, of names and then a value as JSON; if so they are in `late`."""
    found, at = [], start
    try:
        while at < end:
            stop = mid = at + 2
            stop += data[at + 1]
            while mid < stop and data[mid] in (0x0A, 0x12) and data[mid + 1] < 0x80:
                mid += 2 + data[mid + 1]
            if data[at] != 0x0A or data[at + 1] >= 0x80 or stop > end or data[mid : mid + 2] != b"\x82\x01":
                return False
            if data[mid + 2] >= 0x80 or mid + 3 + data[mid + 2] != stop:
                return False
            found.append((data[at + 2 : mid], data[mid:stop]))
            at = stop
    except IndexError:
        return False
    if len(late) + len(found) > MOST_METRICS:
        return False
    for name, value in found:
        late.pop(name, None)
        late[name] = value
    return True


def _settle(said: _Said) -> None:
    """What was postponed of the summary, read."""
    for item in (name + value for name, value in said.late.items()):
        name, value = _item(item, 0, len(item))
        said.summary[name] = value
    said.late.clear()


def _read_run(data: bytes, start: int, end: int, said: _Said) -> None:
    names = {1: "id", 2: "entity", 3: "project", 6: "group", 7: "job_type", 8: "name", 12: "sweep"}
    for kind, wire, a, b in fields(data, start, end):
        if wire == 2 and kind in names:
            said.run[names[kind]] = text(data, a, b)
        elif wire == 2 and kind == 4:
            _read_items(data, a, b, said.config)
        elif wire == 2 and kind == 5:
            _settle(said)
            _read_items(data, a, b, said.summary)
        elif wire == 2 and kind == 10:
            said.tags = list(dict.fromkeys([*said.tags, text(data, a, b)]))[:100]
        elif wire == 2 and kind == 17:
            parts = {k: v for k, w, v, _ in fields(data, a, b) if w == 0}
            said.started = signed(parts.get(1, 0)) + signed(parts.get(2, 0)) * 1e-9
        elif wire == 0 and kind == 18:
            said.resumed = bool(a)


def _read_exit(data: bytes, start: int, end: int, said: _Said) -> None:
    parts = {k: v for k, w, v, _ in fields(data, start, end) if w == 0}
    if not parts.get(3):
        said.exit = signed(parts.get(1, 0))
        said.runtime = float(signed(parts.get(2, 0)))


_READ: dict[int, Any] = {
    SUMMARY: _read_summary,
    CONFIG: lambda data, a, b, said: _read_items(data, a, b, said.config),
    RUN: _read_run,
    EXIT: _read_exit,
}
