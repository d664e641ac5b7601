"""Other modalities and objectives: images, video, time series, recommenders, retrieval."""

from __future__ import annotations

from similitude._quantity import FLOP, NATS_PER_TOKEN, PARAMETERS, RATIO, SCORE, Unit
from similitude.laws._application import application
from similitude.laws._law import Law, law, paper, published
from similitude.laws._words import below_output, exponent, positive, real, scale_of
from similitude.laws.curves import log_linear
from similitude.laws.power import power, power_floor
from similitude.math import expm1, log

__all__ = ["adversarial_error", "clip_comparison", "hstu_hit_rate", "hstu_normalised_entropy"]

GMAC = Unit("GMAC", "multiply-adds in training")
PFLOP_DAYS = Unit("PFLOP/day", "yearly compute a day")
EPSILON = Unit("epsilon", "size of a perturbation")
POINTS = Unit("observations", "training observations")
SPAN_GMAC = (1e8, 1e12)


@law(
    inputs={"C": GMAC},
    output=RATIO,
    params={"A": positive(), "B": scale_of("C", 0.01, 0.1, 1.0), "alpha": exponent(0.1, 0.2, 0.4), "E": below_output()},
    source=paper("nezhurina2025", where="eq. of the fit"),
    example={"A": 20.0, "B": 5e8, "alpha": 0.2, "E": 0.1},
    title="comparison of vision-language procedures",
    validity="Pareto points of runs that see each sample once.",
    span={"C": (1e7, 1e12)},
)
def clip_comparison(C, *, A, B, alpha, E):
    """Zero-shot error saturates at both ends of compute: near the error of guessing and at a floor.

    Use it to compare open procedures over their whole range; one is better where the intervals of the curves separate.
    Trap: curves may cross at small compute, and repeated samples leave the law.
    """
    return A * (C + B) ** -alpha + E


def _error(
    name: str, symbol: str, unit: Unit, key: str, where: str, title: str, first: str, use: str, span, **more
) -> Law:
    return application(
        more.pop("form", power),
        name=name,
        inputs={"x": (symbol, unit)},
        output=more.pop("output", RATIO),
        source=paper(key, where=where),
        title=title,
        doc=f"{first}\n\n{use}",
        family="modalities",
        span={symbol: span},
        **more,
    )


clip_error = _error(
    "clip_error",
    "C",
    GMAC,
    "cherti2023",
    "figure 1",
    "CLIP zero-shot error",
    "Zero-shot error falls as a power of training compute, with an exponent that depends on the data.",
    "Use it to compare pre-training data by slope. Trap: compute is in multiply-adds, not FLOP; points are the best of "
    "bins, and the slope of one side rests on three models.",
    SPAN_GMAC,
    published=[
        published(
            "cherti2023-openclip",
            source="cherti2023",
            where="figure 1, ImageNet, OpenCLIP",
            note="Refitted on the released table.",
            a="5.86",
            c="0.111",
        ),
        published(
            "cherti2023-openai",
            source="cherti2023",
            where="figure 1, ImageNet, CLIP",
            note="Refitted on three points.",
            a="23.2",
            c="0.164",
        ),
    ],
)
clip_retrieval = _error(
    "clip_retrieval",
    "C",
    GMAC,
    "cherti2023",
    "figure 1",
    "CLIP retrieval error",
    "Retrieval error falls as a power of training compute.",
    "Use it beside `clip_error`: the order of the two data sets' slopes is the other way round. Trap: R@5 of one set "
    "of captions.",
    SPAN_GMAC,
    published=[
        published(
            "cherti2023-openclip",
            source="cherti2023",
            where="figure 1, COCO, OpenCLIP",
            note="Refitted on the released table.",
            a="2.75",
            c="0.079",
        ),
        published(
            "cherti2023-openai",
            source="cherti2023",
            where="figure 1, COCO, CLIP",
            note="Refitted on three points.",
            a="1.59",
            c="0.051",
        ),
    ],
)
text_to_image = _error(
    "text_to_image",
    "C",
    FLOP,
    "li2024ti",
    "scaling functions",
    "text-to-image alignment",
    "Alignment of generated images rises as a power of training compute.",
    "Use it over the measured sizes to compare backbones. Trap: scores are bounded and the power is not; the example "
    "is made up.",
    (1e19, 1e23),
    output=SCORE,
    example={"a": 0.05, "c": -0.05},
)
time_series = _error(
    "time_series",
    "N",
    PARAMETERS,
    "yao2025",
    "scaling in size",
    "time-series models",
    "Log-likelihood loss falls as a power of size on the lower envelope of runs.",
    "Use it within and outside the training distribution separately. Trap: densities make losses negative; shift them "
    "or use a floor. The example is made up.",
    (1e3, 1e9),
    output=SCORE,
    example={"a": 3.0, "c": 0.05},
)
masked_diffusion = _error(
    "masked_diffusion",
    "C",
    FLOP,
    "nie2024",
    "IsoFLOP study",
    "masked diffusion",
    "The optimal loss of masked diffusion models falls with compute at the slope of autoregressive ones.",
    "Use it for both kinds with a tied slope; the ratio of amplitudes is a constant factor of compute. Trap: its loss "
    "is a bound, the other's exact. The example is made up.",
    (1e18, 1e21),
    output=NATS_PER_TOKEN,
    example={"a": 25.0, "c": 0.05},
)
interatomic = _error(
    "interatomic",
    "N",
    PARAMETERS,
    "qu2024",
    "scaling of EScAIP",
    "interatomic potentials",
    "Error of energies or forces falls as a power of size to a floor.",
    "Use it to compare constrained with attention-based potentials by slope. Trap: no law is published; units are "
    "those of the label. The example is made up.",
    (1e5, 1e9),
    form=power_floor,
    output=SCORE,
    example={"E": 10.0, "a": 3000.0, "c": 0.35},
)
fmri_encoding = _error(
    "fmri_encoding",
    "N",
    PARAMETERS,
    "antonello2023",
    "figure of model size",
    "brain encoding",
    "Correlation of predicted and measured brain responses rises with the logarithm of size.",
    "Use it well below the noise ceiling. Trap: it crosses the ceiling; fit only below nine tenths of it. The example "
    "is made up.",
    (1e8, 3e10),
    form=log_linear,
    output=SCORE,
    example={"u": 0.02, "v": 0.01},
)


@law(
    inputs={"C": PFLOP_DAYS},
    output=RATIO,
    params={"u": real(0.0, 0.2), "v": positive(0.01, 0.05)},
    source=paper("zhai2024", where="figure 7"),
    published=[published("zhai2024", where="figure 7, HR@100", u="0.15", v="0.0195")],
    title="hit rate of generative recommenders",
    validity="Three orders of compute.",
    span={"C": (1e-2, 1e3)},
)
def hstu_hit_rate(C, *, u, v):
    """The hit rate at 100 rises with the logarithm of training compute.

    Use it to compare with a recommender that has levelled off. Trap: natural logarithm; called a power law in the
    abstract, it is a line in ln C and crosses one.
    """
    return u + v * log(C)


@law(
    inputs={"C": PFLOP_DAYS},
    output=SCORE,
    params={"u": real(0.4, 0.6), "v": positive(0.002, 0.01)},
    source=paper("zhai2024", where="figure 7"),
    published=[published("zhai2024", where="figure 7, NE", u="0.549", v="5.3e-3")],
    title="normalised entropy of generative recommenders",
    validity="Three orders of compute.",
    span={"C": (1e-2, 1e3)},
)
def hstu_normalised_entropy(C, *, u, v):
    """Normalised entropy of ranking falls with the logarithm of training compute.

    Use it beside the hit rate. Trap: natural logarithm; a line in ln C that must end.
    """
    return u - v * log(C)


@law(
    inputs={"eps": EPSILON},
    output=RATIO,
    params={"A": positive(0.1, 1.0, 10.0), "gamma": positive(0.8, 1.2)},
    source=paper("cubuk2017", where="figure 1"),
    example={"A": 12.0, "gamma": 1.05},
    title="adversarial error",
    validity="Small perturbations in the maximum norm; the saturation at one is a convenience of ours.",
    span={"eps": (1e-4, 0.1)},
)
def adversarial_error(eps, *, A, gamma):
    """Adversarial error grows as a power of the perturbation, near one, and saturates.

    Use it to compare models and attacks by exponent. Trap: fit where ten errors are counted and error is below a third;
    the exponent is said to be universal, the amplitude is not.
    """
    return -expm1(-A * eps**gamma)
