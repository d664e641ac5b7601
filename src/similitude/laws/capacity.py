"""What parameters hold and how they count: precision, pruning, streams, knowledge."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive, real, scale_of
from similitude.laws.chinchilla import chinchilla
from similitude.laws.power import power
from similitude.math import exp, log

__all__ = [
    "knowledge_capacity",
    "multilingual_share",
    "parscale",
    "parscale_correlated",
    "precision_training",
    "precision_weights_after",
    "pruning_journey",
    "quantization_loss",
]

BITS = Unit("bits", "precision")
STREAMS = Unit("streams", "parallel streams")
_N, _D = (1e7, 1e10), (1e9, 1e11)


@law(
    inputs={"N": PARAMETERS, "P": STREAMS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(1e5, 1e7, 1e8),
        "alpha": exponent(0.1, 0.2, 0.4),
        "k": positive(0.2, 0.5),
    },
    source=paper("chen2025parscale", where="eq. 5"),
    published=[
        published(
            f"chen2025parscale-{key}",
            source="chen2025parscale",
            where=f"fit of the released losses, {corpus}",
            counts="without embeddings",
            note="A is printed in billions.",
            E=E,
            A=f"{A}*1e9",
            alpha=alpha,
            k=k,
        )
        for key, corpus, E, A, alpha, k in (
            ("stack", "Stack-V2 (Python)", "0.691237", "0.0113062", "0.189371", "0.393463"),
            ("pile", "Pile", "1.288766", "0.197352", "0.196333", "0.334456"),
        )
    ],
    counts="without embeddings",
    title="parallel scaling",
    validity="1 to 8 streams, 0.5 to 4.4 billion parameters, one number of tokens.",
    span={"N": (3e8, 6e9), "P": (1.0, 16.0)},
    cost="2*N*P",  # a token's forward pass: the law holds tokens fixed
)
def parscale(N, P, *, E, A, alpha, k):
    """P parallel streams act like a model larger by the factor 1 + k ln P.

    Use it to trade memory for compute: streams cost inference FLOP but few parameters. Trap: fitted at one number of
    tokens, so the floor E contains what more data would gain.
    """
    return E + (A / (N * (1 + k * log(P)))) ** alpha


@law(
    inputs={"N": PARAMETERS, "P": STREAMS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(1e5, 1e7, 1e8),
        "alpha": exponent(0.1, 0.2, 0.4),
        "rho": real(0.5, 0.9, low=1e-6, high=1.0),
    },
    source=paper("chen2025parscale", where="proposition 1"),
    example={"E": 1.29, "A": 1.97e8, "alpha": 0.2, "rho": 0.93},
    counts="without embeddings",
    title="parallel streams with correlated errors",
    validity="The theory beside the logarithmic law, which was fitted.",
    span={"N": (3e8, 6e9), "P": (1.0, 64.0)},
    cost="2*N*P",
)
def parscale_correlated(N, P, *, E, A, alpha, rho):
    """Averaging P streams whose errors correlate by rho multiplies the reducible loss by rho + (1 - rho) / P.

    Use it as a rival of `parscale` that saturates. Trap: with up to 8 streams the two cannot be told apart.
    """
    return E + (A / N) ** alpha * (1 + (P - 1) * rho) / P


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "P": BITS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(),
        "alpha": exponent(0.3, 0.5),
        "B": positive(),
        "beta": exponent(0.3, 0.5),
        "gamma": positive(1.5, 3.0),
    },
    source=paper("kumar2024", where="eq. 3"),
    example={"E": 2.76, "A": 4299.0, "alpha": 0.4965, "B": 18060.0, "beta": 0.4965, "gamma": 2.6745},
    counts="without embeddings",
    title="training at low precision",
    validity="Weights at P bits, integer types of 3 to 16 bits; the example's size is plausible, not printed.",
    span={"N": (3e7, 3e9), "D": (1e9, 1e11), "P": (3.0, 16.0)},
    cost="6*N*D*P/16",  # the paper's: cost in proportion to bits
)
def precision_training(N, D, P, *, E, A, alpha, B, beta, gamma):
    """Weights of P bits act like a smaller model: N (1 - exp(-P / gamma)) effective parameters.

    Use it to choose a training precision: compute falls with P as effective size does. Trap: one factor is for weights;
    activations and cache have their own, which multiply it.
    """
    return E + A / (N * (1 - exp(-P / gamma))) ** alpha + B / D**beta


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "P": BITS},
    output=NATS_PER_TOKEN,
    params={
        "C": positive(0.01, 0.1, 1.0),
        "g_D": exponent(0.3, 0.5),
        "g_N": exponent(0.2, 0.4),
        "g_P": positive(0.4, 0.8),
    },
    source=paper("kumar2024", where="eq. 2"),
    example={"C": 0.06, "g_D": 0.5, "g_N": 0.34, "g_P": 0.6},
    counts="without embeddings",
    title="loss from quantising after training",
    validity="Weights only, trained at 16 bits; the example is only of a plausible size.",
    span={"N": (3e7, 3e9), "D": (1e9, 1e11), "P": (3.0, 8.0)},
)
def precision_weights_after(N, D, P, *, C, g_D, g_N, g_P):
    """The loss that quantising weights to P bits adds grows with the data seen and falls with size and bits.

    Use it to see that over-trained models quantise badly: beyond some D more pre-training hurts the quantised model.
    Trap: D_crit follows only together with the law of the unquantised loss.
    """
    return C * exp(-P / g_P) * D**g_D / N**g_N


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "P": BITS},
    output=NATS_PER_TOKEN,
    params={
        "k": positive(0.01, 0.1),
        "beta": exponent(0.3, 0.5),
        "alpha": exponent(0.2, 0.3),
        "gamma": exponent(3.0, 5.0),
    },
    source=paper("ouyang2024", where="eq. of the unified law"),
    published=[
        published(
            "ouyang2024",
            where="unified law",
            counts="without embeddings",
            note="Constants quoted from secondary notes, unsure.",
            k="0.017",
            beta="0.5251",
            alpha="0.2261",
            gamma="5.4967",
        )
    ],
    counts="without embeddings",
    title="quantisation-induced degradation",
    validity="Checkpoints of Pythia quantised to 2 to 4 bits.",
    span={"N": (1e8, 1e10), "D": (1e9, 3e11), "P": (2.0, 4.0)},
)
def quantization_loss(N, D, P, *, k, beta, alpha, gamma):
    """The loss that low-bit quantisation adds: a power of data over powers of size and bits.

    Use it as a rival of the exponential in bits. Trap: at high precision it does not vanish fast enough; use it at two
    to four bits.
    """
    return k * D**beta / (N**alpha * P**gamma)


pruning_journey = application(
    chinchilla,
    name="pruning_journey",
    inputs={"N": ("N_mean", PARAMETERS)},
    source=paper("jin2025", where="eq. of the average parameter count"),
    doc="""Sparse pre-training follows Chinchilla's law in the average number of non-zero parameters over training.

    Use it to compare pruning schedules: two of equal average and equal tokens should end at equal loss. Trap: N_mean is
    the average over tokens, not the final count; compute is 6 N_mean D. Coefficients are not published.
    """,
    title="average parameters over a pruning schedule",
    validity="Gradual magnitude pruning in pre-training, best from a quarter to three quarters of the compute.",
    counts="total",
    family="capacity",
    example={"E": 1.8, "A": 480.0, "alpha": 0.35, "B": 2000.0, "beta": 0.36},
    span={"N_mean": _N, "D": _D},
)

knowledge_capacity = application(
    power,
    name="knowledge_capacity",
    inputs={"x": ("N", PARAMETERS)},
    output=Unit("bits", "knowledge"),
    source=paper("allenzhu2024", where="result 1"),
    published=[
        published(
            "allenzhu2024-1000",
            source="allenzhu2024",
            where="1000 exposures",
            note="2 bits a parameter.",
            a="2",
            c="-1",
        ),
        published("allenzhu2024-100", source="allenzhu2024", where="100 exposures", note="About 1 bit.", a="1", c="-1"),
        published("allenzhu2024-int4", source="allenzhu2024", where="INT4, 1000 exposures", a="0.7", c="-1"),
    ],
    title="knowledge capacity",
    validity="Synthetic facts seen 100 to 1000 times; GPT-2 with rotary positions.",
    doc="""A model stores about two bits of facts a parameter once each fact was seen a thousand times.

    Use it to size a model for a body of facts: bits / 2 parameters. Trap: exposures are of each fact, not epochs of a
    mixed corpus, and junk data lower the capacity by an order.
    """,
    family="capacity",
    span={"N": (1e6, 1e9)},
)


@law(
    inputs={"N": PARAMETERS, "p": Unit("share", "sampling weight")},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": scale_of("N", 1e-2, 1.0, 1e2),
        "alpha": exponent(0.2, 0.4),
        "c1": positive(0.1, 1.0),
        "c2": positive(0.5, 1.0),
        "c3": positive(0.5, 1.0),
    },
    source=paper("fernandes2023", where="eq. of the effective share"),
    example={"E": 1.2, "A": 2e8, "alpha": 0.3, "c1": 0.5, "c2": 0.6, "c3": 0.8},
    title="effective share of a multilingual model",
    validity="One language pair of a mixture; no coefficients are known to us, the example is made up.",
    span={"N": (1e7, 1e9), "p": (0.05, 0.95)},
)
def multilingual_share(N, p, *, E, A, alpha, c1, c2, c3):
    """A pair sampled with weight p uses the share p + c1 p^c2 (1 - p)^c3 of a multilingual model's parameters.

    Use it to predict any weighting from a few: only the size depends on the weight. Trap: the share is defined
    against a model trained on this pair alone, p = 1.
    """
    return E + (A / ((p + c1 * p**c2 * (1 - p) ** c3) * N)) ** alpha
