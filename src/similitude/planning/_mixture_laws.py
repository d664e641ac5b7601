"""The laws of a mixture from runs: one for each validation loss, in the shares of the training domains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from similitude._errors import ArgumentError, DataError, SimilitudeError
from similitude.fitting import Fit, Intervals, fit
from similitude.laws import get
from similitude.runs import Runs, read_runs

__all__ = ["mixture_laws"]

OFF = 0.02  # how far shares of a run may be from adding up to one


def mixture_laws(
    runs: Runs, shares: Sequence[str], losses: Sequence[str], *, level: float = 0.9, seed: int = 0
) -> dict[str, Fit]:
    """A fit of the mixing law for each column of `losses`, in the columns `shares` of runs whose mixtures differ.

    Shares add up to one, so that one coefficient is free: that of the last domain is held at zero (Ye et al. 2024,
    eq. 7). A law has as many parameters as domains, plus one: it takes at least two mixtures more.

    Raises DataError for shares that do not add up to one or too few mixtures, ArgumentError for fewer than two domains.

    >>> import similitude as sim
    >>> import numpy as np
    >>> web = np.linspace(0.1, 0.9, 8)
    >>> runs = sim.read_runs({"web": web, "code": 1 - web, "loss": 2 + 0.5 * np.exp(-2 * web)})
    >>> round(sim.mixture_laws(runs, ["web", "code"], ["loss"])["loss"].values["t_web"], 3)
    -2.0
    """
    if len(shares) < 2:
        raise ArgumentError("shares: a mixture has two domains or more")
    names = tuple("".join(c if c.isalnum() else "_" for c in s) for s in shares)
    r = np.column_stack([runs.column(s) for s in shares])
    whole = r.sum(1)
    if bad := np.flatnonzero(~((np.abs(whole - 1) <= OFF) & (r >= 0).all(1))).tolist():
        raise DataError(
            f"{runs.source} row {bad[0] + 1}: the shares add up to {whole[bad[0]]:.3f}; expected shares that make 1"
        )
    law = get("data_mixture").sized(domain=names)
    distinct = len(np.unique(np.round(r, 9), axis=0))
    if distinct < len(names) + 3:
        raise DataError(
            f"{runs.source}: {distinct} different mixtures of {len(names)} domains; a mixing law takes {len(names) + 3}"
        )
    out = {}
    for column in losses:
        y = runs.column(column)
        known = np.isfinite(y)
        table = {f"r_{n}": r[known, j] for j, n in enumerate(names)} | {"loss": y[known]}
        made = read_runs(table, loss="loss", check=False)
        try:
            out[column] = fit(
                law,
                made,
                fix={f"t_{names[-1]}": 0.0},
                objective="squares_log",
                intervals=Intervals(level=level),
                seed=seed,
            )
        except SimilitudeError as error:
            raise type(error)(f"{runs.source}, {column}: {error}") from None
    return out
