"""Loss when data run out and are repeated."""

from __future__ import annotations

from similitude._quantity import NATS_PER_TOKEN, PARAMETERS, TOKENS
from similitude.laws._law import law, paper, published
from similitude.laws._words import amplitude_of, below_output, exponent, positive
from similitude.math import exp, let, minimum

__all__ = ["data_constrained"]


@law(
    inputs={"N": PARAMETERS, "D": TOKENS, "U": TOKENS},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(0.5, 0.8),
        "A": amplitude_of("N", "alpha", 0.15, 0.5),
        "alpha": exponent(0.2, 0.33, 0.5),
        "B": amplitude_of("D", "beta", 0.15, 0.5),
        "beta": exponent(0.2, 0.33, 0.5),
        "R_D_star": positive(4.0, 15.0, 50.0, low=0.1, high=1e3),
        "R_N_star": positive(4.0, 15.0, 50.0, low=0.1, high=1e3),
    },
    source=paper("muennighoff2023", where="eq. 5 and 6"),
    published=[
        published(
            "muennighoff2023",
            where="released code, C4",
            counts="total",
            note="First five coefficients from 54 single-epoch runs with alpha = beta, the last two from 182 runs.",
            within={"N": (7e6, 9e9)},
            E="exp(0.6254804)",
            A="exp(6.255414)",
            alpha="0.3526596",
            B="exp(7.3049974)",
            beta="0.3526596",
            R_D_star="15.387756",
            R_N_star="5.309743",
        ),
    ],
    title="data-constrained",
    validity="U unique tokens seen D/U times; runs that repetition made worse were left out of the published fit.",
)
def data_constrained(N, D, U, *, E, A, alpha, B, beta, R_D_star, R_N_star):
    """Chinchilla's law in effective tokens D' and parameters N' when U unique tokens are repeated to make D.

    Use it to weigh more epochs against more parameters when unique data are scarce: repeated tokens fade with the
    scale of R_D* epochs, parameters beyond what U tokens can feed with R_N*. Trap: it can only level off; where
    repetition raises the loss, or the weight decay differs much from the authors', it does not apply.
    """
    U_D = let("U_D", minimum(U, D))
    G = let("G", (alpha * A / (beta * B)) ** (1 / (alpha + beta)))
    U_N = let("U_N", minimum(N, G * (G * U_D) ** (beta / alpha)))
    D_eff = let("D'", U_D + U_D * R_D_star * (1 - exp(-(D / U_D - 1) / R_D_star)))
    N_eff = let("N'", U_N + U_N * R_N_star * (1 - exp(-(N / U_N - 1) / R_N_star)))
    return E + A / N_eff**alpha + B / D_eff**beta
