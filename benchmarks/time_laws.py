"""Rows about other laws: a broken law on one curve, the routed law on a whole release, a curve carried on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import product

import numpy as np
from clock import Row, clock, clock_once

import similitude as sim

__all__ = ["law_rows"]

SEED = 7
CLOSE = 1e-6  # a peer's objective this close, relatively, is the same optimum


def law_rows(repeats: int) -> Iterator[Row]:
    """All of them."""
    yield from _broken(repeats)
    yield _carried(repeats)
    try:
        runs = sim.datasets.load("routed-lm")
    except sim.SimilitudeError as error:
        print(f"the routed law is left out: {error}")
        return
    yield _routed(runs, repeats)


def _broken(repeats: int) -> Iterator[Row]:
    """One break on 300 points with 1 % noise, intervals included; the peer has neither proof nor intervals."""
    from scipy.optimize import curve_fit

    law = sim.laws.bnsl1
    x = np.geomspace(10, 1e6, 300)
    y = np.asarray(law.evaluate({"x": x}, law.example), float)
    y = y * np.exp(0.01 * np.random.default_rng(SEED).standard_normal(x.size))
    runs = sim.read_runs({"x": x, "loss": y}, check=False)

    def ours() -> sim.Fit:
        return sim.fit(law, runs, objective="squares_log", intervals="delta")

    def form(x, a, log_b, c0, c1, log_d, f):
        tail = np.logaddexp(0.0, (np.log(x) - log_d) / f)
        return np.log(np.abs(a) + np.exp(log_b - c0 * np.log(x) - c1 * f * tail))

    starts = list(product((0.0, 0.05), (0.0, 2.0), (0.05, 0.3), (-0.2, 0.3), (5.0, 8.0, 11.0), (0.3, 1.0)))

    def peer() -> list[float]:
        ends = []
        for start in starts:
            try:
                found = curve_fit(form, x, np.log(y), p0=start, maxfev=2000)[0]
                ends.append(0.5 * float(np.sum((form(x, *found) - np.log(y)) ** 2)))
            except RuntimeError:
                ends.append(np.inf)
        return ends

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ends = clock_once(peer)
    best = ours().objective_value
    reached = np.mean(np.array(ends) <= best * (1 + CLOSE))
    note = f"of {len(starts)} starts of the recipe {reached:.0%} end there, the best at {min(ends) / best - 1:+.1e}"
    task = "one break, 300 points, delta intervals"
    yield Row(task, clock(ours, repeats), 0.050, "curve_fit from a grid", theirs, note)
    yield Row("the same, robust, profile intervals", clock(lambda: sim.fit(law, runs), repeats), 0.050)


def _carried(repeats: int) -> Row:
    """A curve of 70 scores carried on, with its bands."""
    x = np.geomspace(1e6, 1e9, 70)
    y = (0.2 + 0.7 * (x / 2e6 + 1) ** -0.6) * np.exp(0.01 * np.random.default_rng(SEED).standard_normal(x.size))
    runs = sim.read_runs({"x": x, "error": y}, loss="error", check=False)
    ahead = np.geomspace(x[-1], 2 * x[-1], 50)
    taken = clock(lambda: sim.fit("auto", runs).predict(x=ahead), repeats)
    return Row("auto: a curve of 70 scores, 50 predictions", taken, 0.500)


def _routed(runs: sim.Runs, repeats: int) -> Row:
    """The routed law on every evaluation of the release; the peer is SciPy's least squares from the printed values."""
    from scipy.optimize import least_squares

    law = sim.laws.get("routed")
    known = law.published["clark2022-sbase"].values
    y = np.log(runs.column("loss"))
    inputs = {k: runs.column(k) for k in law.inputs}

    def ours() -> sim.Fit:
        return sim.fit(law, runs, objective="squares_log", intervals=sim.Intervals(method="delta", cluster=None))

    def residuals(u):
        values = dict(zip(law.params, u, strict=True))
        return np.log(np.asarray(law.evaluate(inputs, values), float)) - y

    def peer() -> float:
        return float(least_squares(residuals, [known[k] for k in law.params], x_scale="jac").cost)

    theirs, cost = clock_once(peer)
    note = f"objective {ours().objective_value:.6g}; the peer, from one start, {cost:.6g}"
    task = f"routed law, {len(runs):,} evaluations, delta intervals"
    return Row(task, clock(ours, repeats), 1.0, "least_squares, one start", theirs, note)
