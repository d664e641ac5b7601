"""A sweep's cells, sorted into groups of equal size and data, ready for bowls; what had to be set aside, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import format_quantity
from similitude.planning._bowl import CAP, FEW, Cells, unknowns
from similitude.runs import Runs

__all__ = ["Sweep", "read_sweep"]

ALIKE = 0.02  # tokens of one group differ by what rounding steps to a batch leaves
RATES = ("lr", "learning_rate", "peak_lr", "max_lr", "eta")
BATCHES = ("batch_tokens", "batch_seqs", "batch_size", "batch", "global_batch_size")
SMALL = 16_384  # a batch of so few tokens is more likely one of sequences


@dataclass(frozen=True)
class Sweep:
    """Groups of cells with their values of the `by` columns, and the groups set aside with the reason for each."""

    by: tuple[str, ...]
    values: np.ndarray
    cells: tuple[Cells, ...]
    settings: tuple[str, ...]
    set_aside: tuple[tuple[dict[str, float], str], ...]
    warnings: tuple[str, ...]


def read_sweep(
    runs: Runs, lr: str | None, batch: str | None, by: Sequence[str] | None, sequence_length: int | None
) -> Sweep:
    """The sweep of a table of runs.

    Raises DataError for missing or unfit columns, QuestionError where no group can show a bowl.
    """
    runs = runs.kept
    rate = lr or next((name for name in RATES if name in runs), None)
    if rate is None:
        raise DataError(f"{runs.source}: no column of learning rates (lr); name it with lr='your column'")
    settings = (rate,) if batch is None else (rate, batch)
    if by is None:
        by = tuple(name for name in ("N", "D") if name in runs)
    if not by:
        raise DataError(f"{runs.source}: no column N or D to group by; name the columns with by=('width',)")
    if clash := set(by) & set(settings):
        raise ArgumentError(f"'{clash.pop()}' is what is tuned: it cannot be a column to group by")
    runs = runs.require(*by, *settings, runs.output)
    loss, grouped = runs.column(runs.output), _alike(np.stack([_positive(runs, n) for n in by], axis=1))
    if np.any(loss[~runs.censored] <= 0):
        raise DataError(
            f"{runs.source}, column '{runs.output}': the log of a loss that is not positive; shift it first"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.where(loss > 0, np.log(loss), np.nan)
    z = np.log(np.stack([_positive(runs, n) for n in settings], axis=1))
    if batch is not None and sequence_length is not None:
        z[:, 1] += np.log(sequence_length)
    values, member = np.unique(grouped, axis=0, return_inverse=True)
    parts = [Cells(z[m], y[m], np.asarray(runs.censored)[m]) for k in range(len(values)) for m in [member.ravel() == k]]
    return _usable(runs, tuple(by), values, parts, settings, _warnings(runs, settings, grouped, z, batch))


def _positive(runs: Runs, name: str) -> np.ndarray:
    values = runs.column(name)
    if np.any(values <= 0):
        row = runs.row_numbers[int(np.argmax(values <= 0))]
        raise DataError(f"{runs.source} row {row}: {name} = {values[values <= 0][0]:g}; {name} must be positive")
    return values


def _alike(values: np.ndarray) -> np.ndarray:
    """Each column with values within 2 % of the next one replaced by their geometric mean."""
    out = np.array(values, float)
    for column in out.T:
        unique, back = np.unique(column, return_inverse=True)
        label = np.r_[0, np.cumsum(np.diff(np.log(unique)) > np.log1p(ALIKE))]
        means = np.array([np.exp(np.log(unique[label == k]).mean()) for k in range(label[-1] + 1)])
        single = np.bincount(label) == 1
        means[single] = unique[np.isin(label, np.flatnonzero(single))]  # exact where nothing was averaged
        column[:] = means[label][back]
    return out


def _usable(runs, by, values, parts, settings, warnings) -> Sweep:
    """Without the groups that cannot show a bowl."""
    axes = len(settings)
    kept, aside = [], []
    few = sum(_reason(c, settings, 2 + axes) == "" for c in parts) < FEW
    for row, cells in zip(values, parts, strict=True):
        reason = _reason(cells, settings, unknowns(axes) + 1 if few else 2 + axes)
        aside += [({k: float(v) for k, v in zip(by, row, strict=True)}, reason)] if reason else []
        kept += [] if reason else [(row, cells)]
    if not kept:
        first, why = aside[0]
        at = ", ".join(f"{k} = {format_quantity(v)}" for k, v in first.items())
        raise QuestionError(
            f"{runs.source}: none of the {len(aside)} groups of equal {' and '.join(by)} can show a bowl; "
            f"at {at}: {why}"
        )
    return Sweep(by, np.array([v for v, _ in kept]), tuple(c for _, c in kept), settings, tuple(aside), warnings)


def _reason(cells: Cells, settings: tuple[str, ...], need: int) -> str:
    """Why a group shows no bowl; empty where it does."""
    for axis, name in enumerate(settings):
        count = np.unique(cells.z[:, axis]).size
        if count < 3:
            return f"{count} value{'s' if count > 1 else ''} of {name}; a bowl needs at least 3"
    known = cells.y[~cells.censored]
    low = int(np.sum(known <= known.min() + np.log1p(CAP))) if known.size else 0
    if low < need:
        return f"{low} finished runs within {CAP:.0%} of its best loss; its bowl needs at least {need}"
    return ""


def _warnings(runs: Runs, settings: tuple[str, ...], grouped: np.ndarray, z: np.ndarray, batch: str | None) -> tuple:
    said = []
    if batch is None:
        found = next((n for n in BATCHES if n in runs and n not in settings and _varies(runs, n, grouped)), None)
        if found:
            said.append(
                f"Column '{found}' varies within groups and is ignored: the best learning rate moves with the batch; "
                f"say batch='{found}', or group by it."
            )
    elif np.exp(np.median(z[:, 1])) < SMALL:
        said.append(
            f"Column '{batch}' is taken as tokens, and its values look like sequences: say sequence_length=... to "
            "compare with published rules."
        )
    return tuple(said)


def _varies(runs: Runs, name: str, grouped: np.ndarray) -> bool:
    try:
        values = runs.column(name)
    except DataError:
        return False
    _, member = np.unique(grouped, axis=0, return_inverse=True)
    return any(np.unique(values[member.ravel() == k]).size > 1 for k in range(member.max() + 1))
