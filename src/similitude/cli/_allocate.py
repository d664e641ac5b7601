"""`similitude allocate`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, level_option, reading_options, seed_option
from similitude.cli._output import print_json, print_text
from similitude.cli._progress import working
from similitude.cli._remedies import text_as_options
from similitude.cli._sources import read_tables, tell

_EPILOG = """\b
Approach 3, a fitted surface, is 'similitude fit' and 'similitude plan'.

\b
Examples:
  similitude allocate isoflops.csv
  similitude allocate isoflops.csv --budget nominal_flop --corrected
  similitude allocate curves.csv --approach 1
"""


@click.command("allocate", epilog=_EPILOG)
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--approach",
    type=click.Choice(["1", "2"]),
    default="2",
    show_default=True,
    help="1: envelope of training curves; 2: IsoFLOP parabolas, with their bias.",
)
@click.option("--budget", metavar="COLUMN", help="Column of nominal budgets.  [default: where compute jumps]")
@click.option("--corrected", is_flag=True, help="Take the estimated bias of the parabolas out.")
@level_option
@reading_options
@seed_option
@json_option
def command(
    runs: tuple[str, ...],
    approach: str,
    budget: str | None,
    corrected: bool,
    level: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Read compute-optimal trends off runs, without a law."""
    from similitude.fitting import envelope, isoflop
    from similitude.fitting._options import Intervals

    if approach == "1" and (budget or corrected):
        raise ArgumentError("--budget and --corrected belong to approach 2; approach 1 reads whole training curves")
    level = Intervals(level=level).level
    table = read_tables(runs, options)
    with working(f"approach {approach}"):
        if approach == "1":
            found = envelope(table, level=level, seed=options["seed"])
        else:
            found = isoflop(table, budget=budget, level=level)
            found = found.corrected() if corrected else found
    tell(table)
    print_json(found.to_dict()) if as_json else print_text(
        text_as_options("\n\n".join(str(view) for view in found.view()))
    )
