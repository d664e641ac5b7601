"""Runs: an immutable table of training runs, with units, a counting convention and its history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude._quantity import SCORE, Unit, parse_unit

from . import _counting, _show
from ._derive import derivations, find_rule
from ._expression import parse_condition
from ._hash import hash_frame
from ._numbers import read_numbers
from ._roles import COUNTS, ROLES, near_alias

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Runs:
    """An immutable table of training runs; every method returns a new table and adds a line to `provenance`.

    Columns with a role have its name: ``N`` parameters, ``D`` tokens, ``C`` training FLOP, ``loss``, ``U`` unique
    tokens, ``M`` tokens per parameter, ``step``, ``run``. All others keep their own. Made by :func:`read_runs`.
    `frame` holds the columns and is not to be changed in place; `row_numbers` are the 1-based rows of the source.

    >>> from similitude.runs import read_runs
    >>> runs = read_runs({"params": ["70M", "1.3B"], "tokens": [1.4e9, 2.6e10], "loss": [3.4, 2.6]})
    >>> runs
    Runs(2 runs: N 70M to 1.3B, D 1.4B to 26B, loss 2.6 to 3.4)
    >>> runs.column("N")
    array([7.0e+07, 1.3e+09])
    """

    frame: pl.DataFrame
    source: str
    sha256: str
    output: str = "loss"
    units: Mapping[str, Unit] = field(default_factory=dict)
    counts: str = "undeclared"
    flop_rule: str = "6ND"
    assumed: tuple[str, ...] = ()
    provenance: tuple[str, ...] = ()
    row_numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    outliers: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    censored: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    derived: tuple[str, ...] = ()
    original_names: Mapping[str, str] = field(default_factory=dict)
    citation: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        n = self.frame.height
        if self.counts not in COUNTS:
            raise ArgumentError(f"counts = {self.counts!r}; expected one of: {', '.join(COUNTS)}")
        find_rule(self.flop_rule)
        for name, default in (
            ("row_numbers", np.arange(1, n + 1)),
            ("outliers", np.zeros(n, bool)),
            ("censored", np.zeros(n, bool)),
        ):
            value = np.array(getattr(self, name)) if getattr(self, name).size else default
            if value.shape != (n,):
                raise ArgumentError(f"{name} has {value.size} entries; expected {n}, one a run")
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    # -- looking ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.frame.height

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.frame.columns)

    def _find(self, name: str) -> str | None:
        if name in self.frame.columns:
            return name
        renamed = self.original_names.get(name)
        if renamed in self.frame.columns:
            return renamed
        return next((r.name for r in ROLES.values() if r.name in self.frame.columns and r.tier(name) == 1), None)

    def _require(self, name: str) -> str:
        found = self._find(name)
        if found is not None:
            return found
        role = f" ({ROLES[name].meaning})" if name in ROLES and ROLES[name].meaning != name else ""
        remedy = f"; name it when reading, as in {name}='your column'" if name in ROLES else ""
        there = {new: old for old, new in self.original_names.items()}
        names = [there.get(n, n) for n in self.names]  # as the user knows them
        close = did_you_mean(name, names) or near_alias(name, [n for n in names if n not in self.original_names])
        raise DataError(f"{self.source}: no column '{name}'{role}{remedy}; the columns are: {', '.join(names)}{close}")

    def column(self, name: str) -> np.ndarray:
        """The column as float64, shape ``(len(runs),)``, NaN where missing; DataError if absent or not numbers."""
        name = self._require(name)
        series, _, _ = read_numbers(self.frame[name], f"{self.source}, column '{name}'", self.row_numbers)
        return series.fill_null(np.nan).to_numpy().astype(float)

    def labels(self, name: str) -> np.ndarray:
        """The column as text, shape ``(len(runs),)``, for grouping; missing is the empty string."""
        import polars as pl

        series = self.frame[self._require(name)]
        if series.dtype.is_float() and (whole := series.cast(pl.Int64, strict=False)).cast(pl.Float64).equals(series):
            series = whole
        return np.array(series.cast(pl.String).fill_null("").to_list(), dtype=object)

    def unit(self, name: str) -> Unit:
        """The unit of a column; SCORE (no name) when none is known."""
        return self.units.get(name, SCORE)

    @property
    def kept(self) -> Runs:
        """The runs not marked as outliers; the table itself when none is."""
        if not self.outliers.any():
            return self
        return self._take(~self.outliers, f"left out the {int(self.outliers.sum())} runs marked as outliers")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the table as it stands: values, names, units, marks and conventions."""
        digest = hashlib.sha256(repr((self.output, sorted(self.units.items()), self.counts, self.flop_rule)).encode())
        digest.update(hash_frame(self.frame).encode())
        digest.update(self.outliers.tobytes() + self.censored.tobytes())
        return digest.hexdigest()

    def require(self, *names: str) -> Runs:
        """The table itself when every named column is there and holds only finite numbers; DataError otherwise."""
        for name in names:
            values = self.column(name)
            missing = ~np.isfinite(values) & ~(self.censored if name == self.output else False)
            if missing.any():
                row = self.row_numbers[int(np.argmax(missing))]
                raise DataError(
                    f"{self.source}, column '{name}', row {row}: no value; expected a number in every run: "
                    f"leave such runs out with drop(missing='{name}')"
                )
        return self

    # -- choosing runs ------------------------------------------------------------------------------------------

    def where(self, condition: str | pl.Expr | Sequence[bool] | np.ndarray | None = None, /, **equals: Any) -> Runs:
        """The runs for which the condition holds and each named column equals its value (or one of a list).

        >>> from similitude.runs import read_runs
        >>> runs = read_runs({"N": [1e8, 2e9], "D": [2e9, 4e10], "loss": [3.3, 2.4], "group": ["a", "b"]})
        >>> len(runs.where("N < '1B'")), len(runs.where(group="b"))
        (1, 1)
        """
        keep = np.ones(len(self), bool) if condition is None else self._mask(condition)
        for name, value in equals.items():
            keep &= self._equal(name, value)
        said = [] if condition is None else [_describe(condition)]
        said += [f"{name} = {value!r}" for name, value in equals.items()]
        return self._take(keep, f"kept {int(keep.sum())} of {len(self)} runs where {' and '.join(said) or 'anything'}")

    def drop(
        self,
        condition: str | pl.Expr | Sequence[bool] | np.ndarray | None = None,
        /,
        *,
        rows: Iterable[int] | None = None,
        missing: str | Iterable[str] | None = None,
        reason: str = "",
    ) -> Runs:
        """Leave out the runs that meet the condition, have these row numbers, or miss a value in these columns."""
        gone = np.zeros(len(self), bool) if condition is None else self._mask(condition)
        said = [] if condition is None else [_describe(condition)]
        if rows is not None:
            gone |= self._rows(rows)
            said.append(f"rows {', '.join(str(r) for r in self.row_numbers[self._rows(rows)])}")
        for name in [missing] if isinstance(missing, str) else missing or []:
            gone |= np.isnan(self.column(name))
            said.append(f"no {name}")
        text = f"dropped {int(gone.sum())} of {len(self)} runs: {'; '.join(said)}"
        return self._take(~gone, text + (f" ({reason})" if reason else ""))

    def mark_outliers(
        self, which: str | pl.Expr | Sequence[int] | Sequence[bool] | np.ndarray, reason: str = ""
    ) -> Runs:
        """Mark runs as outliers, by condition, mask or row numbers; they stay in the table, `kept` leaves them out."""
        marked = self._rows(which) if _are_rows(which) else self._mask(which)
        text = f"marked {int(marked.sum())} runs as outliers" + (f": {reason}" if reason else f" ({_describe(which)})")
        return replace(self, outliers=self.outliers | marked, provenance=(*self.provenance, text))

    def groups(self, by: str) -> dict[str, Runs]:
        """One table for each value of a column, in order of first appearance."""
        labels = self.labels(by)
        values, first, member = np.unique(labels, return_index=True, return_inverse=True)
        parts = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])
        return {
            str(values[i]): self._take(parts[i], f"kept {parts[i].size} runs of {by} = {values[i]!r}")
            for i in np.argsort(first)
        }

    def _mask(self, condition: Any) -> np.ndarray:
        """The condition as one boolean a run; missing values meet no condition."""
        import polars as pl

        if isinstance(condition, str):
            numeric = frozenset(n for n, t in self.frame.schema.items() if t.is_numeric())
            condition = parse_condition(condition, self._find, self.names, numeric)
        if isinstance(condition, pl.Expr):
            try:
                condition = self.frame.select(condition).to_series()
            except pl.exceptions.PolarsError as error:
                raise ArgumentError(f"{self.source}: the condition cannot be computed: {error}") from None
        if isinstance(condition, pl.Series):
            condition = condition.fill_null(False).to_numpy() if condition.dtype == pl.Boolean else condition.to_numpy()
        mask = np.asarray(condition)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise ArgumentError(f"a condition gives one true or false a run; expected {len(self)}, got {mask.shape}")
        return mask.copy()

    def _equal(self, name: str, value: Any) -> np.ndarray:
        values = value if isinstance(value, (list, tuple, set, frozenset, np.ndarray)) else [value]
        column = self._require(name)
        if self.frame[column].dtype.is_numeric() and not any(isinstance(v, str) for v in values):
            return np.isin(self.column(column), np.array([float(v) for v in values]))
        labels = self.labels(column)
        return np.isin(labels, np.array([_label(v) for v in values], dtype=object))

    def _rows(self, rows: Any) -> np.ndarray:
        wanted = np.asarray(list(rows))
        unknown = np.setdiff1d(wanted, self.row_numbers)
        if unknown.size:
            raise ArgumentError(
                f"{self.source} has no row {unknown[0]} here; rows count from 1, the line under the header"
            )
        return np.isin(self.row_numbers, wanted)

    def _take(self, keep: np.ndarray, text: str) -> Runs:
        """The runs of a mask or of indices, with what was done added to the provenance."""
        index = np.flatnonzero(keep) if keep.dtype == bool else keep
        return replace(
            self,
            frame=self.frame[index],
            row_numbers=self.row_numbers[index],
            outliers=self.outliers[index],
            censored=self.censored[index],
            provenance=(*self.provenance, text),
        )

    # -- columns ------------------------------------------------------------------------------------------------

    def with_inputs(self, names: Iterable[str]) -> Runs:
        """The table with every named column present; N, D, C, M follow from each other under the FLOP rule.

        Missing cells are filled the same way where the others are known; what was derived is recorded.
        Raises DataError when a column is neither there nor derivable.
        """
        runs = self
        for name in names:
            runs = runs._with_input(name)
        return runs

    def _with_input(self, name: str) -> Runs:
        have = self._find(name)
        values = self.column(have) if have else np.full(len(self), np.nan)
        if have and not np.isnan(values).any():
            return self
        filled, used = values.copy(), []
        for rule in derivations(find_rule(self.flop_rule)):
            if rule.target != name or not np.isnan(filled).any() or not all(n in self for n in rule.needs):
                continue
            new = np.where(np.isnan(filled), rule.compute(*map(self.column, rule.needs)), filled)
            used += [rule.text] * bool((np.isfinite(new) & np.isnan(filled)).any())
            filled = new
        if not used:
            if have:
                return self
            self._require(name)
        count = int(np.isfinite(filled).sum() - np.isfinite(values).sum())
        text = f"{name} = {' or '.join(used)} derived for {count} runs ({self.flop_rule} rule)"
        runs = self.with_column(name, filled, ROLES[name].unit, note=text)
        return replace(runs, derived=(*self.derived, name), assumed=(*self.assumed, text))

    def with_column(self, name: str, values: Any, unit: Unit | str | None = None, *, note: str = "") -> Runs:
        """The table with a column added or replaced; `values` has one entry a run."""
        import polars as pl

        series = pl.Series(name, values)
        if len(series) != len(self):
            raise ArgumentError(f"column '{name}' has {len(series)} values; expected {len(self)}, one a run")
        if isinstance(unit, str):
            unit = parse_unit(unit)[1] or SCORE
        units = {**self.units, name: unit} if unit is not None else self.units
        if series.dtype.is_float():
            series = series.fill_nan(None)
        step = note or f"column '{name}' {'replaced' if name in self.names else 'added'}"
        return replace(self, frame=self.frame.with_columns(series), units=units, provenance=(*self.provenance, step))

    def rename(self, names: Mapping[str, str] | None = None, /, **more: str) -> Runs:
        """The table with columns renamed, `old="new"`; the old names are still understood."""
        mapping = {self._require(old): new for old, new in {**(names or {}), **more}.items()}
        kept = [mapping.get(n, n) for n in self.names]
        if len(set(kept)) < len(kept):
            clash = next(n for n in kept if kept.count(n) > 1)
            raise ArgumentError(f"renaming would give two columns the name '{clash}'")
        originals = {o: mapping.get(n, n) for o, n in self.original_names.items()} | mapping
        text = "renamed " + ", ".join(f"{old} to {new}" for old, new in mapping.items())
        return replace(
            self,
            frame=self.frame.rename(mapping),
            units={mapping.get(n, n): u for n, u in self.units.items()},
            output=mapping.get(self.output, self.output),
            original_names=originals,
            provenance=(*self.provenance, text),
        )

    def with_output(self, name: str, unit: Unit | str | None = None) -> Runs:
        """The table with another column as its output, the quantity a law predicts."""
        name = self._require(name)
        units = {
            **self.units,
            name: (parse_unit(unit)[1] or SCORE) if isinstance(unit, str) else unit or self.unit(name),
        }
        return replace(self, output=name, units=units, provenance=(*self.provenance, f"output is {name}"))

    def count(
        self,
        name: str = "N",
        *,
        embeddings: bool = True,
        head: bool | None = None,
        active: bool = False,
        column: str | None = None,
    ) -> Runs:
        """The table with N counted another way: without embeddings, without the head too, or active parameters only.

        Takes a column that holds that count (`column`, or one with a usual name such as ``params_non_embedding``),
        else subtracts what the architecture columns say (d_model, vocabulary, context for learned positions, tied).
        The head is kept unless ``head=False``. C and M that were derived from N are taken out, to be derived again;
        tokens stay what they are.
        Raises QuestionError, with the remedy, when neither is known.
        """
        if name != "N":
            raise ArgumentError(f"count converts N; '{name}' is not counted in parameters")
        return _counting.convert(self, _counting.convention(embeddings, head, active), column)

    def declare(self, *, counts: str | None = None, flop_rule: str | None = None) -> Runs:
        """State the counting convention or the FLOP rule the numbers were made with; the numbers stay."""
        said = [f"N counts {counts}"] * bool(counts) + [f"FLOP rule {flop_rule}"] * bool(flop_rule)
        return replace(
            self,
            counts=counts or self.counts,
            flop_rule=flop_rule or self.flop_rule,
            provenance=(*self.provenance, "declared: " + ", ".join(said)),
        )

    # -- joining and giving away --------------------------------------------------------------------------------

    @staticmethod
    def concat(tables: Iterable[Runs], *, label: str = "table") -> Runs:
        """Several tables under each other; column `label` says which one a run came from.

        Raises DataError when known counting conventions, FLOP rules, outputs or units of a column differ.
        """
        from ._join import join

        tables = list(tables)
        if not tables:
            raise ArgumentError("nothing to join: concat needs at least one table")
        return join(tables, label)

    def to_frame(self, kind: str = "polars") -> Any:
        """The columns as a data frame: polars, pandas or pyarrow."""
        if kind not in ("polars", "pandas", "pyarrow"):
            raise ArgumentError(f"kind = {kind!r}; expected polars, pandas or pyarrow")
        if kind == "polars":
            return self.frame.clone()
        return self.frame.to_pandas() if kind == "pandas" else self.frame.to_arrow()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values that JSON can hold; missing is None."""
        return {
            "schema_version": SCHEMA_VERSION,
            "columns": {n: self.frame[n].to_list() for n in self.names},
            "units": {n: [u.name, u.kind] for n, u in self.units.items()},
            "row_numbers": self.row_numbers.tolist(),
            "outliers": self.outliers.tolist(),
            "censored": self.censored.tolist(),
            **{k: getattr(self, k) for k in _PLAIN},
            **{k: list(getattr(self, k)) for k in ("assumed", "provenance", "derived")},
            "original_names": dict(self.original_names),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Runs:
        """The table that :meth:`to_dict` gave; DataError for another schema version."""
        import polars as pl

        if saved.get("schema_version") != SCHEMA_VERSION:
            raise DataError(f"saved runs have schema_version {saved.get('schema_version')}; expected {SCHEMA_VERSION}")
        same: dict[str, Any] = {k: saved[k] for k in _PLAIN}
        same |= {k: tuple(saved[k]) for k in ("assumed", "provenance", "derived")}
        return cls(
            frame=pl.DataFrame({n: _restore(n, v) for n, v in saved["columns"].items()}, nan_to_null=True),
            units={n: Unit(*u) for n, u in saved["units"].items()},
            row_numbers=np.array(saved["row_numbers"], int),
            outliers=np.array(saved["outliers"], bool),
            censored=np.array(saved["censored"], bool),
            original_names=dict(saved["original_names"]),
            **same,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return _show.one_line(self)

    def __str__(self) -> str:
        return _show.as_text(self)

    def _repr_html_(self) -> str:
        return _show.as_html(self)


_PLAIN = ("source", "sha256", "output", "counts", "flop_rule", "citation", "licence")


def _restore(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    return pl.Series(name, values, strict=False)


def _are_rows(which: Any) -> bool:
    if isinstance(which, str):
        return False
    try:
        array = np.asarray(which)
    except (TypeError, ValueError):
        return False
    return array.ndim == 1 and array.dtype.kind in "iu"


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _describe(condition: Any) -> str:
    if isinstance(condition, str):
        return condition
    import polars as pl

    if isinstance(condition, pl.Expr):
        return str(condition)
    return "rows " + ", ".join(map(str, condition)) if _are_rows(condition) and len(condition) <= 20 else "a mask"
