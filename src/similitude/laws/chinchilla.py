"""Chinchilla's law, its tied form, and the family that contains it and Kaplan's."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS
from similitude.laws._law import law, paper, published
from similitude.laws._words import amplitude_of, below_output, exponent, positive
from similitude.math import powersum

__all__ = ["chinchilla", "chinchilla_tied", "nested"]

_INPUTS = {"N": PARAMETERS, "D": TOKENS}
_HOFFMANN_RUNS = {"N": (4.4e7, 1.6e10), "C": (6e18, 3e21)}
# the 240 and 245 runs read off their figure, rounded outwards
_BESIROGLU_RUNS = {"N": (5.7e7, 1.62e10), "D": (8.1e8, 3.18e11), "C": (1.39e18, 1.3e22)}
_BESIROGLU_ALL_RUNS = {**_BESIROGLU_RUNS, "D": (2.45e8, 3.18e11)}


@law(
    inputs=_INPUTS,
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(),
        "alpha": exponent(0.1, 0.2, 0.35, 0.6),
        "B": positive(),
        "beta": exponent(0.1, 0.2, 0.35, 0.6),
    },
    source=paper("hoffmann2022", where="eq. 10"),
    published=[
        published(
            "hoffmann2022",
            where="eq. 10",
            counts="total",
            note="Rounded for print: at Chinchilla's budget it gives 93 tokens a parameter, the digits of the paper's "
            "source 59, the refit of 2024 18.",
            within=_HOFFMANN_RUNS,
            E="1.69",
            A="406.4",
            alpha="0.34",
            B="410.7",
            beta="0.28",
        ),
        published(
            "hoffmann2022-tex",
            source="hoffmann2022",
            where="TeX source of eq. 10",
            counts="total",
            note="Unrounded. The optimiser had stopped early; besiroglu2024 is the refit.",
            within=_HOFFMANN_RUNS,
            E="exp(0.5267228)",
            A="exp(6.0073404)",
            alpha="0.33917084",
            B="exp(6.0179186)",
            beta="0.2849083",
        ),
        published(
            "besiroglu2024",
            where="table 1",
            counts="total",
            note="Refit on 240 runs read off Hoffmann et al.'s figure 4.",
            within=_BESIROGLU_RUNS,
            E="1.8172",
            A="482.01",
            alpha="0.3478",
            B="2085.43",
            beta="0.3658",
        ),
        published(
            "besiroglu2024-all",
            source="besiroglu2024",
            where="fit with the five outliers",
            counts="total",
            note="All 245 runs. The exponent printed beside it, 0.512, does not follow from these digits (0.567).",
            within=_BESIROGLU_ALL_RUNS,
            E="1.89",
            A="463.3",
            alpha="0.345",
            B="12530",
            beta="0.452",
        ),
        published(
            "sardana2024",
            where="table 1, all data",
            note="Includes runs at up to 10,000 tokens a parameter.",
            E="1.45",
            A="33.66",
            alpha="0.18",
            B="138.9",
            beta="0.24",
        ),
        published(
            "krajewski2024",
            where="dense models",
            note="Dense baselines of a study of mixtures of experts.",
            E="0.47",
            A="16.3",
            alpha="0.126",
            B="26.7",
            beta="0.127",
        ),
        published(
            "czech2026-llama3",
            source="czech2026",
            where="released code, Llama 3 isoFLOPs",
            note="Read off Llama 3's figure 2; the loss is that figure's, not nats a token of a known corpus.",
            E="0.6047",
            A="59.1",
            alpha="0.3100",
            B="155.1",
            beta="0.3136",
        ),
        published(
            "manakul2026",
            where="quoted in the released code of Czech et al. 2026",
            note="Discrete audio tokens mixed with text.",
            E="3.169",
            A="215886",
            alpha="0.684",
            B="4750",
            beta="0.439",
        ),
        published(
            "shukor2025-sparse",
            source="shukor2025",
            where="quoted in the released code of Czech et al. 2026",
            note="Native multimodal mixture of experts.",
            E="2.158",
            A="381773",
            alpha="0.710",
            B="4659",
            beta="0.372",
        ),
    ],
    title="Chinchilla",
    validity="Runs of one recipe whose learning rate has decayed, on less than one epoch of data.",
)
def chinchilla(N, D, *, E, A, alpha, B, beta):
    """Loss falls as separate power laws in parameters and tokens, to a floor E.

    Use it to divide a compute budget between size and tokens; with 6ND the optimum has a closed form. Trap: the
    coefficients hold for one counting of N, one tokenizer and one corpus; and runs at one ratio D/N cannot tell alpha
    from beta.
    """
    return E + A / N**alpha + B / D**beta


@law(
    inputs=_INPUTS,
    output=NATS_PER_TOKEN,
    params={"E": below_output(), "A": positive(), "B": positive(), "alpha": exponent(0.1, 0.2, 0.35, 0.6)},
    source=paper("muennighoff2023", where="released code"),
    published=[
        published(
            "muennighoff2023",
            where="released code, C4",
            counts="total",
            note="Fitted on 54 single-epoch runs on C4 read off Hoffmann et al.'s figure.",
            E="exp(0.6254804)",
            A="exp(6.255414)",
            B="exp(7.3049974)",
            alpha="0.3526596",
        ),
    ],
    title="Chinchilla with one exponent",
    validity="As chinchilla.",
)
def chinchilla_tied(N, D, *, E, A, B, alpha):
    """Chinchilla's law with the same exponent for parameters and tokens.

    Use it when few runs vary N and D apart: it has one parameter less, and the optimal ratio D/N is the same at every
    budget. Trap: that constant ratio is an assumption, not a finding.
    """
    return E + A / N**alpha + B / D**alpha


@law(
    inputs=_INPUTS,
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": amplitude_of("N", "alpha", 0.1, 0.5),
        "alpha": exponent(0.1, 0.3, 0.6),
        "B": amplitude_of("D", "beta", 0.1, 0.5),
        "beta": exponent(0.1, 0.3, 0.6),
        "q": positive(0.2, 0.5, 1.0, low=0.01, high=100.0),
    },
    example={"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.36, "q": 0.6},
    source=paper("kaplan2020", where="eq. 1.5, with the floor of Hoffmann et al. 2022, eq. 10"),
    title="family from Kaplan to Chinchilla",
    validity="As chinchilla.",
)
def nested(N, D, *, E, A, alpha, B, beta, q):
    """The two shortfalls joined under a power q: Chinchilla at q = 1, Kaplan's L(N, D) at E = 0 and q = beta.

    Use it to ask the runs which of the two they follow; as q goes to 0 only the larger shortfall counts. Trap: q is
    weakly determined unless runs reach well off the compute-optimal line in both directions.
    """
    return E + powersum(A / N**alpha, B / D**beta, q)
