"""How a name is typeset: "alpha_N" is a Greek letter with a subscript, "R_D_star" carries a star, "N'" a prime."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GREEK", "Symbol", "symbol"]

# name in a formula, which is LaTeX's command too -> letter; letters that look Latin have no command and are left out
GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}
_ALIASES = {"lam": "lambda"}


@dataclass(frozen=True, slots=True)
class Symbol:
    """The parts of a typeset name."""

    head: str
    below: tuple[str, ...] = ()
    star: bool = False
    primes: int = 0


def symbol(name: str) -> Symbol:
    """The parts of a name.

    >>> symbol("R_D_star")
    Symbol(head='R', below=('D',), star=True, primes=0)
    >>> symbol("E0").below
    ('0',)
    """
    bare = name.rstrip("'")
    head, *below = [piece for piece in bare.split("_") if piece] or [bare]
    star = bool(below) and below[-1] == "star"
    letters = head.rstrip("0123456789")
    if letters and letters != head:
        head, below = letters, [head[len(letters) :], *below]
    pieces = tuple(_ALIASES.get(b, b) for b in below if not (star and b == "star"))
    return Symbol(_ALIASES.get(head, head), pieces, star, len(name) - len(bare))
