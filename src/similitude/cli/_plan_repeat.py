"""`similitude plan repeat`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, level_option, page_option, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._sources import read_estimate

_EPILOG = """\b
Examples:
  similitude plan repeat data_constrained:muennighoff2023 --unique 100B --flop 1e23
  similitude plan repeat fit.json other.json --unique 300B --gpus 64xH100 --days 30
"""


@click.command("repeat", epilog=_EPILOG)
@click.argument("fits", nargs=-1, required=True, metavar="FIT...")
@click.option("--unique", required=True, metavar="TOKENS", help="Fresh tokens there are, e.g. 100B.")
@click.option("--flop", metavar="FLOP", help="Training compute, e.g. 1e23.")
@click.option("--gpus", metavar="NxKIND", help="Accelerators, e.g. 64xH100, for --days or --dollars.")
@click.option("--days", metavar="DAYS", help="Days on these accelerators.")
@click.option("--dollars", metavar="$", help="Money to spend, e.g. 2M.")
@click.option("--mfu", type=float, default=0.4, show_default=True, help="Share of the peak that training reaches.")
@click.option("--price", type=float, metavar="$", help="Dollars for an accelerator and hour.")
@level_option
@page_option
@seed_option
@json_option
def command(fits: tuple[str, ...], unique: str, page: str | None, as_json: bool, **options: Any) -> None:
    """Repeat data or grow the model: epochs, and the worth of fresh tokens.

    Each FIT is a law of repeated data (in N, D and U): a file of 'similitude fit' or a published set. Several stand
    side by side.
    """
    from similitude.planning import budget, repetition

    check_target(page)
    spend = {k: options[k] for k in ("gpus", "days", "dollars")}
    means = None
    if any(v is not None for v in spend.values()):
        means = budget(**spend, mfu=options["mfu"], price=options["price"])
    if means is None and options["flop"] is None:
        raise ArgumentError("a budget is missing: --flop, or --gpus with --days or --dollars")
    asked = {k: options[k] for k in ("flop", "level", "seed")}
    found = repetition([read_estimate(f, None) for f in fits], unique, budget=means, **asked)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)
