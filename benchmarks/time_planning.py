"""Rows about planning: many draws of the coefficients times many budgets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from clock import Row, clock, clock_once
from recipes import optimum_by_scalar_search

import similitude as sim
from similitude.planning._cost import cost_of
from similitude.planning._optimum import Space
from similitude.planning._power import PowerSum
from similitude.planning._solve import minimise
from similitude.planning._surface import Surface

__all__ = ["planning_rows"]

SEED = 20240415


def _draws(values: dict[str, float], count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(SEED)
    return {k: v * np.exp(rng.normal(0, 0.03, count)) for k, v in values.items()}


def planning_rows(draws: int, repeats: int, peers: int) -> Iterator[Row]:
    """The optimum of every draw at 50 budgets: searched, in closed form, and at costs of their own for each draw."""
    law = sim.laws.chinchilla
    params = _draws(dict(law.published["besiroglu2024"].values), draws)
    surface, budgets = Surface.of(law), np.log(np.geomspace(1e19, 1e26, 50))
    theirs, found = clock_once(lambda: _loop(params, budgets, peers))
    scaled = theirs.times(draws * 50 / peers)
    ours = minimise(surface, params, budgets)
    at = np.arange(peers) % draws, np.arange(peers) % 50
    apart = np.max(np.abs(ours.log_n[at] - found))
    closed = PowerSum.read(surface, {k: v[:, None] for k, v in params.items()}).log_parameters(budgets)
    task = f"{draws:,} draws x 50 budgets"
    note = f"log N* within {apart:.0e} of the peer's, {np.max(np.abs(ours.log_n - closed)):.0e} of the closed form's"
    yield Row(
        f"planning, {task}, any law of two inputs",
        clock(lambda: minimise(surface, params, budgets), repeats),
        0.050 * draws / 4000,
        "loop of scalar searches",
        scaled,
        note,
    )
    yield _general(draws, repeats)
    yield from _any_cost(10 * draws, repeats)


def _general(draws: int, repeats: int) -> Row:
    """Every problem with a cost of its own and tokens to serve, so that nothing is shared and no form is closed."""
    law = sim.laws.chinchilla
    params = _draws(dict(law.published["besiroglu2024"].values), draws)
    surface = Surface.of(law, inference_tokens=1e12)
    rng = np.random.default_rng(SEED)
    costs = np.log(10) * rng.uniform(20, 26, (draws, 10))
    timing = clock(lambda: minimise(surface, params, costs), repeats)
    rate = costs.size / timing.processor
    return Row(
        f"planning, {costs.size:,} problems, each with its own cost",
        timing,
        costs.size / 200_000,
        note=f"{rate:,.0f} problems a second; the target is 200,000",
    )


def _any_cost(draws: int, repeats: int) -> Iterator[Row]:
    """The solver of any law under any cost, from the published set's optimum: two inputs and three."""
    for name, key, cap in (
        ("chinchilla", "besiroglu2024", {}),
        ("fine_grained_moe", "krajewski2024", {"G": (1.0, 128.0)}),
    ):
        known = getattr(sim.laws, name).published[key]
        cost, _ = cost_of(known.law, None, None, {}, None)
        free = tuple(known.law.inputs)
        boxes = np.log(np.array([cap.get(k, (1e3, 1e20)) for k in free]))
        space = Space(known.law, cost, free, {}, boxes[:, 0], boxes[:, 1])
        start = space.least({k: np.array([v]) for k, v in known.values.items()}, np.log(1e21)).z[0]
        params = _draws(dict(known.values), draws)
        timing = clock(
            lambda space=space, params=params, start=start: space.least(params, np.log(1e21), start), repeats
        )
        solved = space.least(params, np.log(1e21), start).solved.mean()
        yield Row(
            f"planning, {draws:,} draws, any cost, {len(free)} inputs",
            timing,
            draws / 200_000,
            note=f"{draws / timing.processor:,.0f} problems a second, {solved:.1%} solved; the target is 200,000",
        )


def _loop(params: dict[str, np.ndarray], budgets: np.ndarray, count: int) -> np.ndarray:
    draws = len(params["E"])
    rows = [{k: float(v[i % draws]) for k, v in params.items()} for i in range(count)]
    return np.array([optimum_by_scalar_search(row, float(budgets[i % len(budgets)])) for i, row in enumerate(rows)])
