"""The laws of Kaplan et al. 2020: loss against size, data and compute, without an irreducible part."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import law, paper, published
from similitude.laws._words import exponent, scale_of
from similitude.laws.power import power_scale

__all__ = ["PF_DAYS", "kaplan", "kaplan_c", "kaplan_d", "kaplan_n"]

PF_DAYS = Unit("PF-days", "compute in PF-days")  # 8.64e19 FLOP; a kind of its own, lest FLOP columns be taken for it

_WITHIN_N = {"N": (768.0, 1.5e9)}
_WITHIN_D = {"D": (2.2e7, 2.3e10)}
_START = (0.05, 0.1, 0.2)

kaplan_n = application(
    power_scale,
    name="kaplan_n",
    inputs={"x": ("N", PARAMETERS)},
    output=NATS_PER_TOKEN,
    params={"a": exponent(*_START)},
    source=paper("kaplan2020", where="eq. 1.1"),
    published=[
        published(
            "kaplan2020", where="eq. 1.1", counts="without embeddings", within=_WITHIN_N, x_c="8.8e13", a="0.076"
        ),
    ],
    counts="without embeddings",
    title="Kaplan L(N)",
    validity="Models trained to convergence on enough data.",
    doc="""Loss of converged models against their number of non-embedding parameters.

    Use it to compare with the literature of 2020. Trap: without an irreducible loss its exponent is the slope of the
    whole loss, and cannot be compared with Chinchilla's alpha, the slope of the reducible part.
    """,
    family="kaplan",
)

kaplan_d = application(
    power_scale,
    name="kaplan_d",
    inputs={"x": ("D", TOKENS)},
    output=NATS_PER_TOKEN,
    params={"a": exponent(*_START)},
    source=paper("kaplan2020", where="eq. 1.2"),
    published=[published("kaplan2020", where="eq. 1.2", within=_WITHIN_D, x_c="5.4e13", a="0.095")],
    title="Kaplan L(D)",
    validity="Large models, stopped early on a limited data set.",
    doc="""Loss of large, early-stopped models against the size of their data set in tokens.

    Use it to compare with the literature of 2020. Trap: D is the size of the data set, seen many times, not the tokens
    processed; 6ND does not apply.
    """,
    family="kaplan",
)

kaplan_c = application(
    power_scale,
    name="kaplan_c",
    inputs={"x": ("C", PF_DAYS)},
    output=NATS_PER_TOKEN,
    params={"a": exponent(*_START)},
    source=paper("kaplan2020", where="eq. 1.3"),
    published=[
        published("kaplan2020", where="eq. 1.3", counts="without embeddings", x_c="3.1e8", a="0.050"),
        published(
            "kaplan2020-naive",
            source="kaplan2020",
            where="table 5",
            counts="without embeddings",
            note="Naive compute at a fixed batch size, not adjusted to far below the critical one.",
            x_c="1.6e7",
            a="0.057",
        ),
    ],
    counts="without embeddings",
    title="Kaplan L(C)",
    span={"C": (1e-3, 1e2)},
    validity="The best loss at a compute budget; the budget counts 6 FLOP a non-embedding parameter and token.",
    doc="""The best loss that a compute budget buys, budget in PF-days (8.64e19 FLOP).

    Use it to compare with the literature of 2020. Trap: the first published set is for compute adjusted to small
    batches, the second for compute as spent; both leave out embeddings and the output head, which matters below 1e9
    parameters.
    """,
    family="kaplan",
)


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "N_c": scale_of("N", 1e2, 1e5, 1e8),
        "alpha_N": exponent(*_START),
        "D_c": scale_of("D", 1e2, 1e5),
        "alpha_D": exponent(0.1, 0.2),
    },
    source=paper("kaplan2020", where="eq. 1.5"),
    published=[
        published(
            "kaplan2020",
            where="table 2",
            counts="without embeddings",
            within={**_WITHIN_N, **_WITHIN_D},
            N_c="6.4e13",
            alpha_N="0.076",
            D_c="1.8e13",
            alpha_D="0.103",
        ),
    ],
    counts="without embeddings",
    title="Kaplan L(N, D)",
    validity="D is the size of the data set, seen until early stopping with 10 % dropout.",
)
def kaplan(N, D, *, N_c, alpha_N, D_c, alpha_D):
    """Loss when both the size and the data set limit, joined under one power and without an irreducible part.

    Use it for early-stopped training on limited data and to compare with the literature of 2020; `nested` contains it.
    Trap: D counts a data set that is seen many times, so compute is not 6ND, and a compute-optimal plan made from
    these coefficients is not the paper's.
    """
    return ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D
