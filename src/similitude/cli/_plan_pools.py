"""`similitude plan pools`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working

_EPILOG = """\b
Examples:
  similitude plan pools runs.csv --samples 32M,128M,640M
  similitude plan pools runs.csv --pool bucket --seen n --unique size --error err --flop 1e18,1e19 \\
    --flop-per-sample 2e10 --floor 0.1
"""


@click.command("pools", epilog=_EPILOG)
@click.argument("runs")
@click.option("--samples", metavar="N,...", help="Samples to train on: one budget or several, e.g. 32M,640M.")
@click.option("--flop", metavar="FLOP,...", help="Training compute instead, with --flop-per-sample.")
@click.option("--flop-per-sample", metavar="FLOP", help="What training on a sample costs, e.g. 2e10.")
@click.option("--pool", default="pool", show_default=True, metavar="COLUMN", help="Column of the pool's name.")
@click.option("--seen", default="samples", show_default=True, metavar="COLUMN", help="Column of samples seen.")
@click.option("--unique", default="unique", show_default=True, metavar="COLUMN", help="Column of a pool's samples.")
@click.option("--error", default="error", show_default=True, metavar="COLUMN", help="Column of the error or loss.")
@click.option(
    "--half-life", "half_life", metavar="PASSES", multiple=True, help="A half-life that is known: 3, or POOL=3,..."
)
@click.option("--floor", type=float, metavar="ERROR", help="The error that stays, where it is known.")
@click.option("--unit", default="100K", show_default=True, metavar="N", help="Samples after which all pools are equal.")
@click.option(
    "--every/--ranked", default=None, help="Try every union, or those of the best pools only.  [default: every to 10]"
)
@click.option("--where", metavar="CONDITION", help="Use only these runs.")
@level_option
@page_option
@seed_option
@json_option
def command(runs: str, page: str | None, as_json: bool, **options: Any) -> None:
    """Choose which pools of data to keep at a budget, when some must be repeated.

    RUNS is a table with a row a run: the pool it was trained on, the samples it saw, the samples the pool holds and the
    error it reached. Each pool must have runs of more than one epoch.
    """
    from similitude.planning import fit_pools, pools
    from similitude.planning._pools import pool_budgets
    from similitude.runs import read_runs

    check_target(page)
    asked = {k: None if options[k] is None else _parse.listed(options[k]) for k in ("samples", "flop")}
    if (asked["samples"] is None) == (asked["flop"] is None):
        raise ArgumentError("a budget is missing: --samples, or --flop with --flop-per-sample")
    pool_budgets(asked["samples"], asked["flop"], options["flop_per_sample"])  # refused before anything is read
    lives = _lives(options["half_life"])
    table = read_runs(runs, loss=options["error"], check=False)
    table = table.where(options["where"]) if options["where"] else table
    columns = {"pool": options["pool"], "samples": options["seen"], "unique": options["unique"]}
    more = {k: options[k] for k in ("floor", "unit", "level", "seed")}
    with working("fitting the utility of pools"):
        found = fit_pools(table, **columns, half_life=lives, **more)
        rest = {k: options[k] for k in ("flop_per_sample", "every", "level", "seed")}
        made = pools(found, asked["samples"], flop=asked["flop"], **rest)
    write_page([made], page)
    print_json(made.to_dict()) if as_json else print_text(made)


def _lives(texts: tuple[str, ...]) -> float | dict[str, float] | None:
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return _parse.number("--half-life", texts[0])
    return _parse.numbers("--half-life", texts, "best=3")
