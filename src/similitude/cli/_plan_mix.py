"""`similitude plan mix`."""

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
  similitude plan mix mixtures.csv --shares web,code,books --losses loss_web,loss_code
  similitude plan mix mixtures.csv --shares web,code,books --losses loss_web,loss_code \\
    --weights loss_web=2,loss_code=1 --tokens 300B --unique books=20B,code=60B --usual web=.7,code=.2,books=.1
"""


@click.command("mix", epilog=_EPILOG)
@click.argument("runs")
@click.option("--shares", required=True, metavar="COLUMN,...", help="Columns of the shares of training domains.")
@click.option("--losses", required=True, metavar="COLUMN,...", help="Columns of validation losses.")
@click.option("--weights", metavar="LOSS=W,...", multiple=True, help="How much each loss counts.  [default: alike]")
@click.option("--worst", is_flag=True, help="Make the largest loss least instead.")
@click.option("--usual", metavar="DOMAIN=SHARE,...", multiple=True, help="The mixture to compare with.")
@click.option("--tokens", metavar="TOKENS", help="Tokens to train on, for --unique.")
@click.option("--unique", metavar="DOMAIN=TOKENS,...", multiple=True, help="Fresh tokens a domain has.")
@click.option("--epochs", type=float, default=4.0, show_default=True, help="Passes over a domain, at the most.")
@click.option("--least", metavar="DOMAIN=SHARE,...", multiple=True, help="Least shares.")
@click.option("--most", metavar="DOMAIN=SHARE,...", multiple=True, help="Largest shares.")
@click.option("--where", metavar="CONDITION", help="Use only these runs.")
@level_option
@page_option
@seed_option
@json_option
def command(runs: str, page: str | None, as_json: bool, **options: Any) -> None:
    """Choose the mixture of domains, within what each can give.

    RUNS is a table with a row a mixture: the shares it was trained on and the losses it reached. A mixing law is fitted
    to each loss, and the shares are chosen for all of them together.
    """
    from similitude.planning import mixture, mixture_laws
    from similitude.runs import read_runs

    check_target(page)
    shares, losses = (_parse.listed(options[k]) for k in ("shares", "losses"))
    if not losses:
        raise ArgumentError("--losses: name at least one column")
    table = read_runs(runs, loss=losses[0], check=False)
    table = table.where(options["where"]) if options["where"] else table
    numbers = {
        k: _parse.numbers(f"--{k}", options[k], "web=0.5") for k in ("usual", "unique", "least", "most", "weights")
    }
    with working(f"fitting {len(losses)} laws of mixtures"):
        laws = mixture_laws(table, shares, losses, level=options["level"], seed=options["seed"])
        more = {k: v or None for k, v in numbers.items()}
        asked = {k: options[k] for k in ("worst", "tokens", "epochs", "level", "seed")}
        found = mixture(laws, **more, **asked)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)
