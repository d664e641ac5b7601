"""A fuzzer of the readers of logs: golden files, changed in ways that keep checksums right, read under watch.

    python tests/fuzz/readers.py wandb --minutes 10 --seed 1

An input is bad when anything but an error of Similitude leaves the reader, when a file that bears a log's name is
neither read nor named, when what is read is not of the kinds a run is made of, or when reading takes more than
`SECONDS` or more memory than `--memory` MB. Bad inputs are kept in the folder `--crashes` names. Inputs that reach code
no input reached before are kept for `tests/runs/test_corpus.py` with `--keep`, while they are small.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
LOGS = GOLDEN / "logs"
CORPUS = GOLDEN / "corpus"
SECONDS = 5.0
SMALL, FILES, BUDGET = 5_000, 40, 60_000  # bytes of an input that is kept; of one kind: inputs, and bytes of all
DATABASE = 16_000  # bytes of a database that is kept
NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 1 << 15, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 1e15, 253402300800.0)
WORDS = (b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"nan", b"-1", b"a/b", b"../../x", b"_step", b"\n", b"A" * 300)
JSON_TEXTS = (
    b"1" * 5000,
    b"NaN",
    b"-Infinity",
    b"1e999",
    b'"\\ud800"',
    b"[" * 2000,
    b'{"a":' * 150 + b"1" + b"}" * 150,
    b"{}",
    b"[]",
    b"[[]]",
    b"null",
    b"true",
    b'""',
    b"9223372036854775808",
    b"-1",
    b"0.5",
    b'{"a":[1,{"b":null}]}',
    b'"nan"',
    b'"\\u0000"',
    b'"2024-01-01"',
    b'"0001-01-01"',
    b'"9999-12-31T23:59:59"',
)
PLACES = {
    "wandb": "run-a.wandb",
    "tensorboard": "a/events.out.tfevents.1700000000.machine",
    "inspect": "a.eval",
    "inspect-json": "a.json",
    "lm-eval": "results_2026-11-27T16-34-13.036972.json",
    "lm-eval-samples": "samples_tiny_2026-11-27T16-34-13.036972.jsonl",
    "mlflow": "mlflow.db",
}  # where an input of each kind stands in the folder that is read
NAMED = ("wandb", "tensorboard", "inspect", "mlflow")  # kinds of files that are never passed over in silence
READERS = {
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard",),
    "evaluations": ("inspect", "inspect-json", "lm-eval", "lm-eval-samples"),
    "mlflow": ("mlflow",),
}


# -- what is asked of a reader --------------------------------------------------------------------------------------


class Slow(BaseException):
    """Reading took too long."""


def place(folder: Path, kind: str, data: bytes) -> Path:
    """An input as the file it is meant to be; samples stand beside the results they belong to."""
    path = folder / PLACES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if kind == "lm-eval-samples":
        shutil.copy(next(LOGS.glob("lm_eval/files/*/results_*.json")), folder / PLACES["lm-eval"])
    return path


def broken_promise(folder: Path, kind: str) -> str:
    """What of the readers' promise does not hold for a folder with an input of that kind; empty where all does."""
    from similitude import SimilitudeError, read_logs
    from similitude.runs._logged import points_schema, samples_schema

    logs = read_logs(folder)
    said = [*logs.left_out, *logs.assumed]
    if not logs.runs and not logs.left_out and kind in NAMED:
        return "silence: the file is neither read nor named"
    for run in logs.runs:
        words = [run.kind, run.key, run.name, run.source, run.state, *run.tags, *run.config, *run.final]
        words += [v for v in run.config.values() if isinstance(v, str)]
        if not all(isinstance(w, str) for w in words):
            return f"a name that is no text: {next(w for w in words if not isinstance(w, str))!r:.100}"
        "".join(words).encode()
        for value in run.config.values():
            if not (value is None or isinstance(value, (str, float, bool, int))):
                return f"a setting of the kind {type(value).__name__}"
            if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
                return "a setting that is a number too large to be kept"
        if not all(isinstance(v, float) for v in (*run.final.values(), run.started or 0.0, run.ended or 0.0)):
            return f"a value that is no float: {run.final!r:.100} {run.started!r:.40} {run.ended!r:.40}"
        for chunks, schema in ((run.points, points_schema()), (run.samples, samples_schema())):
            try:
                for frame in chunks() if chunks is not None else ():
                    if dict(frame.schema) != schema:
                        return f"a frame with the columns {dict(frame.schema)}"
            except SimilitudeError as error:
                return f"late: {error}"
    for sentence in said:
        sentence.encode()
        if "a fault of the reader" in sentence:
            return sentence
        if not sentence.isprintable() or not sentence.strip():
            return f"a sentence that is none: {sentence!r}"
    return ""


def tried(folder: Path, kind: str) -> str:
    """`broken_promise` under watch: too slow, or any error at all, is one too."""

    def ring(*_: object) -> None:
        raise Slow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return broken_promise(folder, kind)
    except Slow:
        return f"slow: more than {SECONDS:g} s\n{traceback.format_exc(limit=-4)}"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # what polars panics with among them
        return traceback.format_exc(limit=-4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- coverage -------------------------------------------------------------------------------------------------------


class Coverage:
    """Steps from line to line within the files of the readers."""

    def __init__(self) -> None:
        from similitude.runs import readers

        self.folder = str(Path(readers.__file__).parent)
        self.seen: set[tuple[int, int, int]] = set()
        self._files: dict[CodeType, int] = {}
        self._now: set[tuple[int, int, int]] = set()

    def __enter__(self) -> Coverage:
        self._now = set()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def fresh(self) -> bool:
        """Whether the last input reached anything new."""
        new = self._now - self.seen
        self.seen |= new
        return bool(new)

    def _called(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        number = self._files.get(code)
        if number is None:
            number = len(self._files) + 1 if code.co_filename.startswith(self.folder) else 0
            self._files[code] = number
        if not number:
            return None
        last, now = 0, self._now

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal last
            if event == "line":
                now.add((number, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line


# -- bytes ----------------------------------------------------------------------------------------------------------


def change_bytes(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Flips, cuts, insertions, copies of parts, splices with another input, numbers of all sizes written over."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(out) + 1)
        what = rng.randrange(9)
        if what == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif what == 1 and out:
            out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif what == 2:
            out[at:at] = rng.choice((varint(rng.choice(NUMBERS)), rng.choice(WORDS), rng.randbytes(rng.randrange(9))))
        elif what == 3:
            del out[at : at + rng.choice((1, 2, 4, 16, 256))]
        elif what == 4 and other:
            start = rng.randrange(len(other))
            out[at : at + rng.randrange(32)] = other[start : start + rng.choice((1, 4, 16, 64, 256))]
        elif what == 5:
            out[at:at] = out[at : at + rng.choice((4, 16, 64, 256))]
        elif what == 6:
            form = rng.choice(("<H", "<I", "<Q", ">H", ">I"))
            number = struct.pack(form, rng.choice(NUMBERS) & ((1 << 8 * struct.calcsize(form)) - 1))
            out[at : at + len(number)] = number
        elif what == 7:
            out[at : at + 8] = struct.pack("<d", rng.choice(FLOATS))
        elif what == 8 and rng.random() < 0.3:
            del out[at:]
    return bytes(out)


# -- messages of protocol buffers -----------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def fields_of(data: bytes) -> list[list[Any]] | None:
    """[field, kind, value] of a message; None where the bytes are none."""
    from similitude.runs.readers._protobuf import Malformed, fields

    try:
        return [[f, kind, a if kind == 0 else data[a:b]] for f, kind, a, b in fields(data)]
    except Malformed:
        return None


def message_of(parts: Sequence[Sequence[Any]]) -> bytes:
    out = b""
    for number, kind, value in parts:
        body = varint(value) if kind == 0 else value if kind in (1, 5) else varint(len(value)) + value
        out += varint(number << 3 | kind) + body
    return out


def change_message(data: bytes, rng: random.Random, other: bytes, depth: int = 0) -> bytes:
    """A message with one field changed, at any depth; lengths stay right, but for the times they are made to lie."""
    parts = fields_of(data)
    if not parts or rng.random() < 0.1:
        return change_bytes(data, rng, other)
    which = rng.randrange(len(parts))
    number, kind, value = parts[which]
    if kind == 2 and value and depth < 8 and rng.random() < 0.75:
        parts[which][2] = change_message(value, rng, other, depth + 1)
        return message_of(parts)
    what = rng.randrange(8)
    if what == 0:
        del parts[which]
    elif what == 1:
        parts.insert(rng.randrange(len(parts) + 1), parts[which])
    elif what == 2:
        parts[which] = [rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 17, 18, number + 1)), kind, value]
    elif what == 3:
        parts[which] = [number, *any_value(rng)]
    elif what == 4 and (more := fields_of(other)):
        parts[which] = rng.choice(more)
    elif what == 5 and kind == 2:
        lie = rng.choice((0, len(value) + 1, 1 << 20, 1 << 31, (1 << 64) - 1, max(len(value) - 1, 0)))
        return (
            message_of(parts[:which]) + varint(number << 3 | 2) + varint(lie) + value + message_of(parts[which + 1 :])
        )
    elif what == 6:
        parts += [parts[which]] * rng.choice((2, 50))
    else:
        parts[which] = [number, kind, any_value(rng, kind)[1]]
    return message_of(parts)


def any_value(rng: random.Random, kind: int | None = None) -> tuple[int, Any]:
    kind = rng.choice((0, 1, 2, 5)) if kind is None else kind
    if kind == 0:
        return 0, rng.choice((*NUMBERS, (1 << 64) - 1))
    if kind in (1, 5):
        number = rng.choice(FLOATS)
        return kind, struct.pack("<d", number) if kind == 1 else struct.pack("<f", max(min(number, 3e38), -3e38))
    return 2, rng.choice((*WORDS, *JSON_TEXTS))


def change_records(records: list[bytes], rng: random.Random, other: list[bytes]) -> list[bytes]:
    """Records of which one or several are changed, left out, repeated or taken from another input."""
    records = list(records)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        what = rng.randrange(8)
        at = rng.randrange(len(records)) if records else 0
        if what == 0 and len(records) > 1:
            del records[at : at + rng.choice((1, 1, len(records) // 2 or 1))]
        elif what == 1 and records:
            records.insert(rng.randrange(len(records)), records[at])
        elif what == 2 and other:
            records.insert(at, rng.choice(other))
        elif records:
            records[at] = change_message(records[at], rng, rng.choice(other) if other else b"")
    return records


# -- W&B and TensorBoard: framed records ----------------------------------------------------------------------------


def wandb_file(records: Sequence[bytes], rng: random.Random | None = None) -> bytes:
    """Records in LevelDB's framing, checksums right; now and then in more pieces than there need be."""
    out, block = bytearray(b":W&B\xe1\xbe\x00"), 1 << 15
    for record in records:
        at, first = 0, True
        while first or at < len(record):
            left = block - len(out) % block
            if left < 7:
                out += bytes(left)
                continue
            room = left - 7
            if rng is not None and rng.random() < 0.05:
                room = min(room, rng.choice((0, 1, 5)))
            part = record[at : at + room]
            at += len(part)
            last = at >= len(record)
            kind = 1 if first and last else 2 if first else 4 if last else 3
            out += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes((kind,)))), len(part), kind) + part
            first = False
    return bytes(out)


def wandb_records(data: bytes) -> list[bytes]:
    from similitude.runs.readers.wandb import _records, _Said

    with tempfile.NamedTemporaryFile(suffix=".wandb") as file:
        file.write(data)
        file.flush()
        try:
            return list(_records(Path(file.name), _Said()))
        except ValueError:
            return []


_CASTAGNOLI: list[int] = []


def masked(data: bytes) -> int:
    """The checksum of TFRecord files."""
    if not _CASTAGNOLI:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            _CASTAGNOLI.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CASTAGNOLI[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tensorboard_file(records: Sequence[bytes], _: random.Random | None = None) -> bytes:
    out = bytearray()
    for record in records:
        size = struct.pack("<Q", len(record))
        out += size + struct.pack("<I", masked(size)) + record + struct.pack("<I", masked(record))
    return bytes(out)


def tensorboard_records(data: bytes) -> list[bytes]:
    found, at = [], 0
    while len(data) - at >= 16:
        size = struct.unpack_from("<Q", data, at)[0]
        if size > len(data) - at - 16:
            break
        found.append(data[at + 12 : at + 12 + size])
        at += 16 + size
    return found


# -- evaluations: JSON, alone or in an archive ----------------------------------------------------------------------


def change_json(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A document with a value replaced, left out, moved or repeated; now and then its bytes are changed instead."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if document is None or rng.random() < 0.15:
        return change_bytes(data, rng, other)
    marked: dict[str, bytes] = {}
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = [p for p in _places(document) if len(p) < 6 or rng.random() < 0.3]
        if not places:
            break
        path = rng.choice(places)
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        what = rng.randrange(7)
        if what == 0:
            del holder[path[-1]]
        elif what == 1:
            source = document
            for key in rng.choice(places):
                source = source[key] if isinstance(source, (list, dict)) and _has(source, key) else None
            holder[path[-1]] = json.loads(json.dumps(source))
        elif what == 2 and isinstance(holder, dict):
            names = [p[-1] for p in places if isinstance(p[-1], str)]
            holder[rng.choice((*names, "", "\ud800", "a/b", "a,b", "n" * 300))] = holder[path[-1]]
        elif what == 3 and isinstance(holder, list):
            holder += holder[: rng.choice((1, 3))]
        else:
            mark = f"mark{len(marked)}"
            marked[mark] = rng.choice(JSON_TEXTS)
            holder[path[-1]] = mark
    try:
        out = json.dumps(document).encode()
    except (RecursionError, ValueError):
        return data
    for mark, text in marked.items():
        out = out.replace(f'"{mark}"'.encode(), text)
    return out


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else isinstance(key, int) and key < len(holder)


def _places(document: Any, above: tuple[Any, ...] = (), most: int = 2000) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    waiting = [(document, above)]
    while waiting and len(found) < most:
        value, path = waiting.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for key in keys:
            found.append((*path, key))
            waiting.append((value[key], (*path, key)))
    return found


def change_archive(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Members changed and deflated again; else the archive's own bytes, its directory among them."""
    members = _members(data)
    if not members or rng.random() < 0.25:
        if rng.random() < 0.5 and (at := data.rfind(b"PK\x01\x02")) >= 0:
            return data[:at] + change_bytes(data[at:], rng, other)
        return change_bytes(data, rng, other)
    more = _members(other)
    name = rng.choice(list(members))
    what = rng.randrange(10)
    if what == 0:
        del members[name]
    elif what == 1:
        members[rng.choice(("../../x.json", "/x.json", "samples/x.json", "header.json", "summaries.json"))] = members[
            name
        ]
    elif what == 2 and more:
        members[name] = more.get(name) or rng.choice(list(more.values()))
    else:
        chosen = rng.choice([n for n in members if n in ("header.json", "summaries.json")] or [name])
        chosen = chosen if rng.random() < 0.7 else name
        members[chosen] = change_json(members[chosen], rng, b"")
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    ) as out:
        for member, content in members.items():
            out.writestr(zipfile.ZipInfo(member), content, rng.choice((8, 8, 8, 0, 12, 14)))
    return file.getvalue()


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {m.filename: archive.read(m) for m in archive.infolist() if m.file_size < 1 << 20}
    except Exception:
        return {}


# -- MLflow: a database ---------------------------------------------------------------------------------------------

TABLES = ("experiments", "runs", "metrics", "params", "tags")


def small_database(path: Path) -> bytes:
    """The tables that are read, in pages of 512 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.db"
        database = sqlite3.connect(small)
        database.execute("pragma page_size = 512")
        database.execute("attach ? as kept", (str(path),))
        for table in TABLES:
            database.execute(f"create table {table} as select * from kept.{table}")
            if table == "metrics":
                database.execute("delete from metrics where rowid > 40")
        database.execute("create index of_run on metrics (run_uuid)")
        database.commit()
        database.execute("detach kept")
        database.execute("vacuum")
        database.close()
        return small.read_bytes()


def change_database(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Cells, columns and the schema changed through SQLite; else bytes of pages, most of them of their heads."""
    if rng.random() < 0.5:
        return _change_pages(data, rng, other)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        path.write_bytes(data)
        database = sqlite3.connect(path, isolation_level=None)
        try:
            for _ in range(rng.choice((1, 2, 4))):
                _change_cell(database, rng)
        except (sqlite3.Error, UnicodeError, OverflowError, MemoryError):
            pass
        finally:
            database.close()
        return path.read_bytes()


def _change_cell(database: sqlite3.Connection, rng: random.Random) -> None:
    table = rng.choice(TABLES)
    columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
    column = rng.choice(columns) if columns else "x"
    numbers = [n if n < 1 << 63 else -(1 << 63) for n in NUMBERS]
    value = rng.choice((None, *numbers, *FLOATS, *WORDS, "FINISHED", "deleted", "a\nb", "x" * 3000, "\u202e"))
    what = rng.randrange(12)
    if what == 0:
        database.execute(f'alter table {table} drop column "{column}"')
    elif what == 1:
        database.execute(f"insert into {table} select * from {table} limit 3")
    elif what == 2:
        database.execute("pragma writable_schema = on")
        schema = rng.choice(
            (
                "replace(sql, 'TEXT', 'BLOB')",
                "replace(sql, 'run_uuid', 'x')",
                "replace(sql, 'value', 'value AS (zeroblob(900000000))')",
                "replace(sql, 'step', 'step AS (abs(-9223372036854775808))')",
                "'create view ' || name || ' as select 1'",
                "null",
            )
        )
        database.execute(f"update sqlite_master set sql = {schema} where name = ?", (table,))
        if rng.random() < 0.3:
            database.execute("update sqlite_master set rootpage = ? where name = ?", (rng.randrange(20), table))
    elif what == 3:
        database.execute(f"update {table} set \"{column}\" = cast(x'ff80fe' as text)")
    elif what == 4:
        database.execute(f"delete from {table} where rowid % 2")
    else:
        where = "" if rng.random() < 0.5 else f" where rowid = {rng.randrange(5)}"
        database.execute(f'update {table} set "{column}" = ?{where}', (value,))


def _change_pages(data: bytes, rng: random.Random, other: bytes) -> bytes:
    out, size = bytearray(data), 512
    pages = max(len(out) // size, 1)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        page = rng.randrange(pages)
        at = page * size + (rng.randrange(100) if page == 0 else rng.randrange(rng.choice((12, 60, size))))
        what = rng.randrange(6)
        if at >= len(out):
            continue
        if what == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            out[at] = rng.choice((0, 1, 2, 5, 10, 13, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif what == 2:
            number = rng.choice((rng.randrange(pages + 2), *NUMBERS)) & 0xFFFFFFFF
            out[at : at + 4] = struct.pack(">I", number)
        elif what == 3:
            source = rng.randrange(pages) * size
            out[page * size : (page + 1) * size] = out[source : source + size]
        elif what == 4:
            out = bytearray(data[:16]) + bytearray(change_bytes(bytes(out[16:]), rng, other))
        elif what == 5 and rng.random() < 0.2:
            del out[at:]
    return bytes(out)


# -- the inputs -----------------------------------------------------------------------------------------------------


def seeds(kind: str) -> list[bytes]:
    """Golden files and kept inputs of a kind."""
    patterns = {
        "wandb": "wandb/files/**/*.wandb",
        "tensorboard": "tensorboard/files/**/*tfevents*",
        "inspect": "inspect/files/eval/*.eval",
        "inspect-json": "inspect/files/json/*.json",
        "lm-eval": "lm_eval/files/**/results_*.json",
        "lm-eval-samples": "lm_eval/files/**/samples_*.jsonl",
        "mlflow": "mlflow/files/mlflow.db",
    }
    golden = sorted(LOGS.glob(patterns[kind]))
    found = [small_database(p) if kind == "mlflow" else p.read_bytes() for p in golden]
    if kind.startswith("inspect"):
        found.append(small_evaluation(kind))
    return [*found, *(p.read_bytes() for p in sorted((CORPUS / kind).glob("*")))]


def small_evaluation(kind: str) -> bytes:
    """A log of Inspect with two samples and what is read of them."""
    document = json.loads(next(LOGS.glob("inspect/files/json/*.json")).read_bytes())
    samples = [{k: s.get(k) for k in ("id", "epoch", "scores")} for s in document["samples"][:2]]
    head = {k: document[k] for k in ("version", "status", "eval", "results", "stats") if k in document}
    if kind == "inspect-json":
        return json.dumps({**head, "samples": samples}).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("header.json"), json.dumps(head), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("samples/1_epoch_1.json"), json.dumps(samples[0]), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("summaries.json"), json.dumps(samples), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def change(kind: str, data: bytes, rng: random.Random, other: bytes) -> bytes:
    """An input made of another."""
    if kind in ("wandb", "tensorboard"):
        taken, made = {
            "wandb": (wandb_records, wandb_file),
            "tensorboard": (tensorboard_records, tensorboard_file),
        }[kind]
        if rng.random() < 0.15 or not (records := taken(data)):
            return change_bytes(data, rng, other)
        return made(change_records(records, rng, taken(other)), rng)
    if kind == "inspect":
        return change_archive(data, rng, other)
    if kind == "mlflow":
        return change_database(data, rng, other)
    if kind == "lm-eval-samples":
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        lines[at] = change_json(lines[at], rng, other)
        return b"\n".join(lines) if rng.random() < 0.9 else change_bytes(data, rng, other)
    return change_json(data, rng, other)


def may_be_kept(kind: str, data: bytes, kept: Sequence[int]) -> bool:
    """Small beside what is kept, and either text or plainly binary, so that it can lie among checked texts."""
    most, budget = (DATABASE, 2 * BUDGET) if kind == "mlflow" else (SMALL, BUDGET)
    if len(data) > most or len(kept) >= FILES or sum(kept) + len(data) > budget:
        return False
    try:
        return b"\0" in data or bool(data.decode()) or not data
    except UnicodeDecodeError:
        return False


@dataclass(slots=True)
class Found:
    """What a worker has counted, as it tells it to whoever started it."""

    executions: int = 0
    kept: int = 0
    bad: dict[str, int] = field(default_factory=dict)


def worker(
    reader: str, until: float, rng: random.Random, options: argparse.Namespace, scratch: Path
) -> Iterator[Found]:
    """Inputs made and tried until the time is over; gives what it has found now and then."""
    coverage, found = Coverage(), Found()
    kinds = READERS[reader]
    pools = {kind: seeds(kind) for kind in kinds}
    folder = scratch / "folder"
    kept = {kind: [p.stat().st_size for p in (CORPUS / kind).glob("*")] for kind in kinds}
    waiting = [(kind, data) for kind in kinds for data in pools[kind]]
    first = len(waiting)
    while time.process_time() < until:
        if waiting:
            kind, data = waiting.pop()
        else:
            kind = rng.choice(kinds)
            pool = pools[kind]
            data = change(kind, rng.choice(pool), rng, rng.choice(pool))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        place(folder, kind, data)
        if kind == "wandb" and rng.random() < 0.1:
            (folder / "run-b.wandb").write_bytes(rng.choice(pools[kind]))
        (scratch / "now").write_text(kind)
        with coverage:
            why = tried(folder, kind)
        found.executions += 1
        if why:
            place_of = (
                why.strip().splitlines()[-1][:70] + why.strip().splitlines()[max(-3, -len(why.splitlines()))][-60:]
            )
            name = hashlib.sha256(place_of.encode()).hexdigest()[:12]
            found.bad[name] = found.bad.get(name, 0) + 1
            if found.bad[name] == 1:
                options.crashes.mkdir(parents=True, exist_ok=True)
                (options.crashes / f"{kind}-{name}").write_bytes(data)
                (options.crashes / f"{kind}-{name}.txt").write_text(why, encoding="utf-8", errors="replace")
        elif coverage.fresh() and found.executions > first:
            pools[kind].append(data)
            if options.keep and may_be_kept(kind, data, kept[kind]):
                (CORPUS / kind).mkdir(parents=True, exist_ok=True)
                (CORPUS / kind / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
                kept[kind].append(len(data))
                found.kept += 1
        if found.executions % 200 == 0:
            yield found
    yield found


def main() -> None:
    """A process that works and one that looks after it: a worker that hangs or dies is a find, and is begun again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=1.0, help="of processor time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=3072, help="MB of address space that reading may take")
    parser.add_argument("--keep", action="store_true", help="keep small inputs that reach something new")
    parser.add_argument("--crashes", type=Path, default=Path("crashes"), help="folder for bad inputs")
    options = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    used, seed, executions, dead = 0.0, options.seed, 0, 0
    bad: dict[str, int] = {}
    while used < options.minutes * 60 - 1:
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / "report"
            if (child := os.fork()) == 0:
                _work(options, seed, options.minutes * 60 - used, Path(scratch), report)
            status, hung, before = None, False, -1.0
            while status is None:
                done, code = os.waitpid(child, os.WNOHANG)
                if done:
                    status = code
                    continue
                time.sleep(1.0)
                now = (Path(scratch) / "now").stat().st_mtime if (Path(scratch) / "now").exists() else time.time()
                if time.time() - max(now, before) > 6 * SECONDS:
                    hung = True
                    os.kill(child, signal.SIGKILL)
                    before = time.time()
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = spent.ru_utime + spent.ru_stime
            found = json.loads(report.read_text()) if report.exists() else {"executions": 0, "bad": {}}
            executions += found["executions"]
            for name, count in found["bad"].items():
                bad[name] = bad.get(name, 0) + count
            if status != 0:
                dead += 1
                options.crashes.mkdir(parents=True, exist_ok=True)
                name = f"{'hung' if hung else 'died'}-{options.reader}-{seed}"
                shutil.copytree(Path(scratch) / "folder", options.crashes / name, dirs_exist_ok=True)
        seed += 1000
    print(
        f"{options.reader}: {executions:,} executions in {used / 60:.1f} minutes, {sum(bad.values())} bad inputs of "
        f"{len(bad)} kinds {sorted(bad)}, {dead} times hung or dead"
    )
    sys.exit(bool(bad or dead))


def _work(options: argparse.Namespace, seed: int, seconds: float, scratch: Path, report: Path) -> None:
    """The worker's process."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (options.memory << 20, options.memory << 20))
        for found in worker(options.reader, time.process_time() + seconds, random.Random(seed), options, scratch):
            report.write_text(json.dumps({"executions": found.executions, "kept": found.kept, "bad": found.bad}))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
