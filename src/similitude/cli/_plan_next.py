"""`similitude plan next`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._progress import working
from similitude.cli._sources import read_estimate

__all__ = ["command", "range_of"]

_EPILOG = """\b
Examples:
  similitude plan next fit.json --target 1e24 --spend 1e21
  similitude plan next fit.json --target 1e24 --runs 8 --per-run 2e20 --within N=20M:1B
  similitude plan next fit.json --target 1e24 --spend 1e21 --candidates could_run.csv --aim both
"""


@click.command("next", epilog=_EPILOG)
@click.argument("fit", metavar="FIT")
@click.option("--target", metavar="COST", required=True, help="What the big run may cost, e.g. 1e24 FLOP.")
@click.option("--spend", metavar="COST", help="What the small runs may cost altogether.")
@click.option("--runs", type=int, help="How many runs at most.  [default: 12]")
@click.option("--per-run", metavar="COST", help="What one run may cost.  [default: all of --spend]")
@click.option("--repeats", type=int, help="Seeds of one configuration at most.")
@click.option("--within", metavar="INPUT=LOW:HIGH", multiple=True, help="Range of candidates, also of M, tokens/param.")
@click.option("--candidates", metavar="TABLE", help="Configurations that could be run, instead of a grid.")
@click.option("--aim", metavar="WHAT", help="regret, value, both, or an input such as N.  [default: both]")
@click.option("--cost", metavar="FORMULA", help="Of the law's inputs.  [default: the law's own, else 6*N*D]")
@click.option("--at", metavar="NAME=VALUE,...", help="Inputs held, and names in the cost.")
@click.option("--inference-tokens", metavar="TOKENS", help="Served by the big model, for its choice.")
@click.option("--noise", type=float, help="Standard deviation of a run's log loss.  [default: the fit's]")
@click.option("--group", help="Which of the fits by group.")
@level_option
@page_option
@seed_option
@json_option
def command(fit: str, page: str | None, as_json: bool, **options: Any) -> None:
    """Choose the next small runs, so that the decision at a target is surest.

    FIT is a file that 'similitude fit -o' wrote, with its runs.
    """
    from similitude.planning import next_runs

    check_target(page)
    found = read_estimate(fit, options["group"])
    plain = ("spend", "runs", "per_run", "repeats", "aim", "cost", "inference_tokens", "noise", "level", "seed")
    asked = {k: options[k] for k in plain}
    asked["at"] = _parse.assignments("--at", options["at"], "U=1T") if options["at"] else None
    asked["within"] = dict(range_of("--within", text) for text in options["within"]) or None
    if options["candidates"]:
        asked["candidates"] = _candidates(options["candidates"], found)
    with working("designing"):
        chosen = next_runs(found, options["target"], **asked)  # pyright: ignore[reportArgumentType]
    write_page([chosen], page)
    print_json(chosen.to_dict()) if as_json else print_text(chosen.view())


def range_of(option: str, text: str) -> tuple[str, tuple[str | None, str | None]]:
    """NAME=LOW:HIGH, either end left out for none.

    >>> range_of("--within", "N=20M:")
    ('N', ('20M', None))
    """
    name, equals, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    if not (name.strip() and equals and colon):
        raise ArgumentError(f"{option} {text}: expected INPUT=LOW:HIGH, such as N=20M:1B")
    return name.strip(), (low.strip() or None, high.strip() or None)


def _candidates(source: str, fit: Any) -> dict[str, Any]:
    from similitude.cli._sources import read_points

    return read_points(source, fit.law)
