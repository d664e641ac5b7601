"""`similitude plan batch`: tables of steps, measurements and gradient norms."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest


def test_the_command_reduces_and_fits(run, tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for batch in 2 ** np.arange(4, 10):
        for trial in range(3):
            step = np.arange(1, 400) * 10
            loss = 1.9 + rng.uniform(0.1, 0.2) * 1000 * (1 + 200 / batch) / step
            rows.append(pl.DataFrame({"B": int(batch), "trial": trial, "step": step, "loss": loss}))
    pl.concat(rows).write_parquet(tmp_path / "m.parquet")
    ended = run("plan", "batch", str(tmp_path / "m.parquet"), "--reach", "2.0", "--json")
    assert ended.code == 0
    assert ended.document["curves"][0]["critical"]["value"] == pytest.approx(200, rel=0.5)
    refused = run("plan", "batch", str(tmp_path / "m.parquet"), "--small", "loss")
    assert refused.code == 2
    assert "--batch-big" in refused.err


def test_norms_give_a_noise_scale(run, tmp_path):
    rng = np.random.default_rng(0)
    small, big = (1 + 500 / b + 0.02 * rng.standard_normal(200) for b in (32, 512))
    pl.DataFrame({"small": small, "big": big}).write_csv(tmp_path / "norms.csv")
    asked = ("--small", "small", "--big", "big", "--batch-small", "32", "--batch-big", "512")
    ended = run("plan", "batch", str(tmp_path / "norms.csv"), *asked, "--json")
    assert ended.document["value"]["value"] == pytest.approx(500, rel=0.05)
    assert "noise scale" in run("plan", "batch", str(tmp_path / "norms.csv"), *asked).out


def test_a_published_set_is_asked_by_name(run, data_home):
    ended = run("plan", "batch", "data:critical-batch-size", "--by", "model", "--bend", "1", "--json")
    assert ended.code == 0
    # Zhang et al. 2024, the notebook's cell 5
    assert ended.document["curves"][0]["steps_min"]["value"] == pytest.approx(1293.83, rel=1e-4)


def test_batches_without_steps_are_bounds(run, tmp_path):
    rows = ["B,steps,tried", *(f"{b},{round(1000 * (1 + 400 / b))}," for b in (32, 64, 128, 256, 512, 1024))]
    (tmp_path / "steps.csv").write_text("\n".join([*rows, "2048,,1100", ""]))
    ended = run("plan", "batch", str(tmp_path / "steps.csv"), "--tried", "tried", "--json")
    assert ended.document["curves"][0]["unreached"] == [[2048, 1100]]
    ended = run("plan", "batch", str(tmp_path / "steps.csv"), "--json")
    assert ended.document["curves"][0]["lost"] == 1


def test_time_and_money(run, tmp_path):
    rows = ["B,steps", *(f"{b},{round(1000 * (1 + 400 / b))}" for b in (32, 64, 128, 256, 512, 1024))]
    (tmp_path / "steps.csv").write_text("\n".join([*rows, ""]))
    asked = ("plan", "batch", str(tmp_path / "steps.csv"), "--seconds", "32=0.2,128=0.3,1024=1.1")
    ended = run(*asked, "--accelerators", "8", "--price", "2", "--days", "1", "--json")
    assert 100 < ended.document["decision"]["fastest"]["value"] < 500
    assert ended.document["decision"]["chosen"]["accelerators"] == 8
    assert "Money against time" in run(*asked, "-o", str(tmp_path / "p.html")).err + (tmp_path / "p.html").read_text()
    assert run(*asked, "--days", "1e-4").code == 3
    assert run(*asked, "--dollars", "1").code == 2
    assert run(*asked[:-1], "32=0.2,64").code == 2
    assert run(*asked[:-1], "soon").code == 2
