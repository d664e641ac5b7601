"""`similitude plan`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, did_you_mean
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option, seed_option
from similitude.cli._output import check_target, note, print_json, print_text, write_page
from similitude.cli._plan_group import Planning
from similitude.cli._sources import read_estimate

if TYPE_CHECKING:
    from similitude.laws import Estimate
    from similitude.planning import Decision, Plan

_EPILOG = """\b
Examples:
  similitude plan fit.json --flop 1e24
  similitude plan fit.json --gpus 64xH100 --days 14 --max-params 8B
  similitude plan fit.json --loss 2.1 --inference-tokens 2T --gpus H100
  similitude plan fit.json --flop 1e24 --require "loss.high <= 2.1"
  similitude plan chinchilla:besiroglu2024 --flop 5.76e23
  similitude plan fine_grained_moe:krajewski2024 --flop 1e21 --limit G=1:64
  similitude plan data_constrained:muennighoff2023 --cost "6*N*D*5e-18 + U*2e-5" --spend '$5M'
"""

_REQUIREMENT = re.compile(r"\s*([A-Za-z_]+)(?:\.(low|high))?\s*(<=|>=|<|>)\s*(.+?)\s*")
_ORDER = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
_REQUIRED = ("N", "D", "loss", "flop", "tokens_per_parameter", "days", "dollars", "extrapolation")
_PLAN_OPTIONS = (
    click.option("--flop", metavar="FLOP", help="Training compute, e.g. 1e24 or '3 PF-days'."),
    click.option("--loss", "target", metavar="LOSS", help="The least compute that reaches this loss."),
    click.option("--gpus", metavar="NxKIND", help="Accelerators, e.g. 64xH100, for --days or --dollars."),
    click.option("--days", metavar="DAYS", help="Days on these accelerators."),
    click.option("--gpu-hours", metavar="HOURS", help="Accelerator hours to spend, e.g. '500 H100'."),
    click.option("--dollars", metavar="$", help="Money to spend, e.g. 2M."),
    click.option("--mfu", type=float, default=0.4, show_default=True, help="Share of the peak that training reaches."),
    click.option(
        "--precision",
        type=click.Choice(["bf16", "fp16", "fp8"]),
        default="bf16",
        show_default=True,
        help="The peak that --mfu is a share of.",
    ),
    click.option("--price", metavar="$", help="Dollars for an accelerator and hour."),
    click.option("--inference-tokens", metavar="TOKENS", help="Tokens to be served by the model, counted in its cost."),
    click.option("--unique-tokens", metavar="TOKENS", help="Fresh tokens there are, for a law of repeated data."),
    click.option("--memory", metavar="SIZE", help="What the weights may fill, e.g. 80GB."),
    click.option(
        "--bytes-per-parameter", type=float, default=2.0, show_default=True, help="What a weight takes, for --memory."
    ),
    click.option("--max-params", metavar="N", help="The largest model allowed, e.g. 8B."),
    click.option("--tokens-per-parameter", metavar="RATIO", help="The largest model on at least so many tokens each."),
    click.option("--at", metavar="INPUT=VALUE,...", multiple=True, help="Hold inputs, e.g. U=100B, or N=8B."),
    click.option("--cost", metavar="FORMULA", help="What inputs cost, e.g. '6*N*D*P/16'.  [default: the law's own]"),
    click.option("--spend", metavar="AMOUNT", help="What may be spent of --cost, in its own unit, e.g. '$2M'."),
    click.option(
        "--limit", "limits", metavar="INPUT=LOW:HIGH", multiple=True, help="Choose an input within, e.g. G=1:64, N=:8B."
    ),
    click.option("--extrapolate", is_flag=True, help="Let inputs leave the range that the law was made from."),
)


def plan_options(function: Any) -> Any:
    """Everything that asks a question of a plan."""
    for option in reversed(_PLAN_OPTIONS):
        function = option(function)
    return function


@click.command("plan", cls=Planning, epilog=_EPILOG)
@click.argument("fit")
@plan_options
@level_option
@click.option("--group", metavar="VALUE", help="Which fit of those made --by a column.")
@click.option(
    "--require", metavar="CONDITION", multiple=True, help='Exit with 1 unless this holds, e.g. "loss <= 2.1".'
)
@page_option
@seed_option
@json_option
def command(
    fit: str, group: str | None, require: tuple[str, ...], page: str | None, as_json: bool, **options: Any
) -> int:
    """Choose parameters and tokens for a budget or a loss.

    Ask with --flop, --loss, or --gpus with --days or --dollars; --at N=8B alone asks for the tokens that size is best
    for. FIT is a file that 'similitude fit -o FIT' wrote ("-" for standard input), or a published set such as
    chinchilla:besiroglu2024. With --require, the plan is printed either way.
    """
    check_target(page)
    estimate = read_estimate(fit, group)
    asked = dict.fromkeys((*_REQUIRED, "value", "cost", *estimate.law.inputs))
    gates = [_gate(text, asked) for text in require]
    made = ask(estimate, options)
    write_page([made], page)
    if as_json:
        print_json(_document(made))
    else:
        print_text(made)
    failed = [text for text, gate in zip(require, gates) if not _holds(made, *gate)]
    for text in failed:
        known = _named(made, _gate(text, asked)[0]) is not None
        note(f"the plan does not meet --require {text!r}{'' if known else ': it does not say that'}")
    return 1 if failed else 0


def ask(estimate: Estimate, options: dict[str, Any]) -> Plan | Decision:
    """The plan that the options ask for; a decision over all inputs where the law or the options declare a cost."""
    from similitude.planning import decide, largest_model, plan

    means = _budget(options)
    at: dict[str, float] = {}
    for point in _points(options, estimate):
        if twice := [k for k in point if k in at]:
            raise ArgumentError(f"--at: {twice[0]} is given twice")
        at |= point
    more = {"level": options.get("level", 0.9), "seed": options.get("seed", 0)}
    more["inference_tokens"] = options["inference_tokens"]
    if _is_decision(estimate, options, at):
        return decide(estimate, at=at, **_decision_options(estimate, options, means), **more)
    more["at"] = at
    if options["tokens_per_parameter"] is None:
        caps = {"loss": options["target"], "max_parameters": options["max_params"]}
        caps |= {k: options[k] for k in ("memory", "bytes_per_parameter", "unique_tokens")}
        return plan(estimate, flop=options["flop"], budget=means, **caps, **more)
    if any(options[k] is not None for k in ("target", "max_params", "memory")):
        raise ArgumentError(
            "--tokens-per-parameter asks for the largest model on a budget: --loss, --memory and --max-params do not"
        )
    ratio = _parse.number("--tokens-per-parameter", options["tokens_per_parameter"])
    purse = options["flop"] if means is None else means
    if purse is None:
        raise ArgumentError("--tokens-per-parameter needs a budget: --flop, or --gpus with --days or --dollars")
    return largest_model(estimate, purse, tokens_per_parameter=ratio, **more)


def _points(options: dict[str, Any], estimate: Estimate) -> list[dict[str, float]]:
    """What is held; a cost may hold names that are no inputs of the law."""
    from similitude._quantity import COUNT
    from similitude.laws import formula_names

    named = dict.fromkeys(formula_names(options["cost"]), COUNT) if options["cost"] else {}
    return _parse.points(options["at"], {**named, **estimate.law.inputs})


def _is_decision(estimate: Estimate, options: dict[str, Any], at: dict[str, float]) -> bool:
    asked = options["cost"] or options["spend"] or options["limits"] or options["extrapolate"]
    return bool(asked or (estimate.law.cost and options["tokens_per_parameter"] is None))


def _decision_options(estimate: Estimate, options: dict[str, Any], means: Any) -> dict[str, Any]:
    for name in ("tokens_per_parameter", "unique_tokens"):
        if options[name] is not None:
            raise ArgumentError(f"--{name.replace('_', '-')} is for plans of N and D: with --cost or --limit give --at")
    limits: dict[str, tuple[str | None, str | None]] = {}
    for text in options["limits"]:
        for name, ends in _limit(text).items():
            if name in limits:
                raise ArgumentError(f"--limit {name} is given twice: write both ends in one, {name}=LOW:HIGH")
            limits[name] = ends
    cap = options["max_params"]
    if options["memory"] is not None:
        from similitude.planning._budget import amount

        size = (amount("memory", options["memory"], "memory") or 0.0) / options["bytes_per_parameter"]
        cap = size if cap is None else min(size, _parse.number("--max-params", cap))
    if cap is not None:
        limits["N"] = (limits.get("N", (None, None))[0], cap)
    purses = {"--spend": options["spend"], "--flop": options["flop"], "--gpus, --days or --dollars": means}
    given = [k for k, v in purses.items() if v is not None]
    if len(given) > 1:
        raise ArgumentError(f"{' and '.join(given)} are several budgets, and a decision over all inputs takes one")
    if bool(given) == (options["target"] is not None):
        raise ArgumentError(
            "a decision over all inputs takes one question: a budget (--flop, --spend with --cost, or --gpus with "
            "--days), or --loss, the value to reach at the least cost"
        )
    spend = next((v for v in purses.values() if v is not None), None)
    found = {"spend": spend, "reach": options["target"], "cost": options["cost"], "limits": limits}
    return {**found, "extrapolate": options["extrapolate"]}


def _limit(text: str) -> dict[str, tuple[str | None, str | None]]:
    """{"G": ("1", "64")} of "G=1:64"; an end may be left open."""
    name, equals, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    if not (name.strip() and equals and colon and (low.strip() or high.strip())):
        raise ArgumentError(
            f"--limit {text!r}: expected INPUT=LOW:HIGH, such as G=1:64, with either end left out if need be"
        )
    return {name.strip(): (low.strip() or None, high.strip() or None)}


def _budget(options: dict[str, Any]) -> Any:
    """Accelerators, days, hours and money as one budget; None where none of them is given."""
    from similitude.planning import budget

    spend = {k: options[k] for k in ("gpus", "days", "dollars", "gpu_hours")}
    if all(v is None for v in spend.values()):
        return None
    price = None if options["price"] is None else _parse.number("--price", options["price"])
    return budget(**spend, mfu=options["mfu"], price=price, precision=options["precision"])


def is_asked(options: dict[str, Any]) -> bool:
    """Whether any of the options asks for a plan."""
    asking = ("flop", "target", "gpus", "days", "dollars", "gpu_hours", "at", "max_params", "memory", "unique_tokens")
    asking += ("tokens_per_parameter", "cost", "spend", "limits")
    return any(options[key] not in (None, ()) for key in asking)


def _document(made: Plan | Decision) -> dict[str, Any]:
    """The plan without the curves that figures are drawn from."""
    return {k: v for k, v in made.to_dict().items() if k not in ("curves", "frontier")}


def _gate(text: str, names: Iterable[str] = _REQUIRED) -> tuple[str, str | None, str, float]:
    match = _REQUIREMENT.fullmatch(text)
    if match is None:
        raise ArgumentError(f'--require {text!r}: expected a comparison such as "loss.high <= 2.1" or "N < 8B"')
    name, end, order, limit = match.groups()
    if name not in names:
        known = ", ".join(names)
        raise ArgumentError(f"--require {text!r}: a plan has no '{name}'{did_you_mean(name, names)} (it has {known})")
    return name, end, order, _parse.number(f"--require {text!r}", limit)


def _named(made: Plan | Decision, name: str) -> Any:
    """What a requirement names: a field of the plan, an input of the decision."""
    inputs = getattr(made, "inputs", None)
    if inputs is None:
        return getattr(made, {"value": "loss", "cost": "compute"}.get(name, name), None)
    return {**inputs, "value": made.value, "loss": made.value, "cost": made.cost, "flop": made.cost}.get(name)  # pyright: ignore[reportAttributeAccessIssue]


def _holds(made: Plan | Decision, name: str, end: str | None, order: str, limit: float) -> bool:
    """Whether the plan meets it; an end that is not known meets nothing."""
    value: Any = _named(made, name)
    if hasattr(value, "value"):
        value = getattr(value, end or "value")
    elif end is not None:
        return False
    return value is not None and _ORDER[order](value, limit)
