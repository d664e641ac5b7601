"""Test-time compute: pass@k, best-of-n, votes, thinking tokens."""

from __future__ import annotations

from similitude._quantity import COUNT, RATIO, SCORE, SECONDS, TOKENS, Unit
from similitude.laws._law import law, paper
from similitude.laws._words import exponent, positive, real, unit_interval
from similitude.math import exp, log, sqrt

__all__ = [
    "best_of_n_reward",
    "idealized_runtime",
    "majority_error",
    "pass_at_k",
    "pass_at_k_one_problem",
    "rag_allocation",
    "thinking_tokens",
]

SAMPLES = Unit("samples", "samples a problem")


@law(
    inputs={"k": SAMPLES},
    output=RATIO,
    params={"a": positive(0.3, 1.0, 3.0), "b": exponent(0.1, 0.3, 0.6)},
    source=paper("brown2024", where="eq. 2"),
    example={"a": 2.0, "b": 0.35},
    title="pass@k",
    validity="A set of problems whose single-sample success rates have a power tail at zero.",
    span={"k": (1.0, 1e4)},
)
def pass_at_k(k, *, a, b):
    """The share of problems solved by one of k samples: minus its logarithm falls as a power of k.

    Use it to forecast coverage from fewer samples. Trap: use the unbiased estimate of each problem's pass@k; b is the
    exponent of the tail of hard problems, which few samples do not show.
    """
    return exp(-a * k**-b)


@law(
    inputs={"k": SAMPLES},
    output=RATIO,
    params={"p": unit_interval(0.001, 0.01, 0.1, 0.5)},
    source=paper("brown2024", where="definition of pass@k"),
    example={"p": 0.01},
    title="pass@k of one problem",
    span={"k": (1.0, 1000.0)},
)
def pass_at_k_one_problem(k, *, p):
    """One problem of success rate p is solved by one of k independent samples with probability 1 - (1 - p)^k.

    Use it for a single problem; a set of problems with spread rates follows `pass_at_k`. Trap: samples at low
    temperature are not independent.
    """
    return 1 - exp(k * log(1 - p))


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={"alpha": positive(0.3, 1.0), "beta": positive(0.03, 0.2)},
    source=paper("gao2023", where="eq. 1"),
    example={"alpha": 0.9, "beta": 0.12},
    title="gold reward of best-of-n",
    validity="Distance measured as the square root of ln n - (n - 1)/n.",
    span={"n": (2.0, 1e4)},
)
def best_of_n_reward(n, *, alpha, beta):
    """True reward rises with the distance that choosing the best of n puts between policies, then falls.

    Use it to stop before the proxy is over-optimised. Trap: distance is the square root of the divergence; beta depends
    on the size and data of the proxy reward model.
    """
    kl = log(n) - (n - 1) / n
    return alpha * sqrt(kl) - beta * kl


@law(
    inputs={"n": SAMPLES},
    output=RATIO,
    params={"E": unit_interval(0.1, 0.3), "a": positive(0.1, 0.5), "c": positive(0.02, 0.1, 0.5)},
    source=paper("wu2024inference", where="theorem on voting"),
    example={"E": 0.25, "a": 0.3, "c": 0.1},
    title="error of majority votes",
    validity="A mean over problems; one problem's error goes to zero or one.",
    span={"n": (1.0, 64.0)},
)
def majority_error(n, *, E, a, c):
    """The error of a majority of n votes approaches a limit exponentially.

    Use it to see when more votes stop helping: the limit is the share of problems whose most likely answer is wrong.
    Trap: a set of problems with many near-ties approaches slower than any exponential.
    """
    return E + a * exp(-c * n)


@law(
    inputs={"T": TOKENS},
    output=RATIO,
    params={"u": real(-0.5, 0.0), "v": positive(0.05, 0.2)},
    source=paper("muennighoff2025", where="definition of scaling"),
    example={"u": -0.3, "v": 0.2},
    title="accuracy against thinking tokens",
    span={"T": (300.0, 3e4)},
)
def thinking_tokens(T, *, u, v):
    """Accuracy rises by the same amount for every tenfold number of thinking tokens, while it does.

    Use it to compare ways of spending test-time tokens by their slope. Trap: it ends in a plateau that this does not
    have.
    """
    return u + v * log(T) / log(10.0)


@law(
    inputs={"docs": COUNT, "shots": COUNT, "steps": COUNT},
    output=SCORE,
    params={"a": real(0.1, 0.5), "b": real(0.05, 0.2), "c": real(0.05, 0.3), "d": real(-1.0, 0.0)},
    source=paper("yue2024", where="eq. of the allocation model"),
    example={"a": 0.15, "b": 0.08, "c": 0.25, "d": -0.6},
    title="allocation of retrieval at inference",
    validity="Scores after an inverse sigmoid; the example is made up.",
    span={"docs": (1.0, 1000.0), "shots": (1.0, 256.0), "steps": (1.0, 8.0)},
)
def rag_allocation(docs, shots, steps, *, a, b, c, d):
    """The log-odds of the score are linear in the logarithms of documents, demonstrations and steps.

    Use it to divide a context budget among the three. Trap: coefficients depend on the task's informativeness; each
    factor saturates on its own beyond the measured range.
    """
    return a * log(docs) + b * log(shots) + c * log(steps) + d


@law(
    inputs={"p": TOKENS, "o": TOKENS},
    output=SECONDS,
    params={"t_0": positive(0.01, 0.1), "t_p": positive(1e-5, 1e-4), "t_o": positive(0.01, 0.03)},
    source=paper("narayanan2023", where="section 3"),
    title="idealised runtime of a request",
    example={"t_0": 0.05, "t_p": 2e-4, "t_o": 0.03},
    validity="One model on fixed accelerators without other load; prompts short enough for encoding to be linear.",
    span={"p": (16.0, 2048.0), "o": (1.0, 512.0)},
)
def idealized_runtime(p, o, *, t_0, t_p, t_o):
    """A request takes the time to encode its prompt and then an equal time for every further token.

    Use it to compare models on equal hardware, or an interface's latency with it. Trap: encoding is only piecewise
    linear in long prompts; take the least of repeated measurements, which is free of contention. The example is made
    up.
    """
    return t_0 + t_p * p + t_o * (o - 1)
