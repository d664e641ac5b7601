"""Counting conventions of N: converting between them when the architecture is known, refusing to mix them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import PARAMETERS

from ._roles import COUNT_COLUMNS, fold

if TYPE_CHECKING:
    from ._table import Runs

_WIDTH = ("d_model", "hidden", "hidden_size", "hidden_dim", "model_dim", "n_embd", "dim", "width")
_VOCABULARY = ("vocab", "vocab_size", "n_vocab", "vocabulary")
_TIED = ("tied", "tie_embeddings", "tie_word_embeddings", "tied_embeddings", "weight_tying")
_POSITIONS = ("learned_positions", "n_positions", "position_embeddings")


def convention(embeddings: bool, head: bool | None, active: bool) -> str:
    """The name of the convention that the keywords of ``Runs.count`` describe."""
    if active:
        return "active"
    if embeddings:
        if head is False:
            raise ArgumentError("count(embeddings=True, head=False) is no convention known here; see embeddings=False")
        return "total"
    return "without embeddings and head" if head is False else "without embeddings"


def convert(runs: Runs, target: str, column: str | None) -> Runs:
    """The table with N under the target convention. With tied weights the table is embedding and head in one."""
    if column is None and runs.counts == target:
        return runs
    column = column or _column_of(runs, target)
    if column is not None:
        text = f"N is column '{column}' ({target}), before: {runs.counts}"
        return _replace_n(runs, runs.column(column), target, text)
    values = runs.column("N") + _weights(runs, runs.counts, target) - _weights(runs, target, runs.counts)
    return _replace_n(
        runs, values, target, f"N counted {target}, before: {runs.counts} (from the architecture columns)"
    )


def _column_of(runs: Runs, target: str) -> str | None:
    return next((n for n in runs.names if n != "N" and COUNT_COLUMNS.get(fold(n)) == target), None)


def _weights(runs: Runs, narrow: str, wide: str) -> np.ndarray:
    """The weights that convention `wide` counts and `narrow` does not, one number a run."""
    order = ("without embeddings and head", "without embeddings", "total")
    if narrow not in order or wide not in order:
        raise _unknown(runs, wide if narrow == runs.counts else narrow)
    if order.index(narrow) >= order.index(wide):
        return np.zeros(len(runs))
    table, tied = _table(runs, wide if narrow == runs.counts else narrow)
    head = np.where(tied, 0.0, table) if narrow == order[0] else 0.0
    return np.asarray(head + (table + _positions(runs) if wide == "total" else 0.0))


def _table(runs: Runs, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the embedding table, and whether the head shares them."""
    width, vocabulary, tied = (_find(runs, names) for names in (_WIDTH, _VOCABULARY, _TIED))
    if width is None or vocabulary is None or tied is None:
        raise _unknown(runs, target)
    return runs.column(width) * runs.column(vocabulary), runs.column(tied) != 0


def _positions(runs: Runs) -> np.ndarray | float:
    """Weights of learned positions: a column with their number times the width; none when there is no such column."""
    positions = _find(runs, _POSITIONS)
    width = _find(runs, _WIDTH)
    return runs.column(positions) * runs.column(width) if positions and width else 0.0


def _find(runs: Runs, names: Sequence[str]) -> str | None:
    return next((n for n in runs.names if fold(n) in names), None)


def _unknown(runs: Runs, target: str) -> QuestionError:
    if runs.counts == "undeclared":
        return QuestionError(
            f"{runs.source}: how N is counted is not declared, so it cannot be converted to '{target}'; "
            "declare it with read_runs(..., counts='total') or give the column that holds the count: count(column=...)"
        )
    return QuestionError(
        f"{runs.source}: N ({runs.counts}) cannot be counted '{target}' without the architecture; add the columns "
        "d_model, vocab_size and tied, or give the column that holds the count: count(column='params_non_embedding')"
    )


def _replace_n(runs: Runs, values: np.ndarray, target: str, text: str) -> Runs:
    if (values <= 0).any():
        row = runs.row_numbers[int(np.argmax(values <= 0))]
        raise DataError(
            f"{runs.source}, row {row}: N counted {target} would be {values.min():g}; expected a positive number, "
            "so the architecture columns do not belong to this N"
        )
    stale = [n for n in runs.derived if n in ("C", "M") and n in runs.names]
    frame = runs.frame.drop(stale)
    changed = replace(runs, frame=frame, counts=target, derived=tuple(n for n in runs.derived if n not in stale))
    return changed.with_column("N", values, PARAMETERS, note=text)


def refuse_mixture(tables: Sequence[Runs]) -> None:
    """DataError when two tables cannot stand under each other: two known conventions, rules, outputs or units."""
    first_known = next((t for t in tables if t.counts != "undeclared"), None)
    for table in tables:
        if first_known and table.counts not in ("undeclared", first_known.counts):
            raise DataError(
                f"{first_known.source} counts N '{first_known.counts}' and {table.source} counts it '{table.counts}'; "
                "expected one convention: convert one with runs.count('N', embeddings=...)"
            )
        _refuse_different(tables[0], table)


def _refuse_different(first: Runs, other: Runs) -> None:
    for what in ("output", "flop_rule"):
        if getattr(first, what) != getattr(other, what):
            raise DataError(
                f"{first.source} has {what} '{getattr(first, what)}' and {other.source} '{getattr(other, what)}'; "
                "expected the same in all tables"
            )
    for name in first.names:
        if (
            name in other.names
            and name in first.units
            and name in other.units
            and first.units[name] != other.units[name]
        ):
            raise DataError(
                f"column '{name}' is in {first.units[name]} in {first.source} and in {other.units[name]} in "
                f"{other.source}; expected the same unit"
            )
