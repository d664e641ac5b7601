"""`fit`: from runs and a law to a `Fit`, an estimate with its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, ConvergenceError, QuestionError
from similitude.fitting import _diagnose
from similitude.fitting._bootstrap import Bootstrap, bootstrap
from similitude.fitting._new_run import MANY_POINTS, new_run_ends
from similitude.fitting._noise import residuals_at
from similitude.fitting._objective import HUBER_LOG, Objective
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import Constraints, Observed, bind, law_unit, observe, pose
from similitude.fitting._profile import (
    Curvature,
    Family,
    Points,
    Target,
    Targets,
    condition_number,
    coordinate_target,
    delta_ends,
    delta_interval,
    parameter_target,
    profile_intervals,
    profile_levels,
)
from similitude.fitting._solve import Convergence, Solution, solve
from similitude.laws import Estimate, Law, Prediction
from similitude.laws._inverse import left_out, roots
from similitude.laws._law import read_input
from similitude.runs import Runs

if TYPE_CHECKING:
    import polars as pl

    from similitude.fitting._forecast import Forecast

__all__ = ["Fit", "Grouped", "fit"]

AUTO = "auto"  # in place of a law: carry one curve on

LARGE = 20_000  # runs beyond which the profile and the delta method no longer differ to be seen
SURE = 1 - 1e-5  # the level beyond which it is not asked how sure
Target_ = Callable[[Mapping[str, Any]], Any]
Along = Callable[[Mapping[str, Any], np.ndarray], Any]


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Estimate):
    """A law estimated from runs, with the evidence for it. Made by `fit`; frozen and complete.

    `values` and `ends` (low, high; None where unknown) by parameter; `objective` and `objective_value`; `convergence`;
    `condition` of the scaled Jacobian; `noise`, the residual standard deviation on the objective's scale; `warnings`,
    one sentence each. `runs` is the table it was fitted on.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0)
    >>> fit = sim.fit(sim.laws.chinchilla, runs)
    >>> low, high = fit.ends["alpha"]
    >>> low < fit.values["alpha"] < high, fit.convergence.converged, len(fit.observed)
    (True, True, 20)
    """

    runs: Runs = field(kw_only=True)
    observed: Observed = field(kw_only=True)
    solution: Solution = field(kw_only=True)
    constraints: Constraints = field(kw_only=True)
    objective: Objective = field(kw_only=True)
    intervals: Intervals = field(kw_only=True)
    ends: Mapping[str, tuple[float | None, float | None]] = field(kw_only=True)
    method: str = field(kw_only=True)
    condition: float = field(kw_only=True)
    curvature: Curvature = field(kw_only=True)
    warnings: tuple[str, ...] = field(kw_only=True)
    resampled: Bootstrap | None = field(kw_only=True, default=None)
    seed: int = field(kw_only=True, default=0)

    # -- what was found -------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v:.6g}" for k, v in self.values.items())
        return f"Fit({self.law.name} on {len(self.observed)} runs: {values})"

    def __str__(self) -> str:
        from similitude.fitting._views import fit_text

        return fit_text(self)

    def _repr_html_(self) -> str:
        from similitude.fitting._views import parameter_table

        return parameter_table(self)._repr_html_()

    @property
    def convergence(self) -> Convergence:
        """Starts tried and agreeing, the gradient test, iterations."""
        return self.solution.convergence

    @property
    def objective_value(self) -> float:
        """The minimised sum."""
        return self.solution.objective

    @property
    def delta(self) -> float | None:
        """Huber's delta in force; None for least squares."""
        return self.solution.problem.delta

    @property
    def free(self) -> tuple[str, ...]:
        """The free parameters, tied ones as `alpha=beta`."""
        return self.solution.problem.coordinates.names

    @property
    def level(self) -> float:
        """Nominal coverage of the intervals."""
        return self.intervals.level

    @property
    def noise(self) -> float:
        """Residual standard deviation on the objective's scale, n - p degrees of freedom (at the centre, if it varies).

        Of clustered runs it is the rows' own; `offset` is the shared part.
        """
        if self.solution.problem.clusters is not None:
            return self._within_noise()
        r, _ = residuals_at(self.solution.problem, self.solution.u)
        return float(np.sqrt(np.sum(r**2) / self.solution.freedom))

    @property
    def offset(self) -> float | None:
        """Standard deviation of the random offsets shared within a run; None for independent runs."""
        clusters = self.solution.problem.clusters
        return None if clusters is None else self._within_noise() * float(np.sqrt(clusters.tau))

    def _within_noise(self) -> float:
        r, _ = residuals_at(self.solution.problem, self.solution.u)
        return float(np.sqrt(np.sum(r**2) / max(r.size - len(self.free), 1)))

    @property
    def identified(self) -> bool:
        """Whether these runs can tell the parameters apart; where not, only predictions among the runs are given."""
        return _diagnose.tells_apart(self.observed, self.condition)

    @property
    def largest_compute(self) -> float | None:
        """The largest compute (or single input) among the runs; None where it is not defined."""
        found = self.observed.compute()
        return None if found is None else float(found[0].max())

    def fitted(self) -> np.ndarray:
        """The law at each run of `observed`, in its order."""
        return np.asarray(self.law.evaluate(self.observed.inputs, self.values), float)

    def residuals(self) -> np.ndarray:
        """Unweighted residuals of each run, law minus run on the objective's scale."""
        fitted, y = self.fitted(), self.observed.y
        return np.log(fitted / y) if self.objective.log else fitted - y

    # -- predictions ----------------------------------------------------------------------------------------------

    def predict(self, *, level: float | None = None, **inputs: Any) -> Prediction:
        """The law at inputs, with its confidence interval and the interval of one new run.

        Inputs are scalars or arrays that broadcast. Raises ArgumentError for missing, unknown or non-positive inputs,
        and QuestionError for a point these runs say nothing about (off the ray they were sampled on).

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> sim.fit(sim.laws.power_floor, runs).predict(D=1e12).extrapolation
        10.0
        """
        level = self.level if level is None else Intervals(level=level).level
        arrays = self.law.check_inputs(inputs)
        inputs = {k: read_input(v) for k, v in inputs.items()}
        shape = np.broadcast_shapes(*(a.shape for a in arrays.values()))
        flat = {k: np.broadcast_to(a, shape).ravel() for k, a in arrays.items()}
        self._refuse_off_ray(flat)
        value = np.asarray(self.law.evaluate(flat, self.values), float) * np.ones(len(next(iter(flat.values()))))
        ends = self._prediction_ends(flat, level)
        notes = _diagnose.range_notes(self, flat)
        if len(value) > MANY_POINTS and not self._by_delta and self.resampled is None:
            notes = (
                *notes,
                f"more than {MANY_POINTS:,} points: intervals by the delta method, which a profile may differ from",
            )
        new = new_run_ends(self, flat, value, ends, level)
        reach = _diagnose.extrapolation(self.observed, flat)
        unit = str(law_unit(self.law, self.runs))
        columns = [value, ends[:, 0], ends[:, 1], new[:, 0], new[:, 1], reach]
        if shape == ():
            number, low, high, new_low, new_high, far = (_known(c[0]) for c in columns)
            return Prediction(inputs, number, low, high, level, far, new_low, new_high, unit, notes)
        number, low, high, new_low, new_high, far = (c.reshape(shape) for c in columns)
        return Prediction(inputs, number, low, high, level, far, new_low, new_high, unit, notes)

    def _prediction_ends(self, flat: Mapping[str, np.ndarray], level: float) -> np.ndarray:
        log = self.objective.log
        if self.resampled is not None:
            return self._drawn_ends(flat, level)
        problem, u = self.solution.problem, self.solution.u
        points = Points(problem, problem.coordinates.inner_inputs(flat))
        if len(points) > MANY_POINTS:
            found = delta_ends(self.curvature, points, u, level)
        else:
            found = self._ends_of(points, level)
        return np.exp(found) if log else found

    def _drawn_ends(self, flat: Mapping[str, np.ndarray], level: float) -> np.ndarray:
        """Quantiles of the resampled laws at points, some thousands of points at a time."""
        assert self.resampled is not None
        rows = {k: v[:, None] for k, v in self.resampled.draws.items()}
        size = len(next(iter(flat.values())))
        pieces = []
        for begin in range(0, size, 20_000):
            some = {k: v[begin : begin + 20_000] for k, v in flat.items()}
            drawn = np.asarray(self.law.evaluate(some, rows), float)
            pieces.append(np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0).T)
        return np.concatenate(pieces)

    def _ends_of(self, targets: Targets, level: float) -> np.ndarray:
        problem, u = self.solution.problem, self.solution.u
        if self._by_delta:
            if isinstance(targets, (Points, Family)):
                return delta_ends(self.curvature, targets, u, level)
            rows = [delta_interval(self.curvature, t, u, level) for t in targets]
            return np.array([[v - h, v + h] for v, _, h in rows]).reshape(-1, 2)
        return profile_intervals(problem, u, self.curvature, targets, level)

    @property
    def _by_delta(self) -> bool:
        return self.method.startswith("delta")

    def _refuse_off_ray(self, flat: Mapping[str, np.ndarray]) -> None:
        if self.identified:
            return
        off = _diagnose.off_the_ray(self.observed, flat)
        if off.any():
            i = int(np.argmax(off))
            at = ", ".join(f"{k}={v[i]:.3g}" for k, v in flat.items())
            raise QuestionError(
                f"{self.observed.source}: these runs cannot say anything at {at}: "
                f"{_diagnose.ray_sentence(self.observed)}; add runs off that line, or fix parameters"
            )

    def interval_of(self, target: Target_, level: float | None = None) -> tuple[float, float | None, float | None]:
        """(value, low, high) of anything computed from the parameters, ends None where unknown.

        `target(params)` gets a mapping of parameter name to array (batch,) and returns an array (batch,).

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> value, low, high = sim.fit(sim.laws.power, runs).interval_of(lambda p: 2 * p["c"])
        >>> low < value < high
        True
        """
        level = self.level if level is None else Intervals(level=level).level
        value = float(np.ravel(target({k: np.array([v]) for k, v in self.values.items()}))[0])
        if not self.identified:
            return value, None, None
        if self.resampled is not None:
            drawn = np.asarray(target(self.resampled.draws), float)
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
            return value, float(low), float(high)
        found = self._ends_of([self._numeric(target)], level)
        return value, _known(found[0, 0]), _known(found[0, 1])

    def intervals_of(self, targets: Sequence[Target_], level: float | None = None) -> np.ndarray:
        """(targets, 3): value, low and high of many targets, as `interval_of` gives one; NaN where an end is unknown.

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> sim.fit(sim.laws.power, runs).intervals_of([lambda p: p["a"], lambda p: p["c"]]).shape
        (2, 3)
        """
        level = self.level if level is None else Intervals(level=level).level
        if self.resampled is not None or not self.identified:
            rows = [self.interval_of(t, level) for t in targets]
            return np.array([[np.nan if v is None else v for v in row] for row in rows])
        centre = {k: np.array([v]) for k, v in self.values.items()}
        values = [float(np.ravel(t(centre))[0]) for t in targets]
        ends = self._ends_of([self._numeric(t) for t in targets], level)
        return np.column_stack([values, ends])

    def intervals_along(self, target: Along, places: Any, level: float | None = None) -> np.ndarray:
        """(places, 3): value, low and high of `target(params, place)` at each place; NaN where an end is unknown.

        `target` gets a mapping of parameter name to array (batch,) and the places, (batch,), and returns an array
        (batch,): all are evaluated together, which for many places is much faster than `intervals_of`.

        >>> import numpy as np, similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> halved = lambda p, goal: np.log(p["a"] / goal) / p["c"]
        >>> sim.fit(sim.laws.power, runs).intervals_along(halved, [3.0, 2.5, 2.0]).shape
        (3, 3)
        """
        level = self.level if level is None else Intervals(level=level).level
        places = np.atleast_1d(np.asarray(places, float))
        if self.resampled is not None or not self.identified:
            return self.intervals_of(
                [lambda p, x=x: target(p, np.full(np.shape(next(iter(p.values()))), x)) for x in places], level
            )
        family = Family(self.solution.problem, target, places, self._steps())
        centre = {k: np.full(len(places), v) for k, v in self.values.items()}
        return np.column_stack([np.broadcast_to(target(centre, places), places.shape), self._ends_of(family, level)])

    def confidence_along(self, target: Along, places: Any) -> np.ndarray:
        """(places,): the one-sided confidence that `target(params, place)` is above zero, between 0 and 1.

        It is that of the profile interval which ends at zero. Where zero cannot be reached, or the runs do not tell
        the parameters apart, what is known is less: down to a half.

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> made = sim.fit(sim.laws.power, runs)
        >>> sure, even = made.confidence_along(lambda p, least: p["c"] - least, [0.0, made.values["c"]])
        >>> bool(sure > 0.98), float(even)
        (True, 0.5)
        """
        places = np.atleast_1d(np.asarray(places, float))
        centre = {k: np.full(len(places), v) for k, v in self.values.items()}
        value = np.broadcast_to(np.asarray(target(centre, places), float), places.shape)
        if not self.identified:
            return np.full(len(places), 0.5)
        if self.resampled is not None:
            draws = self.resampled.draws
            drawn = [np.asarray(target(draws, np.full(len(self.resampled), x))) for x in places]
            return np.array([np.mean(d > 0) + 0.5 * np.mean(d == 0) for d in drawn])
        problem, u = self.solution.problem, self.solution.u
        family = Family(problem, target, places, self._steps())
        if self._by_delta:
            half = delta_ends(self.curvature, family, u, SURE)[:, 1] - value
            from scipy.stats import t as student

            return student.cdf(value / half * self.curvature.multiple(SURE), self.curvature.freedom)
        told = profile_levels(problem, u, self.curvature, family, SURE)
        return 0.5 + 0.5 * np.sign(value) * told

    def error_of(self, target: Target_) -> float:
        """The standard error of anything computed from the parameters, by the delta method.

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> sim.fit(sim.laws.power, runs).error_of(lambda p: p["c"]) > 0
        True
        """
        return delta_interval(self.curvature, self._numeric(target), self.solution.u, 0.9)[1]

    def _numeric(self, target: Target_) -> Target:
        return Target.numeric(self.solution.problem, target, self._steps())

    def _steps(self) -> np.ndarray:
        """Steps of differences, by coordinate."""
        steps = 1e-3 * np.sqrt(np.maximum(np.diag(self.curvature.covariance), 1e-18))
        # a floor at zero has no curvature on its logarithm: a step by its error would leave the numbers there are
        logarithms = [w.transform != "real" for w in self.solution.problem.coordinates.parameters]
        return np.where(logarithms, np.minimum(steps, 0.01), steps)

    def inverse(self, target: Any, *, level: float | None = None, **others: Any) -> Prediction:
        """The value of the one input left out at which the law reaches `target`, with its interval.

        As for every estimate, see `Estimate.inverse`; ends that the runs do not fix are None.

        >>> import similitude as sim
        >>> runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11], "loss": [4.1, 3.3, 2.81, 2.5]})
        >>> found = sim.fit(sim.laws.power, runs).inverse(2.6)
        >>> found.low < found.value < found.high
        True
        """
        level = self.level if level is None else Intervals(level=level).level
        name, goal, numbers = left_out(self.law, target, others)
        reach, log = self._reach(name), self.law.positive_inputs

        def solved(params: Mapping[str, Any]) -> np.ndarray:
            found = roots(self.law, params, name, goal, numbers, reach)
            return np.log(found) if log else found

        value = float(solved({k: np.array([v]) for k, v in self.values.items()})[0])
        self._refuse_unreached(value, name, goal, numbers)
        with np.errstate(all="ignore"):
            ends = self.interval_of(solved, level)[1:]
        low, high = (None if e is None or not np.isfinite(e) else float(np.exp(e) if log else e) for e in ends)
        value = float(np.exp(value)) if log else value
        notes = _diagnose.range_notes(self, {**{k: np.array([v]) for k, v in numbers.items()}, name: np.array([value])})
        far = value / float(self.observed.inputs[name].max())
        at = {"output": goal, **numbers}
        return Prediction(at, value, low, high, level, far, None, None, str(self.law.inputs[name]), notes)

    # -- resampling and diagnosis ---------------------------------------------------------------------------------

    def bootstrap(
        self, kind: str | None = None, *, resamples: int = 400, seed: int = 0, reseed: bool = True
    ) -> Bootstrap:
        """Resampled refits: "case" (whole clusters where runs are clustered), "residual", "wild" or "parametric".

        Without a kind: parametric for clustered runs, else residual. `reseed` starts each refit from the projected grid
        as well as from the optimum, and keeps the better.
        """
        kind = kind or ("parametric" if self.solution.problem.clusters is not None else "residual")
        problem, u = self.solution.problem, self.solution.u
        return bootstrap(problem, u, kind=kind, resamples=resamples, seed=seed, reseed=reseed)

    def draws(self, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Draws of the parameters, each (count,), for decisions that average over uncertainty."""
        if self.resampled is not None and len(self.resampled) >= count:
            return {k: v[:count] for k, v in self.resampled.draws.items()}
        return dict(self.bootstrap(resamples=count, seed=seed, reseed=False).draws)

    def influence(self) -> _diagnose.Influence:
        """What leaving out each run in turn does to every parameter, in standard errors."""
        return _diagnose.influence(self)

    def identifiability(self) -> _diagnose.Identifiability:
        """Condition number, correlations, open profiles, bounds reached and what they mean."""
        return _diagnose.identifiability(self)

    def to_frame(self) -> pl.DataFrame:
        """The parameters as a table: parameter, value, low, high, unit, state."""
        import polars as pl

        from similitude.fitting._views import parameter_rows

        return pl.DataFrame(parameter_rows(self), schema=["parameter", "value", "low", "high", "state"], orient="row")

    def plot(self, ax: Any = None) -> Any:
        """Draw runs, law and band on matplotlib axes (new ones if None); returns the axes."""
        from importlib import import_module

        from similitude.fitting._views import main_figure

        return import_module("similitude.reports").draw_axes(main_figure(self), ax)

    def to_dict(self, *, runs: bool = True) -> dict[str, Any]:
        """Everything as plain values fit for JSON; `runs=False` leaves the runs out (no new intervals from it then)."""
        from similitude.fitting._store import fit_to_dict

        return fit_to_dict(self, runs=runs)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Fit:
        """The fit `to_dict` described; DataError when the document is not one."""
        from similitude.fitting._store import fit_from_dict

        return fit_from_dict(data)


def _known(x: float) -> float | None:
    return None if not np.isfinite(x) else float(x)


@dataclass(frozen=True, eq=False)
class Grouped(Mapping[str, Any]):
    """One fit a group, by the value of the column `by`; a mapping.

    >>> import similitude as sim
    >>> table = {"D": [1e8, 1e9, 1e10] * 2, "loss": [4.0, 3.2, 2.6, 4.4, 3.3, 2.5], "kind": ["a"] * 3 + ["b"] * 3}
    >>> both = sim.fit(sim.laws.power, sim.read_runs(table), by="kind", intervals="delta")
    >>> {kind: round(fit.values["c"], 2) for kind, fit in both.items()}
    {'a': 0.09, 'b': 0.12}
    """

    by: str
    fits: Mapping[str, Fit | Forecast]

    def __getitem__(self, key: str) -> Any:
        return self.fits[key]

    def __iter__(self):
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)

    def __repr__(self) -> str:
        return f"Grouped({len(self)} fits by {self.by}: {', '.join(self.fits)})"

    def __str__(self) -> str:
        return "\n\n".join(f"{self.by} = {k}\n{v}" for k, v in self.fits.items())


def fit(
    law: Law | str,
    runs: Runs,
    *,
    inputs: Mapping[str, str] | None = None,
    objective: Objective | str | None = None,
    fix: Mapping[str, float] | None = None,
    tie: Sequence[Sequence[str]] | None = None,
    bound: Mapping[str, tuple[float | None, float | None]] | None = None,
    prior: Mapping[str, tuple[float, float]] | None = None,
    start: Mapping[str, Any] | None = None,
    by: str | None = None,
    delta: float | None = None,
    intervals: Intervals | str | None = None,
    seed: int = 0,
) -> Any:
    """Estimate a law from runs.

    `fix={"E": 1.69}` holds parameters, `tie=[("alpha", "beta")]` makes them equal, `bound={"alpha": (0.1, 1)}` keeps
    them inside, `prior={"E": (1.7, 0.1)}` pulls them (normal: centre, spread), `start` replaces starting values.
    `by` fits each group of a column on its own and returns a mapping. `objective` is an `Objective` or its name
    (default huber_log with delta tied to the noise; `delta=1e-3` is the field's recipe); `intervals` an `Intervals` or
    a method's name. `inputs={"x": "D"}` says which column an input of the law is.

    `law="auto"` carries one learning curve on without a law: a `Forecast`, for one input column and one score column.

    Raises DataError for runs that cannot be used, QuestionError for runs that cannot answer, ConvergenceError when the
    best optimum found fails its gradient test, ArgumentError for options that make no sense.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=0)
    >>> sim.fit(sim.laws.chinchilla, runs).convergence.converged
    True
    """
    _refuse_other_kinds(law, runs)
    if not isinstance(law, Law):
        return _carried_on(runs, inputs, by, intervals, [fix, tie, bound, prior, start, objective, delta])
    objective = _objective(objective, delta)
    intervals = Intervals(method=intervals) if isinstance(intervals, str) else intervals or Intervals()
    constraints = Constraints.of(fix, tie, bound, prior, start)
    if by is None:
        return _fit_one(bind(law, runs, inputs), runs, objective, constraints, intervals, seed)
    groups = {k: replace(r, source=f"{r.source}, {by} = {k}") for k, r in runs.kept.groups(by).items()}
    return Grouped(
        by,
        {k: _fit_one(bind(law, r, inputs), r, objective, constraints, intervals, seed) for k, r in groups.items()},
    )


def _refuse_other_kinds(law: Any, runs: Any) -> None:
    if not isinstance(law, Law) and law != AUTO:
        remedy = f"; similitude.laws.get({law!r}) finds one by name" if isinstance(law, str) else ""
        raise ArgumentError(f"law is a {type(law).__name__}; expected a Law such as similitude.laws.chinchilla{remedy}")
    if not isinstance(runs, Runs):
        raise ArgumentError(f"runs is a {type(runs).__name__}; expected Runs, read them with similitude.read_runs(...)")


def _carried_on(runs: Runs, inputs: Any, by: str | None, intervals: Any, others: Sequence[Any]) -> Any:
    """`fit("auto", runs)`, which has no parameters to hold and minimises nothing."""
    if any(o is not None and (not isinstance(o, (Mapping, Sequence)) or len(o)) for o in others):
        raise ArgumentError(
            'law "auto" has no parameters and no objective: leave out fix, tie, bound, prior, start, objective, delta'
        )
    from similitude.fitting._forecast import forecast

    level = intervals.level if isinstance(intervals, Intervals) else Intervals().level
    if by is None:
        return forecast(runs, inputs, level)
    groups = {k: replace(r, source=f"{r.source}, {by} = {k}") for k, r in runs.kept.groups(by).items()}
    return Grouped(by, {k: forecast(r, inputs, level) for k, r in groups.items()})


def _objective(objective: Objective | str | None, delta: float | None) -> Objective:
    if isinstance(objective, str):
        return Objective.named(objective, delta=delta)
    objective = objective or HUBER_LOG
    return objective if delta is None else Objective.named(objective.name, delta=delta, asymmetry=objective.asymmetry,
                                                           weights=objective.weights)  # fmt: skip


def _fit_one(law, runs, objective, constraints, intervals, seed) -> Fit:
    observed, _ = observe(law, runs, objective, intervals)
    problem = pose(law, observed, objective, constraints)
    with np.errstate(all="ignore"):
        solution = solve(problem, observed, intervals, constraints.start)
    if not solution.convergence.converged:
        values = ", ".join(f"{k} = {v:.4g}" for k, v in solution.problem.coordinates.point(solution.u).items())
        error = ConvergenceError(
            f"{observed.source}: the best optimum of '{law.name}' found fails its gradient test "
            f"({solution.convergence}); it stopped at {values}. Give starting values, bounds, or a simpler law"
        )
        error.solution = solution  # pyright: ignore[reportAttributeAccessIssue]
        raise error
    _refuse_runaway(law, observed, solution)
    observed = observed.take(solution.order)
    return assemble(law, observed, runs, objective, constraints, intervals, seed, solution)


def _refuse_runaway(law: Law, observed: Observed, solution: Solution) -> None:
    with np.errstate(all="ignore"):
        values = solution.problem.coordinates.point(solution.u)
    lost = [k for k, v in values.items() if not np.isfinite(v)]
    if lost:
        rest = ", ".join(f"{k} = {v:.4g}" for k, v in values.items() if k not in lost)
        raise QuestionError(
            f"{observed.source}: the best optimum of '{law.name}' leaves {', '.join(lost)} without a finite value "
            f"({rest}): these runs do not follow the law; bound its exponents, or choose a simpler law"
        )


def assemble(law, observed, runs, objective, constraints, intervals, seed, solution, ends=None) -> Fit:
    """A Fit from a solved problem; `ends` spares the intervals when they are known already."""
    problem, u = solution.problem, solution.u
    with np.errstate(all="ignore"):
        curvature = Curvature.at(problem, u, solution.freedom)
        condition = condition_number(problem, u)
    values = problem.coordinates.point(u)
    method = _method(intervals, observed)
    draft = Fit(
        law,
        values,
        label=f"{law.name} fitted to {runs.source}",
        counts=runs.counts,
        runs=runs,
        observed=observed,
        solution=solution,
        constraints=constraints,
        objective=objective,
        intervals=intervals,
        ends={},
        method=method,
        condition=condition,
        curvature=curvature,
        warnings=(),
        seed=seed,
        within={k: (float(v.min()), float(v.max())) for k, v in observed.inputs.items()},
    )
    if intervals.bootstrap:
        kind = intervals.method
        drawn = bootstrap(problem, u, kind=kind, resamples=intervals.count, seed=seed)
        draft = replace(draft, resampled=drawn)
    if ends is None:
        with np.errstate(all="ignore"):
            ends = _parameter_ends(draft)
    draft = replace(draft, ends=ends)
    return replace(draft, warnings=_diagnose.warnings_of(draft))


def _method(intervals: Intervals, observed: Observed) -> str:
    if intervals.method == "profile" and len(observed) > LARGE:
        return f"delta (profile and delta coincide beyond {LARGE:,} runs)"
    return {"profile": "profile, F cut", "delta": "delta, t"}.get(
        intervals.method, f"{intervals.method} bootstrap, percentile"
    )


def _parameter_ends(draft: Fit) -> dict[str, tuple[float | None, float | None]]:
    problem = draft.solution.problem
    coordinates = problem.coordinates
    ends: dict[str, tuple[float | None, float | None]] = {k: (v, v) for k, v in coordinates.fixed.items()}
    if not draft.identified:
        ends.update({n: (None, None) for g in coordinates.groups for n in g})
        return ends
    if draft.resampled is not None:
        share = (1 - draft.level) / 2
        for group in coordinates.groups:
            low, high = np.quantile(draft.resampled.draws[group[0]], [share, 1 - share])
            ends.update(dict.fromkeys(group, (float(low), float(high))))
        return ends
    targets, closers = [], []
    for j, (group, word) in enumerate(zip(coordinates.groups, coordinates.parameters, strict=True)):
        if group[0] in coordinates.moved:
            targets.append(parameter_target(problem, group[0], word.transform))
        else:
            targets.append(coordinate_target(problem, j, _floor_reach(problem, draft.solution.u, j)))
        closers.append(word)
    found = draft._ends_of(targets, draft.level)
    for group, word, (low, high) in zip(coordinates.groups, closers, found, strict=True):
        pair = (_known(float(word.close(low))) if np.isfinite(low) else None,
                _known(float(word.close(high))) if np.isfinite(high) else None)  # fmt: skip
        ends.update(dict.fromkeys(group, pair))
    return ends


def _floor_reach(problem: Any, u: np.ndarray, j: int) -> float | None:
    """From a floor that sits at zero to half the smallest output: the way on which its upper end is looked for."""
    word, low = problem.coordinates.parameters[j], problem.coordinates.low[j]
    if word.relative != "output" or word.transform != "log" or u[j] > low + 1e-6:
        return None
    return float(np.log(0.5 * np.min(problem.y)) - u[j])
