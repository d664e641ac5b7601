"""Data as a resource: mixtures, quality, repetition, pruning."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, SCORE, TOKENS, Unit
from similitude.laws._axis import along
from similitude.laws._law import law, paper
from similitude.laws._words import below_output, exponent, positive, real, scale_of
from similitude.math import exp, log, maximum, minimum, total

__all__ = [
    "bimix",
    "continual_mixture",
    "data_mixture",
    "data_mixture_linear",
    "datastore",
    "quality_utility",
    "quality_utility_repeated",
]

SAMPLES = Unit("samples", "training samples")
SHARE = Unit("share", "share of a mixture")
DOMAIN = "domain"


@law(
    inputs={"r": along(DOMAIN, SHARE)},
    output=NATS_PER_TOKEN,
    params={"c": below_output(0.5, 0.9), "k": positive(), "t": along(DOMAIN, real(-3.0, 0.3, low=-50.0, high=50.0))},
    sizes={DOMAIN: 3},
    source=paper("ye2024", where="eq. 7"),
    example={"c": 2.0, "k": 0.5, "t": -1.2},
    title="data mixing law",
    validity="One validation domain; shares that do not sum to one are allowed here, for probing.",
    positive_inputs=False,  # a domain may be left out
    span={"r": (0.02, 0.9)},
)
def data_mixture(r, *, c, k, t):
    """The loss on one domain is an exponential of a weighted sum of the shares of training domains, above a floor.

    Use it to predict unseen mixtures from a few dozen small runs; size it by `sized(domain=(...))`. Trap: where shares
    sum to one, a constant added to every t can be taken into k: fix one t. It needs more mixtures than domains.
    """
    return c + k * exp(total(t * r, over=DOMAIN))


@law(
    inputs={"r": along(DOMAIN, SHARE)},
    output=NATS_PER_TOKEN,
    params={"c": real(3.0), "t": along(DOMAIN, real(-1.0, 0.3, low=-50.0, high=50.0))},
    sizes={DOMAIN: 3},
    source=paper("liu2024regmix", where="linear regression of section 3"),
    example={"c": 4.0, "t": -0.8},
    title="linear mixing law",
    validity="Ranks mixtures of 17 domains; one validation domain; models of one size and length.",
    positive_inputs=False,
    span={"r": (0.02, 0.9)},
)
def data_mixture_linear(r, *, c, t):
    """The loss on one domain is a straight line in the shares of training domains.

    Use it to rank many mixtures by a few hundred tiny models. Trap: it ranks (correlation 0.9) and does not predict;
    `data_mixture` bends. Where shares sum to one, c can be taken into every t.
    """
    return c + total(t * r, over=DOMAIN)


@law(
    inputs={"r": SHARE, "D": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "A": positive(),
        "a": exponent(0.05, 0.2),
        "B": positive(),
        "b": exponent(0.2, 0.5),
        "C": positive(0.5, 2.0),
    },
    source=paper("ge2024", where="eq. of the bivariate law"),
    example={"A": 1.0, "a": 0.08, "B": 3000.0, "b": 0.4, "C": 2.0},
    degenerate=("A", "B", "C"),
    title="bivariate mixing law",
    validity="One domain; its own share only.",
    span={"r": (0.02, 0.9), "D": (1e9, 1e11)},
)
def bimix(r, D, *, A, a, B, b, C):
    """A domain's loss is a power of its own share times a law in tokens.

    Use it for quick mixtures of many domains. Trap: what other domains teach is not in it; only A B and A C are
    determined.
    """
    return A / r**a * (B / D**b + C)


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "r": SHARE},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "A": positive(),
        "alpha": exponent(0.2, 0.4),
        "B": positive(),
        "beta": exponent(0.2, 0.4),
        "eta": exponent(0.1, 0.5),
        "C": positive(),
        "gamma": exponent(0.2, 0.5),
        "e": positive(0.05, 0.3, low=1e-4, high=10.0),
    },
    source=paper("que2024", where="eq. of the D-CPT law"),
    example={"E": 1.2, "A": 300.0, "alpha": 0.3, "B": 600.0, "beta": 0.3, "eta": 0.3, "C": 0.2, "gamma": 0.4, "e": 0.1},
    title="continual pre-training mixture",
    validity="Share of the new domain; no coefficients are known to us, the example is made up.",
    span={"N": (3e8, 1e10), "D": (1e8, 3e10), "r": (0.02, 0.98)},
)
def continual_mixture(N, D, r, *, E, A, alpha, B, beta, eta, C, gamma, e):
    """Loss in continual pre-training over size, tokens and the share of the new domain.

    Use it to choose the share that balances the new domain against what is forgotten, one law for each. Trap: nine
    parameters; e keeps the last term finite without any new data and is known only if some runs have little.
    """
    return E + A / N**alpha + B * r**eta / D**beta + C / (r + e) ** gamma


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={"a": positive(), "b": exponent(0.05, 0.2, 0.5), "d": below_output(0.3, 0.8)},
    source=paper("goyal2024", where="eq. 1"),
    example={"a": 3.0, "b": 0.15, "d": 0.1},
    title="utility of a data pool, one pass",
    span={"n": (1e5, 1e9)},
)
def quality_utility(n, *, a, b, d):
    """Error after one pass over a pool falls as a power of samples, the exponent being the pool's utility.

    Use it to compare pools of different quality before repeating them. Trap: the utility holds for a first pass only.
    """
    return a * n**-b + d


@law(
    inputs={"n": SAMPLES},
    output=SCORE,
    params={
        "a": positive(),
        "b": exponent(0.05, 0.2, 0.5),
        "tau": positive(1.0, 3.0, 10.0, low=0.05, high=1e3),
        "d": below_output(0.3, 0.8),
        "pool": scale_of("n", 0.1, 0.3),
    },
    source=paper("goyal2024", where="eq. 2 and 3"),
    example={"a": 3.0, "b": 0.15, "tau": 1.5, "d": 0.1, "pool": 1e6},
    title="utility of a repeated data pool",
    validity="Up to four passes over one pool; give the pool's size with fix.",
    span={"n": (1e5, 4e6)},
)
def quality_utility_repeated(n, *, a, b, tau, d, pool):
    """A pool's utility halves every tau passes: later passes over the same samples teach ever less.

    Use it to decide between a small good pool, repeated, and a larger worse one. Trap: written out for four passes,
    each
    with the exponent b 2^(-(k - 1) / tau); the authors' code puts a inside the power and adds d before the product.
    """
    y = minimum(n, pool) ** -b
    for k in (2, 3, 4):
        y = y * (minimum(maximum(n, (k - 1) * pool), k * pool) / ((k - 1) * pool)) ** (-b * 2.0 ** (-(k - 1) / tau))
    return a * y + d


@law(
    inputs={"T": TOKENS},
    output=NATS_PER_TOKEN,
    params={"a": real(2.0, 4.0), "b": positive(0.02, 0.1)},
    source=paper("shao2024", where="figure of the datastore"),
    example={"a": 3.4, "b": 0.06},
    title="loss against a retrieval datastore",
    validity="No formula is published: near-linear in the logarithm, without saturation up to 1.4e12 tokens.",
    span={"T": (1e8, 1e12)},
)
def datastore(T, *, a, b):
    """Loss with retrieval falls by the same amount for every tenfold datastore.

    Use it to price a datastore, which costs nothing in training, against parameters. Trap: it has no floor; do not go
    beyond the decades that were measured.
    """
    return a - b * log(T) / log(10.0)
