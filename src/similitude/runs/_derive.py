"""Columns that follow from others under a named FLOP rule: tokens from FLOP and parameters, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from similitude._errors import ArgumentError, did_you_mean

__all__ = ["FLOP_RULES", "Derivation", "FlopRule", "derivations", "find_rule"]


@dataclass(frozen=True, slots=True)
class FlopRule:
    """Training FLOP as a factor times parameters times tokens."""

    name: str
    factor: float


FLOP_RULES: Mapping[str, FlopRule] = {rule.name: rule for rule in (FlopRule("6ND", 6.0), FlopRule("2ND", 2.0))}


@dataclass(frozen=True, slots=True)
class Derivation:
    """One way to have `target` from the columns it `needs`, with the formula as text for the provenance."""

    target: str
    needs: tuple[str, ...]
    text: str
    compute: Callable[..., np.ndarray]


def find_rule(name: str) -> FlopRule:
    """The FLOP rule of that name; ArgumentError with the known ones otherwise."""
    if name not in FLOP_RULES:
        known = ", ".join(FLOP_RULES)
        raise ArgumentError(f"no FLOP rule '{name}'; the rules are: {known}{did_you_mean(name, FLOP_RULES)}")
    return FLOP_RULES[name]


def derivations(rule: FlopRule) -> tuple[Derivation, ...]:
    """Every derivation under a rule, the preferred one of each target first."""
    k, k_text = rule.factor, f"{rule.factor:g}"
    return (
        Derivation("D", ("C", "N"), f"C/({k_text}N)", lambda c, n: c / (k * n)),
        Derivation("D", ("M", "N"), "M·N", lambda m, n: m * n),
        Derivation("D", ("C", "M"), f"√(C·M/{k_text})", lambda c, m: np.sqrt(c * m / k)),
        Derivation("N", ("C", "D"), f"C/({k_text}D)", lambda c, d: c / (k * d)),
        Derivation("N", ("D", "M"), "D/M", lambda d, m: d / m),
        Derivation("N", ("C", "M"), f"√(C/({k_text}M))", lambda c, m: np.sqrt(c / (k * m))),
        Derivation("C", ("N", "D"), f"{k_text}·N·D", lambda n, d: k * n * d),
        Derivation("C", ("N", "M"), f"{k_text}·M·N²", lambda n, m: k * m * n * n),
        Derivation("C", ("D", "M"), f"{k_text}·D²/M", lambda d, m: k * d * d / m),
        Derivation("M", ("D", "N"), "D/N", lambda d, n: d / n),
        Derivation("M", ("C", "N"), f"C/({k_text}N²)", lambda c, n: c / (k * n * n)),
        Derivation("M", ("C", "D"), f"{k_text}·D²/C", lambda c, d: k * d * d / c),
    )
