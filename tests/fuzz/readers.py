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
import re
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
SMALL, FILES, BUDGET = 5_000, 20, 60_000  # bytes of an input that is kept; of one kind: inputs, and bytes of all
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
HELM = "helm/files/benchmark_output/runs/tiny/parts_model=simple_model1,eval_split=valid"
PLACES = {
    "wandb": "run-a.wandb",
    "tensorboard": "a/events.out.tfevents.1700000000.machine",
    "inspect": "a.eval",
    "inspect-json": "a.json",
    "lm-eval": "results_2026-11-27T16-34-13.036972.json",
    "lm-eval-samples": "samples_tiny_2026-11-27T16-34-13.036972.jsonl",
    "mlflow": "mlflow.db",
    "parquet": "a.parquet",
    "leaderboard": "models.parquet",
    "csv": "a.csv",
    "lightning": "metrics.csv",
    "hparams": "hparams.yaml",
    "jsonl": "a.jsonl",
    "console": "a.log",
    "levanter": "a.log",
    "huggingface": "trainer_state.json",
    "helm-spec": "run_spec.json",
    "helm-stats": "stats.json",
    "helm-items": "per_instance_stats.json",
}  # where an input of each kind stands in the folder that is read
BESIDE = {
    "lm-eval-samples": "lm_eval/files/*/results_*.json",
    "lightning": "lightning/files/ladder/version_0/*",
    "hparams": "lightning/files/ladder/version_0/*",
    "huggingface": "huggingface/files/tiny-llama/*.json",
    "helm-spec": f"{HELM}/*.json",
    "helm-stats": f"{HELM}/*.json",
    "helm-items": f"{HELM}/*.json",
}  # golden files that inputs of a kind stand beside
NAMED = ("wandb", "tensorboard", "inspect", "mlflow", "parquet", "leaderboard", "csv", "jsonl", "huggingface")
# kinds of files that are never passed over in silence
READERS = {
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard",),
    "evaluations": ("inspect", "inspect-json", "lm-eval", "lm-eval-samples"),
    "mlflow": ("mlflow",),
    "parquet": ("parquet", "leaderboard"),
    "tables": ("csv", "lightning", "hparams", "jsonl"),
    "console": ("console",),
    "helm": ("helm-spec", "helm-stats", "helm-items"),
    "levanter": ("levanter",),
    "huggingface": ("huggingface",),
}


# -- what is asked of a reader --------------------------------------------------------------------------------------


class Slow(BaseException):
    """Reading took too long."""


def place(folder: Path, kind: str, data: bytes) -> Path:
    """An input as the file it is meant to be, beside the files it belongs to."""
    path = folder / PLACES[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    for other in LOGS.glob(BESIDE[kind]) if kind in BESIDE else ():
        shutil.copyfile(other, path.parent / other.name)
    path.write_bytes(data)
    return path


def broken_promise(folder: Path, kind: str) -> str:
    """What of the readers' promise does not hold for a folder with an input of that kind; empty where all does."""
    from similitude import SimilitudeError, read_logs, read_runs
    from similitude.runs._logged import points_schema, samples_schema

    logs = read_logs(folder)
    said = [*logs.left_out, *logs.assumed]
    if kind in READERS["parquet"]:
        try:
            read_runs(folder / PLACES[kind])
        except SimilitudeError as error:
            said.append(str(error))
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


# -- tables and printed lines ---------------------------------------------------------------------------------------


def change_lines(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Lines changed as JSON where they hold any, else words of them; lines left out, repeated, taken from another."""
    if rng.random() < 0.1:
        return change_bytes(data, rng, other)
    lines, more = data.split(b"\n"), other.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, what = rng.randrange(len(lines)), rng.randrange(8)
        if what == 0 and len(lines) > 1:
            del lines[at]
        elif what == 1:
            lines[at:at] = [rng.choice((lines[at], rng.choice(lines)))] * rng.choice((1, 2, 300))
        elif what == 2:
            lines[at] = rng.choice(more)
        elif (start := lines[at].find(b"{")) >= 0 and rng.random() < 0.8:
            lines[at] = lines[at][:start] + change_json(lines[at][start:], rng, b"")
        else:
            words = re.split(rb"([,\t ;:=|\"]+)", lines[at])
            words[rng.randrange(len(words))] = rng.choice(
                (*WORDS, *JSON_TEXTS, *words, b"1e400", b"step", b"loss", b'"')
            )
            lines[at] = b"".join(words)
    return b"\n".join(lines)


# -- Parquet --------------------------------------------------------------------------------------------------------


def thrift(data: bytes, at: int = 0) -> tuple[list[list[Any]], int]:
    """[field, kind, value] of a struct in Thrift's compact protocol, and where it ends; IndexError where it is none."""

    def number() -> int:
        nonlocal at
        value = shift = 0
        while data[at] > 0x7F:
            value, shift, at = value | (data[at] & 0x7F) << shift, shift + 7, at + 1
        value, at = value | data[at] << shift, at + 1
        return value

    def one(kind: int, depth: int) -> Any:
        nonlocal at
        if kind in (4, 5, 6):
            value = number()
            return value >> 1 ^ -(value & 1)
        if kind == 12:
            return struct_of(depth + 1)
        if kind in (9, 10):
            head, at = data[at], at + 1
            size = head >> 4 if head >> 4 < 15 else number()
            if size > len(data):
                raise IndexError
            return [head & 15, [one(head & 15, depth + 1) for _ in range(size)]]
        size = {3: 1, 7: 8}.get(kind) or (number() if kind == 8 else -1)
        if not 0 <= size <= len(data) - at or depth > 50:
            raise IndexError
        at += size
        return data[at - size : at]

    def struct_of(depth: int) -> list[list[Any]]:
        nonlocal at
        found, field = [], 0
        while head := data[at]:
            at += 1
            if head >> 4:
                field += head >> 4
            else:
                field = number() >> 1
            kind = head & 15
            found.append([field, kind, None if kind in (1, 2) else one(kind, depth)])
        at += 1
        return found

    return struct_of(0), at


def thrift_of(parts: Sequence[Sequence[Any]]) -> bytes:
    def one(kind: int, value: Any) -> bytes:
        if kind in (4, 5, 6):
            return varint((value << 1 ^ value >> 63) & ((1 << 64) - 1))
        if kind in (9, 10):
            size = value[2] if len(value) > 2 else len(value[1])
            head = bytes((size << 4 | value[0],)) if size < 15 else bytes((0xF0 | value[0],)) + varint(size)
            return head + b"".join(one(value[0], v) for v in value[1])
        if kind == 12:
            return thrift_of(value)
        return (varint(len(value)) if kind == 8 else b"") + (value or b"")

    return b"".join(bytes((kind,)) + varint(f << 1) + one(kind, value) for f, kind, value in parts) + b"\0"


def change_thrift(parts: list[list[Any]], rng: random.Random) -> None:
    """One value of a struct changed at any depth, left out, repeated, or called by another number."""
    holder = parts
    while holder:
        part = rng.choice(holder)
        kind, value = part[1], part[2]
        inner = value if kind == 12 else value[1] if kind == 9 and value[1] else None
        if inner and rng.random() < 0.85:
            if kind == 9 and value[0] == 12 and rng.random() < 0.8:
                holder = rng.choice(inner)
                continue
            if kind == 12:
                holder = inner
                continue
        what = rng.randrange(8)
        if what == 0:
            holder.remove(part)
        elif what == 1:
            part[0] = rng.randrange(1, 16)
        elif kind == 9:
            if what < 5 and value[1]:
                value[1].insert(0, rng.choice(value[1])) if rng.random() < 0.5 else value[1].pop()
            else:
                value[2:] = [rng.choice(NUMBERS)]
        elif kind in (4, 5, 6):
            near = (value + 1, value - 1, -value, value * 1000, value << 20)
            part[2] = rng.choice((*NUMBERS, *near, rng.randrange(16), -1)) % (1 << 64)
            part[2] -= part[2] >> 63 << 64
        elif kind in (3, 8):
            part[2] = rng.choice((*WORDS, change_bytes(value, rng, b"")))[: 1 if kind == 3 else None]
        elif kind in (1, 2):
            part[1] = 3 - kind
        return


def change_parquet(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """The footer, a page's header or its bytes changed; what the footer says of places mostly stays right."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    try:
        footer = thrift(data[:-8], max(start, 0))[0]
        pages = pages_of(footer, data)
    except (IndexError, TypeError, ValueError, RecursionError):
        pages = []
    if start < 4 or not pages or rng.random() < 0.1:
        return change_bytes(data, rng, other)
    body, what = data[:start], rng.random()
    if what < 0.45:
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            change_thrift(footer, rng)
    else:
        at, end, header, size = rng.choice(pages)
        if what < 0.8:
            for _ in range(rng.choice((1, 1, 2))):
                change_thrift(header, rng)
            new = thrift_of(header) + data[end : end + size]
        else:
            cut = end + min(size, rng.choice((8, 32, 1 << 20)))  # most of what a page says of itself is said first
            new = data[at:end] + change_bytes(data[end:cut], rng, other) + data[cut : end + size]
            if rng.random() < 0.6:
                new = new[: end + size - at].ljust(end + size - at, b"\0")
        body = data[:at] + new + data[end + size : start]
        moved(footer, at, len(body) - start)
    end = thrift_of(footer)
    length = len(end) if rng.random() < 0.95 else rng.choice(NUMBERS) & 0xFFFFFFFF
    return body + end + struct.pack("<I", length) + b"PAR1"


def part_of(parts: Sequence[list[Any]], number: int) -> list[Any]:
    return next((p for p in parts if p[0] == number), [number, 0, None])


def _chunks(footer: Sequence[list[Any]]) -> list[list[list[Any]]]:
    """What the footer says of each column of each group of rows."""
    groups = (part_of(footer, 4)[2] or [12, []])[1]
    columns = [c for g in groups for c in (part_of(g, 1)[2] or [12, []])[1]]
    return [m for c in columns if (m := part_of(c, 3)[2])]


def pages_of(footer: Sequence[list[Any]], data: bytes) -> list[tuple[int, int, list[list[Any]], int]]:
    """Where the header of each page starts and ends, the header, and the bytes that follow it."""
    found = []
    for chunk in _chunks(footer):
        places = [part_of(chunk, f)[2] for f in (9, 11)]
        at = min(p for p in places if p is not None)
        stop = at + part_of(chunk, 7)[2]
        while 4 <= at < min(stop, len(data)) and len(found) < 1000:
            header, end = thrift(data, at)
            size = part_of(header, 3)[2]
            if size < 0 or end + size > len(data):
                break
            found.append((at, end, header, size))
            at = end + size
    return found


def moved(footer: Sequence[list[Any]], at: int, by: int) -> None:
    """What the footer says of places, where what stood at a place has grown."""
    for chunk in _chunks(footer):
        places = [p for f in (9, 10, 11) if (p := part_of(chunk, f))[2] is not None]
        size = part_of(chunk, 7)
        if places and min(p[2] for p in places) <= at < min(p[2] for p in places) + size[2]:
            size[2] += by
        for place_of in places:
            place_of[2] += by * (place_of[2] > at)


def small_parquet(kind: str) -> Iterator[bytes]:
    """Tables of all kinds of columns, encodings, pages and compressions."""
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = 40
    columns: dict[str, Any] = {
        "step": list(range(n)),
        "loss": [4.0 - 0.05 * i for i in range(n)],
        "run": ["ab"[i % 2] for i in range(n)],
        "N": [1e6 * (i + 1) for i in range(n)],
        "D": [None if i % 7 == 3 else 2e7 for i in range(n)],
    }
    if kind == "leaderboard":
        columns = {"fullname": columns["run"], "#Params (B)": columns["N"], "score": columns["loss"], "Type": ["x"] * n}
    for compression in ("uncompressed", "zstd", "snappy"):
        file = io.BytesIO()
        pl.DataFrame(columns).write_parquet(file, compression=compression, row_group_size=25)
        yield file.getvalue()
    odd = {
        "flag": [i % 3 == 0 for i in range(n)],
        "list": [list(range(i % 4)) for i in range(n)],
        "nested": [{"a": {"b": i}, "c": [{"d": "x"}]} for i in range(n)],
        "bytes": [bytes((i, 0)) for i in range(n)],
    }
    table = pa.table(columns if kind == "leaderboard" else columns | odd)
    if kind != "leaderboard":
        table = table.append_column("when", pa.array(range(n), pa.timestamp("us", "UTC")))
        table = table.append_column("price", pa.array(range(n), pa.int32()).cast(pa.decimal128(20, 3)))
        table = table.append_column("half", pa.array(columns["loss"], pa.float16()))
        table = table.append_column("word", pa.array(columns["run"]).dictionary_encode())
    encoded = {
        pa.int64(): "DELTA_BINARY_PACKED",
        pa.float64(): "BYTE_STREAM_SPLIT",
        pa.string(): "DELTA_BYTE_ARRAY",
        pa.binary(): "DELTA_LENGTH_BYTE_ARRAY",
    }
    plain = {f.name: encoded[f.type] for f in table.schema if f.type in encoded}
    for options in (
        {"compression": "none", "use_dictionary": True},
        {"compression": "gzip", "data_page_version": "2.0", "data_page_size": 100, "write_batch_size": 10},
        {"compression": "none", "use_dictionary": False, "column_encoding": plain, "data_page_version": "2.0"},
        {"compression": "lz4", "use_dictionary": False, "column_encoding": plain, "write_page_index": True},
        {"compression": "none", "use_deprecated_int96_timestamps": True, "write_statistics": False},
    ):
        file = io.BytesIO()
        pq.write_table(table, file, **options)
        yield file.getvalue()


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
        "parquet": "tables/files/*.parquet",
        "csv": "t*/files/*.[ct]sv",
        "lightning": "l*/files/**/metrics.csv",
        "hparams": "lightning/files/**/hparams.yaml",
        "jsonl": "tables/files/*json*",
        "console": "[ot]*/files/*.*[!v]",
        "levanter": "levanter/files/*",
        "huggingface": "huggingface/files/**/trainer_state.json",
        "helm-spec": "helm/files/**/run_spec.json",
        "helm-stats": "helm/files/**/stats.json",
        "helm-items": "helm/files/**/per_instance_stats.json",
    }
    golden = sorted(LOGS.glob(patterns[kind])) if kind in patterns else []
    found = [small_database(p) if kind == "mlflow" else p.read_bytes() for p in golden]
    if kind.startswith("inspect"):
        found.append(small_evaluation(kind))
    if kind in READERS["parquet"]:
        found += small_parquet(kind)
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
    if kind in READERS["parquet"]:
        return change_parquet(data, rng, other)
    if kind in ("lm-eval-samples", "console", "levanter", *READERS["tables"]):
        return change_lines(data, rng, other)
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
