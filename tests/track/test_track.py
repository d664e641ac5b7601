"""Runs that are tracked: what is logged is in the store; nothing that goes wrong reaches the training."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import polars as pl
import pytest

import similitude as sim
from similitude.runs.store._live import live_runs
from similitude.track import _run as tracking


def run_script(folder, text: str, **more) -> subprocess.CompletedProcess[str]:
    path = folder / "train.py"
    path.write_text("import similitude as sim\n" + textwrap.dedent(text))
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, str(path)], cwd=folder, capture_output=True, text=True, timeout=120, env=environment, **more
    )


def only_run(folder):
    with sim.Store(folder / "similitude.db", create=False) as store:
        (record,) = store.listing().iter_rows(named=True)
        return record, store[record["id"]]


def values(logged, metric: str) -> list[tuple[int, float]]:
    return logged.curves().filter(pl.col("metric") == metric).sort("step").select("step", "value").rows()


def test_three_lines(tmp_path) -> None:
    done = run_script(
        tmp_path,
        """
        with sim.track.run(config={"model": {"layers": 4}, "lr": 3e-4}, name="first") as run:
            for step in range(50):
                run.log({"loss": 5 / (step + 1), "lr": 3e-4}, step=step)
            run.summary({"hellaswag": 0.31})
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    record, logged = only_run(tmp_path)
    assert record["name"] == "first"
    assert record["state"] == "finished"
    assert logged.config["model.layers"] == 4
    assert logged.final["hellaswag"] == 0.31
    assert values(logged, "loss") == [(s, 5 / (s + 1)) for s in range(50)]


def test_steps_count_by_themselves_and_tensors_are_read(tmp_path) -> None:
    with sim.track.run(tmp_path / "similitude.db") as run:
        run.log({"loss": np.float32(2.5), "parts": np.ones(3), "said": "hello", "flag": True})
        run.log({"loss": np.array([1.5])}, step=10)
        run.log({"loss": 1.25})
    _, logged = only_run(tmp_path)
    assert values(logged, "loss") == [(0, 2.5), (10, 1.5), (11, 1.25)]
    assert set(logged.curves()["metric"].to_list()) == {"loss", "flag"}


def test_what_is_no_number_is_said_once(tmp_path, capsys) -> None:
    with sim.track.run(tmp_path / "similitude.db", name="mine") as run:
        for step in range(100):
            run.log({"loss": 1.0, "parts": np.ones(3)}, step)
    err = capsys.readouterr().err
    assert err == "similitude: tracking of mine: 'parts' is no number (ndarray) and is left out\n"


def test_a_run_nobody_finished_is_finished_at_the_end_of_the_process(tmp_path) -> None:
    done = run_script(tmp_path, "run = sim.track.run()\nrun.log({'loss': 1.0})\n")
    assert (done.returncode, done.stderr) == (0, "")
    record, logged = only_run(tmp_path)
    assert record["state"] == "finished"
    assert values(logged, "loss") == [(0, 1.0)]


@pytest.mark.parametrize("inside", ["with sim.track.run() as run:\n    ", "run = sim.track.run()\n"])
def test_an_error_of_the_training_is_kept_and_passed_on(tmp_path, inside) -> None:
    done = run_script(tmp_path, inside + "run.log({'loss': 1.0}); 1 / 0\n")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    record, logged = only_run(tmp_path)
    assert record["state"] == "crashed"
    assert values(logged, "loss") == [(0, 1.0)]
    if inside.startswith("with"):
        assert logged.config["error"] == "ZeroDivisionError"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_run_that_is_told_to_stop_is_kept(tmp_path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "import similitude as sim, time\nrun = sim.track.run()\nrun.log({'loss': 1.0})\nprint('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(path)], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    record, logged = only_run(tmp_path)
    assert record["state"] == "crashed"
    assert values(logged, "loss") == [(0, 1.0)]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_run_whose_process_was_killed_is_shown_as_stopped_and_can_go_on(tmp_path) -> None:
    done = run_script(
        tmp_path,
        """
        import os, signal, time
        run = sim.track.run(name="second", config={"max_steps": 100})
        for step in range(20):
            run.log({"loss": 3.0 - step / 10}, step)
        while run.number is None or run._queue:
            time.sleep(0.05)
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    with sim.Store(tmp_path / "similitude.db", create=False) as store:
        (live,) = live_runs(store)
        assert not live.alive
        assert store.logged() == ()
    with sim.track.run(tmp_path / "similitude.db", resume=live.number) as run:
        run.log({"loss": 0.5}, 20)
    record, logged = only_run(tmp_path)
    assert record["state"] == "finished"
    assert values(logged, "loss")[-3:] == [(18, 3.0 - 18 / 10), (19, 3.0 - 19 / 10), (20, 0.5)]


def test_only_the_first_process_of_a_job_tracks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("RANK", "3")
    with sim.track.run(tmp_path / "similitude.db") as run:
        run.log({"loss": 1.0})
    assert not (tmp_path / "similitude.db").exists()
    monkeypatch.delenv("RANK")
    monkeypatch.setenv("SLURM_PROCID", "1")
    with sim.track.run(tmp_path / "similitude.db", every_process=True) as run:
        run.log({"loss": 1.0})
    assert only_run(tmp_path)[0]["state"] == "finished"


def test_a_store_that_cannot_be_made_is_said_once_and_the_run_goes_on(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "EVERY", 0.02)
    (tmp_path / "file").write_text("")
    with sim.track.run(tmp_path / "file" / "similitude.db", name="mine") as run:
        for step in range(20):
            run.log({"loss": 1.0}, step)
            time.sleep(0.01)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("similitude: tracking of mine: ")


def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "EVERY", 0.02)
    path = tmp_path / "similitude.db"
    path.write_text("my notes\n")
    with sim.track.run(path, name="mine") as run:
        run.log({"loss": 1.0})
        time.sleep(0.1)
    assert path.read_text() == "my notes\n"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "similitude.db" in said[0]


def test_values_wait_while_the_store_is_locked(tmp_path, monkeypatch) -> None:
    """Another program holds the store for a while: nothing is lost."""
    import sqlite3

    monkeypatch.setattr(tracking, "EVERY", 0.02)
    path = tmp_path / "similitude.db"
    sim.Store(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with sim.track.run(path) as run:
        for step in range(10):
            run.log({"loss": float(step)}, step)
        time.sleep(0.2)
        holder.execute("ROLLBACK")
        holder.close()
    assert values(only_run(tmp_path)[1], "loss") == [(s, float(s)) for s in range(10)]


def test_the_end_of_a_run_waits_for_room_on_a_full_disk(disk, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "EVERY", 0.02)
    monkeypatch.setattr(tracking, "AGAIN", 0.05)
    resized, path = disk("600k"), tmp_path / "disk" / "similitude.db"
    filled = path.with_name("filled")
    with sim.track.run(path, name="mine") as run:
        run.log({"loss": 0.0}, 0)
        while run.number is None or run._queue:
            time.sleep(0.02)
        with open(filled, "wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(bytes(1 << 12))
        for step in range(1, 20_000):
            run.log({"loss": float(step)}, step)
        threading.Timer(0.5, resized, ["20m"]).start()
    said = capsys.readouterr().err
    assert said == f"similitude: tracking of mine: {path}: the disk is full; what waits is written once there is room\n"
    record, logged = only_run(path.parent)
    assert record["state"] == "finished"
    assert values(logged, "loss") == [(s, float(s)) for s in range(20_000)]


def test_a_disk_that_stays_full_ends_the_wait(disk, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "EVERY", 0.02)
    monkeypatch.setattr(tracking, "AGAIN", 0.05)
    monkeypatch.setattr(tracking, "PATIENCE", 0.5)
    disk("600k")
    with sim.track.run(tmp_path / "disk" / "similitude.db", name="mine") as run:
        for step in range(50_000):
            run.log({"loss": float(step)}, step)
    full, late = capsys.readouterr().err.splitlines()
    assert "the disk is full; what waits is written once there is room" in full
    assert late == "similitude: tracking of mine: the last points could not be written in time"


def test_more_than_can_wait_is_counted(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(tracking, "LONGEST", 5)
    with sim.track.run(tmp_path / "similitude.db", name="mine") as run:
        for step in range(12):
            run.log({"loss": float(step)}, step)
    kept = values(only_run(tmp_path)[1], "loss")
    lost = 12 - len(kept)
    assert kept[:5] == [(s, float(s)) for s in range(5)]
    assert f"{lost} steps were not kept" in capsys.readouterr().err


def test_broken_values_never_reach_the_training(tmp_path, capsys) -> None:
    class Broken:
        def detach(self):
            raise RuntimeError("no memory")

        clone = detach

    with sim.track.run(tmp_path / "similitude.db", name="mine") as run:
        run.log({"loss": Broken()}, step=1)
        run.log({"loss": 2.0}, step="later")  # type: ignore[arg-type]
        run.log(None, step=3)  # type: ignore[arg-type]
        run.summary({"score": "high"})  # type: ignore[dict-item]
        run.log({"loss": 2.0}, step=4)
    assert values(only_run(tmp_path)[1], "loss") == [(4, 2.0)]
    said = capsys.readouterr().err
    assert "no memory" in said
    assert "'high'" in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork of POSIX")
def test_a_forked_worker_does_not_track_and_does_not_wait(tmp_path) -> None:
    done = run_script(
        tmp_path,
        """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        run = sim.track.run()
        run.log({"loss": 1.0}, 0)
        child = os.fork()
        if child == 0:
            run.log({"loss": 2.0}, 1)
            run.finish()
            os._exit(0)
        os.waitpid(child, 0)
        run.log({"loss": 3.0}, 2)
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert values(only_run(tmp_path)[1], "loss") == [(0, 1.0), (2, 3.0)]


def test_several_processes_into_one_store(tmp_path) -> None:
    path = tmp_path / "train.py"
    path.write_text(
        "import similitude as sim, sys\n"
        "with sim.track.run(name=sys.argv[1]) as run:\n"
        "    for step in range(200):\n"
        "        run.log({'loss': float(step) + float(sys.argv[1])}, step)\n"
    )
    started = [subprocess.Popen([sys.executable, str(path), str(k)], cwd=tmp_path) for k in range(4)]
    assert [p.wait(120) for p in started] == [0] * 4
    with sim.Store(tmp_path / "similitude.db", create=False) as store:
        found = {r.name: values(r, "loss") for r in store.logged()}
    assert found == {str(k): [(s, float(s) + k) for s in range(200)] for k in range(4)}
