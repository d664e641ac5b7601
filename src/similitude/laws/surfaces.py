"""Loss over parameters and data: the surfaces beyond Kaplan and Chinchilla."""

from __future__ import annotations

from similitude._quantity import FLOP, NATS_PER_TOKEN, PARAMETERS, SCORE, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import Law, law, paper, published
from similitude.laws._words import amplitude_of, below_output, exponent, positive, real, scale_of
from similitude.laws.kaplan import PF_DAYS
from similitude.laws.power import power
from similitude.math import exp, log

__all__ = [
    "bottlenecked_data",
    "deff_repetition",
    "early_stop_step",
    "farseer",
    "kaplan_overfitting",
    "kaplan_steps",
    "nmt_encoder_decoder",
    "noisy_channel",
    "repetition_interaction",
    "unraveled",
    "vocabulary",
]

STEPS = Unit("steps", "optimiser steps")
BITS_PER_CHARACTER = Unit("bits/character", "loss")
BILLION_PARAMETERS = Unit("1e9 parameters", "parameters in billions")
BILLION_TOKENS = Unit("1e9 tokens", "tokens in billions")
NORMALISED = Unit("normalised", "size in the authors' units")
PAIRS = Unit("sentence pairs", "training sentence pairs")
_N, _D = (1e7, 1e10), (1e9, 1e11)


@law(
    inputs={"N": PARAMETERS, "S": STEPS},
    output=NATS_PER_TOKEN,
    params={
        "N_c": scale_of("N", 1e2, 1e5),
        "alpha_N": exponent(0.05, 0.1, 0.2),
        "S_c": scale_of("S", 1e-2, 1e-1, 1.0),
        "alpha_S": exponent(0.4, 0.7, 1.0),
    },
    source=paper("kaplan2020", where="eq. 1.6"),
    published=[
        published(
            "kaplan2020",
            where="table 3",
            counts="without embeddings",
            N_c="6.5e13",
            alpha_N="0.077",
            S_c="2.1e3",
            alpha_S="0.76",
        )
    ],
    counts="without embeddings",
    title="Kaplan L(N, S)",
    validity="S is the number of steps adjusted to far above the critical batch; warm-up left out.",
    span={"N": _N, "S": (1e3, 1e6)},
)
def kaplan_steps(N, S, *, N_c, alpha_N, S_c, alpha_S):
    """Loss after S steps of a model of N parameters: a term for size and a term for time, without a floor.

    Use it for training curves at a constant learning rate and to compare with the literature of 2020. Trap: S must be
    adjusted for the batch, S / (1 + B_crit / B), with the critical batch at the loss reached.
    """
    return (N_c / N) ** alpha_N + (S_c / S) ** alpha_S


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=SCORE,
    params={
        "N_c": scale_of("N", 1e2, 1e5),
        "r": exponent(0.5, 0.75, 1.0),
        "D_c": scale_of("D", 1e1, 1e3),
        "alpha_D": exponent(0.05, 0.1, 0.3),
    },
    source=paper("kaplan2020", where="eq. 4.3"),
    degenerate=("N_c", "D_c"),
    example={"N_c": 6.4e13, "r": 0.738, "D_c": 1.8e13, "alpha_D": 0.103},
    counts="without embeddings",
    title="Kaplan's overfitting",
    validity="Early-stopped training with 10 % dropout.",
    span={"N": (1e6, 1e10), "D": (1e7, 1e10)},
)
def kaplan_overfitting(N, D, *, N_c, r, D_c, alpha_D):
    """How far the loss on a limited data set lies above that on unlimited data, as a fraction.

    Use it to ask how much data a size needs before overfitting shows; r = alpha_N / alpha_D. Trap: only D_c / N_c^r is
    determined, and D counts a data set that is seen many times.
    """
    return (1 + (N / N_c) ** r * D_c / D) ** alpha_D - 1


@law(
    inputs={"gap": NATS_PER_TOKEN},
    output=STEPS,
    params={"S_c": positive(1e3), "alpha_S": exponent(0.4, 0.7, 1.0)},
    source=paper("kaplan2020", where="eq. 5.7"),
    published=[published("kaplan2020", where="table 3", S_c="2.1e3", alpha_S="0.76")],
    title="Kaplan's early stopping",
    span={"gap": (0.01, 1.0)},
)
def early_stop_step(gap, *, S_c, alpha_S):
    """A lower bound on the step at which overfitting begins, from the gap between limited and unlimited data.

    Use it to size a run that will be stopped early. Trap: it is a bound, not an estimate, and S_c belongs to steps far
    above the critical batch.
    """
    return S_c * gap ** (-1 / alpha_S)


def _kaplan_optimum(name: str, output: Unit, a: str, c: str, what: str) -> Law:
    return application(
        power,
        name=name,
        inputs={"x": ("C", PF_DAYS)},
        output=output,
        source=paper("kaplan2020", where="section 6"),
        published=[published("kaplan2020", where="section 6", counts="without embeddings", a=a, c=c)],
        counts="without embeddings",
        title=f"Kaplan's optimal {what}",
        doc=f"""The compute-optimal {what} grows as a power of the compute spent below the critical batch.

        Use it to compare with the literature of 2020. Trap: c is minus the printed exponent; compute is in PF-days and
        counts no embeddings, and the paper's warm-up and schedule made the exponent of size too large.
        """,
        family="surfaces",
        span={"C": (1e-4, 1e2)},
    )


kaplan_optimal_n = _kaplan_optimum("kaplan_optimal_n", PARAMETERS, "1.3e9", "-0.73", "number of parameters")
kaplan_optimal_batch = _kaplan_optimum("kaplan_optimal_batch", TOKENS, "2.0e6", "-0.24", "batch")
kaplan_optimal_steps = _kaplan_optimum("kaplan_optimal_steps", STEPS, "5.4e3", "-0.03", "number of steps")
kaplan_optimal_d = _kaplan_optimum("kaplan_optimal_d", TOKENS, "2e10", "-0.27", "number of tokens")


@law(
    inputs={"N": PARAMETERS, "S": STEPS, "B": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "N_c": scale_of("N", 1e2, 1e5),
        "alpha_N": exponent(0.05, 0.1),
        "S_c": scale_of("S", 1e-2, 1e-1),
        "alpha_S": exponent(0.5, 0.8),
        "B_star": scale_of("B", 1e1, 1e3),
        "alpha_B": exponent(0.2, 0.3),
    },
    source=paper("su2024unraveling", where="section 5"),
    example={"N_c": 1.5e14, "alpha_N": 0.076, "S_c": 2600.0, "alpha_S": 0.67, "B_star": 1.7e8, "alpha_B": 0.205},
    counts="without embeddings",
    title="loss trajectory at any batch",
    validity="Constant-like learning rate, no repeated data; the example is only of a plausible size.",
    span={"N": (1e6, 1e9), "S": (3e3, 1e6), "B": (1e5, 1e7)},
    cost="6*N*S*B",
)
def unraveled(N, S, B, *, N_c, alpha_N, S_c, alpha_S, B_star, alpha_B):
    """Loss after S steps at batch B, the critical batch growing as the loss falls: the solution of an equation.

    Use it for whole curves at several batch sizes with Kaplan's forms. Trap: coefficients depend on learning rate,
    context, tokenizer and data; warm-up and decay of the rate are outside the law.
    """
    from similitude.math import root

    size = (N_c / N) ** alpha_N
    return root(
        lambda L: L - size - (S_c / S) ** alpha_S * (1 + B_star / (B * L ** (1 / alpha_B))) ** alpha_S,
        size,
        size + 100 + 0 * B * S,
        symbol="L",
    )


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=BITS_PER_CHARACTER,
    params={
        "a3": real(-0.05, -0.02, low=-5.0, high=-1e-6),
        "g": exponent(0.15, 0.2),
        "b3": real(0.0, 0.2),
        "a2": positive(50.0, 100.0),
        "h": exponent(0.08, 0.12),
        "b2": real(-6.0, -4.0),
        "a1": positive(0.1, 0.15),
        "k": exponent(0.1, 0.15),
        "b1": real(0.3, 0.6),
    },
    source=paper("li2025farseer", where="eq. 3"),
    published=[
        published(
            "li2025farseer",
            where="rounded coefficients",
            counts="without embeddings",
            note="Quoted from secondary notes, unsure; they reproduce the published tokens a parameter.",
            a3="-0.021",
            g="0.169",
            b3="0.091",
            a2="88.01",
            h="0.1",
            b2="-5.92",
            a1="0.124",
            k="0.123",
            b1="0.424",
        )
    ],
    counts="without embeddings",
    title="Farseer",
    validity="D at least N: where D is far below N the formula has a branch that means nothing.",
    span={"N": (1e8, 1e10), "D": (1e10, 1e12)},
)
def farseer(N, D, *, a3, g, b3, a2, h, b2, a1, k, b1):
    """A floor that depends on N plus a power of D whose amplitude and exponent both depend on N.

    Use it where many sizes and ratios were run and Chinchilla's two exponents do not hold at both ends. Trap: nine
    parameters of nested exponentials need hundreds of runs; rounding matters since N^g multiplies the exponent. Signs
    of a1 and of the exponent of a2 are taken into the formula.
    """
    return exp(a3 * N**g + b3) + exp(a2 * N**-h + b2) * D ** -exp(b1 - a1 * N**k)


@law(
    inputs={"N": BILLION_PARAMETERS, "D": BILLION_TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "a": positive(0.01, 0.1, 1.0),
        "alpha": exponent(0.1, 0.3),
        "b": positive(0.1, 1.0),
        "beta": exponent(0.3, 0.6),
        "c": positive(0.1, 1.0),
        "gamma": exponent(0.1, 0.3),
        "d": positive(0.1, 1.0),
        "delta": exponent(0.4, 0.8),
        "e": positive(0.1, 1.0),
    },
    source=paper("ouyang2026", where="eq. of the capacity"),
    example={
        "a": 0.1,
        "alpha": 0.05,
        "b": 50.0,
        "beta": 0.3,
        "c": 0.02,
        "gamma": 0.1,
        "d": 0.01,
        "delta": 0.5,
        "e": 1.0,
    },
    degenerate=("a", "alpha", "b", "beta", "c", "gamma", "d", "delta", "e"),
    title="noisy channel",
    validity="N and D in billions; no coefficients are known to us, the example is made up.",
    span={"N": (0.1, 20.0), "D": (1.0, 3000.0)},
)
def noisy_channel(N, D, *, a, alpha, b, beta, c, gamma, d, delta, e):
    """Loss is the inverse of a channel's capacity: size is bandwidth, data are signal, and both bring noise.

    Use it for losses that rise again with data or size under perturbation or quantisation. Trap: nine parameters, of
    which b, c, d, e share a scale; give N and D in billions. With few runs use fixed values for most.
    """
    return log(2.0) / (a * N**alpha * log(1 + b * D**beta / (c * (N * D) ** gamma + d * D**delta + e)))


@law(
    inputs={"N_nv": NORMALISED, "N_v": NORMALISED, "H": NORMALISED},
    output=SCORE,
    params={
        "E": real(3.0, 6.0),
        "A1": positive(),
        "alpha1": exponent(0.3, 0.5),
        "A2": positive(),
        "alpha2": exponent(0.4, 0.7),
        "B": positive(),
        "beta": exponent(0.3, 0.5),
    },
    source=paper("tao2024", where="eq. of the unigram-normalised loss"),
    published=[
        published(
            "tao2024",
            where="fitted coefficients",
            note="Inputs were normalised by the authors; alpha1 and beta are tied.",
            E="5.533",
            A1="1.831",
            alpha1="0.447",
            A2="0.196",
            alpha2="0.671",
            B="2.124",
            beta="0.447",
        )
    ],
    title="vocabulary law",
    validity="Inputs in the authors' normalised units; the output is the loss less that of a unigram model.",
    span={"N_nv": (0.03, 10.0), "N_v": (0.003, 1.0), "H": (0.03, 30.0)},
)
def vocabulary(N_nv, N_v, H, *, E, A1, alpha1, A2, alpha2, B, beta):
    """Unigram-normalised loss over parameters without vocabulary, vocabulary parameters and characters.

    Use it to choose a vocabulary for a size: the best grows with about the 0.83rd power of the other parameters. Trap:
    losses per token at different vocabularies cannot be compared, hence the normalised loss, which is negative.
    """
    return -E + A1 / N_nv**alpha1 + A2 / N_v**alpha2 + B / H**beta


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "U": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "A": amplitude_of("N", "alpha"),
        "alpha": exponent(0.2, 0.5),
        "B": amplitude_of("D", "beta"),
        "beta": exponent(0.2, 0.5),
        "E": positive(1.0, 3.0),
        "g": real(-0.05, 0.02, low=-2.0, high=2.0),
        "d": real(-0.02, 0.02, low=-2.0, high=2.0),
    },
    source=paper("muennighoff2023", where="an alternative judged on its runs"),
    example={"A": 500.0, "alpha": 0.35, "B": 1500.0, "beta": 0.35, "E": 3.0, "g": -0.03, "d": 0.01},
    title="floor that depends on repetition",
    validity="A rival of the data-constrained law on the same runs; no coefficients are published.",
    span={"N": (1e7, 1e10), "D": (1e9, 1e11), "U": (1e8, 1e10)},
)
def repetition_interaction(N, D, U, *, A, alpha, B, beta, E, g, d):
    """Chinchilla's terms above a floor that falls with unique tokens and may rise with size.

    Use it as a rival of `data_constrained` where large models on repeated data do worse. Trap: its floor is a product
    of powers and means nothing beyond the runs.
    """
    return A / N**alpha + B / D**beta + E * U**g * N**d


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "U": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(),
        "alpha": exponent(0.2, 0.5),
        "B": positive(),
        "beta": exponent(0.2, 0.5),
        "s": positive(1.0, 10.0, 100.0),
        "d": real(-0.3, 0.0, low=-2.0, high=2.0),
    },
    source=paper("muennighoff2023", where="an alternative judged on its runs"),
    example={"E": 1.8, "A": 500.0, "alpha": 0.35, "B": 1500.0, "beta": 0.35, "s": 15.0, "d": 0.01},
    title="hyperbolic worth of repeated data",
    validity="A rival of the data-constrained law on the same runs; no coefficients are published.",
    span={"N": (1e7, 1e10), "D": (1e9, 1e11), "U": (1e8, 1e10)},
)
def deff_repetition(N, D, U, *, E, A, alpha, B, beta, s, d):
    """Chinchilla's surface at effective data that saturate hyperbolically at s U N^d.

    Use it as a rival of `data_constrained`, whose saturation is exponential. Trap: s and d trade off unless sizes span
    decades.
    """
    return E + A / N**alpha + B * (1 / D + 1 / (s * U * N**d)) ** beta


@law(
    inputs={"N_e": PARAMETERS, "N_d": PARAMETERS},
    output=NATS_PER_TOKEN,
    params={"a": positive(), "p_e": exponent(0.1, 0.2, 0.3), "p_d": exponent(0.1, 0.3, 0.4), "E": below_output()},
    source=paper("ghorbani2021", where="eq. 1"),
    example={"a": 600.0, "p_e": 0.12, "p_d": 0.2, "E": 1.1},
    counts="without embeddings",
    title="encoder and decoder of a translation model",
    validity="One law a test set; the exponents are the sets' own and are not reproduced here.",
    span={"N_e": (1e7, 1e9), "N_d": (1e7, 1e9)},
    cost="N_e + N_d",
    cost_unit=PARAMETERS,
)
def nmt_encoder_decoder(N_e, N_d, *, a, p_e, p_d, E):
    """Token loss of translation falls as the product of a power of encoder size and one of decoder size.

    Use it to split parameters: at a fixed sum the best share of each is its exponent's share of both. Trap: on
    source-original test sets BLEU stops improving while this loss falls.
    """
    return E + a * N_e**-p_e * N_d**-p_d


@law(
    inputs={"D": PAIRS},
    output=NATS_PER_TOKEN,
    params={"a": positive(), "C": positive(1e-9, 1e-7, 1e-5), "p": exponent(0.2, 0.3, 0.5)},
    source=paper("bansal2022", where="eq. 1"),
    example={"a": 90.0, "C": 2e-8, "p": 0.28},
    title="data bottlenecked by a finite model",
    validity="One architecture and noise level; p is nearly common to all of them, a and C are not.",
    span={"D": (1e5, 1e9)},
)
def bottlenecked_data(D, *, a, C, p):
    """Translation loss is a power of 1/D + C: more data help until the model's own bottleneck C.

    Use it to express a change of architecture or noise as a change of data: match two curves with one p. Trap: it is
    M3 with other letters; C is the inverse of the data beyond which the model no longer learns.
    """
    return a * (1 / D + C) ** p


def _allocation(name: str, quantity: str, unit: Unit, rows, **more) -> Law:
    return application(
        power,
        name=name,
        inputs={"x": ("C", FLOP)},
        output=unit,
        source=paper(rows[0][1], where=rows[0][2]),
        published=[
            published(key, source=source, where=where, a=a, c=c, **extra) for key, source, where, a, c, extra in rows
        ],
        title=f"compute-optimal {quantity}",
        doc=f"""The compute-optimal number of {quantity} as a power of training FLOP, as papers print it.

        Use it to compare allocations side by side. Trap: c is minus the printed exponent; what N counts and which
        FLOP rule was used differ, and explain most of the spread.
        """,
        family="surfaces",
        span={"C": (1e18, 1e24)},
        **more,
    )


allocation_n = _allocation(
    "allocation_n",
    "parameters",
    PARAMETERS,
    (
        ("porian2024-refinedweb", "porian2024", "final law, RefinedWeb", "0.1189", "-0.4969", {}),
        ("porian2024-openwebtext2", "porian2024", "final law, OpenWebText2", "0.0469", "-0.5185", {}),
    ),
)
allocation_d = _allocation(
    "allocation_d",
    "tokens",
    TOKENS,
    (
        (
            "grattafiori2024",
            "grattafiori2024",
            "section 3.2.1",
            "0.29",
            "-0.53",
            {"note": "The paper calls it N*(C); it is tokens."},
        ),
        ("bi2024", "bi2024", "eq. 4", "5.8316", "-0.4757", {"note": "C = M D with M FLOP a token."}),
    ),
)
deepseek_flop_per_token = application(
    power,
    name="deepseek_flop_per_token",
    inputs={"x": ("C", FLOP)},
    output=Unit("FLOP/token", "compute a token"),
    source=paper("bi2024", where="eq. 4"),
    published=[published("bi2024", where="eq. 4", a="0.1715", c="-0.5243")],
    title="DeepSeek's optimal model scale",
    validity="Budgets from 1e17 to 3e20 FLOP.",
    doc="""The compute-optimal model scale, in non-embedding FLOP a token, as a power of the budget.

    Use it where attention weighs, which parameters do not count. Trap: the scale is about six times the parameters
    without embeddings plus attention; c is minus the printed exponent.
    """,
    family="surfaces",
    span={"C": (1e17, 1e22)},
)
