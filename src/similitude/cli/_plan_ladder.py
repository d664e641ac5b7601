"""`similitude plan ladder`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._plan_next import range_of
from similitude.cli._progress import working
from similitude.cli._sources import read_estimate

_EPILOG = """\b
Examples:
  similitude plan ladder chinchilla:besiroglu2024 --target 1e24
  similitude plan ladder chinchilla:besiroglu2024 chinchilla:hoffmann2022 --target 1e25 --share 0.003 --runs 20
  similitude plan ladder --difference 0.5% --noise 0.003
"""


@click.command("ladder", epilog=_EPILOG)
@click.argument("guesses", metavar="[GUESS]...", nargs=-1)
@click.option("--target", metavar="COST", help="What the big run may cost, e.g. 1e24 FLOP.")
@click.option("--share", metavar="SHARE", default="1%", show_default=True, help="Of the target's cost to spend.")
@click.option("--runs", type=int, default=28, show_default=True, help="How many runs at most.")
@click.option("--per-run", metavar="COST", help="What one run may cost.  [default: the dearest of the usual designs]")
@click.option("--noise", type=float, default=0.003, show_default=True, help="Standard deviation of a run's log loss.")
@click.option("--spread", type=float, default=0.15, show_default=True, help="How far the guesses may be off.")
@click.option("--within", metavar="INPUT=LOW:HIGH", multiple=True, help="Range of candidates, also of M, tokens/param.")
@click.option("--aim", metavar="WHAT", help="regret, value, both, or an input such as N.  [default: both]")
@click.option("--cost", metavar="FORMULA", help="Of the law's inputs.  [default: the law's own, else 6*N*D]")
@click.option("--at", metavar="NAME=VALUE,...", help="Inputs held, and names in the cost.")
@click.option("--inference-tokens", metavar="TOKENS", help="Served by the big model, for its choice.")
@click.option("--simulate", type=int, default=0, help="Carry the best design out so many times on simulated runs.")
@click.option("--difference", metavar="SHARE", help="Instead: how many seeds tell two procedures so far apart?")
@click.option("--power", type=float, default=0.9, show_default=True, help="With --difference, chance to tell it.")
@level_option
@page_option
@seed_option
@json_option
def command(guesses: tuple[str, ...], page: str | None, as_json: bool, **options: Any) -> None:
    """Design small runs for a target before any is made.

    GUESS is one or several published coefficient sets, or fits, of one law: what the truth may be like.
    """
    check_target(page)
    found = _seeds(guesses, options) if options["difference"] else _designs(guesses, options)
    carried = None
    if options["simulate"] and not options["difference"]:
        with working("simulating"):
            carried = found.simulated(repeats=options["simulate"], seed=options["seed"])
    write_page([found] if carried is None else [found, carried], page)
    if as_json:
        print_json(found.to_dict() if carried is None else {**found.to_dict(), "simulated": carried.to_dict()})
        return
    print_text(found.view())
    if carried is not None:
        print_text(carried.view())


def _designs(guesses: tuple[str, ...], options: dict[str, Any]) -> Any:
    from similitude.planning import ladder

    if not guesses or options["target"] is None:
        raise ArgumentError("a ladder takes a guess and --target, such as chinchilla:besiroglu2024 --target 1e24")
    plain = ("runs", "per_run", "noise", "spread", "aim", "cost", "inference_tokens", "level", "seed")
    asked = {k: options[k] for k in plain}
    asked["at"] = _parse.assignments("--at", options["at"], "U=1T") if options["at"] else None
    asked["within"] = dict(range_of("--within", text) for text in options["within"]) or None
    with working("designing"):
        known = [read_estimate(g) for g in guesses]
        return ladder(known, options["target"], share=_share("--share", options["share"]), **asked)  # pyright: ignore[reportArgumentType]


def _seeds(guesses: tuple[str, ...], options: dict[str, Any]) -> Any:
    from similitude.planning import seeds_for

    if guesses or options["target"]:
        raise ArgumentError("--difference is another question than a ladder for --target: ask one at a time")
    difference = _share("--difference", options["difference"])
    return seeds_for(difference, options["noise"], power=options["power"], level=options["level"])


def _share(option: str, text: str) -> float:
    """A share, written as 0.01 or 1%."""
    try:
        value = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise ArgumentError(f"{option} {text}: expected a share, such as 1% or 0.01") from None
    return value
