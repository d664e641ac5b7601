"""Intervals and regret of a decision, from a real fit and from an estimate whose uncertainty is known exactly."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from similitude import laws
from similitude._errors import QuestionError
from similitude.fitting import fit
from similitude.laws import Estimate
from similitude.planning import budget, plan
from similitude.planning._views import plan_table
from similitude.runs import read_runs

TRUTH = laws.chinchilla.published["besiroglu2024"]


def sweep(seed: int = 3, noise: float = 0.003, ratios: tuple[float, ...] = (5, 20, 80)):
    """Runs along three ratios D/N from 20M to 2B parameters, simulated from a published law."""
    n = np.repeat(np.geomspace(2e7, 2e9, 8), len(ratios))
    d = n * np.tile(ratios, 8)
    loss = TRUTH.value(N=n, D=d) * np.exp(noise * np.random.default_rng(seed).standard_normal(n.size))
    return read_runs({"N": n, "D": d, "loss": loss})


@pytest.fixture(scope="module")
def fitted():
    return fit(laws.chinchilla, sweep(), seed=0)


@dataclass(frozen=True, eq=False, repr=False)
class Sampled(Estimate):
    """An estimate with given draws: intervals are their quantiles, so every expected answer can be computed by hand."""

    spread: float = field(kw_only=True, default=0.02)

    def draws(self, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {k: v * np.exp(self.spread * rng.standard_normal(count)) for k, v in self.values.items()}

    def interval_of(self, target, level=0.9):
        drawn = target(self.draws(2000))
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return float(target({k: np.array([v]) for k, v in self.values.items()})[0]), float(low), float(high)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    true = plan(TRUTH, flop=1e22)
    plans = [plan(fit(laws.chinchilla, sweep(seed=s), seed=0), flop=1e22) for s in range(100, 108)]
    for name in ("N", "D", "loss", "tokens_per_parameter"):
        held = [getattr(p, name).low < getattr(true, name).value < getattr(p, name).high for p in plans]
        assert sum(held) >= 5  # at 90 % fewer would happen once in two hundred times


def test_intervals_fit_together(fitted):
    made = plan(fitted, flop=1e22)
    for name in ("N", "D", "loss", "tokens_per_parameter"):
        found = getattr(made, name)
        assert found.low < found.value < found.high
    # one budget ties the ends of D and M to those of N
    assert 6 * made.N.low * made.D.high == pytest.approx(1e22, rel=1e-9)
    assert made.tokens_per_parameter.low == pytest.approx(made.D.low / made.N.high, rel=1e-9)
    assert made.compute.low is None
    assert made.level == 0.9


def test_a_higher_level_gives_a_wider_interval(fitted):
    narrow, wide = plan(fitted, flop=1e22, level=0.5), plan(fitted, flop=1e22, level=0.95)
    assert wide.N.low < narrow.N.low < narrow.N.high < wide.N.high


def test_a_target_loss_has_an_interval_of_compute_and_of_days(fitted):
    made = plan(fitted, loss=2.3, budget=budget(gpus="8xH100"))
    assert made.compute.low < plan(TRUTH, loss=2.3).flop < made.compute.high
    assert made.days.low / made.days.value == pytest.approx(made.compute.low / made.compute.value)


def test_extrapolation_is_against_the_largest_run(fitted):
    made = plan(fitted, flop=1e24)
    assert made.extrapolation == pytest.approx(1e24 / (6 * 2e9 * 2e9 * 80))
    assert "times the compute of the largest run" in made.first_screen().sure


def test_regret_is_that_of_each_draw_against_its_own_optimum():
    from scipy.optimize import brentq

    estimate = Sampled(TRUTH.law, TRUTH.values, label="sampled")
    made = plan(estimate, flop=1e23, seed=5)
    draws = estimate.draws(made.regret.draws, 5)
    excess, wasted = [], []
    for j in range(made.regret.draws):
        row = {k: float(v[j]) for k, v in draws.items()}
        of_row = lambda log_c, row=row: plan(TRUTH.law.estimate(**row), flop=float(np.exp(log_c))).loss.value  # noqa: E731
        chosen = TRUTH.law.evaluate({"N": made.N.value, "D": made.D.value}, row)
        excess.append(chosen - of_row(np.log(1e23)))
        if j < 5:
            saved = brentq(lambda x, chosen=chosen, of_row=of_row: of_row(x) - chosen, np.log(1e21), np.log(1.001e23))
            wasted.append(1 - np.exp(saved) / 1e23)
        if j >= 39:
            break
    from similitude.planning._certainty import optimum_at, regret_of
    from similitude.planning._question import Question
    from similitude.planning._surface import Surface

    question = Question.of(Surface.of(TRUTH.law), TRUTH.values, log_flop=np.log(1e23))
    few = {k: v[:40] for k, v in draws.items()}
    choice = (np.log(made.N.value), np.log(made.D.value))
    assert regret_of(question, choice, few, 0.9).loss == pytest.approx(np.mean(excess), rel=1e-6)
    five = {k: v[:5] for k, v in draws.items()}
    assert regret_of(question, choice, five, 0.9).compute == pytest.approx(np.mean(wasted), rel=1e-4)
    assert np.all(np.isfinite(optimum_at(question, draws, np.log(1e23))[2]))


def test_regret_without_a_closed_form_is_the_same():
    values = {**TRUTH.values, "q": 1.0}
    nested = Sampled(laws.nested, values, label="nested", spread=0.0)
    assert plan(nested, flop=1e23).regret.compute == pytest.approx(0, abs=1e-9)
    draws = Sampled(TRUTH.law, TRUTH.values).draws(50, 1)
    from similitude.planning._certainty import regret_of
    from similitude.planning._question import Question
    from similitude.planning._surface import Surface

    choice = tuple(np.log([plan(TRUTH, flop=1e23).N.value, plan(TRUTH, flop=1e23).D.value]))
    closed = Question.of(Surface.of(TRUTH.law), TRUTH.values, log_flop=np.log(1e23))
    found = Question.of(Surface.of(laws.nested), values, log_flop=np.log(1e23))
    assert closed.closed
    assert not found.closed
    one = regret_of(closed, choice, draws, 0.9)
    two = regret_of(found, choice, {**draws, "q": np.ones(50)}, 0.9)
    assert two.loss == pytest.approx(one.loss, rel=1e-6)
    assert two.compute == pytest.approx(one.compute, rel=1e-5)


def test_no_draws_no_claims():
    made = plan(TRUTH, flop=1e23)
    assert made.regret is None
    assert made.level is None
    assert (made.N.low, made.N.high, made.loss.low) == (None, None, None)
    assert made.curves.N_low == ()


def test_an_interval_that_is_not_known_stays_unknown():
    class Blind(Sampled):
        def interval_of(self, target, level=0.9):
            value, low, _ = super().interval_of(target, level)
            return value, low, None

    made = plan(Blind(TRUTH.law, TRUTH.values, label="blind"), flop=1e23)
    assert made.N.high is None
    assert made.N.low is not None
    assert made.D.low is None  # the unknown end changes sides with the direction
    assert made.D.high is not None
    assert made.to_dict()["N"]["high"] is None


def test_a_fixed_size_has_no_interval_of_its_own(fitted):
    made = plan(fitted, loss=2.4, at={"N": 1e9})
    assert (made.N.low, made.N.high) == (None, None)
    assert made.D.low < made.D.value < made.D.high
    assert made.compute.low == pytest.approx(6e9 * made.D.low, rel=1e-9)


def test_the_floor_is_among_what_would_change_the_answer(fitted):
    what = [s.what for s in plan(fitted, flop=1e24).sensitivity]
    assert any(w.startswith("the floor E") for w in what)


def test_the_floor_says_that_its_range_is_no_interval(fitted):
    (floor,) = (s for s in plan(fitted, flop=1e24).sensitivity if s.what.startswith("the floor E"))
    assert "not an interval" in floor.what
    low, high = (float(x) for x in floor.what.removeprefix("the floor E, ").partition(" (")[0].split(" or "))
    assert low < fitted.values["E"] < high
    assert floor.loss[0] < floor.loss[1]  # in the order of the floors, which at far budgets decide the loss


def reach_of(made) -> list[str]:
    return [w for w in made.warnings if "run it rests on" in w or "the runs the plan rests on" in w]


def test_a_plan_below_or_far_above_its_runs_says_so(fitted):
    # the runs: N 2e7 to 2e9, D 1e8 to 1.6e11, compute 6 N D 1.2e16 to 1.92e21
    assert reach_of(plan(fitted, flop=1e20)) == []
    (spent,) = reach_of(plan(fitted, flop=31 * 1.92e21))
    assert spent == "The plan spends 31 times the compute of the largest run it rests on."
    assert reach_of(plan(fitted, flop=29 * 1.92e21)) == []
    below = reach_of(plan(fitted, flop=1.2e13))
    assert below[0].startswith("The plan's training compute is 0.001 times the smallest")
    assert [w.split()[0] for w in below[1:]] == ["N", "D"]
    (size,) = reach_of(plan(fitted, flop=1e18, at={"N": 1e6}))
    assert size.startswith("N is 0.05 times the smallest")
    (tokens,) = [w for w in reach_of(plan(fitted, flop=6e21, at={"N": 1e8})) if w.startswith("D")]
    assert tokens == "D is 62.5 times the largest among the runs the plan rests on."


def test_a_law_that_does_not_say_its_runs_leaves_the_reach_unknown(fitted):
    def shown(made):
        return dict(plan_table(made).rows)["against the largest run"]

    assert shown(plan(fitted, flop=1.92e22)) == "10 times its compute"
    repeated = laws.data_constrained.published["muennighoff2023"]
    assert shown(plan(repeated, flop=1e23, at={"U": "100B"})).startswith("not known")


def test_same_seed_same_plan(fitted):
    assert plan(fitted, flop=1e22, seed=1).to_dict() == plan(fitted, flop=1e22, seed=1).to_dict()


def test_runs_at_one_ratio_give_no_plan():
    one_ratio = fit(laws.chinchilla, sweep(ratios=(20.0,)), seed=0)
    with pytest.raises(QuestionError, match="no division of compute follows"):
        plan(one_ratio, flop=1e22)
