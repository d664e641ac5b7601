"""`similitude report`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError
from similitude.cli._compare import get_law, split_laws
from similitude.cli._options import json_option, law_names, output_option, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_file
from similitude.cli._plan import ask, is_asked, plan_options
from similitude.cli._progress import working
from similitude.cli._sources import read_estimate

if TYPE_CHECKING:
    from similitude.laws import Estimate

_EPILOG = """\b
Examples:
  similitude report fit.json -o report.html
  similitude report fit.json -o report.html --flop 1e24 --no-runs
"""


@click.command("report", epilog=_EPILOG)
@click.argument("fit")
@output_option("The HTML file to write.", required=True)
@click.option("--no-runs", is_flag=True, help="Leave the runs out, for a report that is to be shared.")
@click.option("--title", help="The report's title.")
@click.option("--laws", metavar="NAME,...", multiple=True, shell_complete=law_names, help="Compare these laws, too.")
@plan_options
@click.option("--group", metavar="VALUE", help="Which fit of those made --by a column.")
@seed_option
@json_option
def command(
    fit: str,
    output: str,
    no_runs: bool,
    title: str | None,
    laws: tuple[str, ...],
    group: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write a report: one HTML file to share.

    With a question (--flop, --loss, --gpus with --days ...) the report answers it on its first screen.
    """
    from similitude.reports import page, report

    check_target(output)
    estimate = read_estimate(fit, group)
    items = _items(estimate, laws, options)
    with working("writing the report"):
        made = page(report(items, title=title, runs=not no_runs))
    write_file(output, made)
    size = os.path.getsize(output)
    print_json({"report": output, "bytes": size}) if as_json else print_text(f"{output} ({size / 1e3:.0f} KB)")


def _items(estimate: Estimate, laws: tuple[str, ...], options: dict[str, Any]) -> list[Any]:
    """The fit, the plan that was asked for and the comparison of laws on the fit's own runs."""
    from similitude.fitting import Fit, Forecast, compare_laws

    asked = [ask(estimate, options)] if is_asked(options) else []
    if isinstance(estimate, Forecast):
        if laws:
            raise ArgumentError(f"{estimate.label} is no law to compare with others: fit one of them, and report that")
        return [estimate, *asked]
    if not isinstance(estimate, Fit):
        if laws or not asked:
            raise ArgumentError(
                f"{estimate.label} has no runs to report; ask for a plan with it, such as --flop 1e24, and compare "
                "laws on a FIT of your own"
            )
        return asked
    listed = [get_law(name, estimate.runs) for text in laws for name in split_laws(text)]
    with working("comparing laws"):
        compared = [compare_laws(listed, estimate.runs, seed=options["seed"])] if listed else []
    return [estimate, *asked, *compared]
