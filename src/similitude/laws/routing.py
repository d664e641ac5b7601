"""Sparsity and routing: mixtures of experts, sparse weights and activations, distillation."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, RATIO, TOKENS, Unit
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive, real, scale_of
from similitude.math import exp, let, log, log1p

__all__ = [
    "activation_ratio_relu",
    "activation_ratio_silu",
    "distillation",
    "distillation_supervised",
    "fine_grained_moe",
    "routed",
    "routed_bilinear",
    "sparse_moe",
    "sparse_weights",
]

EXPERTS = Unit("experts", "experts")
GRANULARITY = Unit("granularity", "experts a feed-forward layer is cut into")
BILLION_TOKENS = Unit("1e9 tokens", "tokens in billions")
_LN10 = 2.302585092994046


@law(
    inputs={"N": PARAMETERS, "K": EXPERTS},
    output=NATS_PER_TOKEN,
    params={
        "a": real(-0.1, -0.05, low=-2.0, high=2.0),
        "b": real(-0.15, -0.05, low=-2.0, high=2.0),
        "c": real(0.0, 0.01, low=-1.0, high=1.0),
        "d": real(0.8, 1.2, low=-20.0, high=20.0),
        "E_start": positive(1.5, 4.0, low=1e-3, high=1e3),
        "E_max": positive(300.0, 1000.0, low=1.0, high=1e7),
    },
    source=paper("clark2022", where="eq. 1 and 7"),
    published=[
        published(
            f"clark2022-{key}",
            source="clark2022",
            where=f"table 3, {name}",
            counts="without embeddings",
            note="N is the dense-equivalent size; 130 billion tokens.",
            **dict(zip(("a", "b", "c", "d", "E_start", "E_max"), digits)),
        )
        for key, name, digits in (
            ("sbase", "S-BASE", ("-0.082", "-0.108", "0.009", "1.104", "1.847", "314.478")),
            ("rlr", "RL-R", ("-0.083", "-0.126", "0.012", "1.111", "1.880", "469.982")),
            ("hash", "HASH", ("-0.087", "-0.136", "0.012", "1.157", "4.175", "477.741")),
        )
    ],
    title="routed language models",
    validity="15 million to 1.3 billion parameters, 1 to 512 experts, 130 billion tokens.",
    span={"N": (1e7, 2e9), "K": (1.0, 1024.0)},
)
def routed(N, K, *, a, b, c, d, E_start, E_max):
    """Log loss is bilinear in log size and log experts, and the count of experts saturates at both ends.

    Use it to ask what experts are worth at a size: the gain shrinks with size when c is positive and is gone at
    N = 10^(-b/c). Trap: logarithms are to base ten; tokens were fixed, so limits of data are folded into d; b and c as
    rounded in print put the cutoff far off.
    """
    least = let("K_0", 1 / (1 / E_start - 1 / E_max))
    count = let("K_hat", 1 / (1 / (K - 1 + least) + 1 / E_max))
    x, y = log(N) / _LN10, log(count) / _LN10
    return exp(_LN10 * (a * x + b * y + c * x * y + d))


@law(
    inputs={"N": PARAMETERS, "K": EXPERTS},
    output=NATS_PER_TOKEN,
    params={
        "a": real(-0.1, -0.05, low=-2.0, high=2.0),
        "b": real(-0.15, -0.05, low=-2.0, high=2.0),
        "c": real(0.0, 0.01, low=-1.0, high=1.0),
        "d": real(0.8, 1.2, low=-20.0, high=20.0),
    },
    source=paper("clark2022", where="eq. 6"),
    example={"a": -0.08, "b": -0.1, "c": 0.01, "d": 1.1},
    title="routed language models without saturation",
    span={"N": (1e7, 2e9), "K": (2.0, 512.0)},
)
def routed_bilinear(N, K, *, a, b, c, d):
    """Log loss is bilinear in log size and log experts.

    Use it where the counts of experts are neither near one nor in the hundreds. Trap: without saturation it promises
    gains from experts without end; compare with `routed`.
    """
    x, y = log(N) / _LN10, log(K) / _LN10
    return exp(_LN10 * (a * x + b * y + c * x * y + d))


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "G": GRANULARITY},
    output=NATS_PER_TOKEN,
    params={
        "c": below_output(),
        "g": positive(1.0, 3.0),
        "gamma": exponent(0.3, 0.6),
        "a": positive(),
        "alpha": exponent(0.1, 0.2),
        "b": positive(),
        "beta": exponent(0.1, 0.2),
    },
    source=paper("krajewski2024", where="eq. 9"),
    published=[
        published(
            "krajewski2024",
            where="table of fitted coefficients, expansion 64",
            counts="undeclared",
            c="0.47",
            g="2.1",
            gamma="0.58",
            a="18.1",
            alpha="0.115",
            b="30.8",
            beta="0.147",
        )
    ],
    title="fine-grained mixture of experts",
    validity="64 times the experts that are active; N counts all parameters, of which a 43rd is active.",
    span={"N": (1e7, 4e9), "D": (1e9, 1e11), "G": (1.0, 32.0)},
    # a 43rd of the parameters is active, attention and one in 64 of the feed-forward layers; routers of 64 G experts
    # cost 14 FLOP an entry more; the width is 64 times the depth
    cost="6*N/43*D*(1 + 14*64*G/(72*(64*N/516)^(1/3)))",
)
def fine_grained_moe(N, D, G, *, c, g, gamma, a, alpha, b, beta):
    """Chinchilla's law for experts, the size term's amplitude falling with granularity G to a limit.

    Use it to choose how finely to cut experts. Trap: routing costs grow with G, so an optimum in loss is not one in
    time; the floor is low because the exponents are small, and both are uncertain together.
    """
    return c + (g / G**gamma + a) / N**alpha + b / D**beta


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "density": RATIO},
    output=NATS_PER_TOKEN,
    params={
        "a": positive(),
        "alpha": exponent(0.3, 0.6),
        "b": positive(),
        "beta": exponent(0.2, 0.4),
        "c": positive(0.1, 0.5),
        "lam": real(-0.3, 0.1, low=-3.0, high=3.0),
        "d": positive(5.0, 20.0),
        "delta": real(0.1, 0.3, low=-3.0, high=3.0),
        "gamma": exponent(0.1, 0.2),
        "e": below_output(0.3, 0.6),
    },
    source=paper("abnar2025", where="eq. of the sparsity law"),
    published=[
        published(
            "abnar2025",
            where="fitted coefficients",
            a="16612.50",
            alpha="0.5962",
            b="5455.67",
            beta="0.3954",
            c="0.4598",
            lam="-0.1666",
            d="17.26",
            delta="0.1603",
            gamma="0.1595",
            e="0.94",
        )
    ],
    title="sparsity of mixtures of experts",
    validity="N counts all parameters; density is the share of active experts, 1 - S.",
    span={"N": (1e7, 1e11), "D": (1e9, 1e11), "density": (0.01, 1.0)},
    cost="6*N*density*D",  # nearly all parameters are the experts'
)
def sparse_moe(N, D, density, *, a, alpha, b, beta, c, lam, d, delta, gamma, e):
    """Loss over total parameters, tokens and the share of experts that is active, with an interaction of the last.

    Use it to choose sparsity under a compute budget, which counts active parameters. Trap: the published fit explains
    68 % of held-out variance; ten parameters are weakly determined.
    """
    return a / N**alpha + b / D**beta + c / density**lam + d / (density**delta * N**gamma) + e


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "density": RATIO},
    output=NATS_PER_TOKEN,
    params={
        "a_S": positive(),
        "b_S": exponent(0.3, 0.6),
        "c_S": positive(),
        "b_N": exponent(0.2, 0.4),
        "a_D": scale_of("D", 1e-2, 1.0),
        "b_D": exponent(0.2, 0.4),
        "c": below_output(),
    },
    source=paper("frantar2023", where="eq. 1"),
    example={"a_S": 16.8, "b_S": 0.72, "c_S": 45.0, "b_N": 0.245, "a_D": 6.9e8, "b_D": 0.2, "c": 0.65},
    title="sparsely-connected weights",
    validity="N counts non-zero parameters; density is their share. The example is made up.",
    span={"N": (1e6, 1e9), "D": (1e9, 1e11), "density": (0.05, 1.0)},
)
def sparse_weights(N, D, density, *, a_S, b_S, c_S, b_N, a_D, b_D, c):
    """Pruned models follow a size law whose amplitude falls with sparsity to a limit.

    Use it to ask which sparsity is best at a number of non-zero parameters and a budget. Trap: sparse training costs
    more than its non-zero FLOP on real hardware.
    """
    return (a_S * density**b_S + c_S) * N**-b_N + (a_D / D) ** b_D + c


@law(
    inputs={"D": BILLION_TOKENS},
    output=RATIO,
    params={
        "c": positive(0.01, 0.3, 3.0),
        "alpha": exponent(0.1, 0.5, 1.0, 1.5),
        "b": real(-3.5, -1.0, 0.0),
        "A_0": below_output(0.5, 0.9),
    },
    source=paper("luo2024sparsing", where="eq. 4"),
    published=[
        published(
            f"luo2024sparsing-{size}",
            source="luo2024sparsing",
            where=f"table 2, ReLU {size}",
            counts="without embeddings",
            alpha=alpha,
            b=b,
            c=c,
            A_0=A_0,
        )
        for size, alpha, b, c, A_0 in (
            ("0.1B", "0.101", "-0.0151", "3.20", "0.0614"),
            ("0.2B", "0.449", "-3.05", "0.286", "0.0674"),
            ("0.4B", "0.683", "-3.46", "0.0790", "0.0690"),
            ("0.8B", "1.01", "-3.49", "7.97e-3", "0.0721"),
            ("1.2B", "1.33", "-3.89", "9.03e-4", "0.0782"),
            ("2.4B", "1.53", "-3.46", "1.56e-4", "0.0648"),
        )
    ],
    title="activation ratio of ReLU models",
    validity="CETT-PPL-1% activation ratio; D in billions of tokens; warm-up left out.",
    span={"D": (3.0, 1000.0)},
)
def activation_ratio_relu(D, *, c, alpha, b, A_0):
    """The share of active neurons of a ReLU model falls with data to a limit, as a stretched exponential.

    Use it to forecast how sparse a model will be after more training. Trap: c, alpha and b trade off unless D spans
    decades; the limit is nearly the same at all sizes.
    """
    return exp(-c * D**alpha + b) + A_0


@law(
    inputs={"D": BILLION_TOKENS},
    output=RATIO,
    params={"c": positive(0.1, 0.5), "alpha": exponent(0.4, 1.0), "A_0": real(0.3, 0.5)},
    source=paper("luo2024sparsing", where="eq. 5"),
    published=[
        published(
            f"luo2024sparsing-{size}",
            source="luo2024sparsing",
            where=f"table 2, SiLU {size}",
            counts="without embeddings",
            alpha=alpha,
            c=c,
            A_0=A_0,
        )
        for size, alpha, c, A_0 in (
            ("0.1B", "0.479", "0.102", "0.409"),
            ("0.2B", "0.844", "0.208", "0.390"),
            ("0.4B", "1.03", "0.420", "0.385"),
            ("0.8B", "0.995", "0.562", "0.383"),
            ("1.2B", "0.967", "0.538", "0.382"),
        )
    ],
    title="activation ratio of SiLU models",
    validity="CETT-PPL-1% activation ratio; D in billions of tokens; warm-up left out.",
    span={"D": (3.0, 1000.0)},
)
def activation_ratio_silu(D, *, c, alpha, A_0):
    """The share of active neurons of a SiLU model rises with data to a limit, as a power law.

    Use it to see that gated SiLU models do not become sparse by training longer. Trap: the limit is about 40 %, so the
    whole range is a few per cent of it.
    """
    return A_0 - c / D**alpha


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(1e2, 1e4, 1e6),
        "alpha": exponent(0.2, 0.4, 0.6),
        "B": positive(1e2, 1e4, 1e6),
        "beta": exponent(0.2, 0.4, 0.6),
        "gamma": positive(0.4, 0.8),
    },
    source=paper("busbridge2025", where="eq. 2"),
    published=[
        published(
            "busbridge2025",
            where="table 6",
            counts="without embeddings",
            E="1.220",
            A="3355",
            alpha="0.408",
            B="18186",
            beta="0.431",
            gamma="0.452",
        )
    ],
    counts="without embeddings",
    title="supervised law beside distillation",
    validity="143 million to 12.6 billion parameters, up to 512 billion tokens of C4.",
    span={"N": (3e7, 1e10), "D": (1e9, 1e12)},
)
def distillation_supervised(N, D, *, E, A, alpha, B, beta, gamma):
    """Chinchilla's two terms added under a power gamma: the loss of a student trained without a teacher.

    Use it beside `distillation`, whose baseline it is, and as a more general surface. Trap: with gamma free, alpha and
    beta are not the slopes of the loss; alpha gamma and beta gamma are.
    """
    return E + (A / N**alpha + B / D**beta) ** gamma


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "L_T": NATS_PER_TOKEN, "L_S": NATS_PER_TOKEN},
    output=NATS_PER_TOKEN,
    params={
        "c_0": positive(1.0, 3.0),
        "c_1": positive(100.0, 500.0),
        "f_1": positive(0.08, 0.2),
        "d_1": positive(1.0, 1.5),
        "A": positive(1e3, 1e4),
        "alpha": exponent(0.3, 0.5),
        "B": positive(1e3, 1e5),
        "beta": exponent(0.4, 0.6),
        "gamma": positive(0.5, 0.8),
    },
    source=paper("busbridge2025", where="eq. 8"),
    published=[
        published(
            "busbridge2025",
            where="table 6",
            counts="without embeddings",
            note="Quoted from notes; it reproduces twelve differences of an independent evaluation to three decimals.",
            c_0="2.549",
            c_1="522.6",
            f_1="0.090",
            d_1="1.315",
            A="2243",
            alpha="0.321",
            B="24181",
            beta="0.637",
            gamma="0.764",
        )
    ],
    counts="without embeddings",
    title="distillation",
    validity="Students and teachers of 143 million to 12.6 billion parameters, up to 512 billion tokens.",
    span={"N": (1e8, 5e9), "D": (1e10, 1e12), "L_T": (1.9, 2.6), "L_S": (2.1, 2.9)},
)
def distillation(N, D, L_T, L_S, *, c_0, c_1, f_1, d_1, A, alpha, B, beta, gamma):
    """Loss of a student of N parameters on D tokens of a teacher of loss L_T, L_S being its loss without a teacher.

    Use it to choose a teacher: a better one helps until the capacity gap, where L_T falls far below L_S. Trap: the
    teacher's own cost decides; distillation pays when the teacher exists already. The bracket is numerically extreme.
    """
    gap = exp(-c_1 * f_1 * log1p((L_T / (L_S * d_1)) ** (1 / f_1)))
    return L_T + L_T**-c_0 * gap * (A / N**alpha + B / D**beta) ** gamma
