"""Recommendations on published sweeps: excess loss by hand beside what the studies say."""

from __future__ import annotations

import numpy as np
import pytest

from similitude._errors import DataError
from similitude.runs import datasets
from similitude.studies import reproduce
from similitude.studies._held_out import held_out
from similitude.studies.critical_batch import overhead


def load(name):
    try:
        return datasets.load(name)
    except DataError:
        pytest.skip("published data not reachable")


@pytest.fixture(scope="module")
def scored():
    return held_out(load("steplaw"))


def test_the_printed_step_law_scores_what_its_readme_says(scored):
    rows = {r.name: r for r in scored[0]}
    # the README prints 0.09 %; the data's own note recomputes 0.096 % at the nearest runs
    assert rows["Step law"].nearest.mean() == pytest.approx(0.096, abs=5e-4)


def test_nearest_and_interpolated_losses_by_hand(scored):
    runs = load("steplaw")
    n, d, loss = (runs.column(k) for k in ("N", "D", "loss"))
    rate = 3.7 * n**-0.36  # Porian et al. as printed
    batch = 0.00037 * n**0.703 * 2048
    away = np.log(runs.column("lr") / rate) ** 2 + np.log(runs.column("batch_tokens") / batch) ** 2
    excess = []
    for pair in sorted(set(zip(n, d, strict=True))):
        mine = (n == pair[0]) & (d == pair[1])
        excess.append(100 * (loss[mine][np.argmin(away[mine])] / loss[mine].min() - 1))
    row = next(r for r in scored[0] if r.name == "Porian et al.")
    np.testing.assert_allclose(row.nearest, excess, rtol=1e-9)


def test_a_law_fitted_without_a_size_lands_as_near_as_the_one_fitted_with_it(scored):
    rows = {r.name: r for r in scored[0]}
    ours = rows["ours, size left out"]
    assert ours.off == 0
    assert ours.between.mean() < 0.13  # % of loss; the Step law, fitted to these very runs, has 0.12
    assert ours.between.max() < 0.35
    for name in ("Porian et al.", "DeepSeek", "Bjorck et al.", "Kaplan et al.", "no law: mean of other sizes"):
        assert ours.between.mean() < rows[name].between.mean() / 2


def test_intervals_hold_most_optima_of_a_size_left_out(scored):
    rates, batches, groups = scored[1]
    assert groups == 17
    # at 90 % each of 17 is held; 12 or fewer has a chance of 2 %
    assert rates >= 13
    assert batches >= 13


def test_tokens_of_a_batch_are_those_measured():
    mine = load("critical-batch-size").where(model="85M")
    assert overhead(mine, 256) == 0
    # 7000 steps of 512 against 13282 of 256, as released
    assert overhead(mine, 512) == pytest.approx(7000 * 512 / (13282 * 256) - 1)


def test_batches_of_sizes_left_out_take_about_the_tokens_aimed_at():
    load("critical-batch-size")
    study = reproduce("zhang2024critical")
    table = next(t for t in study.tables if t.title.startswith("Batches"))
    paid = [float(str(row[1]).partition(": ")[2].strip(" %")) for row in table.rows]
    assert len(paid) == 5
    assert all(5 < p < 30 for p in paid)  # the rule aims at 20 % more
