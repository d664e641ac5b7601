"""`similitude plan schedule`."""

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
A schedule is SHAPE:STEPS with rates, such as {EXAMPLE};
shapes: constant, cosine, linear, wsd, wsd_sqrt, wsd_exponential, two_stage.

\b
Examples:
  similitude plan schedule cosine.csv --lr lr --steps 50000
  similitude plan schedule cosine.csv --schedule {EXAMPLE}
  similitude plan schedule curves.csv --by run --lr lr --budgets 10B,20B,30B
"""


@click.command("schedule", epilog=_EPILOG)
@click.argument("curves", nargs=-1, required=True)
@click.option("--schedule", "schedules", metavar="SCHEDULE", multiple=True, help="What each table of CURVES followed.")
@click.option("--by", metavar="COLUMN", help="One curve for each value of this column.")
@click.option(
    "--law",
    type=click.Choice(["auto", "multi_power", "annealing"]),
    default="auto",
    show_default=True,
    help="Law of training curves; auto goes by what it predicts unseen.",
)
@click.option("--steps", metavar="STEPS", help="The horizon.  [default: the longest curve]")
@click.option("--peak", "peaks", metavar="RATE", multiple=True, help="Peak rate of the schedules compared.")
@click.option("--end", metavar="RATE", help="Rate they end at.  [default: the lowest that the curves came to]")
@click.option("--warm-up", metavar="STEPS", help="Steps of warm-up.  [default: as the first curve]")
@click.option(
    "--cooldown", "cooldowns", metavar="SHARE", multiple=True, type=float, help="Share of steps to cool down."
)
@click.option("--compare", "others", metavar="SCHEDULE", multiple=True, help="Rank this schedule as well.")
@click.option("--budgets", metavar="A,B,...", help="What cooldowns of one long run to these budgets save.")
@level_option
@curve_options
@page_option
@json_option
def command(
    curves: tuple[str, ...], schedules: tuple[str, ...], as_json: bool, page: str | None, **options: Any
) -> None:
    """Choose a learning-rate schedule from measured training curves.

    CURVES are tables with a row a reading: step, loss, and the learning rate in a column (--lr) unless --schedule says
    what it was.
    """
    check_target(page)
    from similitude.planning import choose_schedule, fit_curves

    if len(schedules) > 1 and len(schedules) != len(curves):
        raise ArgumentError(
            f"--schedule comes once for all tables or once for each; {len(schedules)} for {len(curves)}"
        )
    plans = [schedule_of("--schedule", text) for text in schedules] or [None]
    plans = plans * len(curves) if len(plans) == 1 else plans
    read = [c for source, plan in zip(curves, plans) for c in read_curves(source, options, plan, by=options["by"])]
    ladder = _ladder(options["budgets"], options["cooldowns"])
    with working("training curves"):
        fit = fit_curves(read, options["law"], level=options["level"])
        found = choose_schedule(fit, _steps(options["steps"], fit), **_asked(options))
    write_page([fit, found], page)
    if as_json:
        print_json(found.to_dict() | ({} if ladder is None else {"ladder": ladder.to_dict()}))
        return
    print_text(found)
    if ladder is not None:
        paid = f"{_amount(ladder.together)} against {_amount(ladder.separate)}"
        print_text(
            f"\nOne long run with a {ladder.cooldown:.0%} cooldown at each budget costs {paid} of separate runs: "
            f"{ladder.ratio:.2f} of it."
        )


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {"others": [schedule_of("--compare", text) for text in options["others"]]}
    if options["peaks"]:
        asked["peaks"] = [_parse.number("--peak", p) for p in options["peaks"]]
    if options["end"] is not None:
        asked["end"] = _parse.number("--end", options["end"])
    if options["warm_up"] is not None:
        asked["warm_up"] = int(_parse.number("--warm-up", options["warm_up"]))
    if options["cooldowns"]:
        asked["cooldowns"] = options["cooldowns"]
    return asked


def _steps(text: str | None, fit: Any) -> int:
    if text is not None:
        return int(_parse.number("--steps", text))
    return max(len(c.schedule) for c in fit.curves)


def _ladder(text: str | None, cooldowns: tuple[float, ...]) -> Any:
    if text is None:
        return None
    from similitude.planning import cooldown_ladder

    budgets = [_parse.number("--budgets", part) for part in text.split(",")]
    return cooldown_ladder(budgets, cooldown=cooldowns[0] if cooldowns else 0.2)


def _amount(value: float) -> str:
    from similitude._digits import format_number

    return format_number(value, "tokens" if value >= 1e6 else "", 3, show_unit=False)
