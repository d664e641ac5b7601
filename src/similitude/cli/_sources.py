"""Where runs, laws and estimates named on the command line come from: files, standard input, published ones by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude.cli import _parse
from similitude.cli._output import note

if TYPE_CHECKING:
    from similitude.fitting import Fit, Forecast
    from similitude.laws import Estimate, Law
    from similitude.runs import Runs

__all__ = [
    "data_set_of",
    "find_law",
    "is_formula",
    "read_estimate",
    "read_estimates",
    "read_fits",
    "read_points",
    "read_tables",
    "tell",
]

SCHEMA_OF_GROUPS = "similitude/fits"
MOST_TOLD = 8  # sentences of what was assumed, where a table has many
_OPERATORS = set("+-*/^()")
_ROLES = {"N": "N_column", "D": "D_column", "C": "C_column", "loss": "loss_column"}


# -- runs ---------------------------------------------------------------------------------------------------------


def read_tables(sources: Sequence[str], options: Mapping[str, Any]) -> Runs:
    """The runs of one or several tables under each other; DataError where they count parameters differently."""
    from similitude.runs import Runs

    if sources.count("-") > 1:
        raise ArgumentError("standard input can be read once only")
    tables = [read_table(source, options) for source in sources]
    return tables[0] if len(tables) == 1 else Runs.concat(tables)


def read_table(source: str, options: Mapping[str, Any]) -> Runs:
    """The runs of a file, of standard input ("-") or of a published data set (data:NAME), as the options say."""
    columns = _columns(options)
    units = _parse.merged("--units", options["units"], "N=B")
    published = data_set_of(source)
    runs = _published(published, columns, units, options) if published else _read(source, columns, units, options)
    if options["drop_outliers"]:
        runs = runs.mark_outliers(options["drop_outliers"])
    return _unmarked(runs) if options["keep_outliers"] else runs


def tell(runs: Runs) -> None:
    """What was assumed in reading, the first few; said once the work is done, so that a failure is one sentence."""
    for sentence in runs.assumed[:MOST_TOLD]:
        note(f"{runs.source}: {sentence}")
    if (more := len(runs.assumed) - MOST_TOLD) > 0:
        where = f"similitude runs list --store {runs.source}" if runs.source.endswith(".db") else "the report"
        note(f"{runs.source}: {more} more things were assumed; see {where}")


def _columns(options: Mapping[str, Any]) -> dict[str, str]:
    named = {role: options[key] for role, key in _ROLES.items() if options[key] is not None}
    more = _parse.merged("--column", options["columns"], "U=unique_tokens")
    if both := sorted(named.keys() & more.keys()):
        raise ArgumentError(f"--column {both[0]}=...: --{both[0]} is given as well")
    return named | more


def _read(source: str, columns: dict[str, str], units: dict[str, str], options: Mapping[str, Any]) -> Runs:
    from similitude.runs import read_runs

    return read_runs(
        source,
        columns=columns,
        units=units,
        counts=options["counts"],
        flop_rule=options["flop_rule"] or "6ND",
        censored=options["censored"],
        outliers=options["outliers"],
        where=options["where"],
        not_finite=options["not_finite"],
        check=not options["no_check"],
    )


def data_set_of(source: str) -> str | None:
    """The data set a source names: data:NAME always, NAME alone where there is no such file."""
    if source.startswith("data:"):
        return source.removeprefix("data:")
    if source == "-" or ":" in source or Path(source).exists() or Path(source).suffix:
        return None
    from similitude.runs import datasets

    known = [entry.name for entry in datasets.list()]
    if source.partition("/")[0] in known:
        return source
    if suggestion := did_you_mean(source, known):
        raise DataError(f"{source}: there is no such file{suggestion}")
    return None


def _published(name: str, columns: dict[str, str], units: dict[str, str], options: Mapping[str, Any]) -> Runs:
    from similitude.runs import datasets

    if units:
        raise ArgumentError(f"--units: the units of {name} are known")
    data_set, _, table = name.partition("/")
    runs = datasets.load(data_set, table or None, loss=columns.pop("loss", None))
    for role, column in columns.items():
        runs = runs.with_column(role, runs.column(column), note=f"{role} is {column}")
    if options["counts"] or options["flop_rule"]:
        runs = runs.declare(counts=options["counts"], flop_rule=options["flop_rule"])
    return runs.where(options["where"]) if options["where"] else runs


def _unmarked(runs: Runs) -> Runs:
    from dataclasses import replace

    import numpy as np

    kept = (*runs.provenance, "runs marked as outliers are used")
    return replace(runs, outliers=np.zeros(len(runs), bool), provenance=kept)


def read_points(source: str, law: Law) -> dict[str, Any]:
    """The inputs of a law at every row of a table, in its order; all other columns are ignored."""
    from similitude.runs import read_runs
    from similitude.runs._open import open_source
    from similitude.runs._roles import bind_roles

    raw = open_source(source)
    loss = bind_roles(raw.frame.columns, {}, raw.source).columns.get("loss")
    # a loss that is missing would leave its row out, but a point to predict has no loss yet
    frame = raw.frame.drop(loss) if loss is not None and loss not in law.inputs else raw.frame
    renames = {k: k for k in law.inputs if k in frame.columns}
    points = read_runs(frame, columns=renames, check=False, name=raw.source).with_inputs(law.inputs)
    if not len(points):
        raise DataError(f"{raw.source} has no rows; expected a point to predict in each")
    points.require(*law.inputs)
    return {name: points.column(name) for name in law.inputs}


# -- laws ---------------------------------------------------------------------------------------------------------


def is_formula(text: str) -> bool:
    """Whether a --law is a formula: anything with an operator in it."""
    return bool(_OPERATORS & set(text))


def find_law(
    text: str, runs: Runs | None = None, inputs: Sequence[str] = (), starts: Mapping[str, Sequence[float]] | None = None
) -> Law:
    """A law of the catalogue by name, or a formula whose inputs are `inputs`, else the columns that it names."""
    from similitude.laws import formula_law, formula_names, get

    if not is_formula(text):
        return get(text.strip())
    names = formula_names(text)
    found = list(inputs) or [n for n in names if runs is not None and _is_input(n, runs)]
    if unknown := [n for n in found if n not in names]:
        raise ArgumentError(f"--input {unknown[0]}: the formula {text!r} has no such name (it has {', '.join(names)})")
    if not found:
        there = "" if runs is None else f" (the columns of {runs.source} are: {', '.join(_own_names(runs))})"
        raise ArgumentError(
            f"the formula {text!r} names no column of the runs{there}; write one, or name it: --input x=D"
        )
    units = {n: _unit(n, runs) for n in found}
    known = {k: v for k, v in (starts or {}).items() if k in names}
    return formula_law(text, units, starts=known, output=_output_unit(runs))


def _is_input(name: str, runs: Runs) -> bool:
    """A column of numbers under its role's name or the user's own, or an input that follows from others."""
    name = runs.original_names.get(name, name)
    if name in runs.names:
        return name != runs.output and runs.frame[name].dtype.is_numeric()
    if name not in ("N", "D", "C", "M"):
        return False
    try:
        runs.with_inputs([name])
    except DataError:
        return False
    return True


def _own_names(runs: Runs) -> list[str]:
    """The columns as the user knows them."""
    there = {new: old for old, new in runs.original_names.items()}
    return [there.get(name, name) for name in runs.names]


def _unit(name: str, runs: Runs | None) -> Any:
    from similitude.runs._roles import ROLES

    name = name if runs is None else runs.original_names.get(name, name)
    if runs is not None and name in runs.units:
        return runs.units[name]
    return ROLES[name].unit if name in ROLES else _score()


def _output_unit(runs: Runs | None) -> Any:
    return _score() if runs is None else runs.unit(runs.output)


def _score() -> Any:
    from similitude._quantity import SCORE

    return SCORE


# -- estimates ----------------------------------------------------------------------------------------------------


def read_estimate(source: str, group: str | None = None) -> Estimate:
    """The fit of a FIT file ("-" is standard input), or the published set written as law:set."""
    if source.startswith("data:"):
        raise ArgumentError(f"{source} holds runs, and a fit is expected: 'similitude fit {source} -o FIT' makes one")
    if source != "-" and not Path(source).exists() and _names_a_set(source):
        from similitude.laws import resolve

        if group is not None:
            raise ArgumentError(f"--group {group}: {source} is a published set, not fits by group")
        return resolve(source)
    return _one_of(read_fits(source), source, group)


def _names_a_set(source: str) -> bool:
    head = source.partition(":")[0]
    return not any(c in head for c in "/\\.") and (":" in source or _is_law(head))


def _is_law(name: str) -> bool:
    from similitude.laws import catalogue

    return name in catalogue()


def _one_of(document: Mapping[str, Any], source: str, group: str | None) -> Estimate:
    if document.get("schema") != SCHEMA_OF_GROUPS:
        if group is not None:
            raise ArgumentError(f"--group {group}: {source} holds one fit, not one for each group")
        return _restored(document, source)
    fits = document.get("fits")
    if not isinstance(fits, Mapping) or not fits:
        raise DataError(f"{source} is damaged: it should hold a fit for each group; fit again")
    if group is None or group not in fits:
        said = "choose one with --group" if group is None else f"none is '{group}'{did_you_mean(group, fits)}"
        raise ArgumentError(f"{source} holds fits by {document.get('by')} ({', '.join(fits)}): {said}")
    return _restored(fits[group], f"{source}, group {group}")


def _restored(document: Mapping[str, Any], source: str) -> Fit | Forecast:
    """The fit of a document; what is wrong with it is said of the file."""
    from similitude.fitting import Fit, Forecast

    kind = Forecast if document.get("schema") == "similitude/forecast" else Fit
    try:
        return kind.from_dict(document)
    except DataError as error:
        label = "standard input" if source == "-" else source
        raise DataError(f"{label}: {error}") from None


def read_estimates(source: str) -> list[Estimate]:
    """Every fit of a FIT file, one or a group each, or the published set written as law:set."""
    if source != "-" and not Path(source).exists() and _names_a_set(source):
        return [read_estimate(source)]
    document = read_fits(source)
    if document.get("schema") != SCHEMA_OF_GROUPS or not isinstance(document.get("fits"), Mapping):
        return [_one_of(document, source, None)]
    return [_one_of(document, source, group) for group in document["fits"]] or [_one_of(document, source, None)]


def read_fits(source: str) -> Mapping[str, Any]:
    """The document of a FIT file."""
    label = "standard input" if source == "-" else source
    try:
        text = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except FileNotFoundError:
        from similitude.laws import catalogue

        raise DataError(
            f"{source}: there is no such file; expected one that 'similitude fit -o FIT' wrote, or a published set "
            f"such as chinchilla:besiroglu2024{did_you_mean(source, catalogue())}"
        ) from None
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, Mapping):
        raise DataError(f"{label} is not a fit: expected the JSON document that 'similitude fit -o FIT' wrote")
    return document
