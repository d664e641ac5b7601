"""Ranks of activations: the spectrum of the residual stream's covariance after every block, on the held windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ._train import effective_ranks
from ._training import WINDOWS, Training

__all__ = ["activation_spectra", "covariances", "power_law", "spectrum_of"]

LEAST = 3  # eigenvalues, for an exponent
ROUNDING = 1e-12  # of the largest eigenvalue: what is smaller is not told from rounding


def activation_spectra(training: Training) -> dict[str, float]:
    """Of each block of a finished training, by its layer: see `spectrum_of`."""
    found = {}
    for layer, covariance in enumerate(covariances(training)):
        found |= {f"activations/layer{layer}/{k}": v for k, v in spectrum_of(covariance).items()}
    return found


def covariances(training: Training) -> np.ndarray:
    """Covariances (layers, width, width) of the residual stream after each block, over all tokens of held windows.

    Domains count by their weight, as in the validation loss.
    """
    domains = training.now.data.domains
    total = sum(domains.values())
    mean: Any = 0.0
    second: Any = 0.0
    for corpus, name in zip(training.corpora, training.config.data.domains, strict=True):
        if not (share := domains.get(name, 0.0) / total):
            continue
        windows, sums, products = training.held(corpus), 0.0, 0.0
        for i in range(0, len(windows), WINDOWS):
            rows = np.asarray(training.residuals(windows[i : i + WINDOWS]), float)
            sums = sums + rows.sum(1)
            products = products + rows.transpose(0, 2, 1) @ rows
        count = windows.shape[0] * (windows.shape[1] - 1)
        mean, second = mean + share * sums / count, second + share * products / count
    return second - mean[:, :, None] * mean[:, None, :]


def spectrum_of(covariance: np.ndarray) -> Mapping[str, float]:
    """Largest eigenvalue of a covariance (width, width), its effective ranks, and the power law of its eigenvalues.

    With p the eigenvalues over their sum, the hard rank is the participation ratio 1 / sum p^2, the soft rank
    exp(-sum p ln p) (Roy & Vetterli 2007). The exponent a of eigenvalue ~ rank^-a is that of a straight line through
    their logarithms, from rank `exponent_from` to `exponent_to`: the first few directions, and the last ones, which
    the width cuts off, seldom follow the law (Stringer et al. 2019 fit ranks 11 to 500 of thousands).

    >>> found = spectrum_of(np.diag([float(i) ** -1.5 for i in range(1, 33)]))
    >>> round(found["exponent"], 6), found["exponent_from"], found["exponent_to"]
    (1.5, 2.0, 16.0)
    """
    values = np.clip(np.linalg.eigvalsh(covariance)[::-1], 0, None)
    if not values[0] > 0:
        return {"largest": 0.0}
    hard, soft = effective_ranks(values)
    return {"largest": float(values[0]), "hard_rank": hard, "soft_rank": soft, **power_law(values)}


def power_law(values: np.ndarray) -> dict[str, float]:
    """Exponent of falling eigenvalues (n,) from rank n/16, at least 2, to n/2, and those ranks.

    Nothing where fewer than three of them are above rounding.
    """
    first = max(2, round(len(values) / 16))
    last = min(len(values) // 2, int(np.sum(values > ROUNDING * values[0])))
    if last - first + 1 < LEAST:
        return {}
    ranks = np.arange(first, last + 1)
    slope = np.polyfit(np.log(ranks), np.log(values[first - 1 : last]), 1)[0]
    return {"exponent": float(-slope), "exponent_from": float(first), "exponent_to": float(last)}
