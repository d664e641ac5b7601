"""`similitude plan batch`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, page_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working

_EPILOG = """\b
Examples:
  similitude plan batch steps.csv --batch B --steps steps
  similitude plan batch runs.parquet --reach 3.2 --metric loss --trial lr,seed --by workload
  similitude plan batch norms.csv --small g2_small --big g2_big --batch-small 64 --batch-big 1024
"""


@click.command("batch", epilog=_EPILOG)
@click.argument("table")
@click.option("--batch", default="B", show_default=True, help="Column of the batch.")
@click.option("--steps", default="steps", show_default=True, help="Column of the steps to the goal.")
@click.option("--by", metavar="COLUMN", help="Column of the workload, for several at once.")
@click.option("--goal", metavar="COLUMN", help="Column of the goal, a loss, where there are several.")
@click.option("--reach", metavar="VALUE", multiple=True, help="Reduce a table of measurements to steps to this goal.")
@click.option("--metric", default="loss", show_default=True, help="With --reach, column of what is measured.")
@click.option("--step", default="step", show_default=True, help="With --reach, column of the step.")
@click.option("--trial", default="trial", show_default=True, help="With --reach, columns that tell trials apart.")
@click.option("--rises", is_flag=True, help="With --reach, the metric is good high.")
@click.option("--seconds", type=float, help="Of a step at the smallest batch, to weigh time.")
@click.option("--accelerators", type=float, default=1.0, show_default=True, help="Used at the smallest batch.")
@click.option("--price", type=float, help="Dollars for an accelerator and hour, to weigh money.")
@click.option("--small", metavar="COLUMN", help="Squared gradient norms at --batch-small: the noise scale instead.")
@click.option("--big", metavar="COLUMN", help="Squared gradient norms at --batch-big.")
@click.option("--batch-small", type=float, default=1.0, show_default=True, help="1 for per-example norms.")
@click.option("--batch-big", type=float, help="The larger batch.")
@click.option("--windows", type=int, default=10, show_default=True, help="Parts in which the noise scale is shown.")
@click.option("--level", type=float, default=0.9, show_default=True, help="Coverage of the intervals.")
@page_option
@json_option
def command(table: str, as_json: bool, page: str | None, **options: Any) -> None:
    """Find the batch: critical batch, noise scale, what a batch costs.

    TABLE holds steps to a goal at several batches; with --reach, measurements (a file, folder or pattern, of any
    length) that are first reduced to them; with --small and --big, squared gradient norms at two batches, in order of
    training.
    """
    check_target(page)
    with working("reading"):
        found = _noise(table, options) if options["small"] or options["big"] else _critical(table, options)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found.view())


def _noise(table: str, options: dict[str, Any]) -> Any:
    from similitude.planning import noise_scale
    from similitude.runs import read_runs

    if not (options["small"] and options["big"] and options["batch_big"]):
        raise ArgumentError("a noise scale takes --small, --big and --batch-big: norms at two batches and their sizes")
    if options["small"] == options["big"]:
        raise ArgumentError(f"--small and --big both name '{options['big']}': norms at two batches are two columns")
    runs = read_runs(table, loss=options["big"], check=False)
    sizes = {k: options[k] for k in ("batch_small", "batch_big", "windows", "level")}
    return noise_scale(runs.column(options["small"]), runs.column(options["big"]), **sizes)


def _critical(table: str, options: dict[str, Any]) -> Any:
    from similitude.cli import _parse
    from similitude.planning import critical_batch, steps_to_goal
    from similitude.runs import read_runs

    asked = {k: options[k] for k in ("batch", "seconds", "accelerators", "price", "by", "level")}
    if not options["reach"]:
        runs = read_runs(table, loss=options["steps"], check=False)
        return critical_batch(runs, steps=options["steps"], goal=options["goal"], **asked)
    goals = [_parse.number("--reach", v) for v in options["reach"]]
    keys = [*([options["by"]] if options["by"] else []), options["batch"]]
    columns = {k: options[k] for k in ("metric", "step", "rises")}
    trials = [t.strip() for t in options["trial"].split(",")]
    reduced = steps_to_goal(table, goals, by=keys, trial=trials, **columns)
    return critical_batch(reduced, steps="steps", goal="goal", **asked)
