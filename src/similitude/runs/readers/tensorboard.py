"""TensorBoard: event files, `events.out.tfevents.*`, of TensorFlow, PyTorch, tensorboardX and whoever writes them.

Messages Event, Summary, TensorProto and the plugin of hyper-parameters, after their definitions in TensorBoard's and
TensorFlow's sources.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar

from ._kept import kept
from ._points import MOST_METRICS, Collector
from ._protobuf import Malformed, double, fields, float32, signed, text
from ._reader import Claim, Place, head_of, reader
from ._tfrecord import Cut, records

if TYPE_CHECKING:
    import polars as pl

__all__ = ["tensorboard"]

PARTS = ("train", "validation", "valid", "val", "eval", "test")  # folders that Keras and others give each part of a run
_GENERIC = re.compile(r"(version_\d+|events|tb|tensorboard|logs?|runs?|train|summaries)", re.IGNORECASE)
_STAMP = re.compile(r"\d{10}\.\d+")  # the folder in which PyTorch's add_hparams puts settings
_SESSION = 1 << 16  # bytes that the settings of a run have at most
_USUAL = re.compile(r"events\.out\.tfevents\.\d+\.(?!.*\.(?:csv|json|gz|zip)$)")
HPARAMS = "_hparams_/"
_KINDS = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
_LISTED = {5: "<f4", 6: "<f8"}  # fields of TensorProto with packed numbers of a fixed width
_COUNTED = (7, 10, 11)  # and of varints: int, int64, bool


def _sniff(place: Place) -> Iterator[Claim]:
    """A folder with event files, and those of its parts and of its settings."""
    own = [n for n in place.files if _is_events(place.path / n, place.head(n) if "tfevents" in n else b"")]
    below = [
        f
        for f in place.folders
        if f.casefold() in PARTS or (own and (_STAMP.fullmatch(f) or _is_session(place.path / f)))
    ]
    more = [
        p
        for f in below
        for p in _listed(place.path / f)
        if not p.is_symlink() and p.is_file() and _is_events(p, head_of(p, 64))
    ]
    parts = [p for p in more if p.parent.name.casefold() in PARTS]
    if own or len({p.parent for p in parts}) > 1:
        yield Claim((*(place.path / n for n in own), *more))


def _is_events(path: Path, head: bytes) -> bool:
    """By its name as libraries give it, or by a name like it and its first event."""
    if _USUAL.match(path.name):
        return True
    return "tfevents" in path.name and (b"brain.Event:" in head[:64] or len(head) < 12)


def _is_session(folder: Path) -> bool:
    """Whether a folder holds settings that were logged of the run above it: a session with its end, and no curve."""
    files = _listed(folder)
    if not files or any(p.is_symlink() or not p.is_file() or p.stat().st_size > _SESSION for p in files):
        return False
    if not all(_is_events(p, head := head_of(p, _SESSION)) and HPARAMS.encode() in head for p in files):
        return False
    seen = _Seen()
    try:
        counts = [n for frame in _points(files, folder, seen) for n in frame["metric"].value_counts()["count"]]
    except DataError:
        return False
    return bool(seen.config) and seen.status is not None and max(counts, default=1) == 1


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*tfevents*"))
    except OSError:
        return []


@dataclass(slots=True)
class _Seen:
    """What is not points: settings, times, the status, kinds that are no numbers, where files are cut."""

    config: dict[str, Scalar] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    status: int | None = None
    other: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    back: int = 0
    events: int = 0
    alike: dict[str, dict[bytes, str]] = field(default_factory=dict)


@reader(
    "tensorboard",
    title="TensorBoard event files",
    sniff=_sniff,
    verified="tensorboardX 2.6.4, torch 2.13.0",
    whole=True,
)
def tensorboard(claim: Claim) -> Iterator[LoggedRun]:
    """A folder is a run; its files are joined in the order they were begun."""
    folder = claim.files[0].parent
    if folder.name.casefold() in PARTS and len({p.parent for p in claim.files}) > 1:
        folder = folder.parent
    files = sorted(claim.files, key=lambda p: (p.parent != folder, _began(p), p.name))
    seen = _Seen()
    points = kept(_points(files, folder, seen), lambda: _points(files, folder, _Seen()))
    if not seen.events:
        why = f": {seen.cut[0].removeprefix(f'{files[0].name}: ')}" if seen.cut else ""
        raise DataError(f"{files[0].name} holds no event{why}")
    said = []
    if seen.back:
        times = "once" if seen.back == 1 else f"{seen.back} times"
        said.append(f"steps go back {times}: the run was resumed, what was logged later counts in the table")
    state = {1: "finished", 2: "crashed", 3: "running"}.get(seen.status or 0, "unknown")
    name = folder.name if not _GENERIC.fullmatch(folder.name) else f"{folder.parent.name}/{folder.name}"
    yield LoggedRun(
        kind="tensorboard",
        key=f"tensorboard:{name}:{seen.first or 0:.6f}",
        name=name,
        source=str(folder if len(files) > 1 else files[0]),
        config=seen.config,
        points=points,
        state=state,
        started=seen.first,
        ended=seen.last,
        assumed=tuple(said),
        left_out=(*seen.cut, *_others(seen.other)),
    )


def _began(path: Path) -> float:
    """The time in a file's name."""
    found = re.search(r"tfevents\.(\d+)", path.name)
    return float(found[1]) if found else 0.0


def _others(other: Mapping[str, str]) -> Iterator[str]:
    for kind in dict.fromkeys(other.values()):
        names = [n for n, k in other.items() if k == kind]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{', '.join(names[:3])}{more}: {kind}"


# -- events ---------------------------------------------------------------------------------------------------------


def _points(files: Sequence[Path], folder: Path, seen: _Seen) -> Iterator[pl.DataFrame]:
    """Points of all files in chunks; everything else into `seen`."""
    collector = Collector()
    metrics: dict[bytes, str | None] = {}
    for path in files:
        inside = path.parent.name if path.parent != folder else ""
        prefix = f"{inside}/" if inside.casefold() in PARTS else ""
        known: dict[bytes, str | None] = metrics if not prefix else {}
        try:
            for data, spans in records(path):
                _events(data, spans, prefix, known, collector, seen)
                if collector.full:
                    yield from collector.take()
        except Cut as cut:
            seen.cut.append(f"{path.name}: {cut}")
    yield from collector.take()


def _events(
    data: bytes,
    spans: Sequence[tuple[int, int]],
    prefix: str,
    metrics: dict[bytes, str | None],
    collector: Collector,
    seen: _Seen,
) -> None:
    """All events of a block. Nearly all of a file are time, step and one scalar of few tags: those are known again by
    the bytes around the value, once one of them was read field by field."""
    alike: dict[bytes, str] = seen.alike.setdefault(prefix, {})
    last, count = -1, 0
    read_time, read_value = struct.Struct("<d").unpack_from, struct.Struct("<f").unpack_from
    times, before = (seen.first, seen.last), len(collector.value)
    for start, end in spans:
        count += 1
        step, at = _plain_step(data, start, end)
        name = alike.get(data[at : end - 4]) if at else None
        if name is not None:
            collector.add(name, step, read_time(data, start + 1)[0], read_value(data, end - 4)[0])
        else:
            before_this = len(collector.value)
            try:
                found = _event(data, start, end, prefix, metrics, collector, seen)
            except (Malformed, struct.error, ValueError):
                seen.other.setdefault("an event", "its bytes are no message, left out")
                continue
            if found is None:
                continue
            step = found
            one = len(collector.value) == before_this + 1
            if at and one and data[end - 5] == 0x15 and len(alike) < MOST_METRICS and _is_last(data, at, end):
                alike[data[at : end - 4]] = collector.metric[-1]
        seen.back += step < last
        last = step
    seen.events += count
    _stretch(seen, times, collector.time[before:])


def _plain_step(data: bytes, start: int, end: int) -> tuple[int, int]:
    """The step of an event that begins with its time and a step of at most 63 bits, and where the rest begins; 0 there
    for any other."""
    if end - start < 17 or data[start] != 0x09 or data[start + 9] != 0x10:
        return 0, 0
    at, shift, step = start + 10, 0, 0
    while shift < 63:
        byte = data[at]
        at += 1
        step |= (byte & 0x7F) << shift
        if byte < 0x80:
            return step, at if end - at > 9 else 0
        shift += 7
    return 0, 0


def _is_last(data: bytes, start: int, end: int) -> bool:
    """Whether a summary of one value ends with its simple value, and nothing else but its tag comes before."""
    top = list(fields(data, start, end))
    values = [list(fields(data, a, b)) for k, w, a, b in top if (k, w) == (5, 2)]
    if len(top) != 1 or len(values) != 1 or len(values[0]) != 1 or values[0][0][:2] != (1, 2):
        return False
    inner = [(k, w) for k, w, _, _ in fields(data, values[0][0][2], values[0][0][3])]
    return inner == [(1, 2), (2, 5)]


def _stretch(seen: _Seen, times: tuple[float | None, float | None], new: Sequence[float | None]) -> None:
    """The first and last time seen, points of this block included."""
    known = [t for t in (*times, seen.first, seen.last, *new) if t is not None and t == t]
    if known:
        seen.first, seen.last = min(known), max(known)


def _event(
    data: bytes,
    start: int,
    end: int,
    prefix: str,
    metrics: dict[bytes, str | None],
    collector: Collector,
    seen: _Seen,
) -> int | None:
    """One event: its step where it held a point."""
    time, step, summaries = None, 0, []
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 1:
            time = double(data, a)
        elif kind == 2 and wire == 0:
            step = signed(a)
        elif kind == 5 and wire == 2:
            summaries.append((a, b))
    if time is not None and time == time:
        seen.first = time if seen.first is None else min(seen.first, time)
        seen.last = time if seen.last is None else max(seen.last, time)
    found = None
    for a, b in summaries:
        for kind, wire, c, d in fields(data, a, b):
            if kind == 1 and wire == 2 and _value(data, c, d, step, time, prefix, metrics, collector, seen):
                found = step
    return found


def _value(
    data: bytes,
    start: int,
    end: int,
    step: int,
    time: float | None,
    prefix: str,
    metrics: dict[bytes, str | None],
    collector: Collector,
    seen: _Seen,
) -> bool:
    """One value of a summary; whether it was a point."""
    tag, value, tensor, plugin, content, what = b"", None, None, "", b"", ""
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 2:
            tag = data[a:b]
        elif kind == 2 and wire == 5:
            value = float32(data, a)
        elif kind == 8 and wire == 2:
            tensor = a, b
        elif kind == 9 and wire == 2:
            plugin, content = _plugin(data, a, b)
        elif kind in (4, 5, 6) and wire == 2:
            what = {4: "a picture", 5: "a histogram", 6: "sound"}[kind]
    name = metrics.get(tag) or _name(tag, prefix, metrics)
    if plugin == "hparams":
        _settings(content, seen)
        return False
    if value is None and tensor is not None and plugin in ("", "scalars"):
        value = _number(data, *tensor)
    if value is None:
        if plugin == "text" and tensor is not None and len(seen.config) < MOST_METRICS:
            seen.config[f"text.{name.removesuffix('/text_summary')}"] = _words(data, *tensor)[:2000]
        elif len(seen.other) < 1000:
            seen.other.setdefault(name, what or (f"of the kind {plugin}" if plugin else "no number"))
        return False
    collector.add(name, step, time, value)
    return True


def _name(tag: bytes, prefix: str, metrics: dict[bytes, str | None]) -> str:
    """A tag as a word, with the part of the run it is of."""
    name = prefix + tag.decode("utf-8", "replace")
    if len(metrics) >= MOST_METRICS:
        raise ValueError("more metrics than a log can have")
    metrics[tag] = name
    return name


def _plugin(data: bytes, start: int, end: int) -> tuple[str, bytes]:
    name, content = "", b""
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 2:
            for inner, w, c, d in fields(data, a, b):
                if inner == 1 and w == 2:
                    name = text(data, c, d)
                elif inner == 2 and w == 2:
                    content = data[c:d]
    return name, content


# -- tensors and settings -------------------------------------------------------------------------------------------


def _number(data: bytes, start: int, end: int) -> float | None:
    """The one number of a tensor; None where it has several, or none."""
    dtype, parts = 0, []
    for kind, wire, a, b in fields(data, start, end):
        if kind == 1 and wire == 0:
            dtype = a
        elif kind == 4 and wire == 2 and b > a:
            parts.append((data[a:b], _KINDS.get(dtype, "<u2" if dtype == 14 else "")))
        elif (kind in _LISTED and wire == 2) or (kind in _LISTED and wire in (1, 5)):
            parts.append((data[a:b], _LISTED[kind]))
        elif kind == 13 and wire in (0, 2):
            packed = struct.pack("<H", (a if wire == 0 else _first(data, a, b)) & 0xFFFF)
            parts.append((packed, "<u2" if dtype == 14 else "<f2"))
        elif kind in _COUNTED and wire in (0, 2):
            return float(signed(a if wire == 0 else _first(data, a, b)))
    if len(parts) != 1 or not parts[0][1] or len(parts[0][0]) != np.dtype(parts[0][1]).itemsize:
        return None
    raw = np.frombuffer(*parts[0])
    if dtype == 14:  # bfloat16 is the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return float(raw[0])


def _first(data: bytes, start: int, end: int) -> int:
    from ._protobuf import varint

    return varint(data, start, end)[0]


def _words(data: bytes, start: int, end: int) -> str:
    return "\n".join(text(data, a, b) for kind, wire, a, b in fields(data, start, end) if kind == 8 and wire == 2)


def _settings(content: bytes, seen: _Seen) -> None:
    """The hyper-parameters' plugin: settings and begin of a session (field 3), its end (field 4)."""
    for kind, wire, a, b in fields(content):
        if wire != 2:
            continue
        if kind == 3:
            for inner, w, c, d in fields(content, a, b):
                if inner == 1 and w == 2:
                    _setting(content, c, d, seen)
        elif kind == 4:
            for inner, w, c, _ in fields(content, a, b):
                if inner == 1 and w == 0:
                    seen.status = c


def _setting(content: bytes, start: int, end: int, seen: _Seen) -> None:
    """An entry of a map to values of JSON's kinds."""
    name, value = "", None
    for kind, wire, a, b in fields(content, start, end):
        if kind == 1 and wire == 2:
            name = text(content, a, b)
        elif kind == 2 and wire == 2:
            for inner, w, c, d in fields(content, a, b):
                read = _JSON.get((inner, w))
                value = read(content, c, d) if read is not None else value
    if name and len(seen.config) < MOST_METRICS:
        seen.config[name] = value


_JSON: dict[tuple[int, int], Callable[[bytes, int, int], Any]] = {
    (2, 1): lambda data, a, _: double(data, a),
    (3, 2): lambda data, a, b: text(data, a, b)[:2000],
    (4, 0): lambda _, a, __: bool(a),
}
