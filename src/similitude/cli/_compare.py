"""`similitude compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, DataError, SimilitudeError
from similitude.cli import _parse
from similitude.cli._options import json_option, law_names, page_option, reading_options, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working
from similitude.cli._remedies import text_as_options
from similitude.cli._sources import find_law, read_tables, tell

if TYPE_CHECKING:
    from similitude.laws import Law
    from similitude.runs import Runs

_EPILOG = """\b
Examples:
  similitude compare sweep.csv --laws chinchilla,chinchilla_tied,kaplan
  similitude compare sweep.csv --laws chinchilla --laws "E + A/(N*D)^alpha" --hold-out "largest 30%"
  similitude compare sweep.csv --by architecture --at 1e24
  similitude compare evals.csv --trend accuracy --x N
"""


@click.command("compare", epilog=_EPILOG)
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--laws",
    "names",
    metavar="NAME,...",
    multiple=True,
    shell_complete=law_names,
    help="Laws of the catalogue, or formulas; may be given many times.",
)
@click.option(
    "--hold-out", default="largest 20%", show_default=True, help="The runs to forecast, largest by compute, kept out."
)
@click.option("--by", metavar="COLUMN", help="Compare procedures: the values of this column, and where they cross.")
@click.option("--law", "law", metavar="NAME", help="The law of each procedure, for --by.  [default: chosen and said]")
@click.option("--x", "x", metavar="COLUMN", help="The scale, for --by and --trend.  [default: C, else N or D]")
@click.option("--score", metavar="COLUMN", help="What is compared, for --by.  [default: the loss]")
@click.option("--against", metavar="VALUE", help="The procedure others are compared with.  [default: the first]")
@click.option("--at", metavar="SCALE", multiple=True, help="Judge here too, for --by, e.g. 1e24.")
@click.option("--reach", type=float, default=100.0, show_default=True, help="Follow curves so far beyond the runs.")
@click.option("--throughput", metavar="COLUMN", help="Tokens a second: compare at equal hours, D over this.")
@click.option("--best-of", type=int, metavar="BINS", help="Keep the best run in each of BINS a decade of the scale.")
@click.option("--blocks", metavar="COLUMN", help="Runs made alike by each procedure have equal values of this.")
@click.option("--trend", metavar="COLUMN", help="Class the trend of this metric over the scale: rising, U, sudden ...")
@click.option("--level", type=float, metavar="LEVEL", help="Of intervals.  [default: 0.9; 0.95 for --trend]")
@click.option("--input", "inputs", metavar="INPUT=COLUMN", multiple=True, help="Column of an input, e.g. x=D.")
@click.option("--delta", type=float, help="Huber's threshold.  [default: tied to the noise; papers: 1e-3]")
@reading_options
@page_option
@seed_option
@json_option
def command(runs: tuple[str, ...], names: tuple[str, ...], hold_out: str, as_json: bool, **options: Any) -> None:
    """Compare laws by what they would have forecast.

    Each law of --laws is fitted to the smaller runs and judged on the largest, then back-tested over several cut-offs.
    With --by, procedures are compared instead: a law each, what they share, where their curves cross. With --trend, how
    one metric moves with scale.
    """
    asked = [k for k, v in (("--laws", names), ("--by", options["by"]), ("--trend", options["trend"])) if v]
    if len(asked) != 1:
        raise ArgumentError("say what to compare: one of --laws, --by and --trend")
    check_target(options["page"])
    if asked == ["--laws"]:
        return _laws(runs, names, hold_out, as_json, options)
    table = read_tables(runs, options)
    with working("comparing"):
        result: Any = _procedures(table, options) if options["by"] else _trend(table, options)
    tell(table)
    write_page([result], options["page"])
    return print_json(result.to_dict()) if as_json else print_text(result.view())


def _procedures(table: Runs, options: dict[str, Any]) -> Any:
    from similitude.comparison import compare

    asked = {k: options[k] for k in ("x", "score", "against", "throughput", "best_of", "blocks", "reach")}
    law = None if options["law"] is None else find_law(options["law"], table)
    more = {"level": _level(options, 0.9), "seed": options["seed"], "at": list(options["at"]) or None}
    return compare(table, options["by"], law=law, **asked, **more)


def _trend(table: Runs, options: dict[str, Any]) -> Any:
    import numpy as np

    from similitude.comparison import trend

    scale = options["x"] or next((k for k in ("C", "N", "D") if _has(table, k)), None)
    if scale is None:
        raise DataError(f"{table.source}: nothing to class the trend along; name the column of the scale, --x COLUMN")
    kept = table.kept.with_inputs([scale]) if scale in ("N", "D", "C", "M") else table.kept
    x, y = kept.column(scale), kept.column(options["trend"])
    known = np.isfinite(x) & np.isfinite(y)
    return trend(x[known], y[known], level=_level(options, 0.95), seed=options["seed"])


def _level(options: Mapping[str, Any], usual: float) -> float:
    return usual if options["level"] is None else options["level"]


def _has(table: Runs, name: str) -> bool:
    try:
        table.with_inputs([name])
    except SimilitudeError:
        return False
    return True


def _laws(runs: tuple[str, ...], names: tuple[str, ...], hold_out: str, as_json: bool, options: dict[str, Any]) -> None:
    from similitude.fitting import compare_laws

    listed = [name for text in names for name in split_laws(text)]
    if len(set(listed)) < len(listed):
        raise ArgumentError(f"--laws: {next(n for n in listed if listed.count(n) > 1)} is named twice")
    table = read_tables(runs, options)
    columns = _parse.merged("--input", options["inputs"], "x=D")
    laws = [get_law(text, table, columns) for text in listed]
    with working(f"comparing {len(laws)} laws"):
        result = compare_laws(laws, table, hold_out=hold_out, seed=options["seed"], delta=options["delta"])
    if not any(score.fit is not None for score in result.scores):
        raise DataError(f"none of these laws could be fitted: {result.scores[0].note}")
    tell(table)
    write_page([result], options["page"])
    print_json(result.to_dict()) if as_json else print_text(
        text_as_options("\n\n".join(str(view) for view in result.view()))
    )


def split_laws(text: str) -> list[str]:
    """The laws of a list: commas inside a formula's parentheses do not separate.

    >>> split_laws("chinchilla, E + A/min(N, D)^c")
    ['chinchilla', 'E + A/min(N, D)^c']
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    found = [part.strip() for part in parts if part.strip()]
    if not found:
        raise ArgumentError("--laws: name at least one law, such as chinchilla,chinchilla_tied")
    return found


def get_law(text: str, runs: Runs, columns: Mapping[str, str] | None = None) -> Law:
    """The law with its inputs named as the runs' columns are; a formula is called by its own text."""
    from dataclasses import replace

    from similitude.fitting._prepare import bind

    law = find_law(text, runs)
    law = replace(law, name=text) if law.formula else law
    mine = {k: v for k, v in (columns or {}).items() if k in law.inputs}
    return bind(law, runs, mine or None)
