"""Several tables of runs under each other."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ._counting import refuse_mixture
from ._table import Runs


def join(tables: list[Runs], label: str) -> Runs:
    """The tables under each other, with a column that says which; DataError when they must not be mixed."""
    import polars as pl

    refuse_mixture(tables)
    names = _distinct([t.source for t in tables])
    frames = [
        t.frame if label in t.names else t.frame.with_columns(pl.lit(s).alias(label)) for t, s in zip(tables, names)
    ]
    known = [t.counts for t in tables if t.counts != "undeclared"]
    sources = list(dict.fromkeys(t.source for t in tables))
    return replace(
        tables[0],
        frame=pl.concat(frames, how="diagonal_relaxed"),
        source=" + ".join(sources),
        sha256=hashlib.sha256("".join(t.sha256 for t in tables).encode()).hexdigest(),
        units={n: u for t in reversed(tables) for n, u in t.units.items()},
        counts=known[0] if known else "undeclared",
        assumed=tuple(dict.fromkeys(a for t in tables for a in t.assumed)),
        provenance=(
            *(f"{s}: {p}" for t, s in zip(tables, names) for p in t.provenance),
            f"joined {len(tables)} tables",
        ),
        **{k: np.concatenate([getattr(t, k) for t in tables]) for k in ("row_numbers", "outliers", "censored")},
        derived=tuple(dict.fromkeys(d for t in tables for d in t.derived)),
        original_names={o: n for t in tables for o, n in t.original_names.items()},
        citation="; ".join(dict.fromkeys(t.citation for t in tables if t.citation)),
        licence="; ".join(dict.fromkeys(t.licence for t in tables if t.licence)),
    )


def _histories(tables: list[Runs], names: list[str]) -> list[str]:
    return [f"{name}: {step}" for table, name in zip(tables, names) for step in table.provenance]


def _distinct(names: list[str]) -> list[str]:
    return [n if names.count(n) == 1 else f"{n} ({i + 1})" for i, n in enumerate(names)]
