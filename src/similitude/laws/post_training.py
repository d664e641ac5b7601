"""After pre-training: reinforcement learning, reward models, preference."""

from __future__ import annotations

from similitude._quantity import COUNT, FLOP, NATS_PER_TOKEN, PARAMETERS, RATIO, SCORE, Unit
from similitude.laws._application import application
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive, real, scale_of
from similitude.laws.power import power
from similitude.math import exp, log

__all__ = ["elo_isoquant", "rl_post_training", "rl_sigmoid", "value_rl_batch", "value_rl_data", "value_rl_lr"]

UPDATES = Unit("updates/sample", "updates to data")
ENV_STEPS = Unit("environment steps", "samples")
LEARNING_RATE = Unit("learning rate", "learning rate")


@law(
    inputs={"N": PARAMETERS, "X": COUNT},
    output=RATIO,
    params={
        "K": positive(0.1, 0.5, low=1e-4, high=2.0),
        "N_0": scale_of("N", 0.3, 1.0, 3.0),
        "E": real(-2.0, 0.0, 2.0),
    },
    source=paper("tan2025", where="eq. of the learning efficiency"),
    example={"K": 0.12, "N_0": 7e9, "E": 0.6},
    title="post-training by reinforcement learning",
    validity="E belongs to each size in the paper; here it is one. Constants are not known to us.",
    span={"N": (5e8, 7e10), "X": (1e2, 1e5)},
)
def rl_post_training(N, X, *, K, N_0, E):
    """Test loss falls as a power of compute or data whose exponent grows with size and saturates at K.

    Use it to ask whether a larger model or more training is the better use of compute. Trap: fit `by` size first to see
    how E changes; reuse of data up to 25 times was harmless, a hundred times was not.
    """
    return exp(E - K / (1 + N_0 / N) * log(X))


@law(
    inputs={"C": FLOP},
    output=SCORE,
    params={
        "R_0": positive(0.1, 0.3),
        "A": positive(0.5, 0.8),
        "C_mid": scale_of("C", 0.1, 1.0, 10.0),
        "B": positive(0.5, 1.0, 2.0),
    },
    source=paper("khatri2025", where="eq. 1"),
    example={"R_0": 0.3, "A": 0.61, "C_mid": 1e21, "B": 1.2},
    title="sigmoid of reward in compute",
    validity="After the warm-up of the run.",
    span={"C": (1e19, 1e23)},
)
def rl_sigmoid(C, *, R_0, A, C_mid, B):
    """Reward rises from R_0 to the asymptote A as a sigmoid in the logarithm of compute.

    Use it to tell recipes that raise the asymptote from those that only reach it sooner. Trap: before the middle is
    passed A is not determined.
    """
    return R_0 + (A - R_0) / (1 + (C_mid / C) ** B)


@law(
    inputs={"sigma": UPDATES},
    output=ENV_STEPS,
    params={"D_min": below_output(0.3, 0.8), "b": scale_of("sigma", 0.1, 1.0), "alpha": exponent(0.5, 1.0)},
    source=paper("rybkin2025", where="eq. of data efficiency"),
    example={"D_min": 0.32, "b": 0.118, "alpha": 0.757},
    title="data to a return against updates",
    validity="One environment and one return; millions of steps.",
    span={"sigma": (0.25, 16.0)},
)
def value_rl_data(sigma, *, D_min, b, alpha):
    """Environment steps to a return fall as a power of updates a sample, to a least number.

    Use it to trade compute for data in value-based learning. Trap: batch and learning rate must follow their own rules
    in the ratio of updates, or data are lost to overfitting.
    """
    return D_min + (b / sigma) ** alpha


value_rl_batch = application(
    power,
    name="value_rl_batch",
    inputs={"x": ("sigma", UPDATES)},
    output=COUNT,
    source=paper("rybkin2025", where="fitted batch rule"),
    published=[
        published("rybkin2025-ant", source="rybkin2025", where="released code, Gym Ant", a="10^2.6189", c="0.3096")
    ],
    title="batch against updates",
    doc="""The best batch falls as a power of updates a sample.

    Use it with `value_rl_lr`. Trap: the slope is shared by environments of a suite, the amplitude is not.
    """,
    family="post_training",
    span={"sigma": (0.25, 16.0)},
)
value_rl_lr = application(
    power,
    name="value_rl_lr",
    inputs={"x": ("sigma", UPDATES)},
    output=LEARNING_RATE,
    source=paper("rybkin2025", where="fitted learning-rate rule"),
    published=[
        published("rybkin2025-ant", source="rybkin2025", where="released code, Gym Ant", a="10^-3.8229", c="0.2849")
    ],
    title="learning rate against updates",
    doc="""The best learning rate falls as a power of updates a sample.

    Use it with `value_rl_batch`. Trap: the slope is shared by environments of a suite, the amplitude is not.
    """,
    family="post_training",
    span={"sigma": (0.25, 16.0)},
)
polar_n = application(
    power,
    name="polar_n",
    inputs={"x": ("N", PARAMETERS)},
    output=NATS_PER_TOKEN,
    source=paper("dou2025", where="scaling of the reward model"),
    published=[published("dou2025", where="scaling of the reward model", a="0.9", c="0.0425")],
    title="reward-model size",
    doc="""Validation loss of a policy-discriminative reward model falls as a power of its parameters.

    Use it to size a reward model. Trap: the loss is of pre-training, not the accuracy of preferences.
    """,
    family="post_training",
    span={"N": (1e8, 1e10)},
)


@law(
    inputs={"train": FLOP, "elo": SCORE},
    output=FLOP,
    params={"a": positive(0.5, 1.2, 2.0), "b": positive(0.002, 0.005), "c": real(10.0, 30.0)},
    source=paper("jones2021", where="figure 9"),
    published=[published("jones2021", where="figure 9, 9x9 board", a="1.2", b="0.004", c="29")],
    title="train and test compute of a board game",
    validity="AlphaZero on Hex, boards up to 9x9.",
    span={"train": (1e12, 1e16), "elo": (100.0, 1500.0)},
)
def elo_isoquant(train, elo, *, a, b, c):
    """The test-time compute that a rating needs falls as a power of training compute.

    Use it to trade search for training. Trap: logarithms are to base ten; the price of a rating is exponential in it.
    """
    ten = log(10.0)
    return exp(ten * (-a * log(train) / ten + b * elo + c))
