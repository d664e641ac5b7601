"""Files that are damaged, lie about themselves or are made to harm: each is one sentence, and the rest is read.

Every case stands in a folder beside a good log. The limits on time and memory are wide; what they catch is work that
grows with the square of a file, or with what the file says of itself.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import pickle
import re
import shutil
import sqlite3
import struct
import time
import tracemalloc
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from fuzz.readers import (
    broken_promise,
    message_of,
    moved,
    pages_of,
    part_of,
    small_database,
    tensorboard_file,
    thrift,
    thrift_of,
    varint,
    wandb_file,
    wandb_records,
)
from similitude import read_logs, read_runs, steps_to_goal
from similitude._errors import DataError
from similitude.runs.readers import READERS, _zip
from similitude.runs.readers._parquet import frames_of
from similitude.runs.readers._reader import Reader

LOGS = Path(__file__).resolve().parent.parent / "golden" / "logs"
PLAIN = LOGS / "wandb/files/wandb/offline-run-20240101_000002-plain/run-plain.wandb"
EVENTS = next((LOGS / "tensorboard/files/plain").glob("*tfevents*"))
EVAL = LOGS / "inspect/files/eval/tiny.eval"
DATABASE = LOGS / "mlflow/files/mlflow.db"
HELM = LOGS / "helm/files/benchmark_output/runs/tiny/parts_model=simple_model1,eval_split=valid"
STATE = LOGS / "huggingface/files/tiny-llama/trainer_state.json"
TFEVENTS = "events.out.tfevents.1700000000.machine"
SECONDS = 60.0  # of the processor: what never ends is told apart, not what is slow


@pytest.fixture
def folder(tmp_path):
    """A folder with a good log in it."""
    good = tmp_path / "logs" / "good"
    good.mkdir(parents=True)
    shutil.copy(STATE, good)
    return tmp_path / "logs"


def read(folder, *, runs=1):
    """What is read of a folder; the good log among it, points and scores too, and nothing else than sentences."""
    begun = time.process_time()
    assert broken_promise(folder, "") == ""
    logs = read_logs(folder)
    assert time.process_time() - begun < SECONDS
    assert "good" in [r.name for r in logs.runs]
    assert len(logs) == runs, (logs, logs.left_out)
    return logs


def refusal(folder, name: str, content: bytes | str | None = None) -> str:
    """The one sentence that a file of this name and content is left out with; no run comes of it."""
    if content is not None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    (said,) = read(folder).left_out
    assert said.startswith(name.partition("/")[0])
    assert Path(name).name in said
    assert "\n" not in said
    return said


# -- damaged --------------------------------------------------------------------------------------------------------

BROKEN = [
    (PLAIN, "run-a.wandb", 0, "run-a.wandb does not begin as a .wandb file does"),
    (PLAIN, "run-a.wandb", 3, "run-a.wandb does not begin as a .wandb file does"),
    (PLAIN, "run-a.wandb", 40, "has no record of a run: the file ends within a record at byte 7; what comes before"),
    (EVENTS, f"a/{TFEVENTS}", 0, "holds no event"),
    (EVENTS, f"a/{TFEVENTS}", 9, f"{TFEVENTS} holds no event: the file ends within a record"),
    (EVENTS, f"a/{TFEVENTS}", 20, "the file ends within a record at byte 0; what comes before is read"),
    (EVAL, "a.eval", 0, "a.eval is no complete zip archive"),
    (EVAL, "a.eval", 3, "a.eval is no complete zip archive"),
    (EVAL, "a.eval", 5000, "a.eval is no complete zip archive (File is not a zip file); copy it again"),
    (DATABASE, "mlflow.db", 0, "mlflow.db cannot be read as a store of MLflow: no such table: runs"),
    (DATABASE, "mlflow.db", 50, "mlflow.db cannot be read as a store of MLflow: database disk image is malformed"),
    (DATABASE, "mlflow.db", 30_000, "mlflow.db cannot be read as a store of MLflow: database disk image is malformed"),
    (STATE, "b/trainer_state.json", 0, "is not JSON: Expecting value at line 1; it may be cut off"),
    (STATE, "b/trainer_state.json", 900, "it may be cut off"),
]


@pytest.mark.parametrize(("source", "name", "size", "expected"), BROKEN)
def test_cut_off(folder, source, name, size, expected):
    assert expected in refusal(folder, name, source.read_bytes()[:size])


@pytest.mark.parametrize(
    ("source", "name", "at", "expected"),
    [
        (PLAIN, "run-a.wandb", 5000, "the file is damaged within a record at byte 4,"),
        (EVENTS, f"a/{TFEVENTS}", 300, "is damaged; what comes before is read"),
    ],
)
def test_a_flipped_bit_is_found_and_what_comes_before_is_read(folder, source, name, at, expected):
    data = bytearray(source.read_bytes())
    data[at] ^= 4
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    logs = read(folder, runs=2)
    (said,) = [s for s in logs.left_out if name in s and "record at byte" in s]
    assert expected in said
    assert all(r.curves().height for r in logs.runs)


@pytest.mark.parametrize("name", ["run-a.wandb", f"a/{TFEVENTS}", "a.eval", "mlflow.db", "a.csv", "a.parquet", "a.tsv"])
def test_a_pickle_by_another_name_is_not_run(folder, name, tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harmed"),)

    refusal(folder, name, pickle.dumps(Harm()))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "name", ["run-a.wandb", f"a/{TFEVENTS}", "a.eval", "mlflow.db", "a.csv", "a.jsonl", "a.parquet"]
)
def test_empty_and_noise(folder, name):
    assert refusal(folder, name, b"")
    assert refusal(folder, name, bytes(range(256)) * 40)


# -- lengths that lie -----------------------------------------------------------------------------------------------


def wandb_item(name: bytes, value: bytes) -> list:
    return [1, 2, message_of([[1, 2, name], [16, 2, value]])]


def wandb_of(*history: bytes) -> bytes:
    run = message_of([[17, 2, message_of([[1, 2, b"a"], [8, 2, b"odd"]])]])
    return wandb_file([run, *history])


def wandb_history(*items: tuple[bytes, bytes], step: int = 0) -> bytes:
    parts = [wandb_item(*item) for item in items]
    return message_of([[2, 2, message_of([*parts, [2, 2, message_of([[1, 0, step]])]])]])


@pytest.mark.parametrize("lie", [200, 1 << 31, (1 << 63) - 1, (1 << 64) - 1])
def test_a_length_that_leads_out_of_its_message(folder, lie):
    from fuzz.readers import varint

    bad = b"\x12" + varint(lie) + b"\x0a\x02ab"
    (folder / "run-a.wandb").write_bytes(wandb_of(wandb_history((b"loss", b"1")), bad, wandb_history((b"loss", b"2"))))
    logs = read(folder, runs=2)
    assert logs.left_out == ("run-a.wandb: a record holds a length that leads out of its message; it is left out",)
    assert next(r for r in logs.runs if r.name == "odd").curves()["value"].to_list() == [1.0, 2.0]
    (folder / "run-a.wandb").unlink()
    (folder / "a").mkdir()
    whole = [b"\x09" + struct.pack("<d", 1.7e9) + b"\x1a\x0dbrain.Event:2"]
    (folder / "a" / TFEVENTS).write_bytes(tensorboard_file([*whole, b"\x2a" + varint(lie) + b"abcdef"]))
    assert any("its bytes are no message, left out" in s for s in read(folder, runs=2).left_out)


@pytest.mark.parametrize("size", [1 << 29, (1 << 63) + 5, (1 << 64) - 1])
def test_a_record_that_says_it_is_larger_than_can_be(folder, size):
    head = struct.pack("<Q", size)
    content = EVENTS.read_bytes() + head + b"0" * 100
    path = folder / "a" / TFEVENTS
    path.parent.mkdir()
    path.write_bytes(content)
    (said,) = [s for s in read(folder, runs=2).left_out if "record" in s]
    assert f"a record says it has {size:,} bytes, more than can be at byte {EVENTS.stat().st_size:,}" in said


def test_a_record_of_very_many_empty_parts_takes_no_time(folder):
    empty = struct.pack("<IHB", zlib.crc32(bytes((3,))), 0, 3)
    first = struct.pack("<IHB", zlib.crc32(bytes((2,))), 0, 2)
    whole, size = (32768 - 7) // 7, 32768
    block = empty * (size // 7) + bytes(size % 7)
    content = b":W&B\xe1\xbe\x00" + first + empty * (whole - 1) + bytes(size - 7 - 7 * whole) + block * 60
    assert "has no record of a run: the file ends within a record" in refusal(folder, "run-a.wandb", content)


def test_names_of_many_metrics_do_not_each_hold_a_long_prefix(folder):
    many = json.dumps({str(i): i for i in range(20_000)}).encode()
    record = wandb_history((b"x" * 1_000_000, many))
    tracemalloc.start()
    (folder / "run-a.wandb").write_bytes(wandb_of(record))
    read_logs(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 << 20


def test_steps_beyond_64_bits(folder):
    content = wandb_of(
        wandb_history((b"loss", b"1"), step=(1 << 63) - 1),
        message_of([[2, 2, message_of([wandb_item(b"loss", b"2")])]]),
    )
    (folder / "run-a.wandb").write_bytes(content)
    (folder / "a.log").write_text("step 99999999999999999999999999 loss 2.0\nstep 1 loss: 2.5\nstep 2 loss: 2.4\n")
    read(folder, runs=3)


# -- archives -------------------------------------------------------------------------------------------------------

HEADER = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m", "eval_id": "x"}, "results": {}}


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def test_a_bomb_is_not_set_off(folder):
    content = archive({"header.json": b" " * (100 << 20)})
    tracemalloc.start()
    said = refusal(folder, "a.eval", content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "bytes that say they grow to 100 MB; expected a log, which shrinks less" in said
    assert peak < 32 << 20


@pytest.mark.parametrize("stated", [0, 10, 1 << 20, (1 << 32) - 1])
def test_a_size_that_lies(folder, stated):
    content = bytearray(archive({"header.json": json.dumps(HEADER).encode() * 50}))
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", stated)
    assert "a.eval, header.json" in refusal(folder, "a.eval", bytes(content))


def test_members_that_overlap(folder):
    content = archive({"header.json": json.dumps(HEADER).encode(), "summaries.json": b"[]"}, zipfile.ZIP_STORED)
    at, end = content.find(b"PK\x01\x02"), content.find(b"PK\x05\x06")
    entry = content[at : content.find(b"PK\x01\x02", at + 1)]
    tail = bytearray(content[end:])
    struct.pack_into("<HHII", tail, 8, 40, 40, 40 * len(entry), at)
    lying = content[:at] + entry * 40 + bytes(tail)
    assert "a.eval has members that overlap; it is damaged, or made to harm" in refusal(folder, "a.eval", lying)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_no_log_has(folder, method):
    content = archive({"header.json": json.dumps(HEADER).encode()}, method)
    assert "header.json: compressed in a way that no log of an evaluation is" in refusal(folder, "a.eval", content)


def test_names_that_lead_out_of_an_archive_are_never_written(folder, tmp_path):
    names = ("../../out.json", "/out.json", "samples/../../out.json", "C:\\out.json")
    content = archive({"header.json": json.dumps(HEADER).encode(), **dict.fromkeys(names, b"{}")})
    (folder / "a.eval").write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    assert read(folder, runs=2).left_out == ()
    assert sorted(tmp_path.rglob("*")) == before


def test_zstandard_that_says_it_grows_beyond_bounds(folder):
    run = struct.pack("<I", (1 << 20 << 3 | 1 << 1))[:3] + b"0"  # a block that repeats one byte
    data = struct.pack("<I", 0xFD2FB528) + b"\x00\x58" + run * 4000 + b"\x01\x00\x00"
    path = folder / "a.eval"
    path.write_bytes(archive({"header.json": data}, zipfile.ZIP_STORED))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 10 : at + 12] = struct.pack("<H", _zip.ZSTANDARD)
    assert "header.json: damaged (it can grow to more than can be)" in refusal(folder, "a.eval", bytes(content))


# -- the folder -----------------------------------------------------------------------------------------------------


def test_links(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(PLAIN, outside / "run-secret.wandb")
    (folder / "out.wandb").symlink_to(outside / "run-secret.wandb")
    (folder / "away").symlink_to(outside)
    (folder / "loop.csv").symlink_to(folder / "loop.csv")
    (folder / "up").symlink_to(folder)
    (folder / "gone.csv").symlink_to(folder / "nothing.csv")
    assert sorted(read(folder).left_out) == [
        "away: a link that leads out of the folder",
        "gone.csv: a link that leads nowhere",
        "loop.csv: a link that cannot be followed",
        "out.wandb: a link that leads out of the folder",
    ]


def test_readers_do_not_follow_links_that_they_find_themselves(folder, tmp_path):
    secret = tmp_path / "secret"
    (secret / "params").mkdir(parents=True)
    (secret / "params" / "word").write_text("secret")
    (secret / "config.json").write_text('{"word": "secret"}')
    (folder / "good" / "config.json").symlink_to(secret / "config.json")
    (folder / "good" / "checkpoint-5").symlink_to(secret)
    run = folder / "mlrun"
    run.mkdir()
    (run / "meta.yaml").write_text("run_id: r\nlifecycle_stage: active\n")
    (run / "params").symlink_to(secret / "params")
    logs = read(folder, runs=2)
    assert "secret" not in json.dumps([dict(r.config) for r in logs.runs])
    assert len(logs.left_out) == 3
    assert all("a link that leads out of the folder" in s for s in logs.left_out)


def test_pipes_are_not_opened(folder):
    for name in ("run-a.wandb", "mlflow.db", "a.csv", TFEVENTS):
        os.mkfifo(folder / name)
    logs = read(folder)
    assert len(logs.left_out) == 4
    assert all(s.endswith(": neither a file nor a folder; not opened") for s in logs.left_out)


def test_folders_named_like_files_are_folders(folder):
    for name in ("run-a.wandb", TFEVENTS, "a.eval", "mlflow.db", "trainer_state.json", "metrics.csv", "meta.yaml"):
        (folder / name).mkdir()
    (folder / "run-a.wandb" / "a.csv").write_text("step,loss\n1,2\n")
    assert read(folder, runs=2).left_out == ()


@pytest.mark.parametrize("name", ["run-a.wandb", f"a/{TFEVENTS}", "a.eval", "mlflow.db", "a.csv", "a.log", "a.parquet"])
def test_a_file_that_may_not_be_read(folder, name, monkeypatch):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 200)
    path.chmod(0)
    if os.access(path, os.R_OK):  # whoever may read everything: the system's answer is played
        from builtins import open as opened

        def refuses(file, *more, **named):
            if str(file).endswith(path.name):
                raise PermissionError(13, "Permission denied", str(file))
            return opened(file, *more, **named)

        monkeypatch.setattr("builtins.open", refuses)
        monkeypatch.setattr("io.open", refuses)
        if path.suffix in (".db", ".parquet", ".eval"):
            pytest.skip("opened by libraries, which ask nobody")
    assert "Permission denied" in refusal(folder, name)
    path.chmod(0o600)


def test_names_of_files_with_anything_in_them(folder):
    for name in (b"\xff.csv", b"a\nb.csv", b"\x1b[31mred.csv", b"x" * 200 + b".csv"):
        (Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))).write_bytes(b"step,loss\n1,2\n")
        (Path(os.fsdecode(os.path.join(os.fsencode(folder), b"bad" + name)))).write_bytes(b"x,y\n1,2\n")
    logs = read(folder, runs=5)
    assert len(logs.left_out) == 4
    assert all(r.name.isprintable() for r in logs.runs)


def test_deep_folders(folder):
    deep = folder.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (said,) = read(folder).left_out
    assert "more than 40 folders deep; not looked into" in said


# -- tables and text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_utf16_tables(folder, encoding, ending):
    said = refusal(folder, f"a.{ending}", "step,loss\n1,2.5\n2,2.4\n".encode(encoding))
    assert f"a.{ending} is {'UTF-16 text' if encoding == 'utf-16' else 'no text'}; expected UTF-8" in said


def test_other_encodings(folder):
    (folder / "bom.csv").write_bytes(b"\xef\xbb\xbfstep,loss\n1,2.5\n")
    (folder / "latin.csv").write_bytes("step,loss,über\n1,2.5,3\n".encode())
    (folder / "cells.csv").write_bytes("step,loss,word\n1,2.5,é\n2,2.4,3\n".encode("latin-1"))
    (folder / "mixed.csv").write_bytes("step,loss,ü\n1,2.5,3\n".encode("latin-1"))
    (folder / "h").mkdir()
    (folder / "h" / "trainer_state.json").write_bytes(STATE.read_text().encode("utf-16"))
    logs = read(folder, runs=5)
    (said,) = logs.left_out
    assert said.startswith("mixed.csv")
    assert next(r for r in logs.runs if r.name == "cells").curves().filter(pl.col("metric") == "loss").height == 2


def test_carriage_returns_within_lines(folder):
    (folder / "a.csv").write_bytes(b"step,loss,note\n1,2.5,a\rb\n2,2.25,c\rd\n3,2.0,e\n")
    logs = read(folder, runs=2)
    assert next(r for r in logs.runs if r.name == "a").curves()["value"].to_list() == [2.5, 2.25, 2.0]


def test_ten_thousand_columns(folder):
    names = [f"m{i}" for i in range(10_000)]
    (folder / "wide.csv").write_text(",".join(["step", *names]) + "\n" + ",".join(["1", *["0.5"] * 10_000]) + "\n")
    (folder / "wide.jsonl").write_text(json.dumps({"step": 1, **dict.fromkeys(names, 0.5)}) + "\n")
    logs = read(folder, runs=3)
    assert {r.curves().height for r in logs.runs if r.name != "good"} == {10_000}
    (folder / "wide.csv").write_text(",".join(["step", *["loss"] * 50_000]) + "\n1" + ",2" * 50_000 + "\n")
    read(folder, runs=3)


def test_names_that_come_twice(folder):
    (folder / "a.csv").write_text("step,loss,loss,column_3,,\n1,2,3,4,5,6\n")
    (folder / "b.csv").write_text("step,step,loss\n1,2,3\n")
    (folder / "c.jsonl").write_text('{"step": 1, "loss": 2, "loss": 3}\n')
    logs = read(folder, runs=4)
    assert logs.left_out == ()
    assert next(r for r in logs.runs if r.name == "c").curves()["value"].to_list() == [3.0]


def test_values_that_are_not_finite(folder):
    (folder / "a.csv").write_text("step,loss\n1,NaN\n2,inf\n3,-Infinity\nnan,1\ninf,2\n1e300,3\n")
    (folder / "b.jsonl").write_text(
        '{"step": 1, "loss": NaN}\n{"step": NaN, "loss": 1e999}\n{"step": 1e30, "loss": 1}\n'
    )
    (folder / "run-a.wandb").write_bytes(
        wandb_of(wandb_history((b"loss", b"NaN"), (b"_step", b"NaN"), (b"_timestamp", b"Infinity")))
    )
    logs = read(folder, runs=4)
    values = next(r for r in logs.runs if r.name == "a").curves()["value"].to_list()
    assert [str(v) for v in values[:3]] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize(
    "line",
    [
        "step 1 loss " + "a" * 9_000,
        "step 1 loss a" + " " * 9_000,
        "step 1 loss " + "a ( )" * 1_800,
        "step 1 loss " + "a " * 4_500,
        "step " + "0" * 9_000 + ".",
        "step 1 loss " + "(" * 9_000 + "%",
    ],
)
def test_printed_lines_made_to_be_slow(folder, line):
    (folder / "a.log").write_text("step 1 loss: 2.5\nstep 2 loss: 2.4\n" + (line + "\n") * 8)
    read(folder, runs=2)


def test_printed_numbers_of_any_length(folder):
    digits = "9" * 6_000
    lines = (
        f"step {digits} loss: 2",
        f"number of parameters: {digits}",
        f"[step={digits}/,]",
        "[step=,]",
        f"s:{digits} tel:2",
    )
    (folder / "a.log").write_text("step 1 loss: 2.5\nstep 2 loss: 2.4\n" + "\n".join(lines) + "\n")
    read(folder, runs=2)


def test_a_line_without_end_is_read_in_pieces(folder):
    with open(folder / "a.log", "wb") as file:
        file.write(b"step 1 loss: 2.5\nstep 2 loss: 2.4\n")
        file.truncate(300 << 20)
    tracemalloc.start()
    read_logs(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_a_quote_that_is_not_closed(folder):
    said = refusal(folder, "a.csv", b'step,loss\n1,2\n2,"' + b"\n" * (20 << 20))
    assert "a.csv cannot be read as a table" in said


def test_lines_with_names_of_their_own_each(folder):
    lines = (json.dumps({"step": i, **{f"m{i}_{j}": 1 for j in range(8)}}) for i in range(3_000))
    (folder / "a.jsonl").write_text("\n".join(lines))
    tracemalloc.start()
    logs = read_logs(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert next(r for r in logs.runs if r.name == "a").curves().height == 24_000
    assert peak < 200 << 20


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"step": ' + "1" * 5_000 + "}", "a.jsonl, line 2 holds a number of thousands of digits"),
        ('{"step": ' + "[" * 3_000, "a.jsonl, line 2 nests too deep to be a log"),
        ('{"step": ', "a.jsonl, line 2 is not JSON"),
        ("[1]", "a.jsonl holds no records; expected an object a line"),
    ],
)
def test_json_lines(folder, line, expected):
    assert expected in refusal(folder, "a.jsonl", '{"step": 1, "loss": 2}\n' + line + '\n{"step": 2, "loss": 2}\n')


@pytest.mark.parametrize("half", [b'"\\ud800"', b'"\\uDC00"', b'"\xed\xa0\x80"'])
def test_half_characters_in_evaluations(folder, half):
    sample = b'{"id": %b, "epoch": %b, "scores": {%b: {"value": "C"}}}' % (half, half, half)
    head = json.dumps({**HEADER, "stats": {}}).encode().removesuffix(b"}")
    (folder / "a.json").write_bytes(head + b', "samples": [%b]}' % sample)
    (folder / "b.eval").write_bytes(
        archive(
            {"header.json": json.dumps(HEADER).encode().replace(b'"x"', b'"y"'), "summaries.json": b"[%b]" % sample}
        )
    )
    assert read(folder, runs=3).left_out == ()


def test_half_characters_and_huge_numbers_in_json(folder):
    (folder / "a.jsonl").write_text('{"step": 1, "lo\\ud800ss": 2, "n": ' + "9" * 400 + ', "x": {"\\udfff": 1}}\n')
    state = json.loads(STATE.read_text())
    state |= {"trial_name": ["\ud800"], "max_steps": "x", "global_step": [], "train_batch_size": 1 << 70}
    state["log_history"] += [{"step": 1 << 70, "loss": 1.0}, {"step": 5, "\ud800": 1.0}, {"step": -1, "a": 1}, 5]
    (folder / "b").mkdir()
    (folder / "b" / "trainer_state.json").write_text(json.dumps(state))
    read(folder, runs=3)


def test_settings_as_deep_as_can_be_and_of_long_names(folder):
    state = json.loads(STATE.read_text())
    deep: dict = {}
    for _ in range(400):
        deep = {"a": deep, "b": 1}
    state["deep"] = deep
    state["x" * 500_000] = {str(i): i for i in range(5_000)}
    (folder / "b").mkdir()
    (folder / "b" / "trainer_state.json").write_text(json.dumps(state))
    logs = read(folder, runs=2)
    assert max(len(k) for r in logs.runs for k in r.config) <= 2_000


def test_tables_of_odd_kinds(folder):
    frame = pl.DataFrame(
        {"step": [1, 2], "loss": [2.5, 2.4], "list": [[1], [2]], "bytes": [b"\xff", b"1"], "run": [b"\xff", b"a"]}
    )
    frame.write_parquet(folder / "a.parquet")
    frame.drop("run").write_parquet(folder / "b.parquet")
    pl.DataFrame({"step": [[1]], "loss": [1.0]}).write_parquet(folder / "c.parquet")
    (folder / "d.jsonl").write_text('{"step": 1, "run": "a", "loss": 1}\n' * 10_000 + '{"step": 1, "loss": 1}\n')
    logs = read(folder, runs=4)
    assert next(r for r in logs.runs if r.name == "b").curves().height == 2


def test_a_table_of_more_rows_than_its_bytes_can_hold(folder):
    rows = 11_000_000
    pl.DataFrame({"step": pl.repeat(1, rows, eager=True), "loss": pl.repeat(2.0, rows, eager=True)}).write_parquet(
        folder / "a.parquet"
    )
    assert f"says it has {rows:,} rows, too many for its size" in refusal(folder, "a.parquet")


# -- Parquet: what a file says of itself ----------------------------------------------------------------------------


def parquet_file(rows: int = 10, **options) -> bytes:
    file = io.BytesIO()
    options = {"compression": "uncompressed", "statistics": False} | options
    pl.DataFrame({"step": [7] * rows, "loss": [2.5] * rows, "run": ["a"] * rows}).write_parquet(file, **options)
    return file.getvalue()


def retold(data: bytes, *places: tuple[tuple[int, ...], object], page: int | None = None) -> bytes:
    """A file whose footer, or the header of whose page of a number, says something else at each place."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = thrift(data[:-8], start)[0]
    at, end, header, _ = pages_of(footer, data)[page or 0]
    for path, value in places:
        inner = footer if page is None else header
        for number in path[:-1]:  # fields, and numbers of items within lists
            inner = part_of(inner, number)[2] if isinstance(inner[0][0], int) else inner[number]
            inner = inner[1] if isinstance(inner[0], int) else inner
        part_of(inner, path[-1])[2] = value
        inner[:] = [p for p in inner if p[2] is not None or p[1] in (1, 2)]
    if page is not None:
        new = thrift_of(header)
        data = data[:at] + new + data[end:start]
        moved(footer, at, len(data) - start)
    last = thrift_of(footer)
    return data[: start if page is None else None] + last + struct.pack("<I", len(last)) + b"PAR1"


CHUNK = (4, 0, 1, 0, 3)  # of the first group of rows, the first column
HUGE = 1 << 60


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([((3,), HUGE)], "it is not of as many rows as it says"),
        ([((3,), HUGE), ((4, 0, 3), HUGE)], "a column is not as the file says"),
        ([((3,), HUGE), ((4, 0, 3), HUGE), *(((4, 0, 1, i, 3, 5), HUGE) for i in range(3))], "it ends within what it"),
        ([((*CHUNK, 5), HUGE)], "a column is not as the file says"),
        ([((*CHUNK, 7), HUGE)], "a column leads out of it"),
        ([((*CHUNK, 7), -1)], "a number is missing, or is none that can be"),
        ([((*CHUNK, 9), 0), ((*CHUNK, 11), None)], "a column leads out of it"),
        ([((*CHUNK, 4), 9)], "it is compressed in a way that is not read"),
        ([((*CHUNK, 1), 6)], "a column is not as the file says"),
        ([((2, 0, 5), 1 << 30)], "it says less of columns than it has"),
        ([((2, 1, 1), 7)], "a number is missing, or is none that can be"),
        ([((2, 2, 4), b"step")], "two columns are of one name"),
        ([((4,), [12, [], 1 << 31])], "a list is longer than it"),
        ([((5,), [8, [b""]])], "a list holds what is of another kind"),
    ],
)
def test_a_footer_that_lies(folder, places, expected):
    said = refusal(folder, "a.parquet", retold(parquet_file(), *places))
    assert said.startswith("a.parquet is not a complete Parquet file; ")
    assert expected in said
    with pytest.raises(DataError, match=re.escape(expected)):
        read_runs(folder / "a.parquet")
    with pytest.raises(DataError, match=re.escape(expected)):
        steps_to_goal(folder / "a.parquet", 1.0, trial="run", by="run")


@pytest.mark.parametrize(
    ("page", "places", "expected"),
    [
        (0, [((2,), (1 << 31) - 1)], "a page is larger than can be"),
        (0, [((3,), (1 << 31) - 1)], "a page is larger than can be"),
        (0, [((3,), -1)], "a number is missing, or is none that can be"),
        (0, [((1,), 7)], "a page is of no known kind"),
        (0, [((7, 1), (1 << 31) - 1)], "a dictionary is not as it says"),
        (1, [((5, 1), (1 << 31) - 1)], "a page is not of as many values as it says"),
        (1, [((5, 2), 77)], "a page is written in a way that is not read"),
    ],
)
@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "snappy"])
def test_a_page_that_lies(folder, page, places, expected, compression):
    data = retold(parquet_file(compression=compression), *places, page=page)
    assert expected in refusal(folder, "a.parquet", data)


def bomb(rows: int) -> bytes:
    """A valid file of few bytes and any number of rows, all of which are the first: runs of one value."""
    data, run = parquet_file(), varint(rows << 1)
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = thrift(data[:-8], start)[0]
    out = b"PAR1"
    for chunk, value in zip(
        (part_of(c, 3)[2] for c in part_of(part_of(footer, 4)[2][1][0], 1)[2][1]),
        (struct.pack("<q", 7), struct.pack("<d", 2.5), b"\1\0\0\0a"),
        strict=True,
    ):
        level = run + b"\1"
        body = struct.pack("<I", len(level)) + level + b"\0" + run
        dictionary = [[1, 5, 2], [2, 5, len(value)], [3, 5, len(value)], [7, 12, [[1, 5, 1], [2, 5, 0]]]]
        held = [[1, 5, rows], [2, 5, 8], [3, 5, 3], [4, 5, 3]]
        place = len(out)
        out += thrift_of(dictionary) + value
        second = len(out)
        out += thrift_of([[1, 5, 0], [2, 5, len(body)], [3, 5, len(body)], [5, 12, held]]) + body
        chunk[:] = [p for p in chunk if p[0] in (1, 3, 4)]
        chunk += [[2, 9, [5, [0, 3, 8]]], [5, 6, rows], [6, 6, len(out) - place], [7, 6, len(out) - place]]
        chunk += [[9, 6, second], [11, 6, place]]
    part_of(footer, 3)[2] = part_of(part_of(footer, 4)[2][1][0], 3)[2] = rows
    last = thrift_of(footer)
    return out + last + struct.pack("<I", len(last)) + b"PAR1"


def test_few_bytes_that_grow_to_very_many_rows(folder):
    assert pl.read_parquet(io.BytesIO(bomb(1000))).equals(pl.read_parquet(io.BytesIO(parquet_file(1000))))
    for rows in (11_000_000, (1 << 31) - 1):
        said = refusal(folder, "a.parquet", bomb(rows))
        assert f"says it has {rows:,} rows, too many for its size" in said
        with pytest.raises(DataError, match="too many for its size"):
            read_runs(folder / "a.parquet")


def test_a_kind_of_column_that_arrow_places_outside(folder):
    shapes = struct.pack("<5H4H5H", 10, 8, 0, 0, 4, 8, 8, 0, 4, 10, 8, 0, 0, 60000)
    schema = struct.pack("<I28s4xiIiIIIiI", 36, shapes, 32, 4, 30, 4, 1, 4, 38, 0)
    said = [[1, 8, b"ARROW:schema"], [2, 8, base64.b64encode(schema)]]
    assert "not a complete Parquet" in refusal(folder, "a.parquet", retold(parquet_file(), ((5,), [12, [said]])))


def test_a_column_of_runs_that_names_none(folder):
    pl.DataFrame({"step": [1], "loss": [2.0], "run": [None]}, {"step": pl.Int64, "loss": pl.Float64, "run": pl.String}
    ).write_parquet(folder / "a.parquet")  # fmt: skip
    assert refusal(folder, "a.parquet") == "a.parquet, column 'run' names no run; expected a name in each row"


@pytest.mark.parametrize("kind", [pl.Datetime("us"), pl.Datetime("ms", "UTC"), pl.Datetime("ns"), pl.Date])
def test_times_of_no_calendar_are_empty(folder, kind):
    most = (1 << 31) - 1 if kind == pl.Date else (1 << 63) - 1
    when = pl.Series("when", [0, most, -most, 20_000], pl.Int32 if kind == pl.Date else pl.Int64)
    frame = pl.DataFrame({"step": [1, 2, 3, 4], "loss": [4.0, 3.0, 2.0, 1.0]}).with_columns(when.cast(kind))
    frame.write_parquet(folder / "a.parquet")
    logs = read(folder, runs=2)
    assert next(r for r in logs.runs if r.name == "a").curves()["value"].to_list() == [4.0, 3.0, 2.0, 1.0]
    held = next(frames_of(folder / "a.parquet"))["when"]
    assert (held[0], held[3]) == (frame["when"][0], frame["when"][3])
    assert held.null_count() == (0 if kind == pl.Datetime("ns") else 2)
    assert len(held.cast(pl.String)) == 4


@pytest.mark.parametrize("kind", [pl.String, pl.Binary, pl.Categorical])
def test_one_text_in_very_many_cells(folder, kind):
    frame = pl.select(step=pl.int_range(10_000), loss=1.0, note=pl.lit("A" * 100_000).cast(kind))
    frame.write_parquet(folder / "a.parquet")
    assert (folder / "a.parquet").stat().st_size < 150_000
    assert refusal(folder, "a.parquet") == "a.parquet holds more than its size can; it is damaged, or made to harm"
    with pytest.raises(DataError, match="holds more than its size can"):
        read_runs(folder / "a.parquet")


def test_what_arrow_says_of_columns_is_not_followed_without_end(folder):
    import pyarrow as pa

    kind = pa.int64()
    for _ in range(2000):  # as deep ends the process where polars follows it
        kind = pa.struct([("a", kind)])
    schema = pa.schema([("step", kind)]).serialize().to_pybytes()
    said = [[1, 8, b"ARROW:schema"], [2, 8, base64.b64encode(schema)]]
    assert "its columns nest too deep" in refusal(folder, "a.parquet", retold(parquet_file(), ((5,), [12, [said]])))
    said[1][2] = b"/////60AA?"
    assert "of Arrow is damaged" in refusal(folder, "a.parquet", retold(parquet_file(), ((5,), [12, [said]])))
    said[1][2] = base64.b64encode(schema[:-60_000])
    assert "leads out of it" in refusal(folder, "a.parquet", retold(parquet_file(), ((5,), [12, [said]])))
    shapes = struct.pack("<5H4H8H", 10, 8, 0, 0, 4, 8, 8, 0, 4, 16, 8, 0, 0, 0, 0, 0, 4)
    twice = b"".join(struct.pack("<iIIII", 42 + 20 * i, 4, 2, 8, 4) for i in range(25))  # each holds the next, twice
    last = struct.pack("<iII", 42 + 500, 4, 0)
    said[1][2] = base64.b64encode(struct.pack("<I34s2xiIiIII", 40, shapes, 36, 4, 34, 4, 1, 4) + twice + last)
    assert "leads out of it, or in circles" in refusal(
        folder, "a.parquet", retold(parquet_file(), ((5,), [12, [said]]))
    )


def test_what_is_damaged_within_a_page_is_one_sentence(folder):
    data = parquet_file(compression="zstd")
    at = data.index(b"\x28\xb5\x2f\xfd")
    said = refusal(folder, "a.parquet", data[:at] + b"\xff" + data[at + 1 :])
    assert said.startswith("a.parquet is not a complete Parquet file; it is damaged (")


@pytest.mark.parametrize(
    "frame",
    [
        pl.select(step=pl.int_range(1_200_000)).with_columns(*(pl.lit(1.0 * i).alias(f"c{i}") for i in range(19))),
        pl.select(step=pl.int_range(50_000)).with_columns(
            *(pl.when(pl.col("step") % 1000 == i).then(1.0).alias(f"c{i}") for i in range(1000))
        ),
    ],
    ids=["columns that hold one value", "a thousand columns, nearly empty"],
)
def test_honest_tables_that_shrink_much_are_read(tmp_path, frame):
    frame.write_parquet(tmp_path / "a.parquet")
    (run,) = read_logs(tmp_path).runs
    held = frame.select(pl.exclude("step")).count().sum_horizontal().item()
    assert sum(points.height for points in run.points()) == held


# -- evaluations ----------------------------------------------------------------------------------------------------

RESULTS = "results_2026-11-27T16-34-13.036972.json"


@pytest.mark.parametrize("odd", [1, "x", [1], True, None, {"a": {"b": [1]}}])
@pytest.mark.parametrize("key", ["results", "status", "stats", "eval", "samples"])
def test_parts_of_an_evaluation_of_another_kind(folder, odd, key):
    sample = {"id": 1, "epoch": 1, "scores": {"match": {"value": "C"}}}
    (folder / "a.json").write_text(json.dumps({**HEADER, "samples": [sample], key: odd}))
    if key == "eval":
        assert read(folder).left_out == ()  # nothing in it is like a log of Inspect
    else:
        read(folder, runs=2)


@pytest.mark.parametrize("odd", [1, "x", [1], True, None, {"a": {"b": [1]}}])
def test_parts_of_results_of_another_kind(folder, odd):
    for key in ("config", "n-shot", "n-samples", "versions", "date", "model_name"):
        (folder / RESULTS).write_text(json.dumps({"results": {"t": {"acc": 1, "x": odd}, "u": odd}, key: odd}))
        read(folder, runs=2)
    (folder / RESULTS).write_text(json.dumps({"results": odd}))
    if isinstance(odd, dict):
        read(folder, runs=2)
    else:
        assert "has no 'results' by task" in refusal(folder, RESULTS)


def test_scores_that_are_damaged_are_said_and_the_evaluation_is_kept(folder):
    (folder / RESULTS).write_text(json.dumps({"results": {"t": {"acc": 1}}, "versions": {}}))
    (folder / RESULTS.replace("results", "samples_t").replace(".json", ".jsonl")).write_text(
        '{"doc_id": 1}\n{"a"\n{}\n'
    )
    (said,) = read(folder, runs=2).left_out
    assert "line 2 is not JSON" in said


def test_scores_named_by_no_name(folder):
    (folder / RESULTS).write_text(json.dumps({"results": {"t": {"acc": 1}}, "versions": {}}))
    record = {"doc_id": ["\ud800"], "metrics": [[1], {"a": 1}, "acc"], "acc": True, "filter": [1]}
    (folder / RESULTS.replace("results", "samples_t").replace(".json", ".jsonl")).write_text(json.dumps(record) + "\n")
    assert read(folder, runs=2).left_out == ()


def helm_run(folder, **changed) -> Path:
    """A run folder of HELM some of whose files are changed; what is no text is written as JSON, None is not there."""
    target = folder / "parts:model=simple_model1,eval_split=valid"
    shutil.copytree(HELM, target)
    for name, content in changed.items():
        path = target / f"{name}.json"
        if content is None:
            path.unlink()
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return target


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"stats": (HELM / "stats.json").read_text()[:900]}, "stats.json is not JSON"),
        ({"stats": ""}, "stats.json is not JSON"),
        ({"stats": {"count": 1}}, "stats.json holds no list; expected the statistics of HELM"),
        ({"stats": None}, "has no stats.json; the run did not end, or was copied in part"),
        ({"run_spec": (HELM / "run_spec.json").read_text()[:900]}, "run_spec.json is not JSON"),
        ({"run_spec": [1]}, "run_spec.json holds no object; expected the run specification of HELM"),
        ({"run_spec": "[" * 3_000}, "run_spec.json nests too deep to be a log"),
    ],
)
def test_run_folders_of_helm_that_are_damaged(folder, changed, expected):
    target = helm_run(folder, **changed)
    assert expected in refusal(folder, target.name)


@pytest.mark.parametrize("damaged", ["", "[{", {"a": 1}, "[" * 3_000])
def test_a_run_of_helm_whose_items_are_damaged_is_kept(folder, damaged):
    target = helm_run(folder, per_instance_stats=damaged)
    logs = read(folder, runs=2)
    (said,) = logs.left_out
    assert said.startswith(f"{target.name}: per_instance_stats.json ")
    (run,) = (r for r in logs.runs if r.kind == "helm")
    assert run.final["parts:eval_split=valid/n,valid"] == 1


@pytest.mark.parametrize("odd", [1, "x", [1], True, None, {"a": {"b": [1]}}, {"name": [1], "split": {}}, 1e400])
def test_parts_of_a_run_of_helm_of_another_kind(folder, odd):
    stat = {"name": {"name": "acc", "split": "test"}, "count": 2, "sum": 1}
    names = [{**stat["name"], k: odd} for k in ("name", "split", "sub_split", "perturbation")]
    stats = [stat, odd, *({**stat, k: odd} for k in stat), *({**stat, "name": n} for n in names)]
    item = {"instance_id": "id1", "train_trial_index": 0, "stats": stats}
    items = [item, odd, *({**item, k: odd} for k in (*item, "perturbation"))]
    for key in ("name", "scenario_spec", "adapter_spec", "data_augmenter_spec", "groups"):
        spec = {**json.loads((HELM / "run_spec.json").read_text()), key: odd}
        target = helm_run(folder, run_spec=spec, stats=stats, per_instance_stats=items)
        assert read(folder, runs=2).left_out == ()
        shutil.rmtree(target)


def test_values_of_helm_that_are_not_finite(folder):
    names = ("a", "b", "b", "none", "less")
    sums = ("NaN", "Infinity", "-Infinity", "5", "1")
    counts = (1, 2, 2, 0, -1)
    stats = [
        f'{{"name": {{"name": "{name}", "split": "test"}}, "count": {count}, "sum": {total}}}'
        for name, total, count in zip(names, sums, counts, strict=True)
    ]
    helm_run(folder, stats=f"[{', '.join(stats)}]", per_instance_stats=None)
    (run,) = (r for r in read(folder, runs=2).runs if r.kind == "helm")
    assert sorted(run.final) == ["parts:eval_split=valid/a", "parts:eval_split=valid/b"]
    assert all(map(math.isnan, run.final.values()))
    assert run.samples is None


def test_names_of_helm_that_lie(folder):
    spec = json.loads((HELM / "run_spec.json").read_text())
    spec |= {"name": "../../x\x1b[2J:model=other,,=,a=\ud800", "groups": {"a" * 5_000: 1}}
    helm_run(folder, run_spec=spec)
    logs = read(folder, runs=2)
    (run,) = (r for r in logs.runs if r.kind == "helm")
    assert run.name == "simple/model1 on ../../x?[2J:=,a=?"
    assert run.source == "parts:model=simple_model1,eval_split=valid"
    assert logs.left_out == ()


# -- MLflow ---------------------------------------------------------------------------------------------------------


def changed(folder, *statements: str) -> Path:
    path = folder / "mlflow.db"
    path.write_bytes(small_database(DATABASE))
    database = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()
    return path


@pytest.mark.parametrize(
    "statement",
    [
        "update runs set name = x'00ff', start_time = 'x', status = x'01'",
        "update runs set run_uuid = null, end_time = 1e300",
        "update runs set name = cast(x'ff80' as text), status = cast(x'ff' as text)",
        "update params set value = x'ff', key = 5",
        "update tags set value = null, key = null",
        "update metrics set key = null, timestamp = 'x', is_nan = 'x'",
        "update experiments set name = x'ff'",
        "update runs set start_time = 9e999",
    ],
)
def test_cells_of_other_kinds(folder, statement):
    changed(folder, statement)
    assert broken_promise(folder, "mlflow") == ""
    assert len(read_logs(folder)) > 1


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("update metrics set value = 'x'", "is no number; expected step and value"),
        ("update metrics set step = x'01'", "is no number; expected step and value"),
        ("alter table metrics drop column step", "no such column: step"),
        ("alter table runs drop column status", "no such column: status"),
        ("update runs set lifecycle_stage = 'deleted'", "mlflow.db holds no run but"),
        ("delete from runs", "mlflow.db holds no run"),
    ],
)
def test_stores_that_cannot_be_read(folder, statement, expected):
    changed(folder, statement)
    logs = read_logs(folder)
    assert broken_promise(folder, "mlflow") == ""
    assert "good" in [r.name for r in logs.runs]
    assert any(expected in s for s in logs.left_out), logs.left_out


def test_a_schema_that_computes(folder):
    path = changed(folder)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma writable_schema = on")
    database.execute(
        "update sqlite_master set sql = replace(sql, 'value', 'value AS (zeroblob(900000000))') where name = 'metrics'"
    )
    database.close()
    assert broken_promise(folder, "mlflow") == ""
    assert len(read_logs(folder).left_out) >= 1


def test_pages_that_lead_in_circles(folder):
    """Layers of pages, each of which names the next thirty times: more rows than could ever be counted."""
    path = changed(
        folder, "drop index of_run", "create table filler (x)", "insert into filler values (zeroblob(20000))"
    )
    database = sqlite3.connect(path)
    (root,) = database.execute("select rootpage from sqlite_master where name = 'runs'").fetchone()
    database.close()
    data, size = bytearray(path.read_bytes()), 512
    leaf = bytes(data[(root - 1) * size : root * size])
    pages = len(data) // size
    chain = [root, *range(pages - 16, pages)]
    for page, below in pairwise(chain):
        cells = b"".join(struct.pack(">I", below) + bytes((i + 1,)) for i in range(30))
        start = size - len(cells)
        body = bytearray(size)
        body[:12] = struct.pack(">BHHHBI", 5, 0, 30, start, 0, below)
        for i in range(30):
            struct.pack_into(">H", body, 12 + 2 * i, start + 5 * i)
        body[start:] = cells
        data[(page - 1) * size : page * size] = body
    data[(chain[-1] - 1) * size : chain[-1] * size] = leaf
    said = refusal(folder, "mlflow.db", bytes(data))
    assert "reading it does not come to an end, its pages lead in circles" in said


def test_a_store_is_not_written_to(folder):
    path = changed(folder, "pragma journal_mode = wal", "update runs set name = 'x'")
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    read_logs(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before
    assert path.name in before


def test_a_log_without_its_index_is_read_and_no_index_is_made(folder):
    """As a copy of a store in use leaves it: the newest is in the log alone."""
    path = changed(folder, "pragma journal_mode = wal")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("update runs set name = 'in the log'")
    kept = {p.name: p.read_bytes() for p in folder.glob("mlflow.db*") if not p.name.endswith("-shm")}
    writer.close()
    assert set(kept) == {"mlflow.db", "mlflow.db-wal"}
    for name, data in kept.items():
        (folder / name).write_bytes(data)
    logs = read_logs(folder)
    assert "in the log" in [r.name for r in logs.runs]
    assert any(r.curves().height for r in logs.runs if r.name == "in the log")
    assert {p.name: p.read_bytes() for p in folder.glob("mlflow.db*")} == kept


def test_a_store_that_is_open_is_read_with_its_log(folder):
    path = changed(folder, "pragma journal_mode = wal")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("update runs set name = 'in the log'")
    assert "in the log" in [r.name for r in read_logs(folder).runs]
    writer.execute("update runs set name = 'later'")
    writer.close()
    assert "later" in [r.name for r in read_logs(folder).runs]


def test_what_is_left_out_of_a_store_names_the_run(folder):
    changed(
        folder,
        "update metrics set value = 'high' where run_uuid = (select run_uuid from runs where name = 'sql-nested')",
        "update runs set lifecycle_stage = 'deleted' where name = 'sql-failed'",
    )
    said = read_logs(folder).left_out
    assert any(s.startswith("mlflow.db, run 'sql-nested': a point of '") for s in said), said
    assert any("2 deleted runs, sql-failed, sql-deleted" in s for s in said), said


def test_a_damaged_store_by_another_name_is_said(folder):
    data = bytearray(small_database(DATABASE))
    data[100] = 0x77
    assert "store.sqlite cannot be read as a store of MLflow" in refusal(folder, "store.sqlite", bytes(data))


@pytest.mark.parametrize("line", ["1" * 900 + " 1 1", "²³ 1 1", "1 1 " + "9" * 900, "x", "1 x", "1"])
def test_points_of_a_file_store(folder, line):
    run = folder / "mlrun"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("run_id: r\nlifecycle_stage: active\nstart_time: ²\nend_time: " + "9" * 5_000 + "\n")
    (run / "metrics" / "loss").write_text(f"1700000000000 2.5 0\n{line}\n1700000000000 2.4 2\n")
    assert broken_promise(folder, "mlflow") == ""
    assert any("metrics/loss, line 2" in s for s in read_logs(folder).left_out) or len(read_logs(folder)) == 2


# -- readers that fail ----------------------------------------------------------------------------------------------


def failing(error: BaseException, where: str) -> Reader:
    from similitude.runs._logged import LoggedRun

    def sniff(place):
        if where == "sniff" and "a.x" in place.files:
            raise error
        return [place.claim("a.x")] if "a.x" in place.files else []

    def points():
        raise error
        yield

    def runs(claim):
        if where == "read":
            raise error
        yield LoggedRun(kind="failing", key="failing", name="a", source=str(claim.files[0]), points=points)

    return Reader("failing", "fails", sniff, runs)


@pytest.mark.parametrize("where", ["sniff", "read", "points"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("x"), "the reader 'failing' failed on it (KeyError: 'x'), a fault of the reader"),
        (RecursionError("deep"), "cannot be read (RecursionError: deep); it is too large, or nests too deep"),
        (MemoryError(), "cannot be read (MemoryError: ); it is too large, or nests too deep"),
        (OSError(5, "Input/output error"), "cannot be read (Input/output error)"),
        (DataError("it is bad"), "it is bad"),
    ],
)
def test_a_reader_that_fails_is_one_sentence(folder, monkeypatch, where, error, expected):
    monkeypatch.setattr("similitude.runs.readers.all_readers", lambda: (failing(error, where), *READERS))
    (folder / "a.x").write_bytes(b"x")
    logs = read_logs(folder)
    assert [r.name for r in logs.runs] == ["good"]
    (said,) = logs.left_out
    assert expected in said


def test_whoever_stops_the_program_is_not_kept_from_it(folder, monkeypatch):
    monkeypatch.setattr("similitude.runs.readers.all_readers", lambda: (failing(KeyboardInterrupt(), "read"), *READERS))
    (folder / "a.x").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt):
        read_logs(folder)


def test_two_logs_of_one_run_of_which_one_changed_under_way(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        shutil.copy(PLAIN, folder / name / "run-plain.wandb")
    records = wandb_records(PLAIN.read_bytes())
    (folder / "b" / "run-plain.wandb").write_bytes(wandb_file(records[:-3]))
    assert len(read(folder, runs=2).left_out) == len(read_logs(PLAIN).left_out)
