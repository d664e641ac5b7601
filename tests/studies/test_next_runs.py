"""Chosen runs against random ones and IsoFLOP sweeps at equal compute: the study's rules and its simulation."""

from __future__ import annotations

import numpy as np
import pytest

from similitude._errors import DataError
from similitude.studies.design import CHOSEN, STRATEGIES, _chosen, _first, _random, cases, trials


@pytest.fixture(scope="module")
def all_cases():
    try:
        return list(cases())
    except DataError:
        pytest.skip("published data not reachable")


def test_every_choice_keeps_to_the_budget_and_never_sees_large_runs(all_cases):
    for case in all_cases:
        rng = np.random.default_rng(1)
        first = _first(case, rng)
        loss = case.pool["loss"] if case.redraw is None else case.redraw(0)
        assert case.cost.max() < case.target / 5
        assert set(case.held["N"] * case.held["D"]).isdisjoint(case.pool["N"] * case.pool["D"])
        for strategy in STRATEGIES:
            rows = _chosen(case, strategy, first, loss, np.random.default_rng(2))
            more = np.setdiff1d(rows, first)
            assert case.cost[more].sum() <= case.budget * (1 + 1e-9), (case.name, strategy)
            assert len(more) <= len(case.authors)
            assert len(set(rows.tolist())) == len(rows)


def test_random_choices_spend_most_of_it(all_cases):
    for case in all_cases:
        spent = []
        for seed in range(10):
            rng = np.random.default_rng(seed)
            spent.append(case.cost[_random(case, _first(case, rng), rng)].sum() / case.budget)
        assert np.median(spent) > 0.7, case.name


def test_the_truth_is_where_nothing_is_in_excess(all_cases):
    for case in all_cases:
        assert abs(case.excess(case.size)) < 1e-9
        assert case.excess(case.size + 0.3) > 1e-4
        assert case.excess(case.size - 0.3) > 1e-4


@pytest.mark.slow
def test_chosen_runs_beat_random_ones_where_the_law_holds(all_cases):
    found = trials(all_cases[0], 60, seed=11)  # another seed than the study's
    regret = {k: float(np.nanmean(v[:, 2])) for k, v in found.items()}
    assert regret[CHOSEN] < 0.75 * regret["random"]
    assert regret["regret"] < 0.75 * regret["random"]
