"""Values that cannot be: not finite, not positive, or in a unit that cannot be right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from similitude._errors import DataError
from similitude._quantity import NATS_PER_TOKEN, Unit

from ._roles import ROLES

_LOWEST = {"N": (100.0, "B"), "D": (1e4, "B"), "C": (1e9, "PF-days")}
_HIGHEST = {"N": 1e14, "D": 1e17}
_HIGHEST_LOSS = 25.0


def first_row(bad: np.ndarray, rows: np.ndarray) -> tuple[int, int]:
    """Index and 1-based source row of the first bad value."""
    at = int(np.argmax(bad))
    return at, int(rows[at])


def check_values(columns: Mapping[str, np.ndarray], names: Mapping[str, str], rows: np.ndarray, source: str) -> None:
    """Refuse infinite values, and values of N, D, C, U, M that are not positive. `names`: role -> the user's column."""
    for role, values in columns.items():
        positive = role in ROLES and ROLES[role].positive
        with np.errstate(invalid="ignore"):
            bad = np.isinf(values) | (values <= 0 if positive else False)
        if bad.any():
            at, row = first_row(bad, rows)
            meaning = ROLES[role].meaning if role in ROLES else names[role]
            verb = "is" if meaning.endswith(("FLOP", "loss")) else "are"
            expected = "positive" if positive and not np.isposinf(values[at]) else "finite"
            raise DataError(
                f"{source}, column '{names[role]}', row {row}: {values[at]:g}; "
                f"expected {meaning} that {verb} {expected}"
            )


def check_plausible(
    columns: Mapping[str, np.ndarray],
    output: str,
    units: Mapping[str, Unit],
    names: Mapping[str, str],
    rows: np.ndarray,
    source: str,
) -> None:
    """Refuse language-model runs (N with D or C) whose units cannot be right; says the remedy, guesses nothing."""
    if "N" not in columns or not {"D", "C"} & set(columns):
        return
    for role, highest in _HIGHEST.items():
        if role not in columns:
            continue
        with np.errstate(invalid="ignore"):
            bad = columns[role] > highest
        if bad.any():
            at, row = first_row(bad, rows)
            raise DataError(
                f"{source}, column '{names[role]}', row {row}: {columns[role][at]:g} {ROLES[role].unit} cannot be "
                f"right for a language model; give the column's unit once, in the column or in units=, else check=False"
            )
    for role, (lowest, scale) in _LOWEST.items():
        if role not in columns:
            continue
        with np.errstate(invalid="ignore"):
            bad = columns[role] < lowest
        if bad.any():
            at, row = first_row(bad, rows)
            raise DataError(
                f"{source}, column '{names[role]}', row {row}: {columns[role][at]:g} {ROLES[role].unit} cannot be "
                f"right for a language model; {_unit_remedy(role, scale, columns[role], bad)}, else check=False"
            )
    if units.get(output) == NATS_PER_TOKEN and output in columns:
        _check_loss(columns[output], names[output], output, rows, source)
    if "C" in columns and "D" in columns:
        _check_compute(columns, names, rows, source)


def _unit_remedy(role: str, scale: str, values: np.ndarray, bad: np.ndarray) -> str:
    """A whole column in another unit is told so; a single cell among others must be written like them."""
    meant = "billions" if scale == "B" else scale
    if (bad | np.isnan(values)).all():
        return f"if the column is in {meant} pass units={{'{role}': '{scale}'}}"
    at = int(np.argmax(bad))
    return f"other rows reach {np.nanmax(values):g}: if {meant} are meant write '{values[at]:g} {scale}' there"


def _check_loss(loss: np.ndarray, name: str, output: str, rows: np.ndarray, source: str) -> None:
    with np.errstate(invalid="ignore"):
        bad = (loss <= 0) | (loss > _HIGHEST_LOSS)
    if not bad.any():
        return
    at, row = first_row(bad, rows)
    remedy = "if it is a perplexity pass units={'loss': 'perplexity'}, " if loss[at] > 0 else ""
    remedy += "if the run diverged mark it with a column given as censored=, "
    raise DataError(
        f"{source}, column '{name}', row {row}: {loss[at]:g} nats/token cannot be right for a language model "
        f"(expected above 0 and below {_HIGHEST_LOSS:g}); {remedy}else check=False"
    )


def _check_compute(columns: Mapping[str, np.ndarray], names: Mapping[str, str], rows: np.ndarray, source: str) -> None:
    ratio = columns["C"] / (6 * columns["N"] * columns["D"])
    known = ratio[np.isfinite(ratio)]
    if known.size and not 1e-3 < np.median(known) < 1e3:
        at, row = first_row(np.isfinite(ratio), rows)
        n, d, c = (f"{role} = {columns[role][at]:g}" for role in "NDC")
        raise DataError(
            f"{source}, columns '{names['N']}', '{names['D']}' and '{names['C']}', row {row}: {n}, {d} and {c} cannot "
            f"belong together, C is {ratio[at]:.3g} times 6ND; state the units, as in units={{'N': 'B'}}, "
            "else check=False"
        )
