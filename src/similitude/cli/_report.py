"""`similitude report`."""

from __future__ import annotations

import os
from typing import Any

import click

from similitude.cli._options import json_option, output_option, seed_option
from similitude.cli._output import check_target, print_json, print_text
from similitude.cli._plan import ask, is_asked, plan_options
from similitude.cli._progress import working
from similitude.cli._sources import read_estimate

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
@plan_options
@click.option("--group", metavar="VALUE", help="Which fit of those made --by a column.")
@seed_option
@json_option
def command(
    fit: str, output: str, no_runs: bool, title: str | None, group: str | None, as_json: bool, **options: Any
) -> None:
    """Write a report: one HTML file to share.

    With a question (--flop, --loss, --gpus with --days ...) the report answers it on its first screen.
    """
    from similitude.reports import report

    check_target(output)
    estimate = read_estimate(fit, group)
    items = [estimate, *([ask(estimate, options)] if is_asked(options) else [])]
    more = {} if title is None else {"title": title}
    with working("writing the report"):
        report(items, output, runs=not no_runs, **more)
    size = os.path.getsize(output)
    print_json({"report": output, "bytes": size}) if as_json else print_text(f"{output} ({size / 1e3:.0f} KB)")
