"""The store: what is put in comes out, twice is once, a log that grew replaces itself, nothing is there by half."""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import similitude as sim
from similitude.runs import LoggedRun
from similitude.runs._logged import points_of, points_schema, samples_schema
from similitude.runs.store import Store
from similitude.runs.store._live import LiveWriter, live_runs
from similitude.runs.store._parts import Digest
from similitude.runs.store._schema import MIGRATIONS, VERSION

POINTS = [
    ("loss", 1, 1.5e9, 4.0),
    ("loss", 2, None, math.nan),
    ("lr", 2, 1.5e9 + 1, -math.inf),
    ("loss", 3, None, 1 / 3),
]


def logged(name: str = "a", points=POINTS, **more) -> LoggedRun:
    config = {"lr": 3e-4, "layers": 12, "tied": True, "act": "gelu", "none": None, "huge": 2**70, "odd": math.inf}
    given = {"kind": "table", "key": f"key of {name}", "name": name, "source": "x/log.csv", "config": config}
    given |= {"final": {"acc": 0.5, "missing": math.nan}, "state": "finished", "tags": ("one", "two"), "started": 1.5e9}
    return LoggedRun(
        **{**given, "points": points_of(points or []), "assumed": ("something",), "left_out": ("a picture",), **more}
    )


@pytest.fixture
def store(tmp_path):
    with sim.Store(tmp_path / "similitude.db") as opened:
        yield opened


def same(a: LoggedRun, b: LoggedRun) -> bool:
    plain = ("kind", "key", "name", "source", "state", "started", "ended", "tags", "assumed", "left_out")
    return (
        all(getattr(a, k) == getattr(b, k) for k in plain)
        and dict(a.config) == dict(b.config)
        and a.final.keys() == b.final.keys()
        and all(b.final[k] == v or (math.isnan(v) and math.isnan(b.final[k])) for k, v in a.final.items())
        and a.curves().equals(b.curves())
    )


def test_a_run_comes_out_as_it_went_in(store):
    samples = pl.DataFrame([("arc", "7", "acc", 1.0)], schema=samples_schema(), orient="row")
    run = logged(samples=lambda: iter([samples]))
    assert str(store.add([run])) == "1 new"
    (back,) = store.logged()
    assert same(run, back)
    assert back.samples is not None
    assert pl.concat(list(back.samples())).equals(samples)
    assert store.curve("a", "loss")["value"].to_list()[::2] == [4.0, 1 / 3]


def test_importing_twice_changes_nothing(store):
    store.add([logged()])
    before = store._all("select * from run")[0]["changed"]
    files = sorted(store.folder.rglob("*.parquet"))
    assert store.add([logged(source="elsewhere/log.csv", key="another")]).same == ("a",)
    assert len(store) == 1
    assert sorted(store.folder.rglob("*.parquet")) == files
    assert store._all("select * from run")[0]["changed"] == before


def test_a_log_that_grew_replaces_itself_and_keeps_its_history(store):
    store.add([logged(state="running")])
    number = int(store.listing()["id"][0])
    more = [*POINTS, ("loss", 4, None, 0.25)]
    assert store.add([logged(points=more)]).grown == ("a",)
    assert len(store) == 1
    assert store[number].curves().height == 5
    assert [h["says"] for h in store.history("a")] == [
        "read from x/log.csv",
        "replaced: had 4 points",
        "read from x/log.csv",
    ]


def test_two_runs_of_one_key_are_kept_apart(store):
    store.add([logged()])
    other = [("loss", 1, None, 9.0)]
    assert store.add([logged(points=other)]).new == ("a",)
    assert len(store) == 2
    with pytest.raises(sim.SimilitudeError, match="2 runs named 'a': give a number, 1, 2"):
        store["a"]
    assert store[2].curves()["value"].to_list() == [9.0]


def test_the_hash_does_not_depend_on_how_points_are_cut():
    whole = next(points_of(POINTS * 50)())
    one, two = Digest(), Digest()
    one.add(whole)
    for i in range(0, whole.height, 7):
        two.add(whole.slice(i, 7))
    assert one.hexdigest() == two.hexdigest()
    changed = Digest()
    changed.add(whole.with_columns(value=pl.when(pl.col("step") == 3).then(1 / 3 + 1e-16).otherwise(pl.col("value"))))
    assert changed.hexdigest() != one.hexdigest()


def test_removing_takes_curves_along_unless_others_have_them(store):
    store.add([logged("a"), logged("b", final={"acc": 1.0})])
    assert len(list(store.folder.rglob("*.parquet"))) == 1  # equal curves are one file
    store.remove("a")
    assert store["b"].curves().height == 4
    store.remove("b")
    assert not list(store.folder.rglob("*.parquet"))
    assert len(store) == 0


def test_damage_is_named(store):
    store.add([logged("a"), logged("b", [("loss", 1, None, 1.0)]), logged("c", [("loss", 1, None, 2.0)])])
    hashes = [r["sha256"] for r in store._all("select sha256 from part order by run")]
    first, second, third = (store.folder / h[:2] / f"{h}.parquet" for h in hashes)
    assert store.check() == ()
    first.unlink()
    second.write_bytes(second.read_bytes()[:-9])
    (stray := third.with_name("0" * 64 + ".parquet")).write_bytes(b"left by an interrupted import")
    said = store.check()
    assert any(str(first) in s and "is gone" in s for s in said)
    assert any(str(second) in s and "is damaged" in s for s in said)
    assert len(said) == 3
    assert f"{stray} belongs to no run yet; an import is at it, or was interrupted: tidy removes it then" in said
    os.utime(stray, (0, 0))
    assert f"{stray} belongs to no run; an import was interrupted, tidy removes it" in store.check()
    store.check(tidy=True)
    assert not stray.exists()
    with pytest.raises(sim.SimilitudeError, match="is gone; restore it"):
        store["a"].curves()
    with pytest.raises(sim.SimilitudeError, match="is damaged"):
        store["b"].curves()
    assert store["c"].curves().height == 1


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_export_holds_every_point(store, tmp_path, kind):
    store.add([logged("a"), logged("b", [("x", 5, None, 2.0)])])
    files = store.export(tmp_path / "out", kind)
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[kind]
    runs = read(tmp_path / "out" / files[0])
    assert runs["name"].to_list() == ["a", "b"]
    points = pl.concat([read(tmp_path / "out" / f).select("run", "metric", "step") for f in files[1:]])
    assert points.rows() == [(1, m, s) for m, s, *_ in POINTS] + [(2, "x", 5)]
    with pytest.raises(sim.SimilitudeError, match="name a new or an empty folder"):
        store.export(tmp_path / "out", kind)


def test_sql_from_outside_sees_runs_while_the_store_is_open(store):
    store.add([logged()])
    with sqlite3.connect(f"file:{store.path}?mode=ro", uri=True) as other:
        assert other.execute("select name, state, points, last_step from runs").fetchall() == [("a", "finished", 4, 3)]
        rows = other.execute("select name, points, last from metric order by name").fetchall()
        assert rows == [("loss", 3, 1 / 3), ("lr", 1, -math.inf)]
        assert other.execute("select number from setting where name = 'layers'").fetchone() == (12,)


def test_duckdb_reads_runs_and_curves_together(store):
    duckdb = pytest.importorskip("duckdb")
    store.add([logged()])
    parts = f"{store.folder}/*/*.parquet"
    found = duckdb.sql(
        f"select metric, count(*) from read_parquet('{parts}') group by metric order by metric"
    ).fetchall()
    assert found == [("loss", 3), ("lr", 1)]


# -- what is no store -----------------------------------------------------------------------------------------------


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("not a database at all, but longer than a header")
    with pytest.raises(sim.SimilitudeError, match="is no store of runs"):
        Store(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("create table mine (x)")
    with pytest.raises(sim.SimilitudeError, match="an SQLite file, but no store"):
        Store(tmp_path / "other.db")
    with pytest.raises(sim.SimilitudeError, match="there is no such store"):
        Store(tmp_path / "absent.db", create=False)
    with pytest.raises(sim.SimilitudeError, match="there is no folder"):
        Store(tmp_path / "a" / "b.db")
    assert not (tmp_path / "absent.db").exists()


def test_a_newer_store_is_refused_and_an_older_one_brought_up(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.add([logged()])
    from similitude.runs.store import _schema

    monkeypatch.setattr(_schema, "MIGRATIONS", (*MIGRATIONS, "alter table run add column colour text default 'red';"))
    monkeypatch.setattr(_schema, "VERSION", VERSION + 1)
    with Store(path) as newer:
        assert newer._all("select colour from run")[0]["colour"] == "red"
        assert newer["a"].curves().height == 4
    monkeypatch.undo()
    with pytest.raises(sim.SimilitudeError, match=f"version {VERSION + 1}, newer than this program's {VERSION}"):
        Store(path)


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "s.db"
    with Store(path) as store:
        store.add([logged()])
    from similitude.runs.store import _schema

    bad = "alter table run add column colour text;\ncreate table run (x);"
    monkeypatch.setattr(_schema, "MIGRATIONS", (*MIGRATIONS, bad))
    monkeypatch.setattr(_schema, "VERSION", VERSION + 1)
    with pytest.raises(sim.SimilitudeError, match="already exists"):
        Store(path)
    monkeypatch.undo()
    with Store(path) as store:
        assert len(store) == 1
        assert "colour" not in store._all("select * from run")[0].keys()  # noqa: SIM118 - of a row


# -- interruptions --------------------------------------------------------------------------------------------------

IMPORT = """
import sys, similitude as sim
from similitude.runs import LoggedRun
from similitude.runs._logged import points_of
first, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def run(i):
    points = points_of([("loss", s, None, i + s / 1000) for s in range(200)])
    return LoggedRun("table", f"k{i}", f"run {i}", "x", {"i": i}, points=points, state="finished")
with sim.Store(path) as store:
    print("open", flush=True)
    for i in range(first, first + count):
        store.add([run(i)])
        print(i, flush=True)
"""


def whole(path: Path) -> list[str]:
    """Names of the runs of a store, each of which must be complete."""
    with Store(path) as store:
        assert not [s for s in store.check() if "belongs to no run" not in s]
        for run in store.logged():
            i = run.config["i"]
            assert run.curves()["value"].to_list() == [i + s / 1000 for s in range(200)]
        return [r.name for r in store.logged()]


def test_killed_while_importing_nothing_finished_is_lost_and_nothing_half_is_there(tmp_path):
    path, done = tmp_path / "s.db", set()
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORT, str(100 * attempt), "1000", str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3 + 4 * attempt):
            line = process.stdout.readline().strip()
            if line.isdigit():
                done.add(f"run {line}")
        process.kill()
        process.communicate()
        found = whole(path)
        assert done <= set(found)
        assert len(found) == len(set(found))


def test_many_write_and_read_at_once(tmp_path):
    path = tmp_path / "s.db"
    command = [sys.executable, "-c", IMPORT]
    writers = [subprocess.Popen([*command, str(i * 100), "15", str(path)], stdout=subprocess.DEVNULL) for i in range(3)]
    with Store(path) as reader:
        while any(w.poll() is None for w in writers):
            for run in reader.logged():
                assert run.curves().height == 200
    assert all(w.returncode == 0 for w in writers)
    assert len(whole(path)) == 45


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path, disk):
    path, resized = tmp_path / "disk" / "s.db", disk("700k")
    ended = subprocess.run([sys.executable, "-c", IMPORT, "0", "4000", str(path)], capture_output=True, text=True)
    assert "the disk is full; make room and import again: what was finished is kept" in ended.stderr
    done = [f"run {line}" for line in ended.stdout.split() if line.isdigit()]
    assert len(done) > 3
    found = whole(path)
    assert found == done
    resized("20m")
    more = ["0", str(len(done) + 5), str(path)]
    again = subprocess.run([sys.executable, "-c", IMPORT, *more], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(whole(path)) == len(done) + 5


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(sim.SimilitudeError, match=r"is a folder; expected a file, such as .*similitude\.db"):
        sim.Store(tmp_path)


def test_a_store_where_nothing_can_be_written_is_read(disk, tmp_path):
    path, mounted = tmp_path / "disk" / "s.db", disk("5m")
    with sim.Store(path) as store:
        store.add([logged("one")])
    mounted("5m,ro")
    with sim.Store(path, create=False) as store:
        assert store["one"].curves().equals(next(points_of(POINTS)()))
        assert store.check() == ()
        with pytest.raises(sim.SimilitudeError, match=r"s\.db: no permission to write there; choose another place"):
            store.add([logged("two")])
        assert len(store) == 1
    with pytest.raises(sim.SimilitudeError, match=r"t\.db: no permission to write there"):
        sim.Store(path.with_name("t.db"))
    mounted("5m,rw")
    path.with_name("s.db-wal").write_bytes(b"x")  # something may be in it that the file does not have yet
    mounted("5m,ro")
    with pytest.raises(sim.SimilitudeError, match="no permission to write there"):
        sim.Store(path, create=False)


FILLED = """
import sys, similitude as sim
from similitude.runs.store._live import LiveWriter
with sim.Store(sys.argv[1], create=False) as store:
    print(len(store), len(store.check()))
try:
    LiveWriter(sys.argv[1])
except sim.SimilitudeError as error:
    print(error)
"""


def test_a_store_on_a_full_disk_is_opened_though_its_log_has_no_index(tmp_path, disk):
    disk("900k")
    path = tmp_path / "disk" / "s.db"
    killed = IMPORT + "    import os; os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed, "0", "5", str(path)], stdout=subprocess.DEVNULL)
    path.with_name("s.db-shm").unlink()
    with open(path.with_name("filled"), "wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 12))
    told = subprocess.run([sys.executable, "-c", FILLED, str(path)], capture_output=True, text=True)
    assert told.stdout.splitlines()[0] == "5 0", told.stderr
    assert "the disk is full" in told.stdout


def test_tidying_does_not_take_what_another_process_is_about_to_tell_of(store, tmp_path, monkeypatch):
    """Curves are on disk before the run is in the database: in between they belong to no run."""
    write = Store._write

    def tidied(self, run):
        written = write(self, run)
        monkeypatch.setattr(Store, "_write", write)
        with Store(store.path) as other:
            assert "belongs to no run" in other.check()[0]
            other.check(tidy=True)
        assert not list(store.folder.glob("??/*"))
        return written

    monkeypatch.setattr(Store, "_write", tidied)
    store.add([logged()])
    assert store.check() == ()
    writer = LiveWriter(store.path)
    number = writer.begin(LoggedRun("track", "k", "tracked", "x"))
    writer.append(number, [("loss", 1, None, 7.0)])
    store.remove("a")
    monkeypatch.setattr(Store, "_write", tidied)
    writer.finish(number)
    writer.close()
    assert store.check() == ()
    assert store["tracked"].curves()["value"].to_list() == [7.0]


def test_curves_of_a_run_that_another_process_tracks_are_no_strays(store):
    script = (
        "import sys; from similitude.runs.store._live import LiveWriter; from similitude.runs import LoggedRun\n"
        "w = LiveWriter(sys.argv[1]); w.begin(LoggedRun('track', 'k', 'up', 'x')); print('up', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        store._write(logged())
        assert store.check(tidy=True) == store.check() == ()
        process.communicate("\n")
    assert "belongs to no run" in store.check()[0]


# -- under way ------------------------------------------------------------------------------------------------------


def test_a_run_under_way_counts_once_it_has_finished(store):
    writer = LiveWriter(store.path)
    number = writer.begin(logged("live", points=None, final={}))
    writer.append(number, POINTS)
    assert len(store) == 0
    assert [r.name for r in store.logged(unfinished=True)] == ["live"]
    (live,) = live_runs(store)
    assert (live.alive, live.run.state, live.number) == (True, "running", number)
    assert live.run.curves().equals(next(points_of(POINTS)()))
    writer.finish(number, "finished", {"best": 0.5})
    assert live_runs(store) == ()
    (run,) = store.logged()
    assert (run.state, run.final, run.config["act"]) == ("finished", {"best": 0.5}, "gelu")
    assert run.curves().equals(next(points_of(POINTS)()))
    assert store._one("select count(*) from live_point") == 0
    writer.close()


def test_a_run_whose_process_died_is_stopped_and_can_be_resumed(store):
    script = (
        "import os, sys; from similitude.runs.store._live import LiveWriter; from similitude.runs import LoggedRun\n"
        "w = LiveWriter(sys.argv[1]); n = w.begin(LoggedRun('track', 'k', 'died', 'x'))\n"
        "w.append(n, [('loss', i, None, float(i)) for i in range(5)]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(store.path)])
    (live,) = live_runs(store)
    assert (live.alive, live.run.state) == (False, "unknown")
    assert len(store) == 0
    writer = LiveWriter(store.path)
    assert writer.resume(live.number) == 4
    writer.append(live.number, [("loss", 5, None, 5.0)])
    writer.finish(live.number)
    assert store["died"].curves()["value"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(sim.SimilitudeError, match="has no run 99 that could be resumed"):
        writer.resume(99)
    writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks when a process began")
def test_a_process_that_began_after_the_last_sign_of_life_is_another(store):
    """Numbers of processes are used again: a dead run is not alive because something else has its number now."""
    writer = LiveWriter(store.path)
    number = writer.begin(logged("one"))
    database = store._database
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for beat, alive in ((time.time(), True), (time.time() - 3600, False)):
            with database:
                database.execute("update live set pid = ?, beat = ? where run = ?", (other.pid, beat, number))
            assert [live.alive for live in live_runs(store)] == [alive]
        other.communicate(b"\n")
    assert writer.resume(number) == -1
    writer.close()


def test_points_in_parts_are_read_in_bounded_pieces(store, monkeypatch):
    from similitude.runs.store import _parts

    monkeypatch.setattr(_parts, "ROWS", 1000)
    rows = [("loss", i, None, float(i)) for i in range(10_500)]
    store.add([LoggedRun("table", "k", "long", "x", points=points_of(rows, size=300))])
    pieces = list(store["long"].points())
    assert max(p.height for p in pieces) <= 1300
    assert pl.concat(pieces)["value"].to_list() == [float(i) for i in range(10_500)]
    assert pieces[0].schema == pl.Schema(points_schema())


WATCH = "import sys, similitude as sim\nwith sim.Store(sys.argv[1]) as store: len(store)"


def test_looking_at_a_store_in_use_does_not_let_go_of_it(store):
    """What another process may remove once it takes the store for one that nobody has open."""
    from similitude.runs.store import is_store

    store.add([logged()])
    log = store.path.with_name("similitude.db-wal")
    before = log.stat().st_ino
    for look in (is_store, sim.read_logs, lambda path: Store(path).close(), lambda path: sim.read_logs(path.parent)):
        look(store.path)
        subprocess.run([sys.executable, "-c", WATCH, str(store.path)], check=True)
        assert log.stat().st_ino == before, look
        store.add([logged("b", [("loss", 1, None, 1.0)])])
    with sqlite3.connect(f"file:{store.path}?mode=ro", uri=True) as other:
        assert other.execute("select count(*) from runs").fetchone() == (2,)
