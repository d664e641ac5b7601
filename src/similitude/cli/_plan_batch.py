"""`similitude plan batch`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, level_option, page_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working

_EPILOG = """\b
Examples:
  similitude plan batch steps.csv --batch B --steps steps
  similitude plan batch data:critical-batch-size --by model
  similitude plan batch steps.csv --seconds 64=0.2,256=0.4,1024=1.3 --accelerators 8 --price 2 --days 2
  similitude plan batch "runs/*.parquet" --reach 3.2 --reach 3 --trial lr,seed --by workload
  similitude plan batch norms.csv --small g2_small --big g2_big --batch-small 64 --batch-big 1024
"""


@click.command("batch", epilog=_EPILOG)
@click.argument("table")
@click.option("--batch", default="B", show_default=True, help="Column of the batch.")
@click.option("--steps", default="steps", show_default=True, help="Column of the steps to the goal.")
@click.option("--by", metavar="COLUMN", help="Column of the workload, for several at once.")
@click.option("--goal", metavar="COLUMN", help="Column of the goal, a loss, where there are several.")
@click.option("--tried", metavar="COLUMN", help="Column of the steps tried where the goal was not reached.")
@click.option("--bend", type=float, help="Hold how sharply steps turn; 1 is McCandlish's law.  [default: chosen]")
@click.option("--reach", metavar="VALUE", multiple=True, help="Reduce a table of measurements to steps to this goal.")
@click.option("--metric", default="loss", show_default=True, help="With --reach, column of what is measured.")
@click.option("--step", default="step", show_default=True, help="Column of the step, with --reach or norms.")
@click.option("--trial", default="trial", show_default=True, help="With --reach, columns that tell trials apart.")
@click.option("--rises", is_flag=True, help="With --reach, the metric is good high.")
@click.option("--seconds", metavar="S|BATCH=S,...", help="Of a step: at the smallest batch, or measured at several.")
@click.option("--accelerators", metavar="N|BATCH=N,...", default="1", show_default=True, help="Used at these batches.")
@click.option("--price", metavar="$", help="Dollars for an accelerator and hour, to weigh money.")
@click.option("--days", metavar="DAYS", help="The cheapest batch that ends within.")
@click.option("--dollars", metavar="$", help="The fastest batch that they pay for, e.g. 50K.")
@click.option("--small", metavar="COLUMN", help="Squared gradient norms at --batch-small: the noise scale instead.")
@click.option("--big", metavar="COLUMN", help="Squared gradient norms at --batch-big.")
@click.option("--batch-small", type=float, default=1.0, show_default=True, help="1 for per-example norms.")
@click.option("--batch-big", type=float, help="The larger batch.")
@click.option("--windows", type=int, default=10, show_default=True, help="Parts in which the noise scale is shown.")
@level_option
@page_option
@json_option
def command(table: str, as_json: bool, page: str | None, **options: Any) -> None:
    """Find the batch: critical batch, noise scale, what a batch costs.

    TABLE holds steps to a goal at several batches, missing where it was not reached; with --reach, measurements (a
    file, folder or pattern, of any length) that are first reduced to them; with --small and --big, squared gradient
    norms at two batches, in order of training. One number of --seconds is at the smallest batch, larger ones being
    spread over more accelerators; seconds measured at several batches are of --accelerators as they are.
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
    if options["step"] in runs.names:
        sizes |= {"at": runs.column(options["step"]), "along": options["step"]}
    return noise_scale(runs.column(options["small"]), runs.column(options["big"]), **sizes)


def _critical(table: str, options: dict[str, Any]) -> Any:
    from similitude.cli import _parse
    from similitude.planning import critical_batch, steps_to_goal

    asked = {k: options[k] for k in ("batch", "by", "bend", "level", "tried")}
    asked |= {k: _against(k, options[k]) for k in ("seconds", "accelerators")}
    limits = {k: options[k] for k in ("price", "days", "dollars") if options[k] is not None}
    asked |= {k: _parse.number(f"--{k}", v) for k, v in limits.items()}
    if not options["reach"]:
        runs, steps = _table(table, options)
        return critical_batch(runs, steps=steps, goal=options["goal"], **asked)
    goals = [_parse.number("--reach", v) for v in options["reach"]]
    keys = [*([options["by"]] if options["by"] else []), options["batch"]]
    columns = {k: options[k] for k in ("metric", "step", "rises")}
    trials = [t.strip() for t in options["trial"].split(",")]
    reduced = steps_to_goal(table, goals, by=keys, trial=trials, **columns)
    return critical_batch(reduced, steps="steps", goal="goal", **asked)


def _table(table: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The runs, those without steps among them, and the column of steps."""
    from similitude.cli._sources import data_set_of
    from similitude.runs import datasets, read_runs

    if (name := data_set_of(table)) is None:
        return read_runs(table, loss=options["batch"], check=False), options["steps"]
    data_set, _, part = name.partition("/")
    runs = datasets.load(data_set, part or None)
    known = options["steps"] in runs.names or runs.output is None
    return runs, options["steps"] if known else runs.output


def _against(name: str, text: str | None) -> Any:
    """A number, or {batch: number} of "64=0.2,256=0.4"."""
    from similitude.cli import _parse

    if text is None or "=" not in text:
        return None if text is None else _parse.number(f"--{name}", text)
    pairs = _parse.assignments(f"--{name}", text, "64=0.2,256=0.4")
    return {_parse.number(f"--{name}", b): _parse.number(f"--{name} {b}", v) for b, v in pairs.items()}
