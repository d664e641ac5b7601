"""Designs of next runs: information against finite differences and SciPy, the theorem, known optimal designs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import ttest_ind

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.planning._belief import belief_of_fit
from similitude.planning._decide import pose
from similitude.planning._information import Pool, _corner

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


@pytest.fixture(scope="module")
def fit():
    return sim.fit(TRUTH.law, sim.simulate(TRUTH, noise=0.01, seed=0))


@pytest.fixture(scope="module")
def found(fit):
    return sim.next_runs(fit, 1e24, spend=1e21, runs=8)


def _line(costs=None, aims=None) -> Pool:
    """A straight line on [-1, 1]: slopes (1, x)."""
    x = np.linspace(-1, 1, 41)
    slopes = np.stack([np.ones_like(x), x], -1)[None]
    aims = np.array([[[0.0, 1.0]]]) if aims is None else aims
    return Pool.of(slopes, np.ones(41) if costs is None else costs, 1e-9 * np.eye(2)[None], (aims,))


def test_a_slope_is_best_measured_at_the_ends():
    chosen = _line().choose(10.0, 10)
    assert chosen.counts[0] == chosen.counts[-1] == 5  # textbook: half the runs at each end
    assert chosen.efficiency > 0.99
    assert np.exp(chosen.criterion) == pytest.approx(1 / 10, rel=1e-6)


def test_an_extrapolation_has_the_textbook_design():
    # Hoel and Levine (1964): for the line at z > 1 the weight of the far end is (z + 1) / (2 z)
    z = 3.0
    chosen = _line(aims=np.array([[[1.0, z]]])).choose(300.0, 300)
    assert chosen.counts[-1] / 300 == pytest.approx((z + 1) / (2 * z), abs=0.01)
    assert chosen.counts[[0, -1]].sum() == 300
    assert np.exp(chosen.criterion) == pytest.approx(z**2 / 300, rel=1e-4)


def test_dear_runs_give_way_to_cheap_ones():
    costs = np.linspace(1.0, 4.0, 41)  # the upper end costs four times the lower
    chosen = _line(costs).choose(60.0, 10_000)
    low, high = chosen.counts[0], chosen.counts[-1]
    # the variance 1/m + 1/n under m + 4 n = 60 is least at m = 2 n, that is 20 and 10
    assert (low, high) == (20, 10)


def test_the_bound_holds_against_random_designs(rng):
    slopes = rng.normal(size=(3, 60, 4))
    costs = np.exp(rng.normal(size=60))
    pool = Pool.of(slopes, costs, np.eye(4)[None].repeat(3, 0) * 0.1, (rng.normal(size=(3, 2, 4)),))
    chosen = pool.choose(8.0, 9)
    assert chosen.counts @ costs <= 8.0 + 1e-6
    assert chosen.counts.sum() <= 9
    assert chosen.bound <= chosen.criterion
    tried = []
    for _ in range(3000):
        counts = np.zeros(60)
        for i in rng.permutation(60):
            if counts.sum() < 9 and counts @ costs + costs[i] <= 8.0:
                counts[i] += 1
        tried.append(pool.criterion(counts))
    assert min(tried) >= chosen.criterion
    assert min(tried) >= chosen.bound


def test_the_linear_programme_is_scipys(rng):
    for _ in range(30):
        slope, costs = rng.random(25), np.exp(rng.normal(size=25))
        budget, most = 4 * rng.random() + 0.5, 5
        counts, value = _corner(slope, costs, budget, most)
        known = linprog(-slope, A_ub=[costs, np.ones(25)], b_ub=[budget, most], method="highs")
        assert value == pytest.approx(-known.fun, rel=1e-6)
        assert slope @ counts == pytest.approx(-known.fun, rel=1e-6)
        assert counts @ costs <= budget * (1 + 1e-6)
        assert counts.sum() <= most * (1 + 1e-6)


def test_what_is_known_now_is_the_fits_own_error(fit):
    """The delta method of the fit, by differences of the whole answer, against information and exact slopes."""
    belief = belief_of_fit(fit, None, 1, 0)
    space, goal, _ = pose(fit, 1e24)
    belief, aims = belief.aims(space, goal)
    cover = np.linalg.inv(belief.information)[0]
    first = space.least({k: np.array([v]) for k, v in fit.values.items()}, goal)
    by_n = fit.error_of(lambda p: space.least(p, goal, first.z[0]).z[:, 0])
    assert np.sqrt(aims.by_choice[0, 0] @ cover @ aims.by_choice[0, 0]) == pytest.approx(by_n, rel=5e-3)
    there = {k: float(np.exp(first.z[0, j])) for j, k in enumerate(space.free)}
    by_value = fit.error_of(lambda p: np.log(fit.law.evaluate(there, p)))
    assert np.sqrt(aims.by_value[0, 0] @ cover @ aims.by_value[0, 0]) == pytest.approx(by_value, rel=5e-3)


def test_the_regret_is_the_loss_in_excess_to_second_order(fit):
    belief = belief_of_fit(fit, None, 1, 0)
    space, goal, _ = pose(fit, 1e24)
    belief, aims = belief.aims(space, goal)
    rng = np.random.default_rng(3)
    own = {k: np.array([v]) for k, v in fit.values.items()}
    best = space.least(own, goal)
    for step in rng.normal(0, 2e-3, (5, len(belief.coordinates))):
        other = {k: np.ravel(v) for k, v in belief.coordinates.values(belief.u + step).items()}
        moved = space.least(other, goal, best.z[0])  # what someone with the wrong parameters would choose
        excess = float(space.value(own, moved.z)[0][0] - best.value[0])
        assert np.sum((aims.by_regret[0] @ step) ** 2) == pytest.approx(excess, rel=0.05)


def test_the_design_keeps_its_limits_and_helps(found):
    assert found.runs <= 8
    assert found.cost <= 1e21 * (1 + 1e-9)
    assert found.after.regret < 0.6 * found.now.regret
    assert found.efficiency > 0.9
    assert all(5 * (1 - 1e-6) <= r.inputs["D"] / r.inputs["N"] <= 160 * (1 + 1e-6) for r in found.design)
    assert [o.cost for o in found.budgets] == sorted(o.cost for o in found.budgets)


def test_it_beats_chance_by_refitting(fit, found, rng):
    """Not by its own formula: runs are simulated at the chosen and at random places, and the law is fitted again."""
    place = {k: np.repeat([r.inputs[k] for r in found.design], [r.seeds for r in found.design]) for k in ("N", "D")}
    space, goal, _ = pose(TRUTH, 1e24)
    best = space.least({k: np.array([v]) for k, v in TRUTH.values.items()}, goal)
    errors: dict[str, list[float]] = {"chosen": [], "random": []}
    for seed in range(40):
        first = sim.simulate(TRUTH, noise=0.01, seed=seed)
        for name in errors:
            points = place if name == "chosen" else _random(rng, found.cost, found.runs)
            more = sim.simulate(TRUTH, points=points, noise=0.01, seed=10_000 + seed)
            again = sim.fit(TRUTH.law, sim.read_runs({k: np.concatenate([first.column(k), more.column(k)])
                                                      for k in ("N", "D", "loss")}), intervals="delta")  # fmt: skip
            n = space.least({k: np.array([v]) for k, v in again.values.items()}, goal, best.z[0]).z[0, 0]
            errors[name].append(float(n - best.z[0, 0]))
    rms = {k: float(np.sqrt(np.mean(np.square(v)))) for k, v in errors.items()}
    assert rms["chosen"] < 0.8 * rms["random"]
    # what was expected, from one set of runs, of the refits: a standard deviation from 40 is known to 11 %
    n = found.after.inputs["N"]
    freedom = fit.solution.freedom + found.runs
    from scipy.stats import t

    expected = np.log(n.high / n.low) / 2 / t.ppf(0.95, freedom)
    assert rms["chosen"] == pytest.approx(expected, rel=0.5)


def _random(rng, cost, runs):
    while True:
        m, c = np.exp(rng.uniform(np.log(5), np.log(160), runs)), np.exp(rng.uniform(np.log(1e17), np.log(cost), runs))
        c = c * cost / c.sum()
        n = np.sqrt(c / 6 / m)
        if n.min() > 2e7:
            return {"N": n, "D": m * n}


def test_users_own_candidates_and_seeds(fit):
    n, d = (a.ravel() for a in np.meshgrid([5e7, 2e8, 1e9], [2e9, 1e10, 3e10]))
    found = sim.next_runs(fit, 1e24, runs=4, per_run=1e20, candidates={"N": n, "D": d}, repeats=1)
    assert found.candidates == int(np.sum(6 * n * d <= 1e20))
    assert all(r.seeds == 1 and r.inputs["N"] in n and r.inputs["D"] in d for r in found.design)
    assert found.runs == 4


def test_noise_that_falls_with_scale_moves_runs_up():
    rng = np.random.default_rng(1)
    base = sim.simulate(TRUTH, noise=0, seed=0)
    c = 6 * base.column("N") * base.column("D")
    loss = base.column("loss") * np.exp(rng.normal(0, 0.02 * (c / c.max()) ** 0.25))
    runs = sim.read_runs({"N": base.column("N"), "D": base.column("D"), "loss": loss})
    even = sim.next_runs(sim.fit(TRUTH.law, runs, intervals=sim.Intervals()), 1e24, spend=1e20, runs=8)
    scale = sim.next_runs(sim.fit(TRUTH.law, runs, intervals=sim.Intervals(noise="scale")), 1e24, spend=1e20, runs=8)

    def middle(found):
        return np.exp(np.average(np.log([r.cost for r in found.design]), weights=[r.seeds for r in found.design]))

    assert middle(scale) > middle(even)


def test_a_law_of_one_input_learns_its_value():
    runs = sim.read_runs({"D": [1e8, 3e8, 1e9, 3e9, 1e10], "loss": [4.1, 3.62, 3.3, 3.02, 2.81]})
    found = sim.next_runs(sim.fit(sim.laws.power_floor, runs), 1e13, cost="6e9*D", spend=6e20, runs=4,
                          at=None)  # fmt: skip
    assert found.aim == "value"
    low, high = found.after.value.low, found.after.value.high
    assert low > found.now.value.low
    assert high < found.now.value.high


def test_other_laws_hold_and_choose_their_inputs():
    law = sim.laws.data_constrained.published["muennighoff2023"]
    n, d, u = (a.ravel() for a in np.meshgrid([3e7, 1e8, 4e8, 1e9], [1e9, 4e9, 2e10], [1e8, 1e9, 5e9]))
    runs = sim.simulate(law, points={"N": n, "D": d, "U": u}, noise=0.005, seed=0)
    fit = sim.fit(law.law, runs, fix={"R_N": law.values["R_N"]} if "R_N" in law.values else None)
    found = sim.next_runs(fit, 1e22, spend=2e20, runs=6, at={"U": "25B"})
    assert set(found.now.inputs) == {"N", "D"}
    assert all(r.inputs["U"] == 25e9 for r in found.design)
    assert found.after.regret < found.now.regret


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say what the runs may cost"),
        ({"spend": 1e21, "aim": "speed"}, "aim"),
        ({"spend": 1e21, "within": {"X": (1, 2)}}, "what can be chosen"),
        ({"spend": 1e21, "within": {"N": ("1B", "1M")}}, "at least 1B and at most 1M"),
        ({"spend": 1e21, "noise": -1}, "noise"),
        ({"spend": 1e21, "draws": 0}, "draws"),
        ({"spend": 1e21, "runs": 0}, "runs"),
        ({"spend": 1e21, "candidates": {"N": [1e8]}}, "candidates lack D"),
        ({"spend": 1e21, "candidates": {"N": [1e8], "D": [1e9]}, "within": {"N": (1, 2)}}, "within"),
    ],
)
def test_questions_that_are_none(fit, options, said):
    with pytest.raises(ArgumentError, match=said):
        sim.next_runs(fit, 1e24, **options)


def test_what_cannot_be_had(fit):
    with pytest.raises(QuestionError, match="the cheapest needs"):
        sim.next_runs(fit, 1e24, spend=1e12)
    with pytest.raises(ArgumentError, match="ladder"):
        sim.next_runs(TRUTH, 1e24, spend=1e21)  # pyright: ignore[reportArgumentType]


def test_it_prints_and_becomes_plain(found):
    import json

    document = json.loads(json.dumps(found.to_dict()))
    assert document["schema_version"] == 1
    assert len(document["design"]) == len(found.design)
    assert "tokens/parameter" in str(found)
    assert repr(found).startswith("NextRuns(")


# -- ladders and seeds ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def designs():
    return sim.ladder(TRUTH, 1e24, share=0.001)


def test_designs_cost_the_same(designs):
    for design in designs.designs:
        assert sum(r.cost * r.seeds for r in design.runs) == pytest.approx(design.outlook.cost)
        if design.name != "optimal":
            assert design.outlook.cost == pytest.approx(1e21, rel=1e-6)
        assert design.outlook.cost <= 1e21 * (1 + 1e-6)
        assert design.outlook.runs <= 28
    assert designs.best.name == "optimal"


def test_certainty_grows_with_the_share(designs):
    regrets = [o.regret for o in designs.shares]
    assert regrets == sorted(regrets, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["best", "steps"])
def test_designs_carried_out_do_what_was_expected(designs, which):
    carried = designs.simulated(getattr(designs, which).name, repeats=300, seed=5)
    assert carried.failed == 0
    # a standard deviation from 300 repeats is known to 4 %, the expectation is a median over guesses off by 15 %
    for name in ("N", "value"):
        assert carried.measured[name] == pytest.approx(carried.expected[name], rel=0.2)
        assert abs(carried.covered[name] - 0.9) < 0.06
    assert carried.measured["regret"] == pytest.approx(carried.expected["regret"], rel=0.4)


def test_without_spread_the_expectation_is_the_truths_own():
    designs = sim.ladder(TRUTH, 1e24, share=0.001, spread=0)
    carried = designs.simulated(designs.steps.name, repeats=120, seed=1)
    for name in ("N", "value"):
        assert carried.measured[name] == pytest.approx(carried.expected[name], rel=0.2)
    assert carried.measured["regret"] == pytest.approx(carried.expected["regret"], rel=0.4)


def test_a_ladder_refuses_what_it_cannot():
    with pytest.raises(ArgumentError, match="share"):
        sim.ladder(TRUTH, 1e24, share=2)
    with pytest.raises(ArgumentError, match="one law"):
        sim.ladder([TRUTH, sim.laws.data_constrained.published["muennighoff2023"]], 1e24)
    with pytest.raises(ArgumentError, match="guesses"):
        sim.ladder([], 1e24)
    with pytest.raises(ArgumentError, match="no design"):
        sim.ladder(TRUTH, 1e24, share=0.001).simulated("best")


@pytest.mark.parametrize(("size", "power", "seeds"), [(0.5, 0.8, 64), (0.8, 0.8, 26), (1.0, 0.8, 17), (0.5, 0.9, 86)])
def test_seeds_are_those_of_the_books(size, power, seeds):
    # Cohen (1988), table 2.4.1, two-sided 5 %
    found = sim.seeds_for(size * 0.003, 0.003, power=power)
    assert abs(found.seeds - seeds) <= (1 if power == 0.9 else 0)


def test_power_is_that_of_the_test_itself():
    found = sim.seeds_for(0.004, 0.003, power=0.8)
    rng = np.random.default_rng(2)
    a, b = rng.normal(0, 0.003, (20_000, found.seeds)), rng.normal(0.004, 0.003, (20_000, found.seeds))
    assert np.mean(ttest_ind(a, b, axis=1).pvalue < 0.05) == pytest.approx(found.reached, abs=0.01)


def test_seeds_refuse():
    with pytest.raises(ArgumentError, match="difference"):
        sim.seeds_for(0, 0.003)
    with pytest.raises(QuestionError, match=r"10,000"):
        sim.seeds_for(1e-6, 0.003)
