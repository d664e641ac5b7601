"""`similitude watch`: runs under way with the forecast of their end."""

from __future__ import annotations

import time

import pytest

import similitude as sim
from similitude.track import _run as tracking


def test_watch_shows_the_forecast(tmp_path, run) -> None:
    config = {"max_steps": 2000}
    tracked = sim.track.run(tmp_path / "similitude.db", config, name="mine")
    for step in range(1, 1001, 5):
        tracked.log({"train/loss": 2.0 + 6 * step**-0.4}, step)
    for _ in range(200):
        if tracked.number is not None and not tracked._queue:
            break
        time.sleep(0.05)
    time.sleep(tracking.EVERY / 2)
    told = run("watch", tmp_path / "similitude.db", "--json").document["runs"]
    text = run("watch", tmp_path / "similitude.db", "--once").out
    tracked.finish()
    (one,) = told
    assert (one["name"], one["state"], one["metric"], one["step"], one["planned"]) == (
        "mine",
        "running",
        "train/loss",
        996,
        2000,
    )
    assert one["value"] == pytest.approx(2.0 + 6 * 996**-0.4, rel=1e-12)
    end = 2.0 + 6 * 2000**-0.4
    assert one["forecast"]["low"] < end < one["forecast"]["high"]
    assert one["forecast"]["value"] == pytest.approx(end, rel=0.01)
    assert "996/2,000" in text
    assert run("watch", tmp_path / "similitude.db", "--once").out.count("No run is under way") == 1
