"""Fit one or two measured training curves and predict the curve of any other schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from similitude._errors import ArgumentError, did_you_mean
from similitude._schedule import Schedule
from similitude._view import Figure, Section, Table
from similitude.planning._curve_laws import FORMS, Form, loss_and_slopes, prior_of
from similitude.planning._training_curve import TrainingCurve

__all__ = ["CurveFit", "CurvePrediction", "fit_curves"]

MOST = 200  # readings of a curve that are used; more say no more, as a law's misfit is slow
WORTH = 8.0  # independent readings that one curve's misfit is worth: it wanders slowly along the curve
HUBER = 4.0  # usual misfits beyond which a reading loses influence
REACH = 5.0  # prior spreads beyond which no coefficient is looked for
ROUNDS = 3
FIRST_MISFIT = 0.003  # relative, before the curves have shown their own
CLEARLY = 0.6  # of the other law's held-out error, below which the less safe law is taken
HELD = 2 / 3  # share of a single curve that its own test is fitted on
LAWS = tuple(FORMS)


@dataclass(frozen=True, eq=False)
class CurvePrediction:
    """The predicted loss (steps,) of a schedule at `steps`, with the interval of the curve and that of one reading."""

    schedule: Schedule
    steps: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reading_low: np.ndarray
    reading_high: np.ndarray
    level: float

    def __repr__(self) -> str:
        return f"CurvePrediction({self.schedule.name}: {self.loss[-1]:.4f} at step {self.steps[-1]})"

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        arrays = ("steps", "loss", "low", "high", "reading_low", "reading_high")
        return {
            "schedule": self.schedule.name,
            "level": self.level,
            **{k: np.asarray(getattr(self, k)).tolist() for k in arrays},
        }


@dataclass(frozen=True, eq=False, repr=False)
class CurveFit:
    """A law of whole training curves with its coefficients, made by `fit_curves`.

    `values` holds the coefficients, `covariance` that of their logarithms, `noise` the relative scatter of a reading,
    `misfit` the relative error of the curve itself on what fits had not seen (`tested` says on what, `evidence` has it
    for each law). `rival` is the other law with its coefficients: where the two disagree, intervals widen.
    """

    law: str
    values: Mapping[str, float]
    covariance: np.ndarray
    noise: float
    misfit: float
    freedom: float
    curves: tuple[TrainingCurve, ...]
    evidence: Mapping[str, float]
    tested: str
    level: float
    rival: tuple[str, Mapping[str, float]]

    def __repr__(self) -> str:
        return f"CurveFit({self.law} on {', '.join(c.name for c in self.curves)}: misfit {self.misfit:.2%})"

    def __str__(self) -> str:
        return str(self.table())

    @property
    def form(self) -> Form:
        """The law as the fit uses it."""
        return FORMS[self.law]

    @property
    def longest(self) -> int:
        """The last step that was measured."""
        return int(max(c.steps.max() for c in self.curves))

    @property
    def peak(self) -> float:
        """The highest rate that was measured."""
        return max(float(c.schedule.rates.max()) for c in self.curves if c.schedule is not None)

    def predict(self, schedule: Schedule, at: Any = None, *, level: float | None = None) -> CurvePrediction:
        """The loss of a schedule at steps `at` (steps,), 200 of them after its warm-up when not given.

        The interval of the curve holds the uncertainty of the coefficients and the misfit; that of a reading the
        scatter of readings as well. Raises ArgumentError for steps outside the schedule.
        """
        level = self.level if level is None else _level(level)
        if at is None:
            at = np.unique(np.linspace(schedule.warm_up + 1, len(schedule), 200).astype(int))
        steps = np.atleast_1d(np.asarray(at))
        logs, slopes = self.log_loss(schedule, steps)
        other, values = self.rival
        apart = logs - _log_loss(FORMS[other], values, schedule, steps)[0]
        spread2 = np.einsum("ij,jk,ik->i", slopes, self.covariance, slopes) + self.misfit**2 + 0.5 * apart**2
        reach = _t(self.freedom, level)
        curve, reading = reach * np.sqrt(spread2), reach * np.sqrt(spread2 + self.noise**2)
        ends = [np.exp(logs + s) for s in (-curve, curve, -reading, reading)]
        low, high, reading_low, reading_high = ends
        return CurvePrediction(schedule, steps.astype(int), np.exp(logs), low, high, reading_low, reading_high, level)

    def log_loss(self, schedule: Schedule, at: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log loss (steps,) and slopes by the logarithms of the coefficients (steps, coefficients)."""
        return _log_loss(self.form, self.values, schedule, at)

    def table(self) -> Table:
        """The coefficients with their intervals, and how the law was chosen."""
        from similitude.planning._curve_views import fit_table

        return fit_table(self)

    def figure(self, others: Sequence[TrainingCurve] = ()) -> Figure:
        """The measured curves, the law through them, and `others` (held out, or schedules asked for) with bands."""
        from similitude.planning._curve_views import fit_figure

        return fit_figure(self, others)

    def view(self) -> Section:
        """Table and figure, for a report."""
        return Section("A law of training curves", (self.table(), self.figure()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON."""
        spread = np.sqrt(np.diag(self.covariance)) * _t(self.freedom, self.level)
        return {
            "schema_version": 1,
            "law": self.law,
            "level": self.level,
            "parameters": {
                k: {"value": v, "low": float(v * np.exp(-s)), "high": float(v * np.exp(s))}
                for (k, v), s in zip(self.values.items(), spread, strict=True)
            },
            "noise": self.noise,
            "misfit": self.misfit,
            "tested": self.tested,
            "evidence": dict(self.evidence),
            "curves": [{"name": c.name, "readings": len(c)} for c in self.curves],
        }


def fit_curves(
    curves: TrainingCurve | Iterable[TrainingCurve],
    law: Literal["auto", "multi_power", "annealing"] = "auto",
    *,
    level: float = 0.9,
) -> CurveFit:
    """Fit a law of whole training curves to one or a few of them, each with its schedule.

    `law`: the multi-power law (Luo et al. 2025), the annealing law (Tissue et al. 2024), or "auto": the multi-power
    law, unless the other erred by less than 0.6 of it on what had been held out, each curve in turn or the last third
    of a single one. The two laws' errors there are the misfit that intervals hold, beside the laws' disagreement. The
    fit is on log losses, with Huber's loss beyond four usual misfits, at most 200 readings a curve, and weak priors on
    what few curves cannot settle: the saturation of the multi-power law's gains is held near C = 1, beta = gamma =
    0.5, where its authors start.

    Raises QuestionError for curves without a schedule or with fewer than 8 readings after the warm-up, DataError for
    losses that are not positive.

    >>> import numpy as np, similitude as sim
    >>> plan = sim.schedule("cosine", 4000, peak=3e-4, end=3e-5, warm_up=200)
    >>> steps = np.arange(250, 4001, 50)
    >>> truth = sim.laws.annealing.estimate(L0=2.6, A=0.43, alpha=0.5, C=0.4)
    >>> curve = sim.TrainingCurve(steps, truth.value(**plan.areas(steps)), plan)
    >>> found = sim.fit_curves(curve, "annealing")
    >>> other = sim.schedule("wsd", 4000, peak=3e-4, end=3e-5, warm_up=200)
    >>> told = found.predict(other, [4000])
    >>> bool(abs(told.loss[0] - float(truth.value(**other.areas([4000]))[0])) < 0.02)
    True
    """
    curves = (curves,) if isinstance(curves, TrainingCurve) else tuple(curves)
    if not curves:
        raise ArgumentError("fit_curves needs at least one training curve")
    level = _level(level)
    if law != "auto" and law not in FORMS:
        raise ArgumentError(f"no law of training curves '{law}'{did_you_mean(law, LAWS)} (there are {', '.join(LAWS)})")
    parts = [c.fit_part() for c in curves]
    errors = {name: _held_out(form, parts) for name, form in FORMS.items()}
    best = _chosen(errors) if law == "auto" else law
    solved = {name: _solved(form, parts) for name, form in FORMS.items()}
    values = {
        name: dict(zip(FORMS[name].params, np.exp(found[0]).tolist(), strict=True)) for name, found in solved.items()
    }
    logs, covariance, rough = solved[best]
    other = next(name for name in LAWS if name != best)
    return CurveFit(
        best,
        values[best],
        covariance,
        float(np.mean([_noise(y) for _, y, _ in parts])),
        max(rough, float(np.sqrt(np.mean(np.square(list(errors.values())))))),
        max(WORTH * len(parts) - len(logs), 3.0),
        curves,
        errors,
        "each curve from the others" if len(parts) > 1 else "the last third of the curve from the rest",
        level,
        (other, values[other]),
    )


def _chosen(errors: Mapping[str, float]) -> str:
    """The multi-power law, whose gains saturate, unless the annealing law was clearly better on what was held out."""
    return "annealing" if errors["annealing"] < CLEARLY * errors["multi_power"] else "multi_power"


def _log_loss(form: Form, values: Mapping[str, float], schedule: Schedule, at: Any) -> tuple[np.ndarray, np.ndarray]:
    return loss_and_slopes(form, form.inputs(schedule, at), np.log([values[k] for k in form.params]))


Part = tuple[np.ndarray, np.ndarray, Schedule]


def _held_out(form: Form, parts: Sequence[Part]) -> float:
    """Root mean square of the log residuals on what a fit had not seen."""
    if len(parts) > 1:
        folds = [([p for j, p in enumerate(parts) if j != i], parts[i]) for i in range(len(parts))]
        # curves at a constant rate say nothing of what a drop brings: such a test would be one of the prior
        folds = [f for f in folds if any(_falls(p[2]) for p in f[0])] or folds
    else:
        steps, loss, whole = parts[0]
        cut = steps <= whole.warm_up + HELD * (steps[-1] - whole.warm_up)
        folds = [([(steps[cut], loss[cut], whole)], (steps[~cut], loss[~cut], whole))]
    squares = []
    for shown, (steps, loss, whole) in folds:
        logs = _solved(form, shown)[0]
        told = loss_and_slopes(form, form.inputs(whole, steps), logs)[0]
        squares.append(float(np.mean((told - np.log(loss)) ** 2)))
    return float(np.sqrt(np.mean(squares)))


def _falls(schedule: Schedule) -> bool:
    return bool((np.diff(schedule.rates[schedule.warm_up :]) < 0).any())


def _solved(form: Form, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray, float]:
    """Logarithms of the coefficients, their covariance, and the root mean square misfit."""
    from scipy.optimize import least_squares

    thin = [np.unique(np.linspace(0, len(s) - 1, MOST).astype(int)) for s, _, _ in parts]
    tables = [form.inputs(w, s[k]) for (s, _, w), k in zip(parts, thin, strict=True)]
    target = [np.log(y[k]) for (_, y, _), k in zip(parts, thin, strict=True)]
    centre, spread = prior_of(form, [w for _, _, w in parts], [y for _, y, _ in parts])
    count = np.array([len(t) for t in target], float)
    logs, misfit, told = centre, FIRST_MISFIT, np.empty(0)

    def residuals(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, slopes = [], []
        for inputs, y, n in zip(tables, target, count, strict=True):
            told, by = loss_and_slopes(form, inputs, u)
            weight = np.sqrt(min(WORTH / n, 1.0)) / misfit
            rows.append((told - y) * weight)
            slopes.append(by * weight)
        return np.concatenate([*rows, (u - centre) / spread]), np.concatenate([*slopes, np.diag(1 / spread)])

    for _ in range(ROUNDS):
        found = least_squares(
            lambda u: residuals(u)[0],
            logs,
            jac=lambda u: residuals(u)[1],  # pyright: ignore[reportArgumentType]
            loss="huber",
            f_scale=HUBER * np.sqrt(WORTH / count.mean()),
            bounds=(centre - REACH * spread, centre + REACH * spread),
            max_nfev=100,
        )
        logs = found.x
        told = np.concatenate([loss_and_slopes(form, t, logs)[0] for t in tables])
        misfit = max(1.4826 * float(np.median(np.abs(told - np.concatenate(target)))), 1e-5)
    slopes = residuals(logs)[1]
    rough = float(np.sqrt(np.mean((told - np.concatenate(target)) ** 2)))
    return logs, np.linalg.inv(slopes.T @ slopes), rough


def _noise(loss: np.ndarray) -> float:
    """Relative scatter of a reading about its neighbours, from second differences."""
    y = np.log(loss)
    return 1.4826 * float(np.median(np.abs(y[2:] - 2 * y[1:-1] + y[:-2]))) / np.sqrt(6)


def _level(level: float) -> float:
    from similitude.fitting._options import Intervals

    return Intervals(level=level).level


def _t(freedom: float, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
