"""Whole ladders: the same table whatever the workers, whoever dies, and on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import similitude as sim
from similitude._errors import DataError
from similitude.lab import ladder_from
from similitude.lab._train import checkpoints_of
from similitude.runs.store import Store


@pytest.fixture
def values(small):
    settings = small(steps=30)
    del settings["train"]["steps"]
    return {
        "name": "tiny",
        "run": settings,
        "sweep": [{"seed": [0, 1], "train": {"steps": [30, 60]}}],
    }


def _table(path):
    """All that a ladder's store says of its runs, but for times."""
    with Store(path) as store:
        kept = store.logged()
        timed = ("seconds", "tokens_per_second")
        return sorted(
            (
                r.key,
                r.state,
                sorted(r.config.items(), key=str),
                sorted((k, v) for k, v in r.final.items() if k not in timed),
                r.curves().select("metric", "step", "value").sort("metric", "step").rows(),
            )
            for r in kept
        )


def test_one_worker_and_two_make_the_same_table(values, tmp_path):
    tables = []
    for workers in (1, 2):
        ladder = ladder_from(values, store=tmp_path / f"{workers}.db")
        outlook = sim.lab.run(ladder, workers=workers)
        assert [r["state"] for r in outlook.rows] == ["finished"] * 4
        assert outlook.left == 0
        tables.append(_table(ladder.store))
    assert tables[0] == tables[1]
    assert len({str(t[3]) for t in tables[0]}) == 4


def test_an_executor_of_one_s_own_makes_it_too_and_what_is_there_is_left(values, tmp_path):
    ladder = ladder_from(values, store=tmp_path / "runs.db")
    with ThreadPoolExecutor(1) as pool:
        sim.lab.run(ladder, executor=pool)
        table = _table(ladder.store)
        heard: list[str] = []
        sim.lab.run(ladder, executor=pool, told=heard.append)
    assert heard == []
    assert _table(ladder.store) == table


DRIVER = """
import json, sys
import similitude.lab as lab
if __name__ == "__main__":
    lab.run(json.loads(sys.argv[1]), store=sys.argv[2], workers=2)
"""


def _children(pid):
    """The worker processes of a driver."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(pid) and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


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
    assert _table(store) == _table(undisturbed.store)


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
    victims = _children(driver.pid)
    assert len(victims) == 2
    os.kill(victims[0], signal.SIGKILL)
    wait(lambda: set(_children(driver.pid)) - set(victims))
    orphans = _children(driver.pid)
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
