"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["json_option", "law_names", "level_option", "output_option", "page_option", "reading_options", "seed_option"]

F = TypeVar("F", bound=Callable[..., Any])

level_option = click.option("--level", type=float, default=0.9, show_default=True, help="Coverage of the intervals.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all that is random."
)


def output_option(what: str, **more: Any) -> Callable[[F], F]:
    """-o FILE."""
    return click.option("-o", "--output", metavar="FILE", help=what, **more)


page_option = click.option("-o", "--page", metavar="FILE", help="Write an HTML page with tables and figures, too.")


def law_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completion of the name of a law, or of several with commas between."""
    from similitude.laws import catalogue

    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in catalogue() if name.startswith(last)]


_READING = (
    click.option("--N", "N_column", metavar="COLUMN", help="Column of parameters."),
    click.option("--D", "D_column", metavar="COLUMN", help="Column of tokens."),
    click.option("--C", "C_column", metavar="COLUMN", help="Column of training FLOP."),
    click.option("--loss", "loss_column", metavar="COLUMN", help="Column of the loss, or another score to fit."),
    click.option(
        "--column", "columns", metavar="ROLE=COLUMN", multiple=True, help="Column of another role, e.g. U=unique."
    ),
    click.option(
        "--units", "units", metavar="COLUMN=UNIT", multiple=True, help="Unit of a column, e.g. N=B, loss=bits/byte."
    ),
    click.option(
        "--counts",
        type=click.Choice(["total", "without embeddings", "without embeddings and head", "active"]),
        help="What N counts.",
    ),
    click.option("--flop-rule", metavar="RULE", help="How C follows from N and D.  [default: 6ND]"),
    click.option("--where", metavar="CONDITION", help="Use only these runs, e.g. \"C < 1e21 and group == 'main'\"."),
    click.option("--drop-outliers", metavar="CONDITION", help="Mark these runs as outliers and leave them out."),
    click.option("--outliers", metavar="COLUMN", help="Column of true/false that marks outliers."),
    click.option("--keep-outliers", is_flag=True, help="Use runs that are marked as outliers, too."),
    click.option("--censored", metavar="COLUMN", help="Column of true/false that marks crashed runs."),
    click.option(
        "--not-finite",
        type=click.Choice(["error", "drop", "censored"]),
        default="error",
        show_default=True,
        help="What to do with a loss of NaN or infinity.",
    ),
    click.option("--no-check", is_flag=True, help="Accept numbers whose units look wrong."),
)


def reading_options(function: F) -> F:
    """Everything that says how a table is to be read."""
    for option in reversed(_READING):
        function = option(function)
    return function
