"""read_runs: any table of training runs, as people have them, to Runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, DataError
from similitude._quantity import NATS_PER_TOKEN, SCORE, Unit, parse_unit

from ._check import check_plausible, check_values, first_row
from ._numbers import guess_kind, read_flags, read_numbers
from ._open import Raw, open_source
from ._roles import (
    COUNT_COLUMNS,
    COUNTS,
    NUMERIC,
    ROLES,
    bind_roles,
    fold,
    require_column,
    stated_convention,
    unit_by_name,
)
from ._table import Runs

if TYPE_CHECKING:
    import polars as pl

_LOSS_WORDS = ("loss", "nll", "cross_entropy", "ppl", "perplexity", "bpb", "bits")
_COUNTING = ("counts", "counting", "count_convention", "counting_convention")
_UNEVEN = 3.0  # rules of FLOP per parameter and token differ by less than this within one sweep
TAKEN_AS_NATS = "is taken to be in nats/token"
_CENSORED = ("censored", "diverged", "crashed")


def read_runs(
    source: Any,
    *,
    N: str | None = None,
    D: str | None = None,
    C: str | None = None,
    loss: str | None = None,
    U: str | None = None,
    M: str | None = None,
    step: str | None = None,
    run: str | None = None,
    group: str | None = None,
    columns: Mapping[str, str] | None = None,
    units: Mapping[str, str | Unit] | None = None,
    counts: str | None = None,
    flop_rule: str = "6ND",
    censored: str | None = None,
    outliers: str | None = None,
    where: str | None = None,
    not_finite: str = "error",
    check: bool = True,
    name: str | None = None,
) -> Runs:
    """Read training runs into an immutable table.

    Parameters
    ----------
    source
        A path to CSV, TSV, JSON, JSONL, Parquet or Arrow (text also gzipped), a folder of logs or a store of runs, "-"
        for standard input, a data frame narwhals knows (pandas, polars, pyarrow, duckdb), a mapping of columns or a
        list of dicts; Runs are given back.
    N, D, C, loss, U, M, step, run, group
        The column of that role: parameters, tokens, training FLOP, loss, unique tokens, tokens per parameter, step,
        run id, group. A role not given is looked for by its usual names, and what was found is in ``runs.assumed``.
        A loss column whose name speaks of no loss, such as "error_rate", keeps its name and is the output.
    columns
        More renamings, role or new name -> the table's column.
    units
        Unit of a role or column: a scale ("B"), a unit ("nats/token", "bits/byte", "perplexity", "images") or both
        ("B tokens", "PF-days"). Scales multiply the values, perplexities become nats per token.
    counts
        What N counts: total, without embeddings, without embeddings and head, active; else undeclared.
    flop_rule
        The rule that ties C to N and D, see ``Runs.with_inputs``.
    censored, outliers
        Columns of true/false: runs that crashed or diverged (their loss may be missing), runs known to be outliers.
        A column named censored, diverged or crashed is taken as the first.
    where
        Keep only rows that meet this condition, before values are checked.
    not_finite
        A loss of NaN or infinity is an error; "drop" leaves such runs out, "censored" keeps them as censored.
        An empty cell is missing, not NaN: the run is left out, with a note, unless it is censored.
    check
        False turns off the plausibility checks of units (they apply only when N and D are both there).
    name
        What to call the source in messages.

    Raises
    ------
    DataError
        One sentence with file, column, row, value and what was expected.

    Examples
    --------
    >>> read_runs({"Model Size": ["70M"], "Tokens (B)": [1.4], "val_loss": [3.41]})
    Runs(1 runs: N 70M, D 1.4B, loss 3.41)
    """
    given = {"N": N, "D": D, "C": C, "loss": loss, "U": U, "M": M, "step": step, "run": run, "group": group}
    given = {k: v for k, v in given.items() if v is not None} | dict(columns or {})
    options = _Options(counts, flop_rule, censored, outliers, where, not_finite, check)
    if isinstance(source, Runs):
        if given or units or options != _Options():
            raise ArgumentError(f"{source.source} is already Runs; use its methods: rename, where, count, declare")
        return source
    _refuse_unknown_counts(options)
    raw = open_source(source, name, counts if counts != "undeclared" else None)
    if raw.logs is None:
        return _build(raw, given, dict(units or {}), options)
    if not (given or units) and options == _Options():
        return raw.logs
    known = {"loss": raw.logs.unit(raw.logs.output)} if "loss" not in given else {}
    if options.counts is None and "N" not in given and raw.logs.counts != "undeclared":
        options = replace(options, counts=raw.logs.counts)
    options = replace(options, check=False)  # a log's numbers are in no other unit than it says
    return _build(raw, given, {**known, **(units or {})}, options)


@dataclass(frozen=True, slots=True)
class _Options:
    counts: str | None = None
    flop_rule: str = "6ND"
    censored: str | None = None
    outliers: str | None = None
    where: str | None = None
    not_finite: str = "error"
    check: bool = True

    def __post_init__(self) -> None:
        if self.not_finite not in ("error", "drop", "censored"):
            raise ArgumentError(f"not_finite = {self.not_finite!r}; expected error, drop or censored")


def _build(raw: Raw, given: dict[str, str], units: dict[str, str | Unit], options: _Options) -> Runs:
    frame, rows = _without_blank_rows(_flat(raw.frame))
    if not frame.width or not frame.height:
        raise DataError(f"{raw.source} has no rows; expected one run a row")
    binding = bind_roles(frame.columns, given, raw.source)
    bound, output = _output(binding.columns)
    frame, original = _renamed(frame, bound)
    units = _units_by_column(units, original, frame.columns, output, raw.source)
    table = Runs(
        frame.with_columns(guess_kind(s) for s in frame if s.name not in (*NUMERIC, output)),
        raw.source,
        raw.sha256,
        output=output,
        counts=options.counts or _counts_by_name(bound.get("N", "")),
        flop_rule=options.flop_rule,
        assumed=(*raw.notes, *binding.assumed),
        provenance=(f"read {frame.height} rows from {raw.source}",),
        row_numbers=rows,
        original_names=original,
    )
    table = _note_counts(table, options, bound.get("N", ""))
    table = _marked(table, options)
    if options.where:
        table = _chosen(table, options.where, units, binding.header_units)
    table = _counts_by_column(table, options.counts)
    table = _numbers(table, units, binding.header_units)
    table = _settle_output(table, options.not_finite)
    _check(table, options.check)
    return _note_compute(table)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists, structs and other objects in cells as text: they are labels at most."""
    import polars as pl

    odd = [s for s in frame if s.dtype.is_nested() or s.dtype in (pl.Object, pl.Binary, pl.Categorical, pl.Enum)]
    text = [pl.Series(s.name, [None if v is None else str(v) for v in s.to_list()], dtype=pl.String) for s in odd]
    return frame.with_columns(text)


def _without_blank_rows(frame: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    import polars as pl

    rows = np.arange(1, frame.height + 1)
    if not frame.width or not frame.to_series(0).null_count():
        return frame, rows
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    return (frame.filter(pl.Series(~blank)), rows[~blank]) if blank.any() else (frame, rows)


def _output(columns: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The output is `loss`, unless the user named a column for it that speaks of no loss."""
    bound = dict(columns)
    column = bound.get("loss")
    if column is None or any(word in fold(column) for word in _LOSS_WORDS):
        return bound, "loss"
    del bound["loss"]
    return bound, column


def _renamed(frame: pl.DataFrame, bound: Mapping[str, str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Role columns get the role's name; a column that stood in its place steps aside as "N (column)"."""
    original = {column: role for role, column in bound.items()}
    aside = {role: f"{role} (column)" for role in bound if role in frame.columns and bound[role] != role}
    mapping = {**aside, **original}
    mapping = {old: new for old, new in mapping.items() if old != new}
    return frame.rename(mapping), {column: role for column, role in original.items() if column != role}


def _units_by_column(
    units: Mapping[str, str | Unit], original: Mapping[str, str], names: list[str], output: str, source: str
) -> dict[str, str | Unit]:
    found = {}
    for name, unit in units.items():
        column = output if name == "loss" else original.get(name, name)
        found[require_column(column, names, source)] = unit
    return found


def _refuse_unknown_counts(options: _Options) -> None:
    if options.counts is not None and options.counts not in COUNTS:
        raise ArgumentError(f"counts = {options.counts!r}; expected one of: {', '.join(COUNTS)}")


def _counts_by_name(column: str) -> str:
    return COUNT_COLUMNS.get(fold(column), "undeclared")


def _note_counts(table: Runs, options: _Options, column: str) -> Runs:
    if options.counts or table.counts == "undeclared":
        return table
    return replace(table, assumed=(*table.assumed, f"N counts {table.counts}, as its column '{column}' says"))


def _counts_by_column(table: Runs, given: str | None) -> Runs:
    """The convention that a column named counts or counting states; two of them cannot be one N."""
    column = next((n for n in table.names if fold(n) in _COUNTING), None)
    if column is None or given is not None:
        return table
    said = [stated_convention(label) for label in table.labels(column).tolist()]
    known = [c for c in dict.fromkeys(said) if c is not None]
    if len(known) > 1:
        first, second = (f"row {table.row_numbers[said.index(c)]} counts N '{c}'" for c in known[:2])
        raise DataError(
            f"{table.source}, column '{column}': {first} and {second}; expected one convention: bring N to one and "
            f"say which with counts='{known[0]}', or keep the runs of one with where="
        )
    if not known:
        return table
    if table.counts not in ("undeclared", known[0]):
        raise DataError(
            f"{table.source}, column '{column}': N is counted '{known[0]}', but the name of its own column "
            f"'{column_name(table, 'N')}' says '{table.counts}'; say which holds with counts='{known[0]}'"
        )
    note = f"N counts {known[0]}, as column '{column}' says"
    return table if table.counts == known[0] else replace(table, counts=known[0], assumed=(*table.assumed, note))


def _note_compute(table: Runs) -> Runs:
    """A note where C is not one multiple of N times D: laws of N and D then do not see what C says."""
    if not {"N", "D", "C"} <= set(table.names):
        return table
    n, d, c = (table.column(name) for name in "NDC")
    with np.errstate(all="ignore"):
        ratio = c / (6 * n * d)
    known = np.isfinite(ratio) & ~table.censored & ~table.outliers
    if not known.any() or ratio[known].max() <= _UNEVEN * ratio[known].min():
        return table
    low, high = (pick(np.where(known, ratio, np.nan)) for pick in (np.nanargmin, np.nanargmax))
    note = (
        f"column '{column_name(table, 'C')}' disagrees with N and D: C is {ratio[low]:.3g} times 6ND in row "
        f"{table.row_numbers[low]} and {ratio[high]:.3g} times in row {table.row_numbers[high]}; "
        "check it, a law of N and D does not use it"
    )
    return replace(table, assumed=(*table.assumed, note))


def _marked(table: Runs, options: _Options) -> Runs:
    """Censored runs and outliers, from the columns that say so."""
    censored = options.censored or next((n for n in table.names if fold(n) in _CENSORED), None)
    marks = {"censored": censored, "outliers": options.outliers}
    notes = () if options.censored or not censored else (f"column '{censored}' marks censored runs",)
    for what, column in marks.items():
        if column is None:
            continue
        column = require_column(table._find(column) or column, table.names, table.source, what)
        flags = read_flags(table.frame[column], f"{table.source}, column '{column}'", table.row_numbers)
        table = replace(table, **{what: flags})
    return replace(table, assumed=(*table.assumed, *notes))


def _chosen(table: Runs, condition: str, units: Mapping[str, str | Unit], headers: Mapping[str, Any]) -> Runs:
    """The rows that meet the condition, judged on numbers as far as the columns can be read."""
    readable = []
    for name in _number_columns(table, units):
        try:
            readable.append(_one_column(table, name, units.get(name), headers.get(name))[0])
        except DataError:
            continue
    mask = replace(table, frame=table.frame.with_columns(readable))._mask(condition)
    return table._take(mask, f"kept {int(mask.sum())} of {len(table)} rows where {condition}")


def _number_columns(table: Runs, units: Mapping[str, str | Unit]) -> list[str]:
    return [name for name in table.names if name in NUMERIC or name == table.output or name in units]


def _numbers(table: Runs, units: Mapping[str, str | Unit], headers: Mapping[str, Any]) -> Runs:
    """The number columns as float64 in their base units."""
    columns, found, assumed = [], dict(table.units), list(table.assumed)
    for name in _number_columns(table, units):
        series, found[name], notes = _one_column(table, name, units.get(name), headers.get(name))
        columns.append(series)
        assumed += notes
    return replace(table, frame=table.frame.with_columns(columns), units=found, assumed=tuple(assumed))


def _one_column(
    table: Runs, name: str, given: str | Unit | None, header: tuple[float, Unit | None] | None
) -> tuple[pl.Series, Unit, list[str]]:
    """One column in its base unit, that unit, and what was assumed on the way."""
    where = f"{table.source}, column '{column_name(table, name)}'"
    series, written, by_hand = read_numbers(table.frame[name], where, table.row_numbers)
    factor, unit = header or (1.0, None)
    if given is not None:
        factor, unit = (1.0, given) if isinstance(given, Unit) else parse_unit(given)
    if by_hand and factor != 1:
        raise DataError(
            f"{where}: values such as '1.3B' carry their own scale; expected plain numbers with a unit given"
        )
    expected = ROLES[name].unit if name in ROLES else SCORE
    if written and unit is None and name in ROLES and written.kind not in (expected.kind, "perplexity"):
        raise DataError(f"{where}: the values are in {written}; expected {ROLES[name].meaning}")
    notes = []
    if unit is None and written is None and name == "loss":
        factor, unit, notes = _loss_unit(column_name(table, name), where)
    unit = unit or written or expected
    if unit.kind == "perplexity" and name == "loss":
        return series.log(), NATS_PER_TOKEN, [*notes, "loss is the logarithm of the perplexity"]
    return series * factor if factor != 1 else series, unit, notes


def _loss_unit(column: str, where: str) -> tuple[float, Unit, list[str]]:
    """The factor and unit that the name of a loss column states, else nats per token, with a note on it."""
    named = unit_by_name(column)
    if named == "bits":
        raise DataError(
            f"{where}: its name speaks of bits; expected to be told per what: "
            "units={'loss': 'bits/byte'} or units={'loss': 'bits/token'}"
        )
    if named is None:
        return 1.0, NATS_PER_TOKEN, [f"column '{column}' {TAKEN_AS_NATS}"]
    factor, unit = parse_unit(named)
    return factor, unit or NATS_PER_TOKEN, [f"column '{column}' is in {named}, as its name says"]


def column_name(table: Runs, name: str) -> str:
    """What the user calls the column."""
    return next((old for old, new in table.original_names.items() if new == name), name)


def _settle_output(table: Runs, not_finite: str) -> Runs:
    """A missing output leaves the run out; one that is not finite is an error unless the user says otherwise."""
    import polars as pl

    if table.output not in table.names:
        return table
    series = table.frame[table.output]
    missing = series.is_null().to_numpy()
    broken = ~np.isfinite(series.fill_null(0.0).to_numpy())
    if (broken & ~table.censored).any() and not_finite == "error":
        at, row = first_row(broken & ~table.censored, table.row_numbers)
        raise DataError(
            f"{table.source}, column '{column_name(table, table.output)}', row {row}: {series[at]}; expected a finite "
            "number: leave such runs out with not_finite='drop', or keep them as crashed with not_finite='censored'"
        )
    if not (missing.any() or broken.any()):
        return table
    if not_finite == "censored":
        table = replace(table, censored=table.censored | broken)
    clean = pl.when(pl.Series(broken)).then(None).otherwise(pl.col(table.output)).alias(table.output)
    table = replace(table, frame=table.frame.with_columns(clean))
    return _without_output(table, (missing | broken) & ~table.censored)


def _without_output(table: Runs, gone: np.ndarray) -> Runs:
    if not gone.any():
        return table
    name = column_name(table, table.output)
    if gone.all():
        raise DataError(f"{table.source}, column '{name}': no run has a value; expected a number in each")
    listed = ", ".join(map(str, table.row_numbers[gone][:10])) + (", ..." if gone.sum() > 10 else "")
    note = f"left out {int(gone.sum())} runs without {name} (row{'s' if gone.sum() > 1 else ''} {listed})"
    return replace(table._take(~gone, note), assumed=(*table.assumed, note))


def _check(table: Runs, plausible: bool) -> None:
    columns = {n: table.column(n) for n in (*NUMERIC, table.output) if n in table.names}
    names = {n: column_name(table, n) for n in columns}
    check_values(columns, names, table.row_numbers, table.source)
    if plausible:
        check_plausible(columns, table.output, table.units, names, table.row_numbers, table.source)
