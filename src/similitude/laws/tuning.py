"""Hyper-parameters and batch: learning rate, batch size, noise scale, width."""

from __future__ import annotations

from similitude._quantity import COUNT, FLOP, NATS_PER_TOKEN, PARAMETERS, RATIO, STEPS, TOKENS, Unit
from similitude.laws._application import application
from similitude.laws._law import law, paper, published
from similitude.laws._words import exponent, positive, real, scale_of, unit_interval
from similitude.laws.power import power
from similitude.math import exp, log, maximum

__all__ = [
    "batch_bend",
    "batch_examples",
    "batch_regions",
    "batch_steps",
    "bjorck_lr",
    "critical_batch",
    "ema_rule",
    "gstack_timing",
    "kaplan_lr",
    "lr_batch_bowl",
    "lr_bowl",
    "noise_scale_step",
    "steplaw_lr",
]

LEARNING_RATE = Unit("learning rate", "learning rate")
SEQUENCES = Unit("sequences", "batch")
EXAMPLES = Unit("examples", "batch")
WIDTH = Unit("width", "width")
HOURS = Unit("accelerator hours", "compute time")


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=LEARNING_RATE,
    params={"a": positive(), "alpha": exponent(0.3, 0.7), "beta": exponent(0.2, 0.4)},
    source=paper("li2025steplaw", where="eq. 1"),
    published=[
        published("li2025steplaw", where="eq. 1", counts="without embeddings", a="1.79", alpha="0.713", beta="0.307"),
        published(
            "li2025steplaw-code",
            source="li2025steplaw",
            where="released code, mean of 1000 resamples",
            counts="without embeddings",
            a="exp(0.586308)",
            alpha="0.712922",
            beta="0.307491",
        ),
    ],
    counts="without embeddings",
    title="Step law, learning rate",
    validity="60 million to 1 billion parameters, 2 to 100 billion tokens; cosine to a fixed end of 1e-5, AdamW.",
    span={"N": (5e7, 2e9), "D": (1e9, 2e11)},
)
def steplaw_lr(N, D, *, a, alpha, beta):
    """The best peak learning rate falls with size and rises with data.

    Use it together with the law of the batch, which grows with data. Trap: with a small fixed batch, or a decay to a
    tenth of the peak, the rise with data is not there.
    """
    return a * N**-alpha * D**beta


@law(
    inputs={"N": PARAMETERS, "D": TOKENS},
    output=LEARNING_RATE,
    params={"a": positive(), "alpha": exponent(0.1, 0.3), "beta": exponent(0.2, 0.4)},
    source=paper("bjorck2024", where="fit over size and horizon"),
    published=[
        published(
            "bjorck2024",
            where="fit at a batch of half a million tokens",
            note="Written with N and D in billions; quoted from notes.",
            a="1.55e-3*1e9^0.55",
            alpha="0.23",
            beta="0.32",
        )
    ],
    title="learning rate against horizon",
    validity="A batch of half a million tokens.",
    span={"N": (5e7, 5e9), "D": (1e10, 1e12)},
)
def bjorck_lr(N, D, *, a, alpha, beta):
    """At a fixed batch the best learning rate falls with size and with the token horizon.

    Use it where the batch stays. Trap: its sign in D is opposite to the Step law's, whose batch grows with D.
    """
    return a * N**-alpha * D**-beta


def _rule(name, symbol, unit, output, key, where, a, c, title, doc, span, counts="undeclared", note=""):
    return application(
        power,
        name=name,
        inputs={"x": (symbol, unit)},
        output=output,
        source=paper(key, where=where),
        published=[published(key, where=where, counts=counts, note=note, a=a, c=c)],
        counts=counts,
        title=title,
        doc=doc,
        family="tuning",
        span={symbol: span},
    )


steplaw_batch = _rule(
    "steplaw_batch",
    "D",
    TOKENS,
    TOKENS,
    "li2025steplaw",
    "eq. 2",
    "0.58",
    "-0.571",
    "Step law, batch",
    """The best batch, in tokens, grows as a power of the training tokens and hardly with size.

    Use it together with the Step law's learning rate. Trap: tokens, not sequences; c is minus the printed exponent.
    """,
    (1e9, 2e11),
)
deepseek_lr = _rule(
    "deepseek_lr",
    "C",
    FLOP,
    LEARNING_RATE,
    "bi2024",
    "eq. 1",
    "0.3118",
    "0.1250",
    "DeepSeek's learning rate",
    """The best learning rate falls slowly with training compute.

    Use it along the compute-optimal frontier only. Trap: fitted from 1e17 to 2e19 FLOP; some tables misprint the
    amplitude.
    """,
    (1e17, 1e21),
)
deepseek_batch = _rule(
    "deepseek_batch",
    "C",
    FLOP,
    TOKENS,
    "bi2024",
    "eq. 1",
    "0.2920",
    "-0.3271",
    "DeepSeek's batch",
    """The best batch, in tokens, grows with training compute.

    Use it along the compute-optimal frontier only. Trap: c is minus the printed exponent.
    """,
    (1e17, 1e21),
)
minicpm_batch = _rule(
    "minicpm_batch",
    "L",
    NATS_PER_TOKEN,
    TOKENS,
    "hu2024",
    "batch size",
    "1.21e9",
    "6.24",
    "MiniCPM's batch",
    """The best batch, in tokens, grows steeply as the loss falls.

    Use it at the loss a run aims for. Trap: a slide prints another amplitude with wrong units; the loss is per token of
    one tokenizer.
    """,
    (2.0, 4.0),
)
porian_lr = _rule(
    "porian_lr",
    "N",
    PARAMETERS,
    LEARNING_RATE,
    "porian2024",
    "tuned hyper-parameters",
    "3.7",
    "0.36",
    "learning rate at fixed decay",
    """The best constant learning rate falls as a power of size.

    Use it for small models at compute-optimal length. Trap: N includes the output head; beta2 was retuned for small
    batches.
    """,
    (5e6, 1e9),
)
porian_batch = _rule(
    "porian_batch",
    "N",
    PARAMETERS,
    SEQUENCES,
    "porian2024",
    "tuned hyper-parameters",
    "0.00037",
    "-0.703",
    "batch at compute-optimal length",
    """The best batch, in sequences of 2048 tokens, grows as a power of size.

    Use it for compute-optimal runs. Trap: sequences, not tokens; N includes the output head; c is minus the printed
    exponent.
    """,
    (5e6, 1e9),
)
width_lr = application(
    power,
    name="width_lr",
    inputs={"x": ("width", WIDTH)},
    output=LEARNING_RATE,
    source=paper("yang2022", where="table 3"),
    published=[
        published(
            "yang2022-hidden",
            source="yang2022",
            where="table 3, hidden weights under Adam, base width 1",
            note="The amplitude is the rate at width 1.",
            a="1",
            c="1",
        )
    ],
    title="learning rate against width",
    doc="""The best learning rate of hidden weights falls as a power of width; in maximal-update form as its inverse.

    Use it to measure transfer on three widths: an exponent of zero for the base rate is what a right parameterisation
    gives. Trap: the amplitude is that of a base model; input and output layers have exponents of their own.
    """,
    family="tuning",
    span={"width": (64.0, 8192.0)},
)


@law(
    inputs={"L": NATS_PER_TOKEN},
    output=TOKENS,
    params={"B_star": positive(1e7, 1e9), "alpha_B": exponent(0.1, 0.2, 0.4)},
    source=paper("kaplan2020", where="eq. 5.3"),
    published=[published("kaplan2020", where="eq. 5.3", B_star="2e8", alpha_B="0.21")],
    title="Kaplan's critical batch",
    span={"L": (2.0, 5.0)},
)
def critical_batch(L, *, B_star, alpha_B):
    """The batch above which more of it stops saving steps grows as a power of the inverse loss.

    Use it to adjust steps and compute for the batch. Trap: it is the batch at the loss reached, not over the whole run.
    """
    return B_star / L ** (1 / alpha_B)


@law(
    inputs={"N": PARAMETERS},
    output=LEARNING_RATE,
    params={"a": positive(1e-3, 1e-2), "b": positive(1e-4, 1e-3)},
    source=paper("kaplan2020", where="appendix D.6"),
    published=[published("kaplan2020", where="appendix D.6", counts="without embeddings", a="0.003239", b="0.0001395")],
    counts="without embeddings",
    title="Kaplan's learning rate",
    validity="Below 1e10 parameters, where it is still positive.",
    span={"N": (1e6, 1e9)},
)
def kaplan_lr(N, *, a, b):
    """The learning rate falls linearly in the logarithm of size.

    Use it to compare with the literature of 2020. Trap: it reaches zero at about 1e10 parameters.
    """
    return a - b * log(N)


@law(
    inputs={"B": EXAMPLES},
    output=STEPS,
    params={"S_min": positive(), "B_crit": scale_of("B", 0.1, 1.0, 10.0)},
    source=paper("mccandlish2018", where="eq. 2.11"),
    example={"S_min": 5000.0, "B_crit": 2000.0},
    title="steps against batch",
    validity="The learning rate tuned at every batch, one target.",
    span={"B": (16.0, 1e5)},
)
def batch_steps(B, *, S_min, B_crit):
    """Steps to a target fall as the batch grows, by half at B_crit, to a smallest number.

    Use it to find the critical batch of a target from a sweep of batches. Trap: learning rates must be tuned at each
    batch; the critical batch grows during training.
    """
    return S_min * (1 + B_crit / B)


@law(
    inputs={"B": EXAMPLES},
    output=COUNT,
    params={"E_min": positive(), "B_crit": scale_of("B", 0.1, 1.0, 10.0)},
    source=paper("mccandlish2018", where="eq. 2.11"),
    example={"E_min": 1e7, "B_crit": 2000.0},
    title="examples against batch",
    span={"B": (16.0, 1e5)},
)
def batch_examples(B, *, E_min, B_crit):
    """Examples to a target grow with the batch, to twice the least at B_crit.

    Use it with `batch_steps`: their product form (S/S_min - 1)(E/E_min - 1) = 1 is the price of time in data. Trap:
    both share B_crit = E_min / S_min.
    """
    return E_min * (1 + B / B_crit)


@law(
    inputs={"B": EXAMPLES},
    output=STEPS,
    params={"S_min": positive(), "B_crit": scale_of("B", 0.1, 1.0, 10.0), "k": positive(0.5, 1.0, 2.0)},
    source=paper("shallue2018", where="section 4.1"),
    example={"S_min": 5000.0, "B_crit": 2000.0, "k": 2.0},
    title="steps against batch with a bend",
    validity="The learning rate tuned at every batch, one target.",
    span={"B": (16.0, 1e5)},
)
def batch_bend(B, *, S_min, B_crit, k):
    """Steps fall as one over the batch far below B_crit and no more far above it; k says how sharply they turn.

    Use it where `batch_steps`, which is k = 1, turns too slowly or too fast for the measured steps. Trap: the paper
    describes the regions and gives no formula; k is told from a range of batches well to both sides of B_crit only.
    """
    return S_min * (1 + (B_crit / B) ** k) ** (1 / k)


@law(
    inputs={"B": EXAMPLES},
    output=STEPS,
    params={
        "a": positive(),
        "B_1": scale_of("B", 0.01, 0.1, 0.3),
        "B_2": scale_of("B", 3.0, 10.0, 100.0),
        "p": unit_interval(0.3, 0.5, 0.7),
    },
    source=paper("shallue2018", where="section 4.1"),
    example={"a": 1e6, "B_1": 200.0, "B_2": 8000.0, "p": 0.5},
    title="three regions of data parallelism",
    span={"B": (16.0, 1e5)},
)
def batch_regions(B, *, a, B_1, B_2, p):
    """Perfect scaling up to B_1, diminishing returns to B_2, then no gain at all from a larger batch.

    Use it to report where each region ends. Trap: the corners are sharp and the middle a power p, which is a
    convenience; the paper gives no formula.
    """
    from similitude.math import minimum

    return a * minimum(B, B_1) ** -1.0 * (minimum(maximum(B, B_1), B_2) / B_1) ** -p


@law(
    inputs={"B": EXAMPLES},
    output=LEARNING_RATE,
    params={"eps_max": positive(), "B_noise": scale_of("B", 0.1, 1.0, 10.0)},
    source=paper("mccandlish2018", where="eq. 2.7"),
    example={"eps_max": 0.3, "B_noise": 2000.0},
    title="best step against batch",
    span={"B": (16.0, 1e5)},
)
def noise_scale_step(B, *, eps_max, B_noise):
    """The best step of SGD grows with the batch and levels off above the gradient noise scale.

    Use it for the learning rate of SGD across batches; the gain in loss of a step has the same form. Trap: adaptive
    optimisers scale otherwise; the noise scale grows during training.
    """
    return eps_max / (1 + B_noise / B)


@law(
    inputs={"kappa": RATIO},
    output=RATIO,
    params={"rho": unit_interval(0.9, 0.99, 0.999)},
    source=paper("busbridge2023", where="definition 1.2"),
    published=[
        published("busbridge2023", where="example", note="A momentum of .9999 at the base batch.", rho="0.9999")
    ],
    title="EMA scaling rule",
    span={"kappa": (0.1, 64.0)},
)
def ema_rule(kappa, *, rho):
    """A batch kappa times larger needs the momentum rho^kappa of the weights' moving average.

    Use it whenever the batch changes, with the learning rate scaled too. Trap: for large kappa a model whose loss uses
    the average needs the batch raised gradually.
    """
    return rho**kappa


@law(
    inputs={"eta": LEARNING_RATE},
    output=NATS_PER_TOKEN,
    params={"L_min": positive(), "h": positive(0.01, 0.1), "eta_best": scale_of("eta", 0.3, 1.0, 3.0)},
    source=paper("li2025steplaw", where="convexity of the landscape"),
    example={"L_min": 2.8, "h": 0.05, "eta_best": 2e-3},
    title="bowl of the learning rate",
    validity="Within a factor of about four of the best rate.",
    span={"eta": (5e-4, 8e-3)},
)
def lr_bowl(eta, *, L_min, h, eta_best):
    """Near its best value the loss is a parabola in the logarithm of the learning rate.

    Use it to find the best rate and its error from a sweep. Trap: the true bowl is steeper on the side of large rates,
    where runs crash; leave those out or censor them.
    """
    x = log(eta) - log(eta_best)
    return L_min + h * x * x


@law(
    inputs={"eta": LEARNING_RATE, "B": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "L_min": positive(),
        "h": positive(0.01, 0.1),
        "k": positive(0.005, 0.05),
        "m": real(-0.01, 0.0, 0.01),
        "eta_best": scale_of("eta", 0.5, 1.0, 2.0),
        "B_best": scale_of("B", 0.5, 1.0, 2.0),
    },
    source=paper("li2025steplaw", where="convexity of the landscape"),
    example={"L_min": 2.8, "h": 0.05, "k": 0.02, "m": -0.01, "eta_best": 2e-3, "B_best": 5e5},
    title="bowl of learning rate and batch",
    span={"eta": (5e-4, 8e-3), "B": (1e5, 2e6)},
)
def lr_batch_bowl(eta, B, *, L_min, h, k, m, eta_best, B_best):
    """Near the optimum the loss is a tilted parabola in the logarithms of learning rate and batch.

    Use it to find both from a grid, with their errors. Trap: the minimum must lie inside the grid; the tilt m says that
    a larger batch wants a larger rate.
    """
    x, y = log(eta) - log(eta_best), log(B) - log(B_best)
    return L_min + h * x * x + k * y * y + 2 * m * x * y


@law(
    inputs={"N": PARAMETERS, "C": FLOP},
    output=TOKENS,
    params={"a": real(0.5, 1.0), "b": real(100.0, 200.0), "c": real(-10.0, 0.0)},
    source=paper("du2024", where="eq. of the growth timing"),
    published=[published("du2024", where="growth timing", a="0.88", b="163.27", c="-5.74")],
    title="growth timing of stacking",
    validity="Target models up to 7 billion parameters, growth by four.",
    span={"N": (1e8, 1e10), "C": (1e19, 1e23)},
)
def gstack_timing(N, C, *, a, b, c):
    """How many tokens to train a small model before stacking its layers into one of N parameters.

    Use it to plan growth by depth. Trap: compute enters as one over its logarithm, so beyond the fitted budgets it
    tends to a constant; it gives tokens, not a loss.
    """
    ten = log(10.0)
    return exp(ten * (a * log(N) / ten + b * ten / log(C) + c))


perplexity_hours = application(
    power,
    name="perplexity_hours",
    inputs={"x": ("h", HOURS)},
    output=Unit("perplexity", "perplexity"),
    source=paper("stani2023", where="scaling of compute classes"),
    title="perplexity against accelerator hours",
    doc="""Perplexity falls as a power of accelerator hours for each architecture.

    Use it to compare architectures by time rather than FLOP and find where their lines cross. Trap: throughput belongs
    to one accelerator and one code; perplexity must be normalised by bytes.
    """,
    family="tuning",
    example={"a": 60.0, "c": 0.15},
    span={"h": (6.0, 1000.0)},
)
