"""Decisions that papers work out from their own laws, taken again by the planner: fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude.laws import get
from similitude.planning import decide, plan
from similitude.studies._claim import ABOUT, checked
from similitude.studies._study import Declaration, Item

__all__ = ["STUDIES"]

# FLOP, parameters of the dense base in billions, tokens in billions, granularity, loss
EXPERTS = (
    (2.95e18, "0.1", "4.37", "8", "3.133"),
    (1.93e20, "1", "28.94", "16", "2.491"),
    (1.41e21, "3", "72.90", "16", "2.245"),
    (6.46e21, "7", "137.60", "32", "2.076"),
    (4.16e23, "70", "941.07", "32", "1.694"),
)
SETS = (
    ("hoffmann2022", "92.65", "138.96"),
    ("hoffmann2022-tex", "58.93", "84.83"),
    ("besiroglu2024", "18.39", "16.55"),
)


def _serving(seed: int) -> Iterator[Item]:
    """A model of the quality of Chinchilla's best of 7e9 parameters, to serve 1e11 tokens."""
    known = get("chinchilla").published["hoffmann2022-tex"]
    own = plan(known, at={"N": 7e9})
    cheaper = plan(known, loss=own.loss.value, inference_tokens=1e11)
    where = "section 3, worked example"
    yield checked("parameters, 1e9", "6", where, cheaper.N.value / 1e9)
    yield checked(
        "tokens as a multiple of those of the 7e9 model",
        "1.18",
        where,
        cheaper.D.value / own.D.value,
        remark="the optimum lies a hundredth above the printed 6e9 parameters, where the same loss takes "
        f"{_tokens_at(6e9, own.loss.value) / own.D.value:.3f} times the tokens",
    )
    spread = []
    for label in ("hoffmann2022", "besiroglu2024"):
        other = get("chinchilla").published[label]
        again = plan(other, loss=plan(other, at={"N": 7e9}).loss.value, inference_tokens=1e11)
        spread.append(f"{again.N.value / 1e9:.1f}e9 by {label}")
    yield f"Other sets of coefficients for the same law say {' and '.join(spread)} parameters."


def _tokens_at(parameters: float, loss: float) -> float:
    return float(get("chinchilla").published["hoffmann2022-tex"].inverse(loss, N=parameters).value)


def _experts(seed: int) -> Iterator[Item]:
    """The table of optimal configurations, granularity in powers of two as there."""
    known = get("fine_grained_moe").published["krajewski2024"]
    where = "table of optimal configurations, as remembered"
    for flop, size, tokens, granularity, loss in EXPERTS:
        found = decide(known, flop, limits={"G": (1, 128)}).rounded
        assert found is not None
        yield checked(f"parameters of the base at {flop:g} FLOP, 1e9", size, where, found.inputs["N"] / 43e9, ABOUT)
        yield checked(f"tokens at {flop:g} FLOP, 1e9", tokens, where, found.inputs["D"] / 1e9, ABOUT)
        yield checked(
            f"granularity at {flop:g} FLOP",
            granularity,
            where,
            found.inputs["G"],
        )
        yield checked(
            f"loss at {flop:g} FLOP",
            loss,
            where,
            found.value,
            remark="coefficients of two and three digits leave the loss open by about a hundredth",
        )
    yield (
        "A 43rd of the law's parameters is the base model, as one of 64 feed-forward layers is active: read off this "
        "table, whose columns of FLOP follow within a hundredth with it and the routers' 14 FLOP an entry."
    )


def _ratios(seed: int) -> Iterator[Item]:
    """Tokens per parameter at the budgets of Gopher and Llama 3 by each set of coefficients."""
    for label, small, large in SETS:
        for flop, printed in ((5.76e23, small), (3.8e25, large)):
            found = plan(get("chinchilla").published[label], flop=flop)
            yield checked(
                f"tokens per parameter at {flop:g} FLOP, {label}",
                printed,
                "recomputed elsewhere from the printed coefficients",
                found.tokens_per_parameter.value,
            )
    for label, *_ in SETS:
        found = plan(get("chinchilla").published[label], flop=1e26).tokens_per_parameter.value
        yield f"At 1e26 FLOP {label} asks for {found:.1f} tokens per parameter."


def _vocabulary(seed: int) -> Iterator[Item]:
    """How the best vocabulary grows with the other parameters when compute is divided over both and characters."""
    known = next(iter(get("vocabulary").published.values()))
    budgets = np.geomspace(0.01, 100, 9)
    found = [decide(known, s, cost="6*(N_nv+N_v)*H", extrapolate=True).inputs for s in budgets]
    logs = [np.log([f[name].value for f in found]) for name in ("N_nv", "N_v")]
    yield checked(
        "exponent of the best vocabulary parameters in the others",
        "0.83",
        "abstract and section 4",
        float(np.polyfit(logs[0], logs[1], 1)[0]),
        ABOUT,
        remark="here 6 FLOP per parameter and character; the paper counts tokens, fewer with a larger vocabulary",
    )


STUDIES = (
    Declaration("sardana2024", "Beyond Chinchilla-optimal", "sardana2024", (), _serving, fixture=True),
    Declaration("tao2024", "Scaling laws with vocabulary", "tao2024", (), _vocabulary, fixture=True),
    Declaration("krajewski2024", "Fine-grained mixture of experts", "krajewski2024", (), _experts, fixture=True),
    Declaration("chinchilla-variants", "Chinchilla: what each set asks for", "hoffmann2022", (), _ratios, fixture=True),
)
