"""`similitude plan pools` from a table of runs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import similitude as sim


@pytest.fixture
def path(tmp_path):
    known = sim.DataPools.known({"clean": (1e7, 0.22, 2.0), "raw": (3e7, 0.15, 3.0)}, a=0.9, d=0.15)
    rng = np.random.default_rng(0)
    rows = []
    for p in known.pools:
        for n in p.unique * np.array([0.1, 0.3, 1, 2, 4, 8]):
            rows.append((p.name, n, p.unique, float(known.error([p.name], n)) * np.exp(0.003 * rng.standard_normal())))
    made = pl.DataFrame(rows, schema=["pool", "samples", "unique", "error"], orient="row")
    made.write_csv(tmp_path / "runs.csv")
    return tmp_path / "runs.csv"


def test_a_table_of_runs_becomes_pools_to_keep(path, run, tmp_path):
    asked = ("plan", "pools", path, "--samples", "10M,2B")
    document = run(*asked, "--json").document
    assert [b["best"]["pools"] for b in document["budgets"]] == [["clean"], ["clean", "raw"]]
    assert [p["name"] for p in document["pools"]] == ["clean", "raw"]
    assert document["changes"][0]["after"] == ["clean", "raw"]
    shown = run(*asked, "-o", tmp_path / "page.html")
    assert shown.code == 0
    assert "Pools to keep" in shown.out
    assert "Which pools to keep" in (tmp_path / "page.html").read_text()


def test_columns_budgets_and_what_is_known(path, run, tmp_path):
    other = pl.read_csv(path).rename({"pool": "bucket", "samples": "n", "unique": "size", "error": "err"})
    other.write_csv(tmp_path / "other.csv")
    named = ("--pool", "bucket", "--seen", "n", "--unique", "size", "--error", "err")
    asked = ("plan", "pools", tmp_path / "other.csv", *named, "--flop", "1e17,1e19", "--flop-per-sample", "1e10")
    document = run(*asked, "--floor", "0.15", "--half-life", "clean=2,raw=3", "--ranked", "--json").document
    assert [b["samples"] for b in document["budgets"]] == [1e7, 1e9]
    assert document["d"]["value"] == 0.15
    assert document["pools"][1]["half_life"]["value"] == 3
    assert document["every"] is False


def test_what_cannot_be_answered(path, run, tmp_path):
    whole = pl.read_csv(path)
    whole.filter(pl.col("samples") <= pl.col("unique")).write_csv(tmp_path / "once.csv")
    whole.drop("unique").write_csv(tmp_path / "unsized.csv")
    whole.drop("error").write_csv(tmp_path / "unscored.csv")
    whole.with_columns(pl.when(pl.col("pool") == "raw").then(pl.col("unique"))).write_csv(tmp_path / "holes.csv")
    for name, said in (
        ("once", "no run repeats its pool"),
        ("unsized", "no column 'unique'"),
        ("unscored", "error"),
        ("holes", "row 1: unique is missing"),
    ):
        ended = run("plan", "pools", tmp_path / f"{name}.csv", "--samples", "10M")
        assert ended.code == 3, ended.err
        assert said in ended.err
        assert len(ended.err.strip().splitlines()) == 1
    for asked in (("--samples", "-3"), ("--flop", "1e18"), ("--flop", "1e18", "--flop-per-sample", "0")):
        assert run("plan", "pools", tmp_path / "absent.csv", *asked).code == 2  # before anything is read
    assert run("plan", "pools", path).code == 2
    assert run("plan", "pools", path, "--flop", "1e18").code == 2
    assert run("plan", "pools", path, "--samples", "10M", "--half-life", "cleen=2").code == 2
    assert run("plan", "pools", tmp_path / "once.csv", "--samples", "1B", "--half-life", "2").code == 0
