"""`tune`: the best learning rate and batch of each group of a sweep, and the law that they follow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude._view import Interval
from similitude.planning._bowl import Bowls, best_draws, fit_bowls
from similitude.planning._optimum_law import DRAWS, LEAST, SPARE, OptimumLaw, fit_optimum_law, interval
from similitude.planning._sweep import Sweep, read_sweep
from similitude.planning._tuning import Optimum, SettingLaw, Tuning
from similitude.runs import Runs

__all__ = ["tune"]

BENT = 1.05  # below this ratio of its largest to its smallest value an input does not vary


def tune(
    runs: Runs,
    *,
    lr: str | None = None,
    batch: str | None = None,
    by: Sequence[str] | str | None = None,
    lr_inputs: Sequence[str] | None = None,
    batch_inputs: Sequence[str] | None = None,
    sequence_length: int | None = None,
    within: float = 0.005,
    level: float = 0.9,
    seed: int = 0,
) -> Tuning:
    """The best learning rate, and batch, of each group of a sweep, and the law that they follow.

    `runs` hold one cell a row: settings and final loss; crashed runs are censored (`read_runs(..., censored=)` or
    `not_finite="censored"`) and then count as "no better than what is near the best". `lr` names the column of peak
    learning rates (found as lr, learning_rate, ...), `batch` that of batches in tokens, or in sequences of
    `sequence_length` tokens; without it only the rate is tuned. Groups share the values of the `by` columns, by default
    N and D; values within 2 % count as equal. In each group log loss is a quadratic in ln lr (and ln batch) near its
    bottom: cells within `within` of the best loss, and at least twice as many as it has unknowns, measure it. The laws
    are lr = a N^p D^q and batch = c D^r over `lr_inputs` and `batch_inputs`, by default the `by` columns that vary, for
    the batch D where it varies. Optima at the end of their sweep enter as inequalities. `level` is the coverage of
    intervals, `seed` drives their draws. Method: a quadratic in logs as in Li et al. 2025; censoring as Tobin 1958;
    the law is a random-effects regression.

    Raises DataError for columns that are missing or unfit, QuestionError where no group shows a bowl, ArgumentError for
    arguments out of range.

    >>> import numpy as np
    >>> import similitude as sim
    >>> rows = [
    ...     (n, lr, 3 * (n / 1e8) ** -0.05 * np.exp(0.02 * np.log(lr / (2e-3 * (n / 1e8) ** -0.5)) ** 2))
    ...     for n in (5e7, 1e8, 2e8, 4e8)
    ...     for lr in (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3)
    ... ]
    >>> table = {name: [row[i] for row in rows] for i, name in enumerate(("N", "lr", "loss"))}
    >>> found = sim.tune(sim.read_runs(table))
    >>> round(found.lr_law.exponents["N"].value, 3), f"{found.at(N=1.6e9).lr.value:.2e}"
    (-0.5, '5.00e-04')
    """
    _check(within, level, sequence_length)
    by = (by,) if isinstance(by, str) else by
    sweep = read_sweep(runs, lr, batch, by, sequence_length)
    bowls = fit_bowls(sweep.cells, within=within)
    if bowls is None:
        raise QuestionError(
            f"{runs.source}: in these groups the loss does not curve upwards in "
            f"{' and '.join(sweep.settings)} near its lowest runs, so there is no best value to find: sweep wider, or "
            "drop runs of another kind"
        )
    rng = np.random.default_rng(seed)
    inputs = _inputs(sweep, lr_inputs, batch_inputs)
    together = _correlation(sweep, bowls, inputs)
    laws, reasons = _laws(sweep, bowls, inputs, together, level, rng)
    made = dict(zip(("lr", "batch"), laws, strict=False))
    return Tuning(
        runs.source,
        sweep.by,
        sweep.settings,
        tuple(_optimum(sweep, bowls, g, level, rng) for g in range(len(sweep.cells))),
        sweep.set_aside,
        made.get("lr"),
        made.get("batch"),
        "; ".join(dict.fromkeys(r for r in reasons if r)),
        bowls.sigma,
        together,
        level,
        seed,
        runs.counts,
        batch is not None and (sequence_length is not None or not any("sequences" in w for w in sweep.warnings)),
        (*sweep.warnings, *_cautions(sweep, bowls, inputs, laws)),
        bowls,
        sweep,
    )


def _check(within: float, level: float, sequence_length: int | None) -> None:
    if not 0 < within <= 0.1:
        raise ArgumentError(f"within = {within!r}: expected a share of the loss above 0 and up to 0.1, such as 0.005")
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level!r}: expected a coverage between 0 and 1, such as 0.9")
    if sequence_length is not None and not sequence_length > 0:
        raise ArgumentError(f"sequence_length = {sequence_length!r}: expected the tokens of a sequence, such as 2048")


def _inputs(
    sweep: Sweep, lr_inputs: Sequence[str] | None, batch_inputs: Sequence[str] | None
) -> tuple[tuple[str, ...], ...]:
    """The inputs of each setting's law: as given, else those that vary on their own."""
    for given in (*(lr_inputs or ()), *(batch_inputs or ())):
        if given not in sweep.by:
            raise ArgumentError(
                f"'{given}' is not among the columns grouped by ({', '.join(sweep.by)}){did_you_mean(given, sweep.by)}"
            )
    free = _apart(sweep)
    rate = tuple(lr_inputs) if lr_inputs is not None else free
    if len(sweep.settings) == 1:
        return (rate,)
    if batch_inputs is None:
        batch_inputs = ("D",) if "D" in sweep.by and np.ptp(_logs(sweep, ("D",))) > np.log(BENT) else free
    return rate, tuple(batch_inputs)


def _apart(sweep: Sweep) -> tuple[str, ...]:
    """The columns that vary, without those that follow from earlier ones (D from N at one ratio)."""
    chosen: list[str] = []
    for name in sweep.by:
        x = _logs(sweep, (*chosen, name))
        x = x - x.mean(axis=0)
        rest = x[:, -1] - x[:, :-1] @ np.linalg.lstsq(x[:, :-1], x[:, -1], rcond=None)[0] if chosen else x[:, -1]
        if np.ptp(rest) > np.log(BENT):
            chosen.append(name)
    return tuple(chosen)


def _logs(sweep: Sweep, names: Sequence[str]) -> np.ndarray:
    return np.log(sweep.values[:, [sweep.by.index(n) for n in names]])


def _laws(
    sweep: Sweep,
    bowls: Bowls,
    inputs: tuple[tuple[str, ...], ...],
    together: float,
    level: float,
    rng: np.random.Generator,
) -> tuple[list[SettingLaw | None], list[str]]:
    """The law of each setting; None and the reason where there are too few optima."""
    shared = rng.standard_normal((SPARE * DRAWS, 1 + max(map(len, inputs))))
    laws, reasons = [], []
    for axis, names in enumerate(inputs):
        side = np.array([b.side[axis] for b in bowls.groups])
        reason = _too_few(sweep.settings[axis], names, side, _logs(sweep, names)[side == 0])
        reasons.append(reason)
        if reason:
            laws.append(None)
            continue
        normals = shared[:, : 1 + len(names)]
        if axis == 1 and together:
            normals = together * normals + np.sqrt(1 - together**2) * rng.standard_normal(normals.shape)
        best = np.array([b.best[axis] for b in bowls.groups])
        variance = np.array([b.cov[axis, axis] for b in bowls.groups])
        law = fit_optimum_law(names, _logs(sweep, names), best, variance, side, normals=normals, rng=rng)
        laws.append(_told(sweep.settings[axis], law, side, level))
    return laws, reasons


def _too_few(setting: str, names: tuple[str, ...], side: np.ndarray, logs: np.ndarray) -> str:
    inside, need = int(np.sum(side == 0)), len(names) + 2
    if not names:
        return f"no law of {setting}: none of the columns grouped by varies"
    if inside < need:
        return (
            f"no law of {setting} in {' and '.join(names)}: {inside} of {len(side)} groups have their optimum inside "
            f"the sweep, and it needs {need}: sweep more groups, or fewer inputs (lr_inputs, batch_inputs)"
        )
    if np.linalg.matrix_rank(np.c_[np.ones(len(logs)), logs - logs.mean(axis=0)], tol=1e-6) <= len(names):
        return f"no law of {setting}: {' and '.join(names)} do not vary apart in these groups"
    return ""


def _told(setting: str, law: OptimumLaw, side: np.ndarray, level: float) -> SettingLaw:
    origin = np.exp(law.mean(np.zeros(len(law.inputs))))
    exponents = {k: interval(law.draws[:, 1 + i], level) for i, k in enumerate(law.inputs)}
    return SettingLaw(
        setting, interval(origin, level), exponents, interval(law.tau, level), len(side), int(np.sum(side != 0)), law
    )


def _correlation(sweep: Sweep, bowls: Bowls, inputs: tuple[tuple[str, ...], ...]) -> float:
    """How optima of the two settings scatter together around straight lines, shrunk for small numbers of groups."""
    if len(inputs) < 2:
        return 0.0
    inside = np.array([not b.side.any() for b in bowls.groups])
    free = int(inside.sum()) - 1 - max(map(len, inputs))
    if free < 2:
        return 0.0
    left = []
    for axis, names in enumerate(inputs):
        x = np.c_[np.ones(inside.sum()), _logs(sweep, names)[inside]]
        y = np.array([b.best[axis] for b in bowls.groups])[inside]
        left.append(y - x @ np.linalg.lstsq(x, y, rcond=None)[0])
    norm = float(np.sqrt(left[0] @ left[0] * (left[1] @ left[1])))
    return float(left[0] @ left[1] / norm * free / (free + 2)) if norm > 0 else 0.0


def _optimum(sweep: Sweep, bowls: Bowls, g: int, level: float, rng: np.random.Generator) -> Optimum:
    bowl, cells = bowls.groups[g], sweep.cells[g]
    place = best_draws(bowl, bowls.freedom, rng)
    found = {}
    for axis, name in enumerate(sweep.settings):
        value = float(np.exp(bowl.best[axis]))
        ends = interval(np.exp(place[:, axis]), level)
        low, high = ends.low, ends.high
        if bowl.side[axis]:
            low, high = (value, None) if bowl.side[axis] > 0 else (None, value)
        found[name] = Interval(
            value, None if low is None else min(low, value), None if high is None else max(high, value)
        )
    row = int(np.nanargmin(np.where(cells.censored, np.nan, cells.y)))
    measured = {n: float(f"{np.exp(cells.z[row, i]):.10g}") for i, n in enumerate(sweep.settings)}
    measured["loss"] = float(np.exp(cells.y[row]))
    group = {k: float(v) for k, v in zip(sweep.by, sweep.values[g], strict=True)}
    side = {n: int(bowl.side[i]) for i, n in enumerate(sweep.settings)}
    return Optimum(group, found, side, float(np.exp(bowl.height)), bowl.used, bowl.bounds, measured)


def _cautions(sweep: Sweep, bowls: Bowls, inputs, laws: Sequence[SettingLaw | None]) -> list[str]:
    """What to beware of in the sweep and its laws."""
    said = []
    for axis, name in enumerate(sweep.settings):
        ends = int(sum(b.side[axis] != 0 for b in bowls.groups))
        if ends:
            said.append(
                f"{ends} of {len(bowls.groups)} groups have their best {name} at an end of their sweep: it enters the "
                "law as an inequality; sweep further there."
            )
    for law in laws:
        if law is not None and law.groups - law.inequalities == len(law.exponents) + 2:
            said.append(
                f"The law of {law.setting} goes through {law.groups - law.inequalities} optima, one more than it has "
                "coefficients: its scatter is mostly assumed (about a third either way)."
            )
        if law is not None and law.law.effective < LEAST:
            said.append(
                f"The optima at the ends of their sweeps contradict the law of {law.setting} through the others: "
                "its intervals rest on few draws."
            )
    left = [n for n in sweep.by if n not in inputs[0] and np.ptp(_logs(sweep, (n,))) > np.log(BENT)]
    if left:
        said.append(
            f"The law of {sweep.settings[0]} leaves {' and '.join(left)} out: "
            f"it holds where {' and '.join(left)} moves with {' and '.join(inputs[0]) or 'nothing'} as it did here."
        )
    if sweep.set_aside:
        said.append(f"{len(sweep.set_aside)} groups were set aside: {sweep.set_aside[0][1]}.")
    return said
