"""Whole ladders: the same table whatever the workers, whoever dies, and on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

import similitude as sim
from lab.ladders import DRIVER, table_of, workers_of
from similitude._errors import DataError
from similitude.lab import ladder_from
from similitude.lab._jobs import jobs_of, work
from similitude.lab._train import checkpoints_of, described
from similitude.runs.store import Store
from similitude.runs.store._live import LiveWriter


@pytest.fixture
def values(small):
    settings = small(steps=30)
    del settings["train"]["steps"]
    return {
        "name": "tiny",
        "run": settings,
        "sweep": [{"seed": [0, 1], "train": {"steps": [30, 60]}}],
    }


def test_one_worker_and_two_make_the_sametable_of(values, tmp_path):
    tables = []
    for workers in (1, 2):
        ladder = ladder_from(values, store=tmp_path / f"{workers}.db")
        outlook = sim.lab.run(ladder, workers=workers)
        assert [r["state"] for r in outlook.rows] == ["finished"] * 4
        assert outlook.left == 0
        tables.append(table_of(ladder.store))
    assert tables[0] == tables[1]
    assert len({str(t[2]) for t in tables[0].values()}) == 4


def test_an_executor_of_one_s_own_makes_it_too_and_what_is_there_is_left(values, tmp_path):
    ladder = ladder_from(values, store=tmp_path / "runs.db")
    with ThreadPoolExecutor(1) as pool:
        sim.lab.run(ladder, executor=pool)
        table = table_of(ladder.store)
        heard: list[str] = []
        sim.lab.run(ladder, executor=pool, told=heard.append)
    assert heard == []
    assert table_of(ladder.store) == table


def test_killing_a_worker_and_then_the_driver_loses_nothing(values, tmp_path):
    values["sweep"] = [{"seed": [0, 1], "train": {"steps": [300, 600]}}]
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    store = tmp_path / "runs.db"
    command = [sys.executable, str(script), json.dumps(values), str(store)]
    with subprocess.Popen(command, env=environment) as driver:
        try:
            _kill_both(driver, store)
        finally:
            driver.kill()
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert not list(checkpoints_of(store).glob("*"))
    undisturbed = ladder_from(values, store=tmp_path / "other.db")
    sim.lab.run(undisturbed, workers=2)
    assert table_of(store) == table_of(undisturbed.store)


def _kill_both(driver, store):
    """Kill a worker once it trains, and the driver once that is replaced; workers do not outlive their driver."""

    def training():
        with Store(store) as kept:
            return kept._one("select count(*) from live_point")

    def wait(until, seconds=90):
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end
            time.sleep(0.1)

    wait(lambda: store.is_file() and training() > 0)
    victims = workers_of(driver.pid)
    assert len(victims) == 2
    os.kill(victims[0], signal.SIGKILL)
    wait(lambda: set(workers_of(driver.pid)) - set(victims))
    orphans = workers_of(driver.pid)
    driver.kill()
    driver.wait()
    wait(lambda: not any(map(_alive, orphans)))


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_run_that_fails_is_named_and_the_others_are_trained(values, tmp_path, monkeypatch):
    import similitude.lab._jobs as jobs

    made = jobs.run_into

    def failing(config, *rest, **more):
        if config.seed == 1:
            raise DataError("the text is gone")
        return made(config, *rest, **more)

    monkeypatch.setattr(jobs, "run_into", failing)
    ladder = ladder_from(values, store=tmp_path / "runs.db")
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match=r"2 of 4 runs failed: .*the text is gone"):
        sim.lab.run(ladder, executor=pool)
    assert [r["state"] for r in sim.lab.outlook(ladder).rows] == ["finished", "finished", "to do", "to do"]


def test_later_runs_wait_for_whoever_is_at_the_one_they_go_on_from(values, tmp_path):
    ladder = ladder_from(values, store=tmp_path / "runs.db")
    job = jobs_of(ladder.runs, ladder.names)[0]
    assert len(job.runs) == 2
    writer = LiveWriter(ladder.store)
    writer.claim(described(job.runs[0]))
    writer._database.execute("update live set pid = 1")
    writer._database.commit()
    assert [o.state for o in work(msgspec.json.encode(job), str(ladder.store))] == ["busy"]
    writer.close()
