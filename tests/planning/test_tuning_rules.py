"""Width, batch and stability: the papers' tables, algebra, and NumPy as the oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError

WIDTHS = (128, 256, 512, 1024)


def sweep(power, *, noise=5e-4, widths=WIDTHS, seed=0):
    rng = np.random.default_rng(seed)
    rates = np.geomspace(1e-4, 3.2e-2, 9)
    rows = [
        (w, lr, 3 * np.exp(0.01 * np.log(lr / 3e-3 * (w / 256) ** power) ** 2 + noise * rng.standard_normal()))
        for w in widths
        for lr in rates
    ]
    return sim.read_runs({k: [r[i] for r in rows] for i, k in enumerate(("width", "lr", "loss"))}, check=False)


# Yang et al. 2022: table 8 (Adam, with a multiplier on the output) and table 3 (SGD), in powers of the width
@pytest.mark.parametrize(
    ("optimiser", "weights", "multiplier", "variance", "lr"),
    [
        ("adam", "input and biases", 0, 0, 0),
        ("adam", "hidden", 0, -1, -1),
        ("adam", "output", -1, 0, 0),
        ("sgd", "input and biases", 0, 0, 1),
        ("sgd", "hidden", 0, -1, 0),
        ("sgd", "output", 0, -2, -1),
    ],
)
def test_width_rules_are_those_of_the_tables(optimiser, weights, multiplier, variance, lr):
    rule = next(r for r in sim.width_rules(256, 1024, optimiser=optimiser).rules if r.weights == weights)
    assert (rule.multiplier, rule.variance, rule.lr) == (4.0**multiplier, 4.0**variance, 4.0**lr)


def test_two_ways_to_write_the_output_layer_are_one():
    # a multiplier a on weights of rate c and variance b^2 acts under Adam as a c and (a b)^2 (Yang et al., lemma J.1)
    m = 8.0
    table8 = next(r for r in sim.width_rules(1, m).rules if r.weights == "output")
    assert table8.multiplier * table8.lr == pytest.approx(1 / m)  # table 3: the rate falls as 1/n
    assert table8.multiplier**2 * table8.variance == pytest.approx(1 / m**2)  # and the variance as 1/n^2


@pytest.mark.parametrize(("power", "verdict"), [(1.0, "does not transfer"), (0.0, "transfers")])
def test_measured_transfer(power, verdict):
    found = sim.width_transfer(sweep(power))
    assert found.exponent.low < power < found.exponent.high
    assert found.verdict == verdict
    json.dumps(found.to_dict(), allow_nan=False)
    assert verdict in str(found)


def test_transfer_from_a_noisy_sweep_is_not_claimed():
    found = sim.width_transfer(sweep(0.0, noise=0.02, seed=1))
    assert found.verdict == "cannot tell"


def test_transfer_needs_three_widths():
    with pytest.raises(QuestionError, match="three widths"):
        sim.width_transfer(sweep(1.0, widths=(256, 512)))


def test_width_arguments():
    with pytest.raises(ArgumentError, match="adam or sgd"):
        sim.width_rules(1, 2, optimiser="muon")
    with pytest.raises(ArgumentError, match="base"):
        sim.width_rules(0, 2)


def after(change, setting, rule):
    return next(s.after for s in change.settings if (s.setting, s.rule) == (setting, rule))


def test_batch_change_keeps_what_its_rules_say():
    change = sim.rescale_batch(1e6, 4e6, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, ema=0.9999)
    assert after(change, "learning rate", "square root") == pytest.approx(2e-3)
    assert after(change, "beta2", "1 - kappa (1 - beta)") == pytest.approx(0.96)
    assert after(change, "beta2", "half-life in tokens") == pytest.approx(0.99**4)
    # ln 2 batch / (rate decay) tokens before and after
    decay = after(change, "weight decay", "half-life in tokens")
    assert 4e6 / (2e-3 * decay) == pytest.approx(1e6 / (1e-3 * 0.1))
    half = np.log(0.5) / np.log(0.9999) * 1e6  # tokens in which an average forgets half
    ema = after(change, "EMA of weights", "rho^kappa")
    assert np.log(0.5) / np.log(ema) * 4e6 == pytest.approx(half)
    json.dumps(change.to_dict(), allow_nan=False)


def test_the_papers_own_example_of_an_average():
    assert after(sim.rescale_batch(1, 8, lr=1, ema=0.9999), "EMA of weights", "rho^kappa") == pytest.approx(
        0.999200, abs=5e-7
    )  # Busbridge et al. 2023


def test_noise_scale_bounds_the_rate_of_sgd():
    change = sim.rescale_batch(1e6, 1e9, lr=0.1, optimiser="sgd", noise_scale=1e6)
    # eps = eps_max / (1 + B_noise / B): half of eps_max at B = B_noise
    assert after(change, "learning rate", "noise scale") == pytest.approx(0.2 / 1.001)


def test_a_beta_rule_that_does_not_reach_is_left_out_and_told():
    change = sim.rescale_batch(1e6, 16e6, lr=1e-3)
    assert not any(s.setting == "beta1" and s.rule.startswith("1 -") for s in change.settings)
    assert any("leaves nothing" in n for n in change.notes)


@pytest.mark.parametrize("how", [{"ema": 1.5}, {"betas": (1.0,)}, {"lr": 0}, {"optimiser": "muon"}])
def test_batch_arguments(how):
    with pytest.raises(ArgumentError):
        sim.rescale_batch(1e6, 2e6, **{"lr": 1e-3, **how})


def proxies():
    rows = [
        (n, lr, 2.5 * np.exp(0.02 * np.log(lr / 3e-3) ** 2), 20 * (n / 1e7) ** power, 1e-6 * (n / 1e7) ** -0.8)
        for n in (1e7, 4e7, 1.6e8, 6.4e8)
        for lr, power in ((1e-3, 0.3), (3e-3, 0.6), (1e-2, 1.2))
    ]
    names = ("N", "lr", "loss", "logit", "gradient")
    return {k: [r[i] for r in rows] for i, k in enumerate(names)}


def test_sensitivity_is_the_mean_over_log_rates():
    data = proxies()
    found = sim.stability(sim.read_runs(data, check=False), target=1e9, initial_loss=9.0)
    loss = np.array(data["loss"][:3])
    x = np.log(np.array(data["lr"][:3]))
    assert found.sensitivity[0].value == pytest.approx(np.trapezoid(loss - loss.min(), x) / np.ptp(x))


def test_a_crashed_rate_counts_as_the_initial_loss():
    data = proxies()
    data["loss"][2] = np.nan
    found = sim.stability(sim.read_runs(data, not_finite="censored", check=False), target=1e9, initial_loss=9.0)
    x = np.log(np.array(data["lr"][:3]))
    loss = np.array([*data["loss"][:2], 9.0])
    assert found.sensitivity[0].value == pytest.approx(np.trapezoid(loss - loss.min(), x) / np.ptp(x))
    assert found.sensitivity[0].capped == 1


def test_signals_are_carried_along_their_power_law():
    found = sim.stability(
        sim.read_runs(proxies(), check=False), target=4.8e9, initial_loss=9.0, logits="logit", gradients="gradient"
    )
    logits = {s.lr: s for s in found.signals if s.name == "logit"}
    assert logits[1e-2].at_target.value == pytest.approx(20 * 480**1.2)
    assert logits[1e-2].exponent.value == pytest.approx(1.2)
    assert [logits[r].verdict for r in (1e-3, 3e-3, 1e-2)] == ["stays", "stays", "crosses"]
    assert {s.verdict for s in found.signals if s.name == "gradient"} == {"crosses"}  # 1e-6 x 480^-0.8 is below 1e-8
    assert any("learning rates 0.01" in w for w in found.warnings)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "crosses" in str(found)
    assert sim.report([found]).sections


def test_two_sizes_do_not_make_a_power_law():
    data = {k: v[:6] for k, v in proxies().items()}
    found = sim.stability(sim.read_runs(data, check=False), target=1e9, initial_loss=9.0, logits="logit")
    assert {s.verdict for s in found.signals} == {"cannot tell"}


def test_stability_refusals():
    data = {k: v[:2] for k, v in proxies().items()}
    with pytest.raises(QuestionError, match="three learning rates"):
        sim.stability(sim.read_runs(data, check=False), target=1e9, initial_loss=9.0)
    with pytest.raises(DataError, match="lr='your column'"):
        sim.stability(sim.read_runs({"N": [1.0], "loss": [2.0]}, check=False), target=1e9)
