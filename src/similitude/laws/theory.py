"""What theory predicts: regimes, spectra, dimension, superposition."""

from __future__ import annotations

from similitude._quantity import FLOP, NATS_PER_TOKEN, PARAMETERS, RATIO, SCORE, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive
from similitude.laws.power import power, power_floor

__all__ = [
    "dimension_limited",
    "epistemic_uncertainty",
    "quantization_model",
    "random_features",
    "random_features_compute",
    "resolution_limited",
    "spectral_rank",
    "superposition_strong",
    "superposition_weak",
    "total_uncertainty",
    "variance_limited",
]

WIDTH = Unit("width", "width")
STEPS = Unit("steps", "optimiser steps")
SAMPLES = Unit("samples", "training samples")


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={"E": below_output(), "A": positive()},
    source=paper("bahri2021", where="variance-limited regime"),
    example={"E": 0.5, "A": 20.0},
    title="variance-limited regime",
    validity="n is data at fixed large width, or width at fixed data.",
    span={"n": (30.0, 1e5)},
)
def variance_limited(n, *, E, A):
    """Where the other scale does not limit, the excess loss falls as one over data or width, whatever the task.

    Use it as the null for a fitted exponent: the regime is variance-limited if the interval holds 1. Trap: fully
    connected networks have one over width, which is a power of a half in parameters.
    """
    return E + A / n


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={"E": below_output(), "A": positive(), "d": positive(4.0, 10.0, 30.0, low=0.5, high=1e4)},
    source=paper("sharma2020", where="section 2"),
    example={"E": 0.2, "A": 6.0, "d": 12.0},
    title="resolution-limited regime",
    validity="Generic piecewise linear models, squared or cross-entropy loss.",
    span={"n": (1e2, 1e8)},
)
def resolution_limited(n, *, E, A, d):
    """Where one scale limits, the loss falls as a power four over the intrinsic dimension of the data.

    Use it to read a dimension off a loss exponent, and compare it with one measured on the data. Trap: it is a bound
    for some problems and an equality for generic ones only.
    """
    return E + A * n ** (-4 / d)


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={"A": positive(), "d": positive(4.0, 10.0, 30.0, low=0.5, high=1e4)},
    source=paper("konz2024", where="theorem on the generalisation gap"),
    example={"A": 3.0, "d": 15.0},
    title="generalisation gap and dimension",
    span={"n": (1e2, 1e6)},
)
def dimension_limited(n, *, A, d):
    """The generalisation gap falls as one over the d-th root of data, d the intrinsic dimension.

    Use it to compare image domains of different dimension. Trap: a bound; sharper labels raise A, as in radiology.
    """
    return A * n ** (-1 / d)


@law(
    inputs={"t": STEPS, "N": PARAMETERS, "P": SAMPLES},
    output=SCORE,
    params={
        "a": positive(0.3, 0.6, low=0.01, high=10.0),
        "b": positive(1.0, 1.5, low=0.3, high=10.0),
        "c_t": positive(),
        "c_N": positive(),
        "c_P": positive(),
    },
    source=paper("bordelon2024", where="eq. of the bottlenecks"),
    example={"a": 0.5, "b": 1.25, "c_t": 1.0, "c_N": 2.0, "c_P": 2.0},
    title="dynamics of random features",
    validity="The easy case, where the exponent a of the task is at most 2b; a here is the paper's a - 1.",
    span={"t": (10.0, 1e6), "N": (10.0, 1e5), "P": (10.0, 1e5)},
)
def random_features(t, N, P, *, a, b, c_t, c_N, c_P):
    """Time, width and data each bring a power law: exponent a / b in time and a in the other two.

    Use it to tie exponents that are otherwise fitted apart: time is faster than size where the spectrum is flat. Trap:
    spectrum k^-b and task k^-(a + 1); amplitudes are of order one and not predicted here.
    """
    return c_t * t ** (-a / b) + c_N * N**-a + c_P * P**-a


@law(
    inputs={"C": FLOP},
    output=SCORE,
    params={"A": positive(), "a": positive(0.3, 0.6, low=0.01, high=10.0), "b": positive(1.0, 1.5, low=0.1, high=10.0)},
    source=paper("bordelon2024", where="compute-optimal scaling"),
    example={"A": 5.0, "a": 0.5, "b": 1.25},
    degenerate=("a", "b"),
    title="compute-optimal random features",
    validity="The easy case; compute is width times steps.",
    span={"C": (1e3, 1e9)},
)
def random_features_compute(C, *, A, a, b):
    """The best loss at a compute falls with exponent a / (1 + b).

    Use it with a and b from spectra: a compute curve alone determines only the quotient. Trap: the best width grows as
    C^(1 / (1 + b)) and the steps as C^(b / (1 + b)).
    """
    return A * C ** (-a / (1 + b))


@law(
    inputs={"m": WIDTH},
    output=NATS_PER_TOKEN,
    params={"A": positive(), "alpha": exponent(0.5, 1.0), "B": below_output()},
    source=paper("liu2025", where="fit to language models"),
    published=[
        published(
            "liu2025-opt",
            source="liu2025",
            where="released code, OPT on WikiText",
            note="A and alpha are shared by 16 pairs of family and data.",
            A="476.08",
            alpha="0.9098",
            B="2.2074",
        )
    ],
    title="strong superposition",
    validity="Widths of 27 models of four families; depth changes with width in each.",
    span={"m": (500.0, 10000.0)},
)
def superposition_strong(m, *, A, alpha, B):
    """With more features than dimensions, all represented, loss falls as about one over width.

    Use it to test for an exponent of one in width. Trap: width and depth grow together in families of models.
    """
    return B + A / m**alpha


@law(
    inputs={"m": WIDTH},
    output=SCORE,
    params={"A": positive(), "alpha": positive(1.2, 2.0, low=1.0001, high=12.0)},
    source=paper("liu2025", where="weak superposition"),
    example={"A": 2.0, "alpha": 1.5},
    title="weak superposition",
    span={"m": (10.0, 1e4)},
)
def superposition_weak(m, *, A, alpha):
    """When only the most frequent features are represented, the loss is the mass of the rest: exponent alpha - 1.

    Use it with the exponent of feature frequencies. Trap: real models are in the strong regime.
    """
    return A * m ** (1 - alpha)


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={"E": below_output(), "A": positive(), "B": positive(), "alpha": exponent(0.2, 0.4, 0.6)},
    source=paper("michaud2023", where="section 2"),
    example={"E": 1.7, "A": 400.0, "B": 300.0, "alpha": 0.35},
    title="quantization model",
    validity="One epoch; quanta learnt in the order of their frequency.",
    span={"N": (1e7, 1e10), "D": (1e8, 1e12)},
)
def quantization_model(N, D, *, E, A, B, alpha):
    """Skills of Zipf frequency: the exponent in data is alpha / (1 + alpha) when that in size is alpha.

    Use it as a tied rival of `chinchilla`: one exponent fewer. Trap: the paper derives the two terms one at a time;
    adding them is the usual convenience.
    """
    return E + A / N**alpha + B / D ** (alpha / (1 + alpha))


zipf_learning = application(
    power,
    name="zipf_learning",
    inputs={"x": ("n", SAMPLES)},
    output=RATIO,
    source=paper("hutter2021", where="theorem on Zipf data"),
    title="learning curve of Zipf data",
    doc="""Memorising items of Zipf frequency k^-(1 + a) gives error n^(-a / (1 + a)).

    Use it as the simplest theory of a data exponent: c is a / (1 + a), below one. Trap: it memorises and does not
    generalise between items.
    """,
    family="theory",
    example={"a": 0.8, "c": 0.33},
    span={"n": (1e2, 1e8)},
)


@law(
    inputs={"w": WIDTH},
    output=Unit("directions", "effective rank"),
    params={"a": positive(), "beta": exponent(0.3, 0.7, 1.0)},
    source=paper("jha2026", where="rank = c width^beta"),
    title="spectral rank of activations",
    example={"a": 3.0, "beta": 0.8},
    validity="Feed-forward activations of one depth, widths one to eight times that of the model; hard or soft rank.",
    span={"w": (768.0, 6144.0)},
)
def spectral_rank(w, *, a, beta):
    """The effective rank of features grows as a power of the feed-forward width, the power set by the optimiser.

    Use it to compare optimisers by how they fill a width. Trap: equal loss does not mean equal rank; eight widths of
    one seed leave exponents of hard rank open by half. The example is made up.
    """
    return a * w**beta


epistemic_uncertainty = application(
    power,
    name="epistemic_uncertainty",
    inputs={"x": ("n", SAMPLES)},
    output=SCORE,
    source=paper("rosso2025", where="section 2"),
    title="epistemic uncertainty",
    doc="""Epistemic uncertainty falls as a power of training samples; of identifiable models, with power one.

    Use it to say how many samples would make it negligible. Trap: of over-parameterised networks the power is below one
    and depends on the method of approximation; estimates under a thousandth of a nat are noise. The example is made up.
    """,
    family="theory",
    example={"a": 0.8, "c": 0.3},
    span={"n": (1e3, 1e6)},
)
total_uncertainty = application(
    power_floor,
    name="total_uncertainty",
    inputs={"x": ("n", SAMPLES)},
    output=SCORE,
    source=paper("rosso2025", where="section 4"),
    title="total predictive uncertainty",
    doc="""Predictive uncertainty falls as a power of training samples to the part that more data do not remove.

    Use it beside `epistemic_uncertainty`: the floor is the aleatoric part. Trap: without its floor the power is
    underestimated. The example is made up.
    """,
    family="theory",
    example={"E": 0.2, "a": 2.0, "c": 0.35},
    span={"n": (1e3, 1e6)},
)
