"""`similitude plan mix` from a table of mixtures."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def mixtures(tmp_path):
    rng = np.random.default_rng(0)
    r = rng.dirichlet([1, 1, 1], 20)
    table = {"web": r[:, 0], "code": r[:, 1], "books": r[:, 2]}
    table["loss_web"] = 2 + np.exp(-2 * r[:, 0] + 0.3 * r[:, 1]) * np.exp(0.001 * rng.standard_normal(20))
    table["loss_code"] = 1 + np.exp(-4 * r[:, 1] + 0.2 * r[:, 0]) * np.exp(0.001 * rng.standard_normal(20))
    path = tmp_path / "mixtures.csv"
    pl.DataFrame(table).write_csv(path)
    return str(path)


def test_a_table_of_mixtures_becomes_a_mixture(mixtures, run):
    asked = ("plan", "mix", mixtures, "--shares", "web,code,books", "--losses", "loss_web,loss_code")
    found = run(*asked, "--json").document
    shares = {p["name"]: p["share"]["value"] for p in found["proportions"]}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["books"] < 0.01  # neither loss gains by it
    limited = run(*asked, "--tokens", "100B", "--unique", "code=5B", "--epochs", "2", "--json").document
    code = next(p for p in limited["proportions"] if p["name"] == "code")
    assert code["share"]["value"] == pytest.approx(0.1)
    assert code["epochs"] == pytest.approx(2)
    assert "Shares of the domains" in run(*asked, "--usual", "web=.6,code=.2,books=.2").out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--shares", "web,code", "--losses", "loss_web"), 3, "shares add up to"),
        (("--shares", "web,code,books", "--losses", "loss"), 3, "no column 'loss'"),
        (("--shares", "web,code,books", "--losses", ","), 2, "--losses"),
        (("--shares", "web,code,books", "--losses", "loss_web", "--most", "web=.2,code=.2,books=.2"), 3, "60.0%"),
    ],
)
def test_what_is_no_mixture(mixtures, run, options, code, said):
    ended = run("plan", "mix", mixtures, *options)
    assert ended.code == code
    assert said in ended.err
