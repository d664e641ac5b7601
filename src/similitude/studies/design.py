"""Chosen runs against random ones and against the authors' own, at equal compute, on simulated and released runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from similitude._errors import SimilitudeError
from similitude._view import Column, Interval, Table
from similitude.fitting import Fit, fit
from similitude.laws import get
from similitude.planning._candidates import Candidates
from similitude.planning._decide import pose
from similitude.planning._next_runs import maker
from similitude.planning._optimum import Space
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import AT_MOST, Claim
from similitude.studies._study import Declaration, Item

__all__ = ["CHOSEN", "STUDY", "Case", "cases", "trials"]

REPEATS = 40
FIRST = 8  # cheap runs that every strategy begins with
BATCHES = 3  # chosen one after another, the law fitted again in between
SPEND = 0.7  # of the budget that a random choice must use, to be compared at equal compute
CHOSEN = "both"  # the default aim
STRATEGIES = ("regret", CHOSEN, "random", "authors")


@dataclass(frozen=True, eq=False)
class Case:
    """Runs to choose from, with what is decided: `pool` affordable runs, `authors` rows of it, held-out large runs.

    `budget` is what may be spent after the first runs; `size` the true log N at the target and `excess` the loss above
    the optimum's at the target as a function of log N.
    """

    name: str
    evidence: str
    pool: Mapping[str, np.ndarray]
    held: Mapping[str, np.ndarray]
    budget: float
    target: float
    authors: np.ndarray
    size: float
    excess: Callable[[float], float]
    what: str
    redraw: Callable[[int], np.ndarray] | None = None

    @cached_property
    def cost(self) -> np.ndarray:
        """FLOP of each run of the pool."""
        return 6 * self.pool["N"] * self.pool["D"]


# -- strategies -------------------------------------------------------------------------------------------------------


def trials(case: Case, repeats: int, seed: int) -> dict[str, np.ndarray]:
    """(repeats, 3) by strategy: error of log N, mean error of held-out log losses, loss in excess; NaN for failures."""
    out = {k: np.full((repeats, 3), np.nan) for k in STRATEGIES}
    for i in range(repeats):
        rng = np.random.default_rng([seed, i])
        loss = case.pool["loss"] if case.redraw is None else case.redraw(seed * 10_007 + i)
        first = _first(case, rng)
        for name in STRATEGIES:
            try:
                rows = _chosen(case, name, first, loss, np.random.default_rng([seed, i, 1]))
                out[name][i] = _judged(case, _fitted(case, rows, loss))
            except SimilitudeError:
                continue
    return out


def _first(case: Case, rng: np.random.Generator) -> np.ndarray:
    """Cheap runs of at least three sizes, from the cheapest third of the pool (two thirds of a small one)."""
    share = 1 / 3 if len(case.cost) > 40 else 2 / 3  # few runs of few sizes need more of them
    cheap = np.argsort(case.cost, kind="stable")[: int(share * len(case.cost))]
    for _ in range(1000):
        rows = rng.choice(cheap, FIRST, replace=False)
        if len(set(case.pool["N"][rows])) >= 3 and np.linalg.cond(_logs(case, rows)) < 60:
            return rows
    raise AssertionError(case.name)


def _logs(case: Case, rows: np.ndarray) -> np.ndarray:
    logs = np.stack([np.ones(len(rows)), np.log(case.pool["N"][rows]), np.log(case.pool["D"][rows])], 1)
    logs[:, 1:] -= logs[:, 1:].mean(0)
    return logs


def _chosen(case: Case, strategy: str, first: np.ndarray, loss: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All rows of the pool that a strategy ends up with."""
    if strategy == "authors":
        return np.union1d(first, case.authors)
    if strategy == "random":
        return np.concatenate([first, _random(case, first, rng)])
    rows = first
    for batch in range(BATCHES):
        spent = case.cost[rows].sum() - case.cost[first].sum()
        budget = case.budget * (batch + 1) / BATCHES - spent
        left = np.setdiff1d(np.arange(len(case.cost)), rows)
        left = left[case.cost[left] <= budget]
        if left.size:
            rows = np.concatenate([rows, _next(case, _fitted(case, rows, loss), strategy, left, budget)])
    return rows


def _next(case: Case, known: Fit, aim: str, left: np.ndarray, budget: float) -> np.ndarray:
    space, goal, _ = pose(known, case.target)
    offered = Candidates({k: case.pool[k][left] for k in ("N", "D")}, case.cost[left])
    make, _ = maker(known, space, goal, offered, aim)
    return left[make.pool.choose(budget, len(case.authors) // BATCHES, 1, bound=False).counts > 0]


def _random(case: Case, first: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Runs in random order as long as they can be paid for, of draws that use most of the budget."""
    left = np.setdiff1d(np.arange(len(case.cost)), first)
    rows: list[int] = []
    for _ in range(1000):
        rows, spent = [], 0.0
        for i in rng.permutation(left):
            if len(rows) < len(case.authors) and spent + case.cost[i] <= case.budget:
                rows.append(int(i))
                spent += case.cost[i]
        if spent >= SPEND * case.budget:
            break
    return np.array(rows)


def _fitted(case: Case, rows: np.ndarray, loss: np.ndarray) -> Fit:
    table = {k: case.pool[k][rows] for k in ("N", "D")}
    return fit(get("chinchilla"), read_runs({**table, "loss": loss[rows]}, check=False), intervals="delta")


def _judged(case: Case, known: Fit) -> tuple[float, float, float]:
    size = _size(known, case.target)
    told = known.law.evaluate(
        {k: case.held[k] for k in ("N", "D")}, {k: np.float64(v) for k, v in known.values.items()}
    )
    error = float(np.mean(np.abs(np.log(np.asarray(told) / case.held["loss"]))))
    return size - case.size, error, case.excess(size)


def _size(known: Any, target: float) -> float:
    """log N of the optimum at the target."""
    space, goal, _ = pose(known, target)
    return float(space.least({k: np.array([float(v)]) for k, v in known.values.items()}, goal).z[0, _n(space)])


def _n(space: Space) -> int:
    return space.free.index("N")


# -- cases ------------------------------------------------------------------------------------------------------------


def cases() -> Iterator[Case]:
    """Simulated runs, with and without small runs off the law; Porian's and Gadre's."""
    yield _simulated("simulated", 0.0)
    yield _simulated("simulated, small runs off the law", 0.1)
    for name in ("refinedweb", "openwebtext2"):
        yield _porian(name)
    for key, name in (("c4_original", "C4"), ("rpj", "RedPajama"), ("rw_original", "RefinedWeb")):
        yield _gadre(key, name, 0)
        yield _gadre(key, name, 20)


def _simulated(name: str, off: float) -> Case:
    """Twelve sizes by ten ratios by Besiroglu's coefficients; `off`: how much worse a run of 2e7 parameters does."""
    truth = get("chinchilla").published["besiroglu2024"]
    n, m = (a.ravel() for a in np.meshgrid(np.geomspace(2e7, 1e9, 12), np.geomspace(5, 160, 10), indexing="ij"))
    keep = 6 * m * n**2 <= 1e20
    n, d = n[keep], (m * n)[keep]
    exact = truth.value(N=n, D=d) * (1 + off * (2e7 / n))
    own = {k: np.array([v]) for k, v in truth.values.items()}
    space, goal, _ = pose(truth, 1e23)
    best = space.least(own, goal)
    big = np.array([3e9, 6e9, 1.2e10])
    held = {"N": big, "D": 1e22 / (6 * big), "loss": truth.value(N=big, D=1e22 / (6 * big))}

    def excess(size: float) -> float:
        z = np.array([[size, float(goal) - np.log(6) - size]])
        z = z if space.free == ("N", "D") else z[:, ::-1]
        return float(space.value(own, z)[0][0] - best.value[0])

    pool = {"N": n, "D": d, "loss": exact}
    return Case(
        name, "simulation", pool, held, 3e20, 1e23, _levels(6 * n * d, pool, 3e20), float(best.z[0, _n(space)]), excess,
        "the law behind", lambda s: exact * np.exp(np.random.default_rng(s).normal(0, 0.01, n.size)),
    )  # fmt: skip


def _levels(cost: np.ndarray, pool: Mapping[str, np.ndarray], budget: float) -> np.ndarray:
    """An IsoFLOP sweep out of a grid: for levels of compute four times apart, the runs nearest to each, seven sizes."""
    rows: set[int] = set()
    spent, level = 0.0, float(np.max(cost))
    while level > float(np.min(cost)) * 4:
        near = np.flatnonzero(np.abs(np.log(cost / level)) < np.log(1.35))
        near = [int(i) for i in near if i not in rows][:7]
        if near and spent + cost[near].sum() <= budget:
            rows.update(near)
            spent += cost[near].sum()
        level /= 4
    return np.array(sorted(rows))


def _porian(name: str) -> Case:
    """IsoFLOP points of the cosine schedules, a run each; the three largest levels are held out."""
    runs = datasets.load("porian-resolving").where(dataset=name, config="4_cosine_decay")
    c = runs.column("C")
    levels = np.unique(c)
    small, top = c <= levels[-4], c == levels[-1]
    pool, held = _columns(runs, small), _columns(runs, c > levels[-4])
    cost = 6 * pool["N"] * pool["D"]
    own = np.isclose(cost, levels[-6], rtol=0.01) | np.isclose(cost, levels[-7], rtol=0.01)
    rows = np.flatnonzero(own | np.isclose(cost, levels[-8], rtol=0.01))
    bowl = np.polynomial.Polynomial.fit(np.log(runs.column("N")[top]), runs.column("loss")[top], 2)
    size = float(bowl.deriv().roots()[0])
    return Case(
        f"Porian, {name}", "data", pool, held, float(cost[rows].sum()), float(levels[-1]), rows, size,
        lambda x: float(bowl(x) - bowl(size)), "a parabola through the five runs at 2.56e19 FLOP, not seen",
    )  # fmt: skip


def _gadre(key: str, name: str, least: float) -> Case:
    """Gadre's runs up to 411M parameters; the larger are held out, the truth of the size is the law on all runs."""
    runs = datasets.load("overtraining-gadre").where(dataset=key)
    n, m = runs.column("N"), runs.column("M")
    pool, held = _columns(runs, (n < 1e9) & (m >= least)), _columns(runs, n > 1e9)
    ratio = pool["D"] / pool["N"]
    rows = np.flatnonzero(np.isclose(ratio, 20, rtol=0.02) | (np.isclose(ratio, 320, rtol=0.02) & (pool["N"] < 2e7)))
    every = {k: np.concatenate([pool[k], held[k]]) for k in pool}
    law = fit(get("chinchilla"), read_runs(every, check=False), intervals="delta")
    space, goal, _ = pose(law, 5.7e21)
    own = {k: np.array([v]) for k, v in law.values.items()}
    best = space.least(own, goal)

    def excess(size: float) -> float:
        z = {"N": size, "D": float(goal) - np.log(6) - size}
        return float(space.value(own, np.array([[z[k] for k in space.free]]))[0][0] - best.value[0])

    budget = float(6 * np.sum(pool["N"][rows] * pool["D"][rows]))
    said = f"Gadre, {name}" + (f", {least:g} or more tokens a parameter" if least else "")
    return Case(
        said, "data", pool, held, budget, 5.7e21, rows, float(best.z[0, _n(space)]), excess, "the law on all runs",
    )  # fmt: skip


def _columns(runs: Runs, keep: np.ndarray) -> dict[str, np.ndarray]:
    return {k: np.asarray(runs.column(k), float)[keep] for k in ("N", "D", "loss")}


# -- claims -----------------------------------------------------------------------------------------------------------


def claims(seed: int) -> Iterator[Item]:
    rows, told = [], []
    for case in cases():
        found = {k: v[np.isfinite(v).all(1)] for k, v in trials(case, REPEATS, seed).items()}
        rows += [_row(case, k, v) for k, v in found.items()]
        ours = found[CHOSEN]
        for other in ("random", "authors"):
            for j, what in enumerate(("RMS error of log N at the target", "mean error of held-out losses")):
                yield _claim(case, other, what, _size_of(found[other], j), _size_of(ours, j))
        told.append(case.what)
    yield _table(rows)
    yield (
        "Nobody has published these comparisons: what stands as published is what the other choice of runs reached in "
        "the same repeats, and ours are reproduced where they come at least as near."
    )
    yield (
        "All choices start from the same eight cheap runs, drawn anew in each repeat, and cost at most the same. A "
        "choice of ours has at most as many runs as the authors', in three batches with the law fitted in between."
    )
    yield (
        "Porian's authors ran whole IsoFLOP levels just below the held-out ones: that finds the size better than "
        "chosen runs, and forecasts losses worse. Chosen runs beat random ones in both."
    )
    yield (
        "Gadre's runs miss the law by 3 % and have four sizes, and the truth there is known to a factor of two. The "
        "authors' runs at 20 tokens per parameter, the ratio of the held-out runs, forecast these best. With ratios "
        "from 20 up, chosen runs are no better than random ones: what limits is the law, not where it is measured."
    )
    yield (
        "Linearised designs go to the corners of what is offered, where curvature shows most and a law is most likely "
        "to be wrong. Counting a law as less exact the further a run lies below the target was tried, one standard "
        "deviation of the noise a decade: it helped on some sets and hurt on others, and was left out."
    )


def _size_of(values: np.ndarray, j: int) -> float:
    return float(np.sqrt(np.mean(values[:, 0] ** 2))) if j == 0 else float(np.mean(values[:, 1]))


def _claim(case: Case, other: str, what: str, theirs: float, ours: float) -> Claim:
    name = {"random": "runs at random", "authors": "the authors' runs" if case.evidence == "data" else "IsoFLOP runs"}
    remark = "" if ours <= theirs * 1.01 else "chosen runs do worse here"
    evidence: Any = case.evidence
    return Claim(
        f"{what}, chosen runs no worse than {name[other]}, {case.name}", f"{theirs:.3g}", f"{name[other]}, ours",
        Interval(ours), evidence, AT_MOST, remark=remark,
    )  # fmt: skip


def _row(case: Case, strategy: str, v: np.ndarray) -> tuple[Any, ...]:
    return (
        case.name,
        {"authors": "authors', IsoFLOP", "random": "random"}.get(strategy, f"ours, {strategy}"),
        f"{np.sqrt(np.mean(v[:, 0] ** 2)):.3f}",
        f"{np.median(np.abs(v[:, 0])):.3f}",
        f"{np.mean(v[:, 1]):.2%}",
        f"{np.mean(v[:, 2]):.4f}",
        f"{np.median(v[:, 2]):.4f}",
        str(REPEATS - len(v)),
    )


def _table(rows: list[tuple[Any, ...]]) -> Table:
    heads = ("RMS error", "median error", "held-out loss", "regret, mean", "regret, median", "failed")
    return Table(
        "Decisions from small runs at equal compute",
        ("runs", "chosen by", *(Column(h, align="right") for h in heads)),
        rows,
        note="Errors of log N at the target; error of the losses of held-out large runs; loss above the best at the "
        f"target's compute. {REPEATS} repeats.",
    )


STUDY = Declaration(
    "next-runs",
    "Small runs chosen, at random and as their authors did",
    "chaloner1995",
    ("porian-resolving", "overtraining-gadre"),
    claims,
)
