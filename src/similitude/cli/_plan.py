"""`similitude plan`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, did_you_mean
from similitude.cli import _parse
from similitude.cli._options import json_option, seed_option
from similitude.cli._output import note, print_json, print_text
from similitude.cli._plan_group import Planning
from similitude.cli._sources import read_estimate

if TYPE_CHECKING:
    from similitude.laws import Estimate
    from similitude.planning import Plan

_EPILOG = """\b
Examples:
  similitude plan fit.json --flop 1e24
  similitude plan fit.json --gpus 64xH100 --days 14 --max-params 8B
  similitude plan fit.json --loss 2.1 --inference-tokens 2T --gpus H100
  similitude plan fit.json --flop 1e24 --require "loss.high <= 2.1"
  similitude plan chinchilla:besiroglu2024 --flop 5.76e23
"""

_REQUIREMENT = re.compile(r"\s*([A-Za-z_]+)(?:\.(low|high))?\s*(<=|>=|<|>)\s*(.+?)\s*")
_ORDER = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
_REQUIRED = ("N", "D", "loss", "flop", "tokens_per_parameter", "days", "dollars", "extrapolation")
_PLAN_OPTIONS = (
    click.option("--flop", metavar="FLOP", help="Training compute, e.g. 1e24 or '3 PF-days'."),
    click.option("--loss", "target", type=float, metavar="LOSS", help="The least compute that reaches this loss."),
    click.option("--gpus", metavar="NxKIND", help="Accelerators, e.g. 64xH100, for --days or --dollars."),
    click.option("--days", metavar="DAYS", help="Days on these accelerators."),
    click.option("--dollars", metavar="$", help="Money to spend, e.g. 2M."),
    click.option("--mfu", type=float, default=0.4, show_default=True, help="Share of the peak that training reaches."),
    click.option("--price", metavar="$", help="Dollars for an accelerator and hour."),
    click.option("--inference-tokens", metavar="TOKENS", help="Tokens to be served by the model, counted in its cost."),
    click.option("--max-params", metavar="N", help="The largest model allowed, e.g. 8B."),
    click.option("--tokens-per-parameter", metavar="RATIO", help="The largest model on at least so many tokens each."),
    click.option("--at", metavar="INPUT=VALUE,...", multiple=True, help="Hold inputs, e.g. U=100B, or N=8B."),
)


def plan_options(function: Any) -> Any:
    """Everything that asks a question of a plan."""
    for option in reversed(_PLAN_OPTIONS):
        function = option(function)
    return function


@click.command("plan", cls=Planning, epilog=_EPILOG)
@click.argument("fit")
@plan_options
@click.option("--level", type=float, default=0.9, show_default=True, help="Coverage of the intervals.")
@click.option("--group", metavar="VALUE", help="Which fit of those made --by a column.")
@click.option(
    "--require", metavar="CONDITION", multiple=True, help='Exit with 1 unless this holds, e.g. "loss <= 2.1".'
)
@seed_option
@json_option
def command(fit: str, group: str | None, require: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Choose parameters and tokens for a budget or a loss.

    Ask with --flop, --loss, or --gpus with --days or --dollars; --at N=8B alone asks for the tokens that size is best
    for. FIT is a file that 'similitude fit -o FIT' wrote ("-" for standard input), or a published set such as
    chinchilla:besiroglu2024. With --require, the plan is printed either way.
    """
    gates = [_gate(text) for text in require]
    estimate = read_estimate(fit, group)
    made = ask(estimate, options)
    if as_json:
        print_json(_document(made))
    else:
        print_text(made)
    failed = [text for text, gate in zip(require, gates) if not _holds(made, *gate)]
    for text in failed:
        note(f"the plan does not meet --require {text!r}")
    return 1 if failed else 0


def ask(estimate: Estimate, options: dict[str, Any]) -> Plan:
    """The plan that the options ask for."""
    from similitude.planning import largest_model, plan

    means = _budget(options)
    more = {
        "inference_tokens": options["inference_tokens"],
        "at": {k: v for point in _parse.points(options["at"], estimate.law.inputs) for k, v in point.items()},
        "level": options.get("level", 0.9),
        "seed": options.get("seed", 0),
    }
    if options["tokens_per_parameter"] is None:
        caps = {"loss": options["target"], "max_parameters": options["max_params"]}
        return plan(estimate, flop=options["flop"], budget=means, **caps, **more)
    if options["target"] is not None or options["max_params"] is not None:
        raise ArgumentError(
            "--tokens-per-parameter asks for the largest model on a budget: --loss and --max-params do not"
        )
    ratio = _parse.number("--tokens-per-parameter", options["tokens_per_parameter"])
    purse = options["flop"] if means is None else means
    if purse is None:
        raise ArgumentError("--tokens-per-parameter needs a budget: --flop, or --gpus with --days or --dollars")
    return largest_model(estimate, purse, tokens_per_parameter=ratio, **more)


def _budget(options: dict[str, Any]) -> Any:
    """Accelerators, days and money as one budget; None where none of them is given."""
    from similitude.planning import budget

    spend = {k: options[k] for k in ("gpus", "days", "dollars")}
    if all(v is None for v in spend.values()):
        return None
    price = None if options["price"] is None else _parse.number("--price", options["price"])
    return budget(**spend, mfu=options["mfu"], price=price)


def is_asked(options: dict[str, Any]) -> bool:
    """Whether any of the options asks for a plan."""
    asking = ("flop", "target", "gpus", "days", "dollars", "at", "max_params", "tokens_per_parameter")
    return any(options[key] not in (None, ()) for key in asking)


def _document(made: Plan) -> dict[str, Any]:
    """The plan without the curves that figures are drawn from."""
    return {k: v for k, v in made.to_dict().items() if k != "curves"}


def _gate(text: str) -> tuple[str, str | None, str, float]:
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise ArgumentError(f'--require {text!r}: expected a comparison such as "loss.high <= 2.1" or "N < 8B"')
    name, end, order, limit = match.groups()
    if name not in _REQUIRED:
        known = ", ".join(_REQUIRED)
        raise ArgumentError(
            f"--require {text!r}: a plan has no '{name}'{did_you_mean(name, _REQUIRED)} (it has {known})"
        )
    return name, end, order, _parse.number(f"--require {text!r}", limit)


def _holds(made: Plan, name: str, end: str | None, order: str, limit: float) -> bool:
    """Whether the plan meets it; an end that is not known meets nothing."""
    value: Any = getattr(made, name)
    if hasattr(value, "value"):
        value = getattr(value, end or "value")
    elif end is not None:
        return False
    return value is not None and _ORDER[order](value, limit)
