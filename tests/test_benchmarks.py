"""The benchmarks run and measure what they say; how fast they find things is nobody's test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_row_is_judged_by_processor_time():
    from clock import Row, Timing

    row = Row("x", Timing(3.0, 4.0, 1.0, 5), target=2.0, theirs=Timing(1.0, 1.0, 0.5, 1).times(40))
    assert row.reached is True
    assert row.ratio == 20.0
    assert Row("x", Timing(3.0, 4.0, 1.0, 5)).reached is None


def test_processes_are_timed_to_their_exit():
    from clock import clock_process

    taken = clock_process(["-c", "import time; time.sleep(0.05)"], 1)
    assert taken.least > 0.05
    assert taken.processor < taken.least


def test_the_grid_of_starts_is_the_published_one():
    from recipes import grid_starts

    starts = grid_starts()
    assert len(np.unique(starts, axis=0)) == 4500
    assert starts.min(axis=0).tolist() == [0, 0, -1, 0, 0]
    assert starts.max(axis=0).tolist() == [25, 25, 1, 2, 2]


def test_the_recipe_has_the_gradient_it_says(rng):
    from recipes import Recipe

    n, d = 10 ** rng.uniform(8, 10, 30), 10 ** rng.uniform(9, 11, 30)
    recipe = Recipe(n, d, rng.uniform(2, 4, 30), rng.integers(0, 3, 30).astype(float))
    x = np.array([6.0, 7.0, 0.6, 0.34, 0.36])
    steps = np.eye(5) * 1e-6
    numeric = [(recipe(x + h)[0] - recipe(x - h)[0]) / 2e-6 for h in steps]
    assert recipe(x)[1] == pytest.approx(numeric, rel=1e-5)


def test_recipe_and_engine_agree_on_the_objective(data_home):
    from recipes import Recipe
    from time_fitting import published_runs

    import similitude as sim

    runs = published_runs()
    fit = sim.fit(sim.laws.chinchilla, runs, delta=1e-3, intervals="delta")
    v = fit.values
    x = np.array([np.log(v["A"]), np.log(v["B"]), np.log(v["E"]), v["alpha"], v["beta"]])
    recipe = Recipe(*(runs.column(k) for k in ("N", "D", "loss")))
    assert recipe(x)[0] == pytest.approx(fit.objective_value, rel=1e-12)


def test_rows_come_out(tmp_path, data_home):
    from time_fitting import bootstrap_rows, fit_rows
    from time_planning import planning_rows
    from time_processes import grow, reading_rows

    rows = [*fit_rows(2, 1), *bootstrap_rows(20, 10, 2), *planning_rows(20, 1, 5), *reading_rows(tmp_path, 100, 1)]
    assert len(rows) == 10
    assert all(r.ours.processor > 0 for r in rows)
    assert all(r.to_dict()["ratio"] > 0 for r in rows if r.peer)
    assert [r["runs"] for r in grow(tmp_path, [50, 100])] == [50, 100]


def test_laws_are_fitted_where_their_peers_end():
    from time_laws import law_rows

    rows = list(law_rows(1))
    assert rows[0].theirs is not None
    best = float(rows[0].note.rpartition("best at ")[2])
    assert abs(best) < 1e-6  # the peer's best start finds our optimum, none finds a better one


def test_logs_are_imported_whole():
    from logs import import_rows

    rows = dict(import_rows(1200, 3))
    assert list(rows) == ["1 run, one log", "3 runs, a log each", "3 runs, one table"]
    assert all(found["peak"] > found["more"] and found["processor"] > 0 for found in rows.values())


def test_a_digest_tells_values_apart_and_not_their_order():
    from reading import digest, records

    rows = [(name, step, value) for step, values in records(400) for name, value in values.items()]
    assert digest(rows) == digest(reversed(rows))
    assert digest(rows)[0] == 400
    name, step, value = rows[7]
    assert digest([*rows[:7], (name, step, np.nextafter(value, 9)), *rows[8:]]) != digest(rows)


def test_what_tracking_adds_is_told_by_pairs_of_blocks():
    from overhead import broken, interval, overheads

    # 90 % for the median of ten: from the second to the ninth, a chance of 98 %; the third would have 89 %
    assert interval(range(1, 11)) == (5.5, 2, 9)
    drift = [1 + i / 100 for i in range(40)]
    blocks = [[i % 4 in (1, 2), d * (1.01 if i % 4 in (1, 2) else 1), d] for i, d in enumerate(drift)]
    found = overheads(blocks)
    assert found["thread"][0] == pytest.approx(1.0)
    assert found["wall"] == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert [what for what, _ in broken()] == ["no folder", "a folder", "another file"]
