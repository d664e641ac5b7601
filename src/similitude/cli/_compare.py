"""`similitude compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, DataError
from similitude.cli import _parse
from similitude.cli._options import json_option, law_names, reading_options, seed_option
from similitude.cli._output import print_json, print_text
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
"""


@click.command("compare", epilog=_EPILOG)
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--laws",
    "names",
    metavar="NAME,...",
    multiple=True,
    required=True,
    shell_complete=law_names,
    help="Laws of the catalogue, or formulas; may be given many times.",
)
@click.option(
    "--hold-out", default="largest 20%", show_default=True, help="The runs to forecast, largest by compute, kept out."
)
@click.option("--input", "inputs", metavar="INPUT=COLUMN", multiple=True, help="Column of an input, e.g. x=D.")
@click.option("--delta", type=float, help="Huber's threshold.  [default: tied to the noise; papers: 1e-3]")
@reading_options
@seed_option
@json_option
def command(runs: tuple[str, ...], names: tuple[str, ...], hold_out: str, as_json: bool, **options: Any) -> None:
    """Compare laws by what they would have forecast.

    Each law is fitted to the smaller runs and judged on the largest, then back-tested over several cut-offs.
    """
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
