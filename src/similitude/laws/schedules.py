"""Training time: learning-rate schedules, annealing and cooldown."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, RATIO, Unit
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive

__all__ = ["annealing", "annealing_size", "cooldown_gain"]

AREA = Unit("learning rate x steps", "area under the learning rate")


@law(
    inputs={"S1": AREA, "S2": AREA},
    output=NATS_PER_TOKEN,
    params={"L0": below_output(), "A": positive(), "alpha": exponent(0.3, 0.5), "C": positive(0.2, 0.5)},
    source=paper("tissue2024", where="eq. 1"),
    published=[
        published(
            "tissue2024",
            where="first fit",
            note="Quoted from memory elsewhere, unsure; momentum of the annealing area .999.",
            L0="2.628",
            A="0.429",
            alpha="0.507",
            C="0.411",
        )
    ],
    positive_inputs=False,
    title="learning-rate annealing",
    validity="S2 with a momentum of .99 to .9995; the warm-up counts in S1 and not in S2.",
    span={"S1": (0.5, 20.0), "S2": (1e-3, 0.3)},
)
def annealing(S1, S2, *, L0, A, alpha, C):
    """Loss at any step: a power of the area under the learning rate, less a multiple of the annealing area.

    Use it to predict whole curves of other schedules from one or two. Trap: C depends on the momentum with which S2 was
    made; gains grow linearly in S2, which overstates very long or deep anneals.
    """
    return L0 + A * S1**-alpha - C * S2


@law(
    inputs={"S1": AREA, "S2": AREA, "N": PARAMETERS},
    output=NATS_PER_TOKEN,
    params={
        "L0": below_output(),
        "A": positive(),
        "alpha": exponent(0.3, 0.5),
        "B": positive(),
        "beta": exponent(0.2, 0.4),
        "C": positive(0.2, 0.5),
    },
    source=paper("tissue2024", where="eq. with model size"),
    example={"L0": 1.7, "A": 0.5, "alpha": 0.5, "B": 100.0, "beta": 0.27, "C": 0.45},
    positive_inputs=False,
    title="learning-rate annealing over sizes",
    span={"S1": (0.5, 20.0), "S2": (1e-3, 0.3), "N": (1e7, 1e9)},
)
def annealing_size(S1, S2, N, *, L0, A, alpha, B, beta, C):
    """The annealing law with a term for model size.

    Use it for curves of several sizes together. Trap: the gain of annealing is taken to be the same at all sizes;
    refits show that it grows.
    """
    return L0 + A * S1**-alpha + B * N**-beta - C * S2


@law(
    inputs={"f": RATIO},
    output=NATS_PER_TOKEN,
    params={"L_const": positive(), "gain": positive(0.01, 0.1), "f_half": positive(0.02, 0.1)},
    source=paper("hgele2024", where="figure of cooldown lengths"),
    example={"L_const": 3.0, "gain": 0.12, "f_half": 0.05},
    title="gain of a cooldown",
    validity="The form is ours: the source says that the benefit saturates near a fifth of the run.",
    span={"f": (0.005, 0.4)},
)
def cooldown_gain(f, *, L_const, gain, f_half):
    """Final loss falls with the share of steps spent cooling down and saturates.

    Use it to choose a cooldown length from a few. Trap: the share that suffices falls for longer runs; with 1-sqrt
    decay the gain is larger than with a linear one.
    """
    return L_const - gain * f / (f + f_half)
