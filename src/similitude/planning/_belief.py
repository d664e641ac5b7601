"""What is known before more runs are made: draws of the parameters, the information behind them, the noise of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from similitude._errors import ArgumentError, QuestionError
from similitude.fitting._prepare import compute_of
from similitude.fitting._problem import Coordinates
from similitude.fitting._quantiles import t_quantile
from similitude.planning._aim import Aims, aims_at, log_slopes
from similitude.planning._optimum import Space

if TYPE_CHECKING:
    from similitude.fitting import Fit
    from similitude.fitting._noise import Spread
    from similitude.laws import Estimate

__all__ = ["Belief", "Certainty", "belief_of_fit", "belief_of_guesses"]

WEAK = 10.0  # standard deviation of a coordinate nobody has measured: a coefficient known to a factor of e^10


@dataclass(frozen=True)
class Certainty:
    """Expected uncertainty of a decision, a row a draw: half-widths of log inputs (draws, k) and log value, the regret.

    `regret` is the expected loss in excess at equal cost.
    """

    inputs: np.ndarray
    value: np.ndarray
    regret: np.ndarray


@dataclass(frozen=True)
class Belief:
    """Coordinates of a law, draws of them (draws, p) with the estimate first, the information (draws, p, p) so far.

    `noise` is a run's standard deviation on the scale the law is fitted on, times `spread` at the run's compute where
    noise changes with it; `freedom` are the degrees of freedom so far (runs less free parameters).
    """

    coordinates: Coordinates
    u: np.ndarray
    information: np.ndarray
    noise: float
    freedom: int
    log: bool = True
    spread: Spread | None = None

    def kept(self, rows: np.ndarray) -> Belief:
        """The same with some of the draws."""
        return Belief(
            self.coordinates, self.u[rows], self.information[rows], self.noise, self.freedom, self.log, self.spread
        )

    def slopes(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """(draws, m, p): slopes at runs, inputs (m,) each, divided by the noise of a run there."""
        rows = {k: v[None] for k, v in inputs.items()}
        _, slopes = log_slopes(self.coordinates, self.u, rows, log=self.log)
        return slopes / self.noise_at(inputs)[None, :, None]

    def noise_at(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """(m,): the noise of a run at inputs."""
        found = compute_of(inputs)
        if self.spread is None or found is None:
            return np.full(len(next(iter(inputs.values()))), self.noise)
        return self.noise * self.spread.at(found[0])

    def aims(self, space: Space, goal: float) -> tuple[Belief, Aims]:
        """The decision at every draw; draws without one are left out.

        Raises QuestionError where the estimate itself has none.
        """
        found = aims_at(space, self.coordinates, self.u, goal)
        if not found.solved[0]:
            raise QuestionError(
                "the law has no optimum at the target within its limits: its value goes on improving towards an end; "
                "choose another law or target, or fix parameters"
            )
        return self.kept(found.solved), found.kept(found.solved)

    def certainty(self, aims: Aims, cover: np.ndarray, runs: float, level: float) -> Certainty:
        """What covariances (draws, p, p) after so many more runs mean for the decision."""
        freedom = max(self.freedom + runs, 1.0)
        times = float(t_quantile(freedom, 0.5 + level / 2))
        inputs = np.sqrt(np.einsum("kri,kij,krj->kr", aims.by_choice, cover, aims.by_choice))
        value = np.sqrt(np.einsum("kri,kij,krj->k", aims.by_value, cover, aims.by_value))
        regret = np.einsum("kri,kij,krj->k", aims.by_regret, cover, aims.by_regret)
        return Certainty(times * inputs, times * value, regret)


def belief_of_fit(fit: Fit, noise: float | None, draws: int, seed: int) -> Belief:
    """From a fit: its runs' information at its estimate and at draws by its own bootstrap."""
    problem, curvature = fit.solution.problem, fit.curvature
    own = float(np.sqrt(curvature.variance)) / max(curvature.slope, 1e-300)
    if problem.clusters is not None:
        own *= float(np.sqrt(1 + problem.clusters.tau))
    if not own > 1e-12 and noise is None:
        raise QuestionError(
            f"{fit.label}: the runs lie on the law exactly, so they say nothing about noise: give noise=, such as 0.003"
        )
    coordinates = problem.coordinates
    u = fit.solution.u[None]
    if draws > 1:
        drawn = {k: np.asarray(v, float) for k, v in fit.draws(draws - 1, seed).items() if k in fit.law.params}
        u = np.concatenate([u, coordinates.coordinates(drawn)])
    with np.errstate(all="ignore"):
        slopes = np.nan_to_num(problem.residuals(u)[1], nan=0.0, posinf=0.0, neginf=0.0)
    scale = (own / noise) ** 2 if noise is not None else 1.0
    unit = curvature.slope**2 / max(curvature.variance, 1e-300) * scale
    information = slopes @ np.swapaxes(slopes, 1, 2) * unit + _weak(len(coordinates))
    freedom = int(fit.solution.freedom)
    return Belief(coordinates, u, information, noise or own, freedom, problem.objective.log, fit.solution.spread)


def belief_of_guesses(
    estimates: Sequence[Estimate],
    noise: float,
    centre: Mapping[str, float],
    spread: float = 0.0,
    draws: int = 1,
    seed: int = 0,
) -> Belief:
    """From sets of coefficients of one law, without a run: nothing is known but where to look.

    Around each set lie `draws` - 1 more, every coordinate off by a normal of `spread`: an exponent, or a term of the
    law at the `centre`, by that share of itself.
    """
    law = estimates[0].law
    if other := next((e for e in estimates if e.law.name != law.name), None):
        raise ArgumentError(
            f"guesses are sets of one law, and {other.label} is not of '{law.name}': design for one law at a time"
        )
    values = {k: np.array([float(e.values[k]) for e in estimates]) for k in law.params}
    smallest = float(np.min(law.evaluate({k: np.array(v) for k, v in centre.items()}, values)))
    coordinates = Coordinates.build(law, None, None, None, smallest, centre)
    u = coordinates.coordinates(values)
    if draws > 1 and spread > 0:
        moved = np.random.default_rng([seed, 7]).normal(0, spread, (draws - 1, 1, u.shape[1])) + u
        inside = np.clip(moved.reshape(-1, u.shape[1]), coordinates.low, coordinates.high)
        u = np.concatenate([u, inside])
    information = np.broadcast_to(_weak(len(coordinates)), (len(u), len(coordinates), len(coordinates))).copy()
    return Belief(coordinates, u, information, noise, -len(coordinates))


def _weak(size: int) -> np.ndarray:
    return np.eye(size) / WEAK**2
