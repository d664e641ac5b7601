"""Each study on its data, against values typed here from the papers and their released figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from similitude._view import Table
from similitude.studies import Claim, Study, approach2, besiroglu, catalogue, misfitting, porian, reproduce

pytestmark = pytest.mark.usefixtures("data_home")


def first(name: str, count: int) -> dict[str, Claim]:
    """The first claims of a study, by sentence; what comes after them is not computed."""
    found: dict[str, Claim] = {}
    for item in catalogue()[name].claims(0):
        if isinstance(item, Claim):
            found[item.sentence] = item
        if len(found) == count:
            break
    return found


@cache
def whole(name: str) -> Study:
    return reproduce(name)


def by_sentence(study: Study) -> dict[str, Claim]:
    found = {c.sentence: c for c in study.claims}
    assert len(found) == len(study.claims)  # no claim is made twice
    return found


def differing(study: Study) -> set[str]:
    return {c.sentence for c in study.differing}


# -- Besiroglu et al. 2024 -------------------------------------------------------------------------------------------


def test_chinchilla_refit_reaches_the_optimum_and_both_published_sets():
    claims = first("besiroglu2024", 12)
    best = claims["objective at the optimum, 240 runs"]
    assert best.ours.value <= 1.0182741e-3
    for name, value in {"A": 477.8, "B": 2142.9, "E": 1.81720, "alpha": 0.347306, "beta": 0.367161}.items():
        assert claims[f"{name}, Huber"].ours.value == pytest.approx(value, rel=5e-3)
    reported = {"A": 482.01, "B": 2085.43, "alpha": 0.34781, "beta": 0.36585, "E": 1.81686}
    for name, value in reported.items():
        claim = claims[f"{name}, as reported"]
        assert claim.verdict == "reproduced"
        assert claim.ours.value == pytest.approx(value, rel=2e-5)
    assert claims["E, as reported in the paper"].verdict == "close"


def test_the_log_likelihood_is_the_notebooks():
    law, runs = besiroglu.get("chinchilla"), besiroglu.datasets.load("chinchilla-epoch")
    found = besiroglu.fit(law, runs, delta=1e-8, intervals="delta")
    for values, expected in (
        (law.published["hoffmann2022"].values, 562.25),
        (law.published["hoffmann2022-tex"].values, 837.78),
    ):
        r = besiroglu._residuals(found, values)
        assert besiroglu._log_likelihood(r) == pytest.approx(expected, abs=0.006)
    assert besiroglu._log_likelihood(found.residuals()) == pytest.approx(879.77, abs=0.006)
    assert besiroglu._objective(found, law.published["hoffmann2022"].values) == pytest.approx(4.1210e-3, abs=1e-7)


def test_the_likelihoods_scale_is_its_maximum():
    r = np.random.default_rng(1).laplace(0, 0.01, 500)
    ours = besiroglu._log_likelihood(r)
    laplace = -500 * np.log(2 * np.e * np.mean(np.abs(r)))  # the limit of a tiny delta
    assert ours == pytest.approx(laplace, abs=0.01)


@pytest.mark.slow
def test_besiroglu_whole():
    study = whole("besiroglu2024")
    claims = by_sentence(study)
    assert differing(study) == {
        "low end of tokens per parameter at 1e26 FLOP, 80 %",
        "exponent a as reported, all 245 runs",
        "exponent a from those coefficients",
    }
    assert claims["objective at the optimum, all 245 runs"].ours.value <= 1.82601053e-3
    for name, value in {"A": 463.3, "B": 12530, "alpha": 0.345, "beta": 0.452, "E": 1.89}.items():
        assert claims[f"{name} as reported, all 245 runs"].ours.value == pytest.approx(value, rel=3e-3)
    assert claims["exponent a as reported, all 245 runs"].ours.value == pytest.approx(0.567, abs=5e-4)
    a = claims["exponent a of N* ~ C^a"].ours
    assert a.value == pytest.approx(0.5139, abs=5e-4)
    assert (a.low, a.high) == (pytest.approx(0.490, abs=0.006), pytest.approx(0.541, abs=0.006))
    assert claims["standard error of A"].ours.value == pytest.approx(124.58, rel=0.08)
    assert claims["alpha where the mean of Huber's loss stops, all 245 runs"].ours.value == pytest.approx(
        0.278, abs=5e-4
    )
    assert claims["likelihood ratio against Hoffmann's TeX coefficients"].ours.value == pytest.approx(84.0, abs=0.01)


def test_the_mean_of_hubers_loss_stops_early_where_the_engine_does_not():
    law, runs = besiroglu.get("chinchilla"), besiroglu.datasets.load("chinchilla-epoch", outliers="unmarked")
    ours = besiroglu.fit(law, runs, delta=1e-3, intervals="delta")
    assert ours.values["alpha"] == pytest.approx(0.3493, abs=5e-5)
    starts = besiroglu.HOFFMANN_GRID[::45]  # a hundred of them
    of_sum, at_sum = besiroglu.quasi_newton(ours, starts)
    of_mean, at_mean = besiroglu.quasi_newton(ours, starts, mean=True)
    assert ours.objective_value <= of_sum * (1 + 1e-9)
    assert of_mean > 1.03 * ours.objective_value
    assert at_sum["alpha"] == pytest.approx(0.3493, abs=1e-3)
    assert abs(at_mean["alpha"] - 0.3493) > 0.02


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(monkeypatch):
    monkeypatch.setattr(besiroglu, "RESAMPLES", 40)
    one, again, other = (reproduce("besiroglu2024", seed=s).to_dict()["claims"] for s in (3, 3, 4))
    assert one == again
    assert one != other


# -- Problems with Chinchilla approach 2 -----------------------------------------------------------------------------


def test_parabolas_without_noise_miss_by_the_published_amounts():
    claims = first("czech2026", 18)
    expected = {
        "Chinchilla": {2: -0.33, 4: -1.30, 8: -2.90, 16: -5.10},
        "asymmetric": {2: -1.67, 4: -6.50, 8: -13.91, 16: -23.12},
        "symmetric": {2: 0.0, 4: 0.0, 8: 0.0, 16: 0.0},
    }
    for surface, errors in expected.items():
        for width, error in errors.items():
            claim = claims[f"error of D* at 1e24 FLOP, {surface}, grid of x/{width}, %"]
            assert claim.ours.value == pytest.approx(error, abs=0.005)
    assert {c.verdict for c in claims.values()} == {"reproduced"}


@pytest.mark.parametrize(
    ("surface", "width", "drift", "error"),
    [
        ("symmetric", 8, False, 2.645165),
        ("Chinchilla", 2, False, 7.110119),
        ("asymmetric", 16, False, -2.424573),
        ("asymmetric", 2, True, 34.574619),
        ("asymmetric", 8, True, 22.968689),
        ("Chinchilla", 16, True, 3.047598),
    ],
)
def test_off_centre_grids_miss_by_the_released_amounts(surface, width, drift, error):
    sweep = approach2.Sweep(surface, width, centre=3, drift=drift)
    assert sweep.unguarded(1e24) == pytest.approx(error, abs=2e-4)


@pytest.mark.parametrize("surface", ["Chinchilla", "asymmetric", "symmetric"])
@pytest.mark.parametrize(("width", "centre"), [(2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3), (16, 1 / 3)])
def test_the_estimated_bias_is_the_true_one(surface, width, centre):
    sweep = approach2.Sweep(surface, width, centre=centre)
    found = sweep.parabolas()
    assert found.bias_D is not None
    true = np.array([sweep.error(found, c) for c in sweep.budgets])
    assert (np.abs(100 * found.bias_D - true) <= np.maximum(0.05, 0.1 * np.abs(true))).all()


@pytest.mark.slow
def test_approach2_whole():
    study = whole("czech2026")
    claims = by_sentence(study)
    assert {s.split(",")[0] for s in differing(study)} == {"intercept error 10^dw - 1 of N*", "its cost"}
    assert claims["residual sum of squares"].ours.value == pytest.approx(0.062414, abs=5e-7)
    assert claims["exponent b of D* by parabolas, Llama 3"].ours.value == pytest.approx(0.5368, abs=5e-5)
    assert claims["tokens the parabolas ask for at 3.8e25 FLOP, trillions"].ours.value == pytest.approx(16.1, abs=0.05)
    tokens = claims["tokens the surface asks for, Llama 3, squares, trillions"].ours
    assert tokens.value == pytest.approx(10.2, abs=0.05)
    assert tokens.low is not None
    assert tokens.high is not None
    assert tokens.low < 10.2 < tokens.high
    assert claims["deadweight compute, Llama 3, squares, % of the budget"].ours.value == pytest.approx(6.3, abs=0.05)
    assert claims["deadweight compute, Llama 3, squares of logs, % of the budget"].ours.value == pytest.approx(
        6.5, abs=0.05
    )
    assert claims["deadweight compute at 3.8e25 FLOP, SODA, %"].ours.value == pytest.approx(8.0, abs=0.05)
    assert claims["deadweight compute at 3.8e25 FLOP, Sparse-NMM, %"].ours.value == pytest.approx(10.1, abs=0.05)
    assert claims["condition number of the five-parameter problem"].ours.value == pytest.approx(3.5e11, rel=0.02)


# -- Porian et al. 2024 ----------------------------------------------------------------------------------------------

EXPONENTS = {
    ("refinedweb", "1_reproducing_kaplan"): 0.8353,
    ("refinedweb", "2_counting_last_layer"): 0.7065,
    ("refinedweb", "3_correcting_warmup"): 0.6020,
    ("refinedweb", "4_cosine_decay"): 0.5715,
    ("refinedweb", "5_optimizer_tuning_no_decay"): 0.4969,
    ("refinedweb", "att_2_counting_last_layer_and_attention"): 0.7171,
    ("refinedweb", "att_3_correcting_warmup"): 0.6223,
    ("refinedweb", "att_4_cosine_decay"): 0.5772,
    ("refinedweb", "att_5_optimizer_tuning"): 0.5053,
    ("refinedweb", "kaplan_adjusted_with_tuned_hparams"): 0.7115,
    ("openwebtext2", "1_reproducing_kaplan"): 0.8635,
    ("openwebtext2", "2_counting_last_layer"): 0.6985,
    ("openwebtext2", "3_correcting_warmup"): 0.6032,
    ("openwebtext2", "4_cosine_decay"): 0.5743,
    ("openwebtext2", "5_optimizer_tuning_no_decay"): 0.5185,
}


def _porian(find: Callable[[str, str], float]) -> Iterator[tuple[float, float]]:
    return ((find(*key), expected) for key, expected in EXPONENTS.items())


def test_all_fifteen_exponents_from_the_published_optima():
    optima = porian.datasets.load("porian-resolving", "optima")
    for ours, expected in _porian(
        lambda d, c: porian._through_optima(optima.where(dataset=d, config=c).drop(missing="N"))[0]
    ):
        assert ours == pytest.approx(expected, abs=5e-5)


def test_all_fifteen_exponents_from_the_isoflop_points(monkeypatch):
    monkeypatch.setattr(porian, "RESAMPLES", 200)
    runs = porian.datasets.load("porian-resolving")
    for (dataset, config), expected in EXPONENTS.items():
        trend = porian._interpolated(
            runs.where(dataset=dataset, config=config), porian.NOISE[dataset], np.random.default_rng(0)
        )
        assert trend.a == pytest.approx(expected, abs=0.004)
        assert trend.interval().low < expected < trend.interval().high


def test_weighted_lines_leave_missing_points_out():
    x = np.arange(6.0)[:, None]
    y = np.stack([2 + 3 * x[:, 0], 2 + 3 * x[:, 0]], axis=1)
    y[2, 1] = np.nan
    y[5, 0] = 1e3  # an outlier that its error silences
    error = np.array([1, 1, 1, 1, 1, 1e6])[:, None]
    slope, intercept = porian._line(x, y, error)
    assert slope == pytest.approx([3, 3], abs=1e-6)
    assert intercept == pytest.approx([2, 2], abs=1e-6)


@pytest.mark.slow
def test_porian_whole():
    study = whole("porian2024")
    claims = by_sentence(study)
    assert not study.differing
    assert dict(study.counts) == {"reproduced": 39, "close": 0, "differs": 0}
    for step, value in (("last layer counted", 787), ("warm-up shortened", 292), ("cosine decay", 183)):
        sentence = f"N* at 5.88e23 FLOP, RefinedWeb, {step}, billions"
        assert claims[sentence].ours.value == pytest.approx(value, abs=0.5)
    change = {k: v.ours.value for k, v in claims.items() if k.startswith("change of a")}
    assert len(change) == 4
    assert min(change, key=lambda k: abs(change[k])) == "change of a, RefinedWeb: cosine decay"
    assert isinstance(study.tables[0], Table)
    assert len(study.tables[0].rows) == 15


# -- (Mis)Fitting ----------------------------------------------------------------------------------------------------


def test_misfitting_reaches_the_published_minima():
    claims = first("li2025", 7)
    assert claims["objective, 261 final checkpoints"].ours.value <= 0.00502165422
    assert claims["objective with alpha = beta"].ours.value <= 0.00524370579
    for name, value in (("alpha", 0.20020), ("beta", 0.63570)):
        assert claims[f"{name}, final checkpoints"].ours.value == pytest.approx(value, abs=2e-4)
    assert claims["log A, final checkpoints"].ours.value == pytest.approx(3.9388, abs=2e-3)


@pytest.mark.slow
def test_misfitting_whole():
    study = whole("li2025")
    claims = by_sentence(study)
    assert not study.differing
    assert claims["best D/N at 1e21 FLOP, free exponents"].ours.value == pytest.approx(1.3759, rel=2e-3)
    assert claims["best D/N at 1e24 FLOP, free exponents"].ours.value == pytest.approx(0.037635, rel=3e-3)
    assert claims["best D/N at 1e24 FLOP, alpha = beta"].ours.value == pytest.approx(28.217, rel=1e-3)
    spread, importance, starts = study.tables
    a = dict(zip((c.name for c in spread.columns), spread.rows[0], strict=True))
    assert a["lowest"] < 0.5
    assert a["highest"] > 0.9
    assert len(importance.rows) == 4
    reached = [float(row[2]) for row in starts.rows]
    assert reached[-1] == min(reached)
    assert max(reached) > 1.5 * reached[-1]  # a single start may end far off


def test_the_multiverse_is_every_combination_once():
    worlds = list(misfitting.product(*misfitting.OPTIONS.values()))
    assert len(set(worlds)) == 32


# -- Gadre et al. 2024 -----------------------------------------------------------------------------------------------


def test_gadre_predicts_the_large_runs_as_published():
    claims = first("gadre2024", 12)
    for name, value in {"a": 141, "b": 190, "eta": 0.121, "E": 1.51}.items():
        assert claims[f"{name}, C4"].ours.value == pytest.approx(value, rel=4e-3)
    assert claims["relative error of the loss, 1.4B at M = 640, RedPajama, %"].ours.value == pytest.approx(
        0.7103, abs=1e-4
    )
    assert claims["relative error of the loss, 6.9B at M = 20, RedPajama, %"].ours.value == pytest.approx(
        0.7320, abs=1e-4
    )


@pytest.mark.slow
def test_gadre_whole():
    study = whole("gadre2024")
    claims = by_sentence(study)
    assert dict(study.counts) == {"reproduced": 23, "close": 0, "differs": 0}
    sentence = "relative error of 17 tasks' error, {} %"
    assert claims[sentence.format("1.4B at M = 640,")].ours.value == pytest.approx(3.6365, abs=1e-4)
    assert claims[sentence.format("6.9B at M = 20,")].ours.value == pytest.approx(0.0464, abs=1e-4)
    ratios = {row[0]: row[1] for row in study.tables[0].rows}
    assert ratios == pytest.approx({"C4": 3.36, "RedPajama": 7.42, "RefinedWeb": 5.85}, abs=0.006)


# -- Muennighoff et al. 2023 -----------------------------------------------------------------------------------------


def test_muennighoff_finds_a_lower_minimum_than_the_published_one():
    study = whole("muennighoff2023")
    claims = by_sentence(study)
    assert claims["objective at the published optimum"].ours.value == pytest.approx(0.015825935, abs=1e-9)
    assert claims["lowest objective, 182 runs"].ours.value < 0.01581
    near = "the local optimum near the published pair"
    assert claims[f"R_D*, {near}"].ours.value == pytest.approx(15.3718, abs=1e-3)
    assert claims[f"R_N*, {near}"].ours.value == pytest.approx(5.3151, abs=1e-3)
    assert claims["R2 at the published optimum"].ours.value == pytest.approx(0.772205, abs=1e-6)
    assert claims["R_D*, 182 runs"].ours.high is None  # these runs bound R_D* from below only
    assert differing(study) == {"R_D*, 182 runs", "R_N*, 182 runs", "R_N* with decay of parameters only"}
