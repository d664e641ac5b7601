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
