"""Exponents that theory foretells, found again in simulated models."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import read_runs
from similitude.studies._claim import ABOUT, checked, simulated
from similitude.studies._study import Declaration, Item

__all__ = ["STUDIES"]


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """The exponent of y ~ x^-c, by least squares of logarithms through the package's own power law."""
    runs = read_runs({"x": x, "loss": y}, check=False)
    return float(fit(get("power"), runs, objective="squares_log", intervals="delta", inputs={"x": "x"}).values["c"])


# -- Liu et al. 2025: superposition ----------------------------------------------------------------------------------

FEATURES = 800
WIDTHS = (8, 12, 16, 24, 32)  # far fewer than features: 1/m - 1/n is then nearly 1/m
STEPS, RATE, BATCH = 800, 0.02, 128
ACTIVE = 1.0  # features active in a sample, on average


def superposition(seed: int) -> Iterator[Item]:
    rng = np.random.default_rng(seed)
    rows = []
    for name, decay, printed in (("power law", 1.0, "0.984"), ("exponential", 0.0, "1.005")):
        chance = _frequencies(name, decay)
        losses = np.array([_trained(chance, m, rng) for m in WIDTHS])
        slope = _slope(np.array(WIDTHS, float), losses)
        yield simulated(
            f"exponent of the loss in the width, strong superposition, {name} frequencies",
            printed,
            "toy model of the paper, released output",
            slope,
            ABOUT,
            remark="our toy: 800 features of unit length, all kept, 800 steps; theirs is trained longer",
        )
        rows.append((name, *(f"{v:.4g}" for v in losses), f"{slope:.3f}"))
    heads = [Column(f"width {m}", align="right") for m in WIDTHS]
    yield Table(
        "Loss of a toy model in superposition", ("frequencies", *heads, Column("exponent", align="right")), rows
    )
    overlap = [_overlap(m, rng) for m in WIDTHS]
    yield simulated(
        "exponent of squared overlaps of random directions in the width", "1", "section 4",
        _slope(np.array(WIDTHS, float), np.array(overlap)), ABOUT,
    )  # fmt: skip


def _frequencies(name: str, decay: float) -> np.ndarray:
    rank = np.arange(1, FEATURES + 1)
    weight = rank**-decay if name == "power law" else np.exp(-rank / FEATURES)
    return ACTIVE * weight / weight.sum()


def _trained(chance: np.ndarray, width: int, rng: np.random.Generator) -> float:
    """Test loss of y = relu(W'W x + b) with unit columns of W, trained by Adam on sparse x."""
    w, b = rng.standard_normal((width, FEATURES)), np.zeros(FEATURES)
    w /= np.linalg.norm(w, axis=0)
    moments = [np.zeros_like(w), np.zeros_like(w), np.zeros_like(b), np.zeros_like(b)]
    for step in range(1, STEPS + 1):
        x = _samples(chance, BATCH, rng)
        _, (gw, gb) = _loss(w, b, x)
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        w = w - rate * _adam(moments, 0, gw, step)
        b = b - rate * _adam(moments, 2, gb, step)
        w /= np.linalg.norm(w, axis=0)
    return float(np.mean([_loss(w, b, _samples(chance, 2048, rng))[0] for _ in range(4)]))


def _samples(chance: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random((count, FEATURES)) < chance, rng.random((count, FEATURES)), 0.0)


def _loss(w: np.ndarray, b: np.ndarray, x: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Mean over samples of the summed squared error, and its gradients."""
    hidden = x @ w.T
    before = hidden @ w + b
    error = np.maximum(before, 0.0) - x
    back = 2 * error * (before > 0) / len(x)
    return float(np.sum(error**2) / len(x)), (hidden.T @ back + (back @ w.T).T @ x, back.sum(axis=0))


def _adam(moments: list[np.ndarray], at: int, gradient: np.ndarray, step: int) -> np.ndarray:
    moments[at] = 0.9 * moments[at] + 0.1 * gradient
    moments[at + 1] = 0.999 * moments[at + 1] + 0.001 * gradient**2
    mean, square = moments[at] / (1 - 0.9**step), moments[at + 1] / (1 - 0.999**step)
    return mean / (np.sqrt(square) + 1e-8)


def _overlap(width: int, rng: np.random.Generator) -> float:
    w = rng.standard_normal((width, FEATURES))
    w /= np.linalg.norm(w, axis=0)
    gram = w.T @ w
    return float(np.mean(gram[~np.eye(FEATURES, dtype=bool)] ** 2))


# -- McCandlish et al. 2018: the trade-off of steps and examples ------------------------------------------------------

DIMENSIONS, NOISE = 400, 1.0
START, GOAL = 1.0, 0.05
BATCHES = (4, 16, 64, 256, 1024, 4096, 16384)


def trade_off(seed: int) -> Iterator[Item]:
    rng = np.random.default_rng(seed)
    steps = np.array([np.mean([_descent(b, rng) for _ in range(2)]) for b in BATCHES])
    batch = np.array(BATCHES, float)
    found = {}
    for name, y in (("batch_steps", steps), ("batch_examples", steps * batch)):
        runs = read_runs({"B": batch, "y": y}, loss="y", check=False)
        found[name] = fit(get(name), runs, objective="squares_log", intervals="delta", inputs={"B": "B"}).values
    least, fewest = found["batch_steps"]["S_min"], found["batch_examples"]["E_min"]
    product = (steps / least - 1) * (steps * batch / fewest - 1)
    middle = product[2:-2]
    yield simulated("(S / S_min - 1)(E / E_min - 1), geometric mean over batches", "1", "eq. 2.11",
                    float(np.exp(np.mean(np.log(middle)))), ABOUT)  # fmt: skip
    critical = fewest / least
    expected = _critical()
    yield simulated("critical batch E_min / S_min over that of the closed form", "1", "eq. 2.11 for a quadratic",
                    critical / expected, ABOUT)  # fmt: skip
    fitted = found["batch_steps"]["B_crit"] / critical
    yield simulated("B_crit of the fitted law over E_min / S_min", "1", "eq. 5.1", fitted, ABOUT)
    simple = _measured_noise(rng)
    yield simulated(
        "noise scale from gradients at batches of 8 and 512 over the true one", "1", "appendix A.1", simple, ABOUT
    )
    rows = [(f"{b}", f"{s:.0f}", f"{s * b:.3g}") for b, s in zip(BATCHES, steps, strict=True)]
    heads = [Column(h, align="right") for h in ("batch", "steps", "examples")]
    yield Table(f"Steps and examples until the loss is {GOAL:g} of its first value", heads, rows)
    yield "A quadratic loss with equal curvatures, noise of equal size in each direction, the best rate at every step."


def _descent(batch: int, rng: np.random.Generator) -> float:
    """Steps from START to GOAL by stochastic gradients at the best rate; interpolated within the last step."""
    theta = rng.standard_normal(DIMENSIONS)
    theta *= np.sqrt(2 * START) / np.linalg.norm(theta)
    loss, steps = START, 0
    while True:
        noise = NOISE * rng.standard_normal(DIMENSIONS) / np.sqrt(batch)
        rate = 1e-2 / (1 + _noise_scale(loss) / batch)  # small, so that a step changes little
        theta = theta - rate * (theta + noise)
        before, loss = loss, 0.5 * float(theta @ theta)
        steps += 1
        if loss <= GOAL:
            return steps - 1 + np.log(before / GOAL) / np.log(before / loss)


def _noise_scale(loss: float) -> float:
    return DIMENSIONS * NOISE**2 / (2 * loss)


def _critical() -> float:
    """E_min / S_min of the closed form: S(B) is the integral over log loss of (1 + noise scale / B)."""
    return DIMENSIONS * NOISE**2 / 2 * (1 / GOAL - 1 / START) / np.log(START / GOAL)


def _measured_noise(rng: np.random.Generator, pairs: int = 400) -> float:
    """The estimator from two batch sizes, numerator and denominator averaged apart, over the truth."""
    gradient = np.full(DIMENSIONS, np.sqrt(2 * START / DIMENSIONS))
    small, big = 8, 512
    squares = {b: np.mean([np.sum((gradient + NOISE * rng.standard_normal(DIMENSIONS) / np.sqrt(b)) ** 2)
                           for _ in range(pairs)]) for b in (small, big)}  # fmt: skip
    norm2 = (big * squares[big] - small * squares[small]) / (big - small)
    trace = (squares[small] - squares[big]) / (1 / small - 1 / big)
    return float(trace / norm2 / _noise_scale(START))


# -- Bordelon et al. 2024: random features ----------------------------------------------------------------------------

TASK, SPECTRUM = 1.5, 1.25  # a and b
MODES = 3000


def random_features(seed: int) -> Iterator[Item]:
    rng = np.random.default_rng(seed)
    index = np.arange(1, MODES + 1)
    spectrum, power = index**-SPECTRUM, index ** -(TASK - SPECTRUM)  # eigenvalues, squared target coefficients
    time = np.geomspace(10, 1000, 15)
    wide = _flow(rng, 1500, spectrum, power, time)
    slope = _slope(time, wide)
    yield simulated("exponent of the loss in training time, wide model", "0.40", "theory: (a - 1)/b", slope, ABOUT)
    widths = np.array([16, 32, 64, 128])
    ends = np.array(
        [np.mean([_flow(rng, int(n), spectrum, power, np.array([1e9]))[0] for _ in range(3)]) for n in widths]
    )
    yield simulated(
        "exponent of the loss in the width, trained to the end", "0.5", "theory: min(a - 1, 2b)",
        _slope(widths.astype(float), ends), ABOUT,
        remark="the number of modes is finite, which steepens the slope: 0.58 was found elsewhere with 4,000",
    )  # fmt: skip
    rows = [(str(n), f"{v:.4f}") for n, v in zip(widths, ends, strict=True)]
    yield Table("Loss at the end of training", (Column("width", align="right"), Column("loss", align="right")), rows)


def _flow(
    rng: np.random.Generator, width: int, spectrum: np.ndarray, power: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Loss of gradient flow at times (times,) for a target drawn on average, features A of the spectrum's modes."""
    a = rng.standard_normal((width, MODES)) / np.sqrt(MODES)
    root = a * np.sqrt(spectrum)  # features in whitened coordinates of the modes
    _, size, right = np.linalg.svd(root, full_matrices=False)
    target = np.sqrt(power * spectrum)  # in those coordinates, the loss is the squared distance
    seen = right @ target
    rest = float(target @ target - seen @ seen)
    rates = size**2 * MODES / width
    return rest + np.array([np.sum(seen**2 * np.exp(-2 * rates * t)) for t in time])


# -- Michaud et al. 2023: quanta --------------------------------------------------------------------------------------

QUANTA = 10_000_000
REMAINING = {10: "0.2360", 100: "0.07614", 1_000: "0.02397", 10_000: "0.00742"}
UNSEEN = {1_000: "0.09391", 10_000: "0.04347", 100_000: "0.02005"}


def quanta(seed: int) -> Iterator[Item]:
    weight = np.arange(1, QUANTA + 1, dtype=float) ** -1.5  # alpha = 0.5
    weight /= weight.sum()
    where = "recomputed elsewhere from the model's definition"
    mass = 1 - np.cumsum(weight)
    for n, digits in REMAINING.items():
        yield checked(f"mass of quanta not learnt after {n:,}", digits, where, float(mass[n - 1]))
    for d, digits in UNSEEN.items():
        yield checked(
            f"mass of quanta not seen in {d:,} samples", digits, where, float(weight @ np.exp(d * np.log1p(-weight)))
        )
    n = np.geomspace(10, 3000, 12).astype(int)
    yield checked("exponent in parameters", "0.5", "alpha", _slope(n.astype(float), mass[n - 1]), ABOUT)
    d = np.geomspace(1e3, 1e6, 7)
    lost = np.array([float(weight @ np.exp(x * np.log1p(-weight))) for x in d])
    yield checked("exponent in samples", "0.333", "alpha / (1 + alpha)", _slope(d, lost), ABOUT)


STUDIES = (
    Declaration("liu2025", "Superposition yields robust scaling", "liu2025", (), superposition),
    Declaration("mccandlish2018", "An empirical model of large-batch training", "mccandlish2018", (), trade_off),
    Declaration("bordelon2024", "A dynamical model of neural scaling laws", "bordelon2024", (), random_features),
    Declaration("michaud2023", "The quantization model of neural scaling", "michaud2023", (), quanta, fixture=True),
)
