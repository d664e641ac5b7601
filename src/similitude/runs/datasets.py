"""Published tables of training runs by name, each with its licence, citation and provider.

>>> from similitude.runs import datasets
>>> "chinchilla-epoch" in [entry.name for entry in datasets.list()]
True
>>> datasets.show("chinchilla-epoch").paper
'besiroglu2024'
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, did_you_mean

from ._numbers import read_flags
from ._provider import find_local, find_original, find_packaged
from ._read import TAKEN_AS_NATS, read_runs
from ._table import Runs

__all__ = ["DataSet", "DataTable", "list", "load", "show"]

PROVIDERS = {
    "original": "downloaded from its authors",
    "local": "local table",
    "packaged": "our own, comes with the package",
}


@dataclass(frozen=True, slots=True)
class DataTable:
    """One table of a data set: its file and hash, which columns play which role, how it is cut."""

    name: str
    file: str
    sha256: str
    columns: Mapping[str, str]
    about: str = ""
    run: tuple[str, ...] = ()
    best_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataSet:
    """A published data set as declared: what it is, whom to cite, under which licence, where it comes from.

    `provider` is "original" (downloaded from its authors at a fixed commit), "local" (a tidy table under the folder
    SIMILITUDE_DATA, with the reason in `not_downloadable`) or "packaged" (our own, it comes with the package).
    """

    name: str
    title: str
    paper: str
    reference: str
    licence: str
    provider: str
    about: str
    tables: Mapping[str, DataTable]
    counts: str | Mapping[str, Any] = "undeclared"
    repository: str = ""
    not_downloadable: str = ""
    derive: tuple[str, ...] = ()
    outliers: Mapping[str, Any] | None = None

    @property
    def citation(self) -> str:
        """The reference with its key in the bibliography."""
        return f"{self.reference} [{self.paper}]"

    def path(self, table: str | None = None) -> Path:
        """The file of a table, downloaded if need be; DataError when it cannot be had."""
        entry = self.table(table)
        if self.provider == "packaged":
            return find_packaged(entry.file, entry.sha256)
        if self.provider == "local":
            return find_local(self.name, entry.file, entry.sha256, self.not_downloadable)
        return find_original(self.name, f"{self.repository}/{entry.file}", entry.file, entry.sha256)

    def table(self, name: str | None = None) -> DataTable:
        """The table of that name, the first one by default; ArgumentError for an unknown name."""
        if name is None:
            return next(iter(self.tables.values()))
        if name not in self.tables:
            known = ", ".join(self.tables)
            raise ArgumentError(f"{self.name} has no table '{name}'; it has: {known}{did_you_mean(name, self.tables)}")
        return self.tables[name]

    def __str__(self) -> str:
        kind = PROVIDERS[self.provider]
        lines = [f"{self.name}: {self.title}", self.about, f"cite: {self.citation}", f"licence: {self.licence}"]
        lines += [f"provider: {kind}" + (f" (not downloadable: {self.not_downloadable})" * bool(self.not_downloadable))]
        return "\n".join(lines + [f"table {t.name}: {t.about}" for t in self.tables.values() if t.about])


def list() -> tuple[DataSet, ...]:
    """Every data set, by name."""
    return tuple(sorted(_declared().values(), key=lambda entry: entry.name))


def show(name: str) -> DataSet:
    """The declaration of a data set; ArgumentError, with the names there are, for an unknown one."""
    known = _declared()
    if name not in known:
        names = ", ".join(sorted(known))
        raise ArgumentError(f"no data set '{name}'; the data sets are: {names}{did_you_mean(name, known)}")
    return known[name]


def load(
    name: str, table: str | None = None, *, loss: str | None = None, outliers: str = "marked", **equals: Any
) -> Runs:
    """A published data set as Runs.

    Parameters
    ----------
    name, table
        The data set, and which of its tables (the first by default), see :func:`show`.
    loss
        Another column as output, e.g. ``"err_avg17"`` of overtraining-gadre.
    outliers
        "marked": the runs its authors leave out are marked, ``runs.kept`` is without them; "dropped"; "unmarked".
    equals
        Only the runs with these values, as in ``experiment="llama_3__raw_loss"``.

    Raises DataError when the file cannot be had or is not the published one, ArgumentError for unknown names.

    >>> load("chinchilla-epoch")  # doctest: +SKIP
    Runs(245 runs: N 57.3M to 16.2B, D 245M to 318B, C 1.4e18 to 1.3e22, loss 2.08 to 5.01)
    """
    if outliers not in ("marked", "dropped", "unmarked"):
        raise ArgumentError(f"outliers = {outliers!r}; expected marked, dropped or unmarked")
    entry = show(name)
    chosen = entry.table(table)
    columns = {**chosen.columns, **({"loss": loss} if loss else {})}
    runs = read_runs(entry.path(chosen.name), columns=columns, name=_called(entry, chosen), check=False)
    known = tuple(note for note in runs.assumed if not note.endswith(TAKEN_AS_NATS))  # its authors say so
    runs = replace(runs, citation=entry.citation, licence=entry.licence, assumed=known)
    runs = replace(runs, provenance=(_read(entry, chosen, runs),))
    runs = _mark(_name_runs(runs, chosen), entry) if outliers != "unmarked" else _name_runs(runs, chosen)
    runs = _selected(runs, entry, equals)
    runs = runs.with_inputs(entry.derive) if entry.derive else runs
    runs = _best(runs, chosen)
    return _declare_counts(runs.kept if outliers == "dropped" else runs, entry)


def _called(entry: DataSet, table: DataTable) -> str:
    return entry.name if len(entry.tables) == 1 else f"{entry.name}/{table.name}"


def _read(entry: DataSet, table: DataTable, runs: Runs) -> str:
    return f"read {len(runs)} runs of {entry.name} from {table.file} (SHA-256 {table.sha256[:12]})"


def _selected(runs: Runs, entry: DataSet, equals: Mapping[str, Any]) -> Runs:
    if not equals:
        return runs
    chosen = runs.where(**equals)
    if not len(chosen):
        name, value = next(iter(equals.items()))
        there = sorted(set(runs.labels(name).tolist()))
        raise DataError(
            f"{entry.name} has no run with {name} = {value!r}; {name} is one of: "
            f"{', '.join(there[:20])}{did_you_mean(str(value), there)}"
        )
    return chosen


def _name_runs(runs: Runs, table: DataTable) -> Runs:
    """An id for each run from the columns that tell one run from another."""
    if not table.run:
        return runs
    parts = [runs.labels(column) for column in table.run]
    return runs.with_column("run", ["|".join(p) for p in zip(*parts)], note=f"run is {' and '.join(table.run)}")


def _mark(runs: Runs, entry: DataSet) -> Runs:
    if not entry.outliers:
        return runs
    if column := entry.outliers.get("column"):
        marked = read_flags(runs.frame[column], f"{runs.source}, column '{column}'", runs.row_numbers)
    else:
        output = runs.column(runs.output)
        marked = output >= np.sort(output)[-entry.outliers["highest"]]
    return runs.mark_outliers(marked, reason=entry.outliers["reason"])


def _best(runs: Runs, table: DataTable) -> Runs:
    """Of the runs that share the `best_of` columns, the one of lowest output."""
    if not table.best_of:
        return runs
    keys = ["|".join(p) for p in zip(*(runs.labels(column) for column in table.best_of))]
    order = np.lexsort((runs.column(runs.output), np.array(keys)))
    _, first = np.unique(np.array(keys)[order], return_index=True)
    keep = np.zeros(len(runs), bool)
    keep[order[first]] = True
    return runs.drop(~keep, reason=f"kept the best of each {' and '.join(table.best_of)}")


def _declare_counts(runs: Runs, entry: DataSet) -> Runs:
    if isinstance(entry.counts, str):
        return replace(runs, counts=entry.counts)
    conventions = entry.counts["values"]
    used = {conventions.get(value, "undeclared") for value in runs.labels(entry.counts["column"]).tolist()}
    return replace(runs, counts=used.pop() if len(used) == 1 else "undeclared")


@cache
def _declared() -> dict[str, DataSet]:
    import tomllib
    from importlib.resources import files

    declared = tomllib.loads(files("similitude.runs").joinpath("_datasets.toml").read_text("utf-8"))
    return {name: _data_set(name, entry) for name, entry in declared.items()}


def _data_set(name: str, entry: dict[str, Any]) -> DataSet:
    tables = {key: _data_table(key, value) for key, value in entry.pop("tables").items()}
    return DataSet(name=name, tables=tables, derive=tuple(entry.pop("derive", ())), **entry)


def _data_table(name: str, entry: dict[str, Any]) -> DataTable:
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, builtins.list)}
    return DataTable(name=name, **{**entry, **lists})
