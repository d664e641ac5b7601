"""`similitude plan forecast`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working
from similitude.cli._training_curves import EXAMPLE, curve_options, read_curves, schedule_of

_EPILOG = f"""\b
The rates still to come are the schedule's: SHAPE:STEPS with rates, such as
{EXAMPLE}.

\b
Examples:
  similitude plan forecast run.csv --end 2T --step tokens
  similitude plan forecast run.csv --schedule {EXAMPLE}
  similitude plan forecast run.csv --schedule {EXAMPLE} --earlier small.csv
"""


@click.command("forecast", epilog=_EPILOG)
@click.argument("run")
@click.option("--end", metavar="STEPS", help="The last step of the run.  [default: that of the schedule]")
@click.option("--schedule", "plan", metavar="SCHEDULE", help="The planned schedule, to the end.")
@click.option("--earlier", metavar="FILE", multiple=True, help="A run of the kind that ended; may be repeated.")
@click.option("--earlier-schedule", metavar="SCHEDULE", multiple=True, help="What each of --earlier followed.")
@click.option(
    "--learn",
    type=click.Choice(["runs", "law"]),
    default="runs",
    show_default=True,
    help="From earlier runs: what they did from the same share on, or a law of training curves.",
)
@level_option
@curve_options
@page_option
@json_option
def command(run: str, as_json: bool, page: str | None, **options: Any) -> None:
    """Forecast the final loss of a run that is under way.

    RUN is a table with a row a reading: step (or tokens) and loss. Spikes, jumps, resumptions and divergence are named.
    """
    check_target(page)
    from similitude.planning import forecast_run

    plan = None if options["plan"] is None else schedule_of("--schedule", options["plan"])
    (curve,) = read_curves(run, options, plan, whole=False)
    end = None if options["end"] is None else _parse.number("--end", options["end"])
    if end is None and plan is None:
        raise ArgumentError("say where the run ends: --end STEPS, or --schedule with the whole plan")
    with working("forecast"):
        found = forecast_run(curve, end, level=options["level"], **_learnt(options))
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)


def _learnt(options: dict[str, Any]) -> dict[str, Any]:
    """The earlier runs as references, or the law fitted to them."""
    sources, texts = options["earlier"], options["earlier_schedule"]
    if not sources:
        if texts or options["learn"] == "law":
            raise ArgumentError("--earlier-schedule and --learn law need runs that ended: --earlier FILE")
        return {}
    if len(texts) > 1 and len(texts) != len(sources):
        raise ArgumentError(f"--earlier-schedule comes once or once for each of {len(sources)} --earlier")
    plans = [schedule_of("--earlier-schedule", text) for text in texts] or [None]
    plans = plans * len(sources) if len(plans) == 1 else plans
    runs = [c for source, plan in zip(sources, plans) for c in read_curves(source, options, plan)]
    if options["learn"] == "runs":
        return {"references": runs}
    from similitude.planning import fit_curves

    return {"law": fit_curves(runs, level=options["level"])}
