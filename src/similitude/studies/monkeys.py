"""Brown et al. 2024 and Schaeffer et al. 2025: coverage under repeated sampling, and where its power law comes from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Table
from similitude.fitting import fit
from similitude.laws import get
from similitude.runs import Runs, datasets, read_runs
from similitude.studies._claim import checked, measured
from similitude.studies._study import Declaration, Item

__all__ = ["STUDIES", "pass_at_k"]

# pass@1, pass@100, pass@10,000, a and b of exp(-a k^-b), recomputed elsewhere on the same counts
ELSEWHERE = {
    "Pythia 12B": ("0.0232", "0.4834", "0.8750", "4.310", "0.379"),
    "Pythia 6.9B": ("0.0186", "0.4316", "0.8359", "4.508", "0.360"),
    "Pythia 2.8B": ("0.0203", "0.4220", "0.8125", "4.336", "0.347"),
    "Pythia 1B": ("0.0083", "0.2745", "0.7422", "5.601", "0.320"),
    "Pythia 410M": ("0.0062", "0.2272", "0.6562", "5.592", "0.290"),
    "Pythia 160M": ("0.0027", "0.1619", "0.5703", "6.344", "0.276"),
    "Pythia 70M": ("0.0006", "0.0361", "0.2656", "8.285", "0.199"),
}
# alpha and beta of the beta-binomial, and its pass@10,000
BETA = {
    "Pythia 12B": ("0.296", "12.36", "0.863"),
    "Pythia 6.9B": ("0.270", "14.16", "0.831"),
    "Pythia 2.8B": ("0.246", "11.70", "0.812"),
    "Pythia 1B": ("0.216", "25.49", "0.725"),
    "Pythia 410M": ("0.180", "28.75", "0.653"),
    "Pythia 160M": ("0.176", "65.57", "0.587"),
    "Pythia 70M": ("0.065", "100.1", "0.260"),
}
WORKED = {1: "0.85714", 10: "0.46532", 100: "0.16393", 1000: "0.05247"}  # failure of Beta(.5, 3) at k
WHERE = "recomputed elsewhere on the same counts"


def pass_at_k(samples: np.ndarray, correct: np.ndarray, k: int) -> float:
    """The unbiased estimate of the chance that one of k samples is right, mean over problems (problems,)."""
    from scipy.special import gammaln

    wrong = samples - correct
    some = wrong >= k
    log_fail = np.full(len(samples), -np.inf)
    n, w = samples[some], wrong[some]
    log_fail[some] = gammaln(w + 1) - gammaln(w - k + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return float(np.mean(1 - np.exp(log_fail)))


def _counts(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    return runs.column("num_samples"), runs.column("num_correct")


def coverage_claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("monkeys")
    rows = []
    for model, (one, hundred, most, a, b) in ELSEWHERE.items():
        n, c = _counts(runs.where(model=model))
        for k, digits in ((1, one), (100, hundred), (10_000, most)):
            yield measured(f"pass@{k}, {model}", digits, WHERE, pass_at_k(n, c, k))
        k = np.unique(np.round(np.geomspace(1, n.min(), 30)))
        table = read_runs({"k": k, "pass": [pass_at_k(n, c, int(i)) for i in k]}, loss="pass", check=False)
        found = fit(get("pass_at_k"), table, objective="squares", intervals="delta", inputs={"k": "k"})
        for name, digits in (("a", a), ("b", b)):
            yield measured(f"{name} of exp(-a k^-b), {model}", digits, WHERE, found.values[name])
        rows.append((model, *(f"{pass_at_k(n, c, i):.4f}" for i in (1, 10, 100, 1000, 10_000)), f"{found.noise:.4f}"))
    heads = [Column(h, align="right") for h in ("pass@1", "@10", "@100", "@1000", "@10000", "residual of the law")]
    yield Table("Coverage of 128 problems of MATH", ("model", *heads), rows)
    yield "Points of one curve share their problems, so no interval of the fit is given: resample problems for one."


def origin_claims(seed: int) -> Iterator[Item]:
    runs = datasets.load("monkeys")
    for k, digits in WORKED.items():
        yield checked(f"failure at k = {k} of Beta(0.5, 3)", digits, "worked example", _failure(0.5, 3.0, k))
    rows = []
    for model, (alpha, beta, most) in BETA.items():
        n, c = _counts(runs.where(model=model))
        found = _beta_binomial(n, c)
        for name, digits, value in zip(("alpha", "beta"), (alpha, beta), found, strict=True):
            yield measured(f"{name} of the beta-binomial, {model}", digits, WHERE, value)
        yield measured(f"its pass@10000, {model}", most, WHERE, 1 - _failure(*found, 10_000))
        rows.append((model, f"{found[0]:.3f}", ELSEWHERE[model][4], f"{pass_at_k(n, c, 10_000):.3f}"))
    heads = [Column(h, align="right") for h in ("alpha of the beta-binomial", "b of the curve", "true pass@10000")]
    yield Table("The exponent of coverage from the density of success near zero", ("model", *heads), rows)
    yield "The law's exponent is that of the density of success near zero, alpha, only in the limit of many samples."


def _failure(alpha: float, beta: float, k: int) -> float:
    """The mean of (1 - p)^k for p of Beta(alpha, beta)."""
    from scipy.special import betaln

    return float(np.exp(betaln(alpha, beta + k) - betaln(alpha, beta)))


def _beta_binomial(n: np.ndarray, c: np.ndarray) -> tuple[float, float]:
    """alpha and beta of greatest likelihood for counts c of n."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    def loss(z: np.ndarray) -> float:
        alpha, beta = np.exp(z)
        return float(-np.sum(betaln(c + alpha, n - c + beta) - betaln(alpha, beta)))

    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}
    found = minimize(loss, [np.log(0.2), np.log(20.0)], method="Nelder-Mead", options=options)
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))


STUDIES = (
    Declaration("brown2024", "Large language monkeys: coverage", "brown2024", ("monkeys",), coverage_claims),
    Declaration(
        "schaeffer2025", "Where the monkeys' power law comes from", "schaeffer2025", ("monkeys",), origin_claims
    ),
)
