"""Loss curves under any learning-rate schedule, the schedule entering segment by segment."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, Unit
from similitude.laws._axis import along
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive
from similitude.math import total

__all__ = ["LEARNING_RATE", "RATE_STEPS", "multi_power"]

LEARNING_RATE = Unit("learning rate", "learning rate")
RATE_STEPS = Unit("learning rate x steps", "area under the learning rate")


SEGMENT = "segment"


@law(
    inputs={
        "S1": RATE_STEPS,
        "drop": along(SEGMENT, LEARNING_RATE),
        "rate": along(SEGMENT, LEARNING_RATE),
        "area": along(SEGMENT, RATE_STEPS),
    },
    output=NATS_PER_TOKEN,
    params={
        "L0": below_output(),
        "A": positive(),
        "alpha": exponent(0.3, 0.5),
        "B": positive(100.0, 400.0),
        "C": positive(1.0, 2.0),
        "beta": exponent(0.4, 0.6),
        "gamma": exponent(0.5, 0.65),
    },
    sizes={SEGMENT: 3},
    source=paper("luo2025", where="eq. 1"),
    published=[
        published(
            f"luo2025-{size}",
            source="luo2025",
            where=f"released code, {size} model",
            L0=L0,
            A=A,
            alpha=alpha,
            B=B,
            C=C,
            beta=beta,
            gamma=gamma,
        )
        for size, L0, A, alpha, B, C, beta, gamma in (
            ("25M", "3.04045", "0.524686", "0.507869", "363.788", "2.06561", "0.582790", "0.641423"),
            ("100M", "2.651448", "0.601152", "0.452958", "437.946", "2.132452", "0.597852", "0.655236"),
            ("400M", "2.374745", "0.654212", "0.428787", "523.425", "2.024627", "0.593505", "0.634725"),
        )
    ],
    span={"S1": (0.3, 20.0), "drop": (1e-5, 2e-4), "rate": (3e-5, 2.7e-4), "area": (1e-3, 5.0)},
    positive_inputs=False,
    title="multi-power law",
    validity="Peak learning rate 3e-4, final 3e-5, 2,160 warm-up steps, 24,000 to 72,000 steps.",
)
def multi_power(S1, drop, rate, area, *, L0, A, alpha, B, C, beta, gamma):
    """Loss at any step of any learning-rate schedule: a power of the area under the rate, less a gain for each drop.

    Use it to predict the curve of a schedule that was never run from two or three that were. Each segment k of the
    schedule so far holds the drop of the rate, the rate after it and the area since; S1 is the whole area with the
    warm-up. A rise is a negative drop. Trap: B is in the hundreds because rates are 1e-4, and B, C and beta trade off.
    """
    return L0 + A * S1**-alpha - B * total(drop * (1 - (1 + C * rate**-gamma * area) ** -beta), over=SEGMENT)
