"""Learning curves of one input: plateaus, breaks and ceilings around a power law."""

from __future__ import annotations

from similitude._quantity import COUNT, NATS_PER_TOKEN, PARAMETERS, SCORE, Unit
from similitude.laws._application import application
from similitude.laws._law import Law, law, paper, published
from similitude.laws._words import (
    Parameter,
    above_output,
    amplitude_of,
    below_output,
    break_of,
    exponent,
    positive,
    rate_of,
    real,
    scale_of,
)
from similitude.laws.power import power, power_scale
from similitude.math import exp, let, log, logaddexp, maximum, minimum, root, sqrt

__all__ = [
    "bnsl0",
    "bnsl1",
    "bnsl2",
    "bnsl3",
    "bnsl4",
    "exponential",
    "hestness_regions",
    "log_linear",
    "log_linear_ceiling",
    "m3",
    "m4",
    "rosenfeld",
]


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"b": positive(), "g": rate_of("x", 1e-2, 1e-1, 1.0, 10.0), "c": exponent(0.1, 0.3, 0.6, 1.0, 4.0)},
    source=paper("alabdulmohsin2022", where="M3"),
    title="power law of a shifted reciprocal (M3)",
    example={"b": 3.0, "g": 1e-4, "c": 0.4},
    span={"x": (10.0, 1e6)},
)
def m3(x, *, b, g, c):
    """A power law in 1/x + g: it levels off at b g^c because the data have a limit to what they can teach.

    Use it for learning curves whose bend towards the floor is slower than that of `power_floor`. Trap: g is the inverse
    of the size beyond which more data do not help; runs far below 1/g cannot tell it from zero.
    """
    return b * (1 / x + g) ** c


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={
        "E": below_output(),
        "e_0": above_output(),
        "a": positive(0.1, 0.5, low=0.05, high=1.0),
        "b": amplitude_of("x", "c", 0.3, 1.0, 3.0),
        "c": exponent(0.1, 0.3, 0.6, 1.0),
    },
    source=paper("alabdulmohsin2022", where="M4"),
    title="sigmoid-like learning curve (M4)",
    example={"E": 0.1, "e_0": 0.9, "a": 0.5, "b": 8.0, "c": 0.4},
    span={"x": (10.0, 1e6)},
)
def m4(x, *, E, e_0, a, b, c):
    """A plateau at the loss e_0 of guessing, a power law in the middle, a floor E: the solution of an equation.

    Use it for few-shot and classification error curves that begin near chance; a = 0 is `power_floor`. Trap: without
    runs near the plateau e_0 and a are free to trade: fix e_0 at the loss of guessing, which is known. The published a
    is at most 1.
    """
    return root(lambda y: log(y - E) - a * log(e_0 - y) - log(b) + c * log(x), E, e_0)


_BROKEN_DOC = """A power law with {n} smooth change{s} of slope, above a floor a.

Use it for curves with an inflection, a second descent or a delayed take-off; compare numbers of breaks by held-out
extrapolation. Trap: a break beyond the data cannot be seen, and breaks may change places: they are given in the order
of their starting values only.
"""


def _broken(breaks: int) -> Law:
    """The broken law with so many breaks: one formula, written once."""
    numbers = range(1, breaks + 1)
    words: dict[str, Parameter] = {
        "a": below_output(1e-3, 0.5, 0.95),
        "b": positive(),
        "c0": real(0.02, 0.05, 0.1, 0.2, 0.4, 0.8),
    }
    spread = {1: (0.3, 3.0), 2: (0.1, 10.0), 3: (0.05, 1.0), 4: (0.02, 0.3)}
    for i in numbers:
        multiples = spread[1] if breaks == 1 else (0.02 * 2500 ** ((i - 0.5) / breaks),)
        words |= {
            f"c{i}": real(-0.3, 0.4),
            f"d{i}": break_of("x", *multiples),
            f"f{i}": positive(0.2, 0.6, low=0.05, high=20.0),
        }

    def formula(x, **p):
        y = -p["c0"] * log(x)
        for i in numbers:
            bend = let(f"s{i}", p[f"f{i}"] * logaddexp(0.0, (log(x) - log(p[f"d{i}"])) / p[f"f{i}"]))
            y = y - p[f"c{i}"] * bend
        return p["a"] + p["b"] * exp(y)

    slopes = (0.4, -0.5, 0.6, -0.3)
    example = {"a": 0.1, "b": 3.0, "c0": 0.1}
    for i in numbers:
        example |= {f"c{i}": slopes[i - 1], f"d{i}": 10.0 ** (1 + 5 * (i - 0.5) / breaks), f"f{i}": 0.2}
    return Law(
        name=f"bnsl{breaks}",
        function=formula,
        inputs={"x": COUNT},
        output=SCORE,
        params=words,
        source=paper("caballero2023", where="eq. 1"),
        doc=_BROKEN_DOC.format(n=breaks or "no", s="" if breaks == 1 else "s").strip(),
        title=f"broken law, {breaks} break{'' if breaks == 1 else 's'}",
        family="curves",
        span={"x": (10.0, 1e6)},
        example=example,
    )


bnsl0, bnsl1, bnsl2, bnsl3, bnsl4 = (_broken(n) for n in range(5))


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={
        "a": positive(),
        "c": exponent(0.1, 0.3, 0.6, 1.0),
        "x_small": scale_of("x", 0.003, 0.01, 0.03, 0.1),
        "x_large": scale_of("x", 3.0, 10.0, 30.0, 100.0),
    },
    source=paper("hestness2017", where="figure 6"),
    title="Hestness's three regions",
    example={"a": 30.0, "c": 0.4, "x_small": 200.0, "x_large": 5e5},
    span={"x": (10.0, 1e7)},
)
def hestness_regions(x, *, a, c, x_small, x_large):
    """Best guess below x_small, a power law up to x_large, irreducible error beyond; with sharp corners.

    Use it to say where the power-law region begins and ends. Trap: a corner is seen only where runs lie on both sides
    of it; without, its bound is all that can be said.
    """
    return a * minimum(maximum(x, x_small), x_large) ** -c


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"E": below_output(), "a": positive(), "tau": scale_of("x", 0.3, 1.0, 3.0)},
    source=paper("sorscher2022", where="section 2"),
    title="exponential decay",
    example={"E": 0.3, "a": 1.5, "tau": 2000.0},
    span={"x": (100.0, 2e4)},
)
def exponential(x, *, E, a, tau):
    """The excess over a floor shrinks by the same factor for each further tau of x.

    Use it for pruned or otherwise chosen data, which may beat a power law, and as a rival of one. Trap: over less than
    a decade it cannot be told from a power law with a lower floor.
    """
    return E + a * exp(-x / tau)


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"u": real(0.0, 1.0), "v": real(-0.1, 0.1)},
    source=paper("antonello2023"),
    title="logarithmic trend",
    example={"u": 0.05, "v": 0.02},
    span={"x": (1e3, 1e9)},
)
def log_linear(x, *, u, v):
    """A score that changes by the same amount for every tenfold x.

    Use it for correlations, hit rates and other scores over few decades. Trap: it crosses every bound that the score
    has; it is no law beyond the range it was fitted on.
    """
    return u + v * log(x) / log(10.0)


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"u": real(0.0, 0.5), "v": positive(0.02, 0.1), "ceiling": positive(0.3, 0.8), "width": positive(0.01, 0.1)},
    source=paper("antonello2023"),
    title="logarithmic trend under a ceiling",
    example={"u": -0.1, "v": 0.06, "ceiling": 0.35, "width": 0.04},
    span={"x": (1e3, 1e10)},
)
def log_linear_ceiling(x, *, u, v, ceiling, width):
    """A score that grows with the logarithm of x and bends smoothly under a ceiling such as the noise ceiling of data.

    Use it for brain encoding and other scores whose best value is known; fix the ceiling at it. Trap: the smooth bend
    is ours: the source has a straight line, fitted well below the ceiling.
    """
    gap = ceiling - (u + v * log(x) / log(10.0))
    return ceiling - 0.5 * (gap + sqrt(gap * gap + width * width))


@law(
    inputs={"n": COUNT, "m": COUNT},
    output=SCORE,
    params={
        "a": positive(),
        "alpha": exponent(0.3, 0.7, 1.0),
        "b": positive(),
        "beta": exponent(0.3, 0.6),
        "c": positive(1e-2, 0.1),
        "e_0": above_output(),
        "eta": positive(0.3, 1.0, 3.0),
    },
    source=paper("rosenfeld2020", where="eq. 5"),
    title="Rosenfeld's error landscape",
    degenerate=("a", "b", "c", "eta"),
    example={"a": 400.0, "alpha": 0.75, "b": 300.0, "beta": 0.61, "c": 0.1, "e_0": 0.99, "eta": 2.0},
    span={"n": (1e2, 1e7), "m": (1e3, 1e8)},
)
def rosenfeld(n, m, *, a, alpha, b, beta, c, e_0, eta):
    """Error over data n and model size m: two power laws and a floor, saturating at the error e_0 of guessing.

    Use it for top-1 error of classifiers over both scales. Trap: its exponents are those of the error far from both
    plateaus and cannot be compared with exponents of a loss; e_0 is known and should be fixed.
    Only the ratios of a, b, c to eta count.
    """
    e = a * n**-alpha + b * m**-beta + c
    return e_0 * e / sqrt(e * e + eta * eta)


hestness_model_size = application(
    power,
    name="hestness_model_size",
    inputs={"x": ("m", COUNT)},
    output=PARAMETERS,
    source=paper("hestness2017", where="section 4"),
    title="Hestness's model size",
    doc="""The parameters needed to fit m training samples grow as a power of m between a half and one.

    Use it to size a model for a data set of a known task. Trap: written with -c in the exponent: c is minus the paper's
    beta_p (-0.69 to -0.78 for word models), whose amplitude depends on task and architecture.
    """,
    family="curves",
    example={"a": 10.0, "c": -0.7},
    span={"m": (1e4, 1e9)},
)

hestness_word_lm = application(
    power,
    name="hestness_word_lm",
    inputs={"x": ("m", Unit("words", "training words"))},
    output=NATS_PER_TOKEN,
    source=paper("hestness2017", where="table of learning curves"),
    published=[published("hestness2017", where="word language models", a="11.9", c="0.066")],
    title="Hestness's word language models",
    validity="The best of many models at each size of training set, in the power-law region.",
    doc="""Cross-entropy of the best word language model against its training words.

    Use it to compare a data curve with 2017's. Trap: the exponent is that of the envelope over model sizes; curves of a
    single model are steeper.
    """,
    family="curves",
    span={"m": (1e6, 1e9)},
)

PF_DAYS = Unit("PF-days", "compute in PF-days")
_HENIGHAN = (  # domain, L(N): floor, scale, exponent; L(C); N_opt(C): scale, exponent
    ("image-8x8", ("3.12", "8.0e1", "0.24"), ("3.13", "1.8e-8", "0.19"), ("5.3e-14", "0.64")),
    ("image-16x16", ("2.64", "2.8e2", "0.22"), ("2.64", "1.6e-8", "0.16"), ("4.8e-12", "0.75")),
    ("image-32x32", ("2.20", "6.3e1", "0.13"), ("2.21", "3.6e-9", "0.1"), ("1.6e-13", "0.65")),
    ("image-vq16", ("3.99", "2.7e4", "0.13"), ("4.09", "6.1e-7", "0.11"), ("6.2e-14", "0.64")),
    ("image-vq32", ("3.07", "1.9e4", "0.14"), ("3.17", "2.6e-6", "0.12"), ("9.4e-13", "0.7")),
    ("text-to-image", ("2.0", "5.1e3", "0.16"), ("1.93", "1.5e-6", "0.15"), ("9.4e-13", "0.7")),
    ("image-to-text", ("2.0", "5.5e3", "0.15"), ("1.97", "1.5e-6", "0.16"), ("3.3e-12", "0.72")),
    ("video-vq16", ("1.01", "3.7e4", "0.24"), ("0.95", "2.2e-5", "0.14"), ("1.13e-12", "0.71")),
    ("math", ("0.28", "1.1e4", "0.16"), ("0.14", "1.4e-5", "0.17"), ("2.3e-12", "0.69")),
)


@law(
    inputs={"x": COUNT},
    output=SCORE,
    params={"E": below_output(), "x_c": scale_of("x", 1e-6, 1e-3, 1.0), "a": exponent(0.05, 0.1, 0.2, 0.4)},
    source=paper("henighan2020", where="eq. 1.1"),
    title="power law with a floor and a scale",
    example={"E": 2.2, "x_c": 63.0, "a": 0.13},
    span={"x": (1e4, 1e9)},
)
def power_floor_scale(x, *, E, x_c, a):
    """A floor plus a power law written with the scale x_c at which the reducible part would be 1.

    Use it to read coefficients printed in this form; it is `power_floor` with amplitude x_c^a. Trap: x_c lies decades
    from the runs, so its digits mean nothing without those of a.
    """
    return E + (x_c / x) ** a


def _henighan(name: str, x: str, unit: Unit, place: int, title: str, span: tuple[float, float]) -> Law:
    return application(
        power_floor_scale,
        name=name,
        inputs={"x": (x, unit)},
        output=NATS_PER_TOKEN,
        source=paper("henighan2020", where="table 1"),
        published=[
            published(
                f"henighan2020-{row[0]}",
                source="henighan2020",
                where=f"table 1, {row[0]}",
                counts="without embeddings",
                **dict(zip(("E", "x_c", "a"), row[place])),
            )
            for row in _HENIGHAN
        ],
        counts="without embeddings",
        title=title,
        validity="Autoregressive transformers on one modality each, trained to convergence or at the best size.",
        doc=f"""Loss of autoregressive transformers on images, video and mathematics against {title.split()[-1]}.

        Use it to compare modalities: the floor is read as the entropy of the data. Trap: losses are per token of each
        modality's own tokens, so floors and scales cannot be compared between tokenisations.
        """,
        family="curves",
        span={x: span},
    )


henighan_n = _henighan("henighan_n", "N", PARAMETERS, 1, "Henighan L(N) against parameters", (1e5, 1e9))
henighan_c = _henighan("henighan_c", "C", PF_DAYS, 2, "Henighan L(C) against compute", (1e-4, 1e2))

henighan_optimal_n = application(
    power,
    name="henighan_optimal_n",
    inputs={"x": ("C", PF_DAYS)},
    output=PARAMETERS,
    source=paper("henighan2020", where="table 1"),
    published=[
        published(
            f"henighan2020-{row[0]}",
            source="henighan2020",
            where=f"table 1, {row[0]}",
            counts="without embeddings",
            note="Printed as (C / scale)^exponent; a and c follow from it.",
            a=f"({row[3][0]})^(-{row[3][1]})",
            c=f"-{row[3][1]}",
        )
        for row in (*_HENIGHAN, ("language", (), (), ("3.3e-13", "0.73")))
    ],
    counts="without embeddings",
    title="Henighan N_opt(C)",
    doc="""The compute-optimal number of parameters grows as nearly the same power of compute in every modality.

    Use it to compare with the literature of 2020. Trap: exponents near 0.7 came from the shared protocol; with it
    corrected they are near 0.5. Compute is in PF-days, and c is minus the printed exponent.
    """,
    family="curves",
    span={"C": (1e-4, 1e2)},
)


def _text(name: str, x: str, unit: Unit, rows: tuple[tuple[str, str, str], ...], span: tuple[float, float]) -> Law:
    """The rows of the table that were printed without a floor: those of text."""
    return application(
        power_scale,
        name=name,
        inputs={"x": (x, unit)},
        output=NATS_PER_TOKEN,
        source=paper("henighan2020", where="table 1"),
        published=[
            published(
                f"henighan2020-{key}",
                source="henighan2020",
                where=f"table 1, {key}",
                counts="without embeddings",
                x_c=scale,
                a=power_,
            )
            for key, scale, power_ in rows
        ],
        counts="without embeddings",
        title=f"Henighan L({x}) of text",
        validity="Language alone, or the text of text-image models; no floor was seen in the measured range.",
        doc="""The loss of text is a power without a floor over the sizes measured, for language and beside images.

        Use it to set text beside the modalities that have a floor. Trap: a floor must exist, so it is no law far out;
        text beside images is counted in the tokens of captions.
        """,
        family="curves",
        span={x: span},
    )


henighan_text_n = _text(
    "henighan_text_n",
    "N",
    PARAMETERS,
    (
        ("language", "1.47e14", "0.070"),
        ("text-to-image-text", "5.6e8", "0.037"),
        ("image-to-text-text", "7.0e8", "0.039"),
    ),
    (1e5, 1e10),
)
henighan_text_c = _text("henighan_text_c", "C", PF_DAYS, (("language", "3.47e8", "0.048"),), (1e-4, 1e2))
