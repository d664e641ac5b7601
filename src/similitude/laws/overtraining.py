"""Loss of over-trained models: compute and the ratio of tokens to parameters as inputs."""

from __future__ import annotations

from similitude._quantity import FLOP, NATS_PER_TOKEN, TOKENS_PER_PARAMETER
from similitude.laws._law import law, paper, published
from similitude.laws._words import below_output, exponent, positive

__all__ = ["overtrained"]

_FITTED = "Five runs: 11M to 411M parameters at 20 tokens a parameter, and 11M at 320; loss on C4."


@law(
    inputs={"C": FLOP, "M": TOKENS_PER_PARAMETER},
    output=NATS_PER_TOKEN,
    params={
        "E": below_output(),
        "a": positive(),
        "b": positive(),
        "eta": exponent(0.05, 0.1, 0.17, 0.3),
    },
    source=paper("gadre2024", where="eq. 4"),
    published=[
        published(
            "gadre2024-c4",
            source="gadre2024",
            where="trained on C4",
            counts="total",
            note=_FITTED,
            E="1.51",
            a="141",
            b="190",
            eta="0.121",
        ),
        published(
            "gadre2024-redpajama",
            source="gadre2024",
            where="trained on RedPajama",
            counts="total",
            note=_FITTED,
            E="1.84",
            a="212",
            b="367",
            eta="0.136",
        ),
        published(
            "gadre2024-refinedweb",
            source="gadre2024",
            where="trained on RefinedWeb",
            counts="total",
            note=_FITTED,
            E="1.73",
            a="157",
            b="246",
            eta="0.127",
        ),
        *(
            published(
                f"gadre2024-{key}-code",
                source="gadre2024",
                where=f"released code, trained on {corpus}",
                counts="total",
                note=_FITTED + " Unrounded, converted from the code's al N^p + bt 6^(p/2) (M N)^p.",
                E=E,
                a=f"{al}*6^({p}/2)",
                b=bt,
                eta=f"{p}/2",
            )
            for key, corpus, E, al, bt, p in (
                ("c4", "C4", "1.5083", "113.6926", "189.5155", "0.242472"),
                ("redpajama", "RedPajama", "1.8366", "166.2110", "366.6872", "0.272851"),
                ("refinedweb", "RefinedWeb", "1.7345", "125.0957", "246.2067", "0.254395"),
            )
        ),
    ],
    counts="total",
    title="over-training",
    validity="C = 6ND and M = D/N from 5 to 640 tokens a parameter; below 5 the authors' runs leave the law.",
)
def overtrained(C, M, *, E, a, b, eta):
    """Loss against compute C = 6ND at a fixed ratio of tokens to parameters M = D/N: parallel lines above the floor E.

    Use it to forecast a model trained far beyond the compute-optimal ratio from small runs. It is Chinchilla's surface
    with one exponent (eta = alpha/2, a = A 6^eta, b = B 6^eta). Trap: the ratio it calls optimal, (b/a)^(1/(2 eta)), is
    poorly determined by runs that mostly share one M.
    """
    return E + (a * M**eta + b * M**-eta) * C**-eta
