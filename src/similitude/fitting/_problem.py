"""A fit as arrays: which coordinates are free, and residuals with exact derivatives for a batch of parameter rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._dual import Dual
from similitude._errors import ArgumentError
from similitude.fitting._objective import Objective
from similitude.laws import Law, Parameter
from similitude.laws._linear import probes

__all__ = ["Clusters", "Coordinates", "Priors", "Problem"]

FLOOR_DEPTH = 12.0  # how many e-folds under the smallest output a floor may sink before it counts as zero


@dataclass(frozen=True)
class Coordinates:
    """The free coordinates of a law: groups of tied parameters on the real line, and the parameters held fixed.

    Where the law allows, the engine works with inputs divided by `scale` (their geometric means). Its *inner*
    parameters are those of the scaled inputs: an exponent is the same, a coefficient is its term at the centre of the
    data. That takes the near-collinearity of log A and alpha, and the curvature it brings, out of the problem.
    """

    law: Law
    groups: tuple[tuple[str, ...], ...]
    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, float]
    low: np.ndarray
    high: np.ndarray
    scale: Mapping[str, float] = field(default_factory=dict)
    moved: tuple[str, ...] = ()

    @classmethod
    def build(
        cls,
        law: Law,
        fix: Mapping[str, float] | None,
        tie: Sequence[tuple[str, ...]] | None,
        bound: Mapping[str, tuple[float | None, float | None]] | None,
        smallest_output: float,
        centre: Mapping[str, float] | None = None,
        pinned: Sequence[str] = (),
        shown: Mapping[str, tuple[float, float]] | None = None,
    ) -> Coordinates:
        """Coordinates after fixing, tying and bounding; ArgumentError for unknown names or contradictions.

        `centre` holds the inputs' geometric means; scaling is given up when a coefficient it would change is fixed,
        tied, bounded or named in `pinned` (it has a prior). `shown` is the range of each input, and of the output
        as "peak", to which words with a reach are held.
        """
        fix, bound = dict(fix or {}), dict(bound or {})
        ties = [tuple(t) for t in tie or ()]
        law.check_names([*fix, *bound, *(name for t in ties for name in t)])
        for name in [n for t in ties for n in t]:
            if name in fix:
                raise ArgumentError(f"'{name}' is both fixed and tied; choose one")
            if sum(name in t for t in ties) > 1:
                raise ArgumentError(f"'{name}' stands in two ties; write them as one, such as alpha=beta=gamma")
        groups = [next((t for t in ties if name in t), (name,)) for name in law.params if name not in fix]
        groups = list(dict.fromkeys(groups))
        if not groups:
            raise ArgumentError(f"every parameter of '{law.name}' is fixed: there is nothing to fit")
        words = tuple(_bounded(law, g, bound) for g in groups)
        low, high = _line_bounds(words, smallest_output)
        plain = cls(law, tuple(groups), words, {k: float(v) for k, v in fix.items()}, low, high)
        moved = _moved(law, centre) if centre else None
        if centre and moved is not None and not moved & {*fix, *bound, *pinned, *(n for t in ties for n in t)}:
            plain = replace(
                plain, scale=MappingProxyType(dict(centre)), moved=tuple(k for k in law.params if k in moved)
            )
        return plain._within_reach(shown or {})

    def _within_reach(self, shown: Mapping[str, tuple[float, float]]) -> Coordinates:
        """The same with words that have a reach held near what the runs show."""
        low, high = self.low.copy(), self.high.copy()
        for j, (group, word) in enumerate(zip(self.groups, self.parameters, strict=True)):
            name = word.relative or ""
            if word.reach is None or name not in shown or not shown[name][0] > 0:
                continue
            unit = self.scale.get(name, 1.0) if group[0] in self.moved else 1.0
            first, last = (np.log(x / unit) for x in shown[name])
            if word.reach < 1:
                last = first + np.log(word.reach)
            elif name != "peak":
                ends = (word.power * (first - np.log(word.reach)), word.power * (last + np.log(word.reach)))
                first, last = sorted(ends)
                low[j] = max(low[j], first)
            else:
                last += np.log(word.reach)
            high[j] = min(high[j], last)
        return replace(self, low=low, high=np.maximum(high, low))

    @property
    def names(self) -> tuple[str, ...]:
        """One name a free coordinate: the parameter, or `alpha=beta` where tied."""
        return tuple("=".join(g) for g in self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def inner(self, u: np.ndarray, *, dual: bool = False) -> dict[str, Any]:
        """Parameters of the scaled inputs, each (batch, 1), as numbers or seeded by the free coordinates."""
        out: dict[str, Any] = dict(self.fixed)
        for j, (group, word) in enumerate(zip(self.groups, self.parameters, strict=True)):
            value = word.close(u[:, j : j + 1])
            out.update(dict.fromkeys(group, Dual(value, {j: word.slope(value)}) if dual else value))
        return out

    def values(self, u: np.ndarray, *, dual: bool = False) -> dict[str, Any]:
        """The law's parameters, each (batch, 1), as numbers or seeded by the free coordinates."""
        inner = self.inner(u, dual=dual)
        factors = _factors(self.law, inner, self.scale, self.moved)
        return {k: v * factors[k] if k in factors else v for k, v in inner.items()}

    def value(self, name: str, u: np.ndarray) -> Any:
        """One parameter as a dual number: cheaper than `values` where only one is wanted."""
        inner = self.inner(u, dual=True)
        return inner[name] * _factors(self.law, inner, self.scale, (name,))[name] if name in self.moved else inner[name]

    def inner_inputs(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs as the engine sees them."""
        return {k: v / self.scale[k] if k in self.scale else v for k, v in inputs.items()}

    def point(self, u: np.ndarray) -> dict[str, float]:
        """The law's parameters as numbers, in declared order, from one row of coordinates."""
        values = self.values(np.atleast_2d(u))
        return {k: float(np.ravel(values[k])[0]) for k in self.law.params}

    def coordinates(self, values: Mapping[str, Any]) -> np.ndarray:
        """Rows of coordinates from parameter values (scalars or (batch,)), inside the bounds; inverse of `values`."""
        columns = {k: np.atleast_1d(np.asarray(v, float))[:, None] for k, v in values.items()}
        factors = _factors(self.law, columns, self.scale, self.moved)
        inner = {k: v / factors[k] if k in factors else v for k, v in columns.items()}
        opened = [w.open(inner[g[0]]) for g, w in zip(self.groups, self.parameters, strict=True)]
        return np.clip(np.concatenate(np.broadcast_arrays(*opened), axis=-1), self.low, self.high)

    def index(self, name: str) -> int | None:
        """The free coordinate of a parameter, or None if it is fixed."""
        return next((j for j, g in enumerate(self.groups) if name in g), None)


def _factors(law: Law, params: Mapping[str, Any], scale: Mapping[str, float], names: Sequence[str]) -> dict[str, Any]:
    """What turns inner parameters into the law's own: one factor for each coefficient and each scale of an input.

    A coefficient's factor is its basis function at the scaled centre over that at the centre itself, found by switching
    the coefficients on one at a time.
    """
    if not scale or not names:
        return {}
    out = {name: _own_factor(word, params, scale) for name, word in law.params.items() if word.relative in law.inputs}
    coefficients = [name for name in names if name not in out]
    if coefficients:
        ones = dict.fromkeys(law.inputs, 1.0)
        off = {**params, **dict.fromkeys(law.linear, 0.0)}
        outer = {k: v * out[k] if k in out else v for k, v in off.items()}
        off_one, off_centre = law.evaluate(ones, off), law.evaluate(scale, outer)
        for name in coefficients:
            on_one, on_centre = law.evaluate(ones, {**off, name: 1.0}), law.evaluate(scale, {**outer, name: 1.0})
            out[name] = (on_one - off_one) / (on_centre - off_centre)
    return {name: out[name] for name in names}


def _own_factor(word: Parameter, params: Mapping[str, Any], scale: Mapping[str, float]) -> Any:
    """A of A / x^alpha scales with x^alpha, a scale of x with x, a rate with 1 / x."""
    return scale[str(word.relative)] ** (params[word.exponent] if word.exponent else word.power)


def _moved(law: Law, centre: Mapping[str, float]) -> set[str] | None:
    """The parameters that change when inputs are divided by `centre`, or None where the law does not keep its form."""
    inputs = {k: g * np.exp(2 * probes(j, 7) - 1) for j, (k, g) in enumerate(centre.items())}
    params = {k: 0.2 + 0.5 * float(probes(j, 9)[-1]) for j, k in enumerate(law.params, len(centre))}
    names = [k for k, w in law.params.items() if k in law.linear or w.relative in law.inputs]
    with np.errstate(all="ignore"):
        factors = _factors(law, params, centre, names)
        outer = {k: v * factors.get(k, 1.0) for k, v in params.items()}
        direct = np.asarray(law.evaluate(inputs, outer), float)
        scaled = np.asarray(law.evaluate({k: v / centre[k] for k, v in inputs.items()}, params), float)
    if not (np.all(np.isfinite(direct)) and np.allclose(direct, scaled, rtol=1e-9)):
        return None
    if np.ptp(direct) <= 1e-9 * np.max(np.abs(direct)):  # flat where it was probed: nothing was learnt
        return None
    return {k for k, v in factors.items() if abs(float(np.ravel(v)[0]) - 1) > 1e-12}


def _bounded(law: Law, group: tuple[str, ...], bound: Mapping[str, tuple[float | None, float | None]]) -> Parameter:
    word = law.params[group[0]]
    for name in group:
        low, high = bound.get(name, (None, None))
        word = word.bounded(low, high)
        if word.low >= word.high:
            raise ArgumentError(f"the bounds of '{name}' leave no room: [{word.low:g}, {word.high:g}]")
    return word


def _line_bounds(words: tuple[Parameter, ...], smallest: float) -> tuple[np.ndarray, np.ndarray]:
    ends = [list(w.line_bounds) for w in words]
    for word, end in zip(words, ends, strict=True):
        if word.relative == "output" and smallest > 0:
            end[0] = max(end[0], np.log(smallest) - FLOOR_DEPTH)
    low, high = np.asarray(ends, float).T
    return low, high


@dataclass(frozen=True)
class Priors:
    """Normal priors on parameter values: penalties ((value - centre) / spread)^2 / 2 in units of the noise variance."""

    names: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    noise: float = 1.0

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Clusters:
    """Runs sorted into clusters that share a random offset, and how much of each cluster's mean to take out.

    With offset variance tau times the noise variance, r - (1 - 1 / sqrt(1 + n tau)) mean(r) has constant variance.
    """

    starts: np.ndarray
    sizes: np.ndarray
    tau: float = 0.0

    def whiten(self, rows: np.ndarray) -> np.ndarray:
        """The transform along the last axis, whose order is that of the clusters."""
        share = 1 - 1 / np.sqrt(1 + self.sizes * self.tau)
        means = np.add.reduceat(rows, self.starts, axis=-1) / self.sizes
        return rows - np.repeat(means * share, self.sizes, axis=-1)

    @property
    def log_determinant(self) -> float:
        """log det of the covariance in units of the noise variance."""
        return float(np.sum(np.log1p(self.sizes * self.tau)))


@dataclass(frozen=True)
class Problem:
    """Runs against a law: scaled inputs and output (runs,), square roots of weights, censoring, clusters and priors."""

    coordinates: Coordinates
    inputs: Mapping[str, np.ndarray]
    y: np.ndarray
    objective: Objective
    root_weights: np.ndarray | None = None
    censored: np.ndarray | None = None
    clusters: Clusters | None = None
    priors: Priors = Priors()
    delta: float | None = None

    @property
    def law(self) -> Law:
        return self.coordinates.law

    @property
    def runs(self) -> int:
        return self.y.size

    @property
    def free(self) -> int:
        return len(self.coordinates)

    @property
    def deltas(self) -> np.ndarray | float | None:
        """Huber's delta for each residual; priors are squares."""
        if self.delta is None or not len(self.priors):
            return self.delta
        return np.concatenate([np.full(self.runs, self.delta), np.full(len(self.priors), np.inf)])

    def subset(self, keep: np.ndarray) -> Problem:
        """The same problem on some of the runs (without clusters)."""
        pick = {k: v[keep] for k, v in self.inputs.items()}
        optional = {k: None if (v := getattr(self, k)) is None else v[keep] for k in ("root_weights", "censored")}
        return replace(self, inputs=pick, y=self.y[keep], clusters=None, **optional)

    def predict(self, u: np.ndarray) -> np.ndarray:
        """The law at the runs, (batch, runs)."""
        with np.errstate(all="ignore"):
            value = self.law.evaluate(self.inputs, self.coordinates.inner(u))
        return np.broadcast_to(value, (len(u), self.runs))

    def misfits(self, u: np.ndarray) -> np.ndarray:
        """The residuals of `residuals` without their Jacobian, for comparing many rows."""
        if self.clusters is not None or len(self.priors):
            return self.residuals(u)[0]
        f = self.predict(u)
        with np.errstate(all="ignore"):
            r = np.log(f / self.y) if self.objective.log else f - self.y
        if self.censored is not None:
            r = np.where(self.censored & (r >= 0), 0.0, r)
        if self.root_weights is not None:
            r = r * self.root_weights
        return np.where(np.isfinite(r).all(axis=-1, keepdims=True), r, np.inf)

    def residuals(self, u: np.ndarray, y: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Weighted residuals (batch, terms) and their Jacobian (batch, free, terms) at coordinates u.

        `y` may hold other outputs, (batch, runs). Terms are the runs, then the priors. A row whose law is not finite
        (or not positive, on the log scale) has infinite residuals, so that a solver steps back.
        """
        y = self.y if y is None else y
        with np.errstate(all="ignore"):
            f = self.law.evaluate(self.inputs, self.coordinates.inner(u, dual=True))
            value, partials = (f.value, f.partials) if isinstance(f, Dual) else (f, {})
            factor = 1.0 / value if self.objective.log else 1.0
            r = np.log(value / y) if self.objective.log else value - y
            if np.shape(r) != (len(u), self.runs):
                r = np.array(np.broadcast_to(r, (len(u), self.runs)))  # the solver writes into it
            slopes = np.zeros((len(u), self.free, self.runs))
            for j, partial in partials.items():
                np.multiply(partial, factor, out=slopes[:, j])
        return self._shaped(r, slopes, u)

    def _shaped(self, r: np.ndarray, slopes: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.censored is not None:  # the true value is at least y: a law above it is not contradicted
            met = self.censored & (r >= 0)
            r = np.where(met, 0.0, r)
            slopes = np.where(met[:, None, :], 0.0, slopes)
        if self.root_weights is not None:
            r, slopes = r * self.root_weights, slopes * self.root_weights
        if self.clusters is not None and self.clusters.tau > 0:
            r, slopes = self.clusters.whiten(r), self.clusters.whiten(slopes)
        if len(self.priors):
            extra, extra_slopes = self._prior_terms(u)
            r, slopes = np.concatenate([r, extra], axis=-1), np.concatenate([slopes, extra_slopes], axis=-1)
        if np.isfinite(r.sum() + slopes.sum()):  # one number tells what a look at each of them would
            return r, slopes
        bad = ~np.isfinite(r).all(axis=-1) | ~np.isfinite(slopes).all(axis=(-1, -2))
        if bad.any():
            r, slopes = np.array(r), np.array(slopes)
            r[bad], slopes[bad] = np.inf, 0.0
        return r, slopes

    def _prior_terms(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = self.coordinates.values(u, dual=True)
        r = np.empty((len(u), len(self.priors)))
        slopes = np.zeros((len(u), self.free, len(self.priors)))
        for i, name in enumerate(self.priors.names):
            z = (values[name] - self.priors.centre[i]) * (self.priors.noise / self.priors.spread[i])
            r[:, i] = z.value[:, 0]
            for j, partial in z.partials.items():
                slopes[:, j, i] = partial[:, 0]
        return r, slopes
