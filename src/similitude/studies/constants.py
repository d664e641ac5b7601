"""Tables that follow from a paper's own constants: fixtures, which check prints and reproduce nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import log

from similitude.laws import get, resolve
from similitude.studies._claim import ABOUT, checked
from similitude.studies._study import Declaration, Item

__all__ = ["STUDIES"]

Row = tuple[str, str, Mapping[str, float], str, str]  # sentence, law:set, inputs, printed, where

KAPLAN: tuple[Row, ...] = (
    ("L(N) of 1.5e9 parameters", "kaplan_n:kaplan2020", {"N": 1.5e9}, "2.3036", "eq. 1.1, recomputed elsewhere"),
    ("L(D) of 2.3e10 tokens", "kaplan_d:kaplan2020", {"D": 2.3e10}, "2.0903", "eq. 1.2, recomputed elsewhere"),
    ("L(C) of one PF-day", "kaplan_c:kaplan2020", {"C": 1.0}, "2.6581", "eq. 1.3, recomputed elsewhere"),
    ("L(1e9, 2.2e10)", "kaplan:kaplan2020", {"N": 1e9, "D": 2.2e10}, "2.36932", "eq. 1.5, recomputed elsewhere"),
    ("L(1e8, 1e10)", "kaplan:kaplan2020", {"N": 1e8, "D": 1e10}, "2.78786", "eq. 1.5, recomputed elsewhere"),
    ("L(1e9, 1e5 steps)", "kaplan_steps:kaplan2020", {"N": 1e9, "S": 1e5}, "2.40051", "eq. 1.6, recomputed elsewhere"),
)
ROUNDING: tuple[Row, ...] = tuple(
    (f"L({n:g}, {d:g}), {name}", f"chinchilla:{key}", {"N": n, "D": d}, digits, "recomputed elsewhere")
    for key, name, values in (
        ("hoffmann2022", "rounded coefficients", ("1.9366", "1.9933")),
        ("besiroglu2024", "the refit of 2024", ("1.9739", "1.9996")),
    )
    for (n, d), digits in zip(((70e9, 1.4e12), (280e9, 300e9)), values)
)
DISTILLATION: tuple[Row, ...] = tuple(
    (f"supervised L({n:g}, {d:g})", "distillation_supervised:busbridge2025", {"N": n, "D": d}, digits, "table 6")
    for n, d, digits in (
        (120e6, 100e9, "2.5959"),
        (120e6, 2e12, "2.5199"),
        (315e6, 4e12, "2.3105"),
        (1e9, 100e9, "2.2397"),
    )
)
SPARSING: tuple[Row, ...] = tuple(
    (
        f"activation ratio at {d:g} billion tokens, %",
        "activation_ratio_relu:luo2024sparsing-2.4B",
        {"D": d},
        digits,
        "figure 11",
    )
    for d, digits in ((10.0, "9.61"), (400.0, "7.19"), (800.0, "6.52"))
)


GROWTH: tuple[Row, ...] = (
    (
        "tokens before stacking to 410e6 at 1e20 FLOP",
        "gstack_timing:du2024",
        {"N": 410e6, "C": 1e20},
        "1.006e10",
        "README",
    ),
    ("tokens before stacking to 7e9 at 1e23 FLOP", "gstack_timing:du2024", {"N": 7e9, "C": 1e23}, "1.053e10", "README"),
)
TRANSFER: tuple[Row, ...] = (
    (
        "characters transferred to 3e6 at 1e8 parameters",
        "data_transferred:hernandez2021-text",
        {"D_F": 3e6, "N": 1e8},
        "3.05e8",
        "table 1",
    ),
)


def _recommenders(seed: int) -> Iterator[Item]:
    """Gains a decade of compute, and where the straight line of the entropy would reach zero."""
    where = "derived elsewhere from the printed coefficients"
    hits, entropy = (get(n).published["zhai2024"] for n in ("hstu_hit_rate", "hstu_normalised_entropy"))
    yield checked(
        "hit rate at 100 gained by ten times the compute", "0.0449", where, hits.value(C=10) - hits.value(C=1)
    )
    drop = entropy.value(C=10) - entropy.value(C=1)
    yield checked("normalised entropy gained by ten times the compute", "-0.0122", where, drop)
    zero = entropy.value(C=1) / -drop * log(10)
    yield checked("ln C at which the entropy would be zero, so that it is no law far out", "103.6", where, zero)


def _images(seed: int) -> Iterator[Item]:
    """Exponents of the best size in compute against one less those of data, from the printed table."""
    table = get("henighan_optimal_n").published
    exponents = [-e.values["c"] for e in table.values()]
    mean = sum(exponents) / len(exponents)
    yield checked(
        "exponent of the best size in compute, mean of the domains", "0.7", "abstract: about 0.7", mean, ABOUT
    )
    yield checked("exponent of the best data in compute, mean", "0.4", "section 3: D ~ N^0.4", (1 - mean) / mean, ABOUT)


def _claims(rows: tuple[Row, ...], factor: float = 1.0) -> Callable[[int], Iterator[Item]]:
    def claims(seed: int) -> Iterator[Item]:
        for sentence, reference, at, printed, where in rows:
            yield checked(sentence, printed, where, factor * resolve(reference).value(**at))

    return claims


STUDIES = (
    Declaration(
        "kaplan2020", "Scaling laws for neural language models", "kaplan2020", (), _claims(KAPLAN), fixture=True
    ),
    Declaration(
        "hoffmann2022",
        "Chinchilla: rounded and refitted coefficients",
        "hoffmann2022",
        (),
        _claims(ROUNDING),
        fixture=True,
    ),
    Declaration("busbridge2025", "Distillation scaling laws", "busbridge2025", (), _claims(DISTILLATION), fixture=True),
    Declaration("luo2024sparsing", "Sparsing law", "luo2024sparsing", (), _claims(SPARSING, 100.0), fixture=True),
    Declaration("du2024", "Growth by stacking", "du2024", (), _claims(GROWTH), fixture=True),
    Declaration("henighan2020", "Autoregressive generative modeling", "henighan2020", (), _images, fixture=True),
    Declaration("zhai2024", "Generative recommenders", "zhai2024", (), _recommenders, fixture=True),
    Declaration("hernandez2021", "Scaling laws for transfer", "hernandez2021", (), _claims(TRANSFER), fixture=True),
)
