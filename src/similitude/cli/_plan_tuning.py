"""`similitude plan tuning`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, level_option, page_option, reading_options, seed_option
from similitude.cli._output import check_target, print_json, print_text, write_page

_EPILOG = """\b
Examples:
  similitude plan tuning --at N=7B,D=1.4T
  similitude plan tuning sweep.csv --batch batch_tokens --at N=7B,D=1.4T
  similitude plan tuning sweep.csv --by width --transfer width
  similitude plan tuning sweep.csv --stability 7B --logits max_logit --initial-loss 10.8
  similitude plan tuning --widths 256:4096 --rate 2e-3
  similitude plan tuning --batches 1M:4M --rate 1e-3 --weight-decay 0.1 --ema 0.9999
"""


@click.command("tuning", epilog=_EPILOG)
@click.argument("runs", nargs=-1)
@click.option("--at", metavar="INPUT=VALUE,...", help="The target, e.g. N=7B,D=1.4T.")
@click.option("--target-loss", type=float, metavar="LOSS", help="Loss the target reaches, for rules that need it.")
@click.option("--lr", metavar="COLUMN", help="Column of peak learning rates.  [default: lr, learning_rate, ...]")
@click.option("--batch", metavar="COLUMN", help="Column of batches in tokens; tuned, too.")
@click.option(
    "--sequence-length", type=click.IntRange(min=1), help="The batch column counts sequences of so many tokens."
)
@click.option("--by", metavar="COLUMN,...", help="Columns that make a group.  [default: N,D]")
@click.option("--lr-inputs", metavar="COLUMN,...", help="Inputs of the law of the rate.  [default: --by that vary]")
@click.option("--batch-inputs", metavar="COLUMN,...", help="Inputs of the law of the batch.  [default: D]")
@click.option("--within", type=float, default=0.005, show_default=True, help="Cells so near the best measure the bowl.")
@click.option("--transfer", metavar="COLUMN", help="Instead: does the best rate transfer over this width?")
@click.option("--stability", metavar="SIZE", help="Instead: sensitivity to the rate, and warnings at this size.")
@click.option("--logits", metavar="COLUMN", help="With --stability: column of the largest attention logit.")
@click.option("--gradients", metavar="COLUMN", help="With --stability: column of the RMS of gradients.")
@click.option("--epsilon", type=float, default=1e-8, show_default=True, help="Adam's epsilon.")
@click.option("--initial-loss", type=float, help="With --stability: loss at the start, e.g. ln of the vocabulary.")
@click.option("--widths", metavar="BASE:TARGET", help="Instead: maximal-update rules between two widths.")
@click.option("--batches", metavar="OLD:NEW", help="Instead: what else changes when the batch does.")
@click.option("--rate", metavar="RATE", help="Learning rate before, for --widths and --batches.")
@click.option("--optimiser", type=click.Choice(["adam", "sgd"]), default="adam", show_default=True)
@click.option("--betas", metavar="B1,B2", default="0.9,0.95", show_default=True, help="Adam's betas, for --batches.")
@click.option("--weight-decay", type=float, help="Weight decay before, for --batches.")
@click.option("--ema", type=float, help="Momentum of the weights' moving average, for --batches.")
@click.option("--noise-scale", metavar="TOKENS", help="Gradient noise scale, for --batches with SGD.")
@level_option
@reading_options
@seed_option
@page_option
@json_option
def command(runs: tuple[str, ...], as_json: bool, page: str | None, **options: Any) -> None:
    """Learning rate and batch: from your sweep and published rules.

    RUNS is a sweep with a run a row. With --at the answer is for a target, published rules beside it; without RUNS the
    rules alone. --transfer and --stability ask other questions of RUNS, --widths and --batches none.
    """
    check_target(page)
    found = _answer(runs, options)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)


def _answer(sources: tuple[str, ...], options: dict[str, Any]) -> Any:
    """The result of the one question that the options ask."""
    asked = [name for name in ("transfer", "stability", "widths", "batches") if options[name] is not None]
    if len(asked) > 1:
        raise ArgumentError(f"--{asked[0]} and --{asked[1]} are two questions: ask one at a time")
    question = asked[0] if asked else None
    if question is not None and options["at"] is not None:
        raise ArgumentError(f"--at belongs to the question of a target, --{question} is another: ask one at a time")
    if question in ("widths", "batches"):
        if sources:
            raise ArgumentError(f"--{question} needs no RUNS")
        return _widths(options) if question == "widths" else _batches(options)
    if not sources:
        if question is not None:
            raise ArgumentError(f"--{question} asks a question of RUNS: name a table")
        return _rules(options)
    return _of_runs(question, sources, options)


def _of_runs(question: str | None, sources: tuple[str, ...], options: dict[str, Any]) -> Any:
    from similitude.cli._sources import read_tables, tell
    from similitude.planning import stability, tune, width_transfer

    runs = read_tables(sources, options)
    more = {"lr": options["lr"], "level": options["level"]}
    if question == "transfer":
        found = width_transfer(runs, width=options["transfer"], within=options["within"], seed=options["seed"], **more)
    elif question == "stability":
        names = ("logits", "gradients", "epsilon", "initial_loss")
        found = stability(runs, target=options["stability"], **{k: options[k] for k in names}, **more)
    else:
        lists = {k: _names(options[k]) for k in ("by", "lr_inputs", "batch_inputs")}
        names = ("batch", "sequence_length", "within", "seed")
        found = tune(runs, **{k: options[k] for k in names}, **lists, **more)
        if options["at"] is not None:
            found = found.at(loss=options["target_loss"], **_target(options["at"]))
    tell(runs)
    return found


def _rules(options: dict[str, Any]) -> Any:
    from similitude.planning import tuning_rules

    if options["at"] is None:
        raise ArgumentError("give RUNS to tune by, or a target for the published rules: --at N=7B,D=1.4T")
    at = _target(options["at"])
    if set(at) != {"N", "D"}:
        raise ArgumentError(f"--at {options['at']}: published rules need N and D and nothing else, as in N=7B,D=1.4T")
    more = {"sequence_length": options["sequence_length"] or 2048, "counts": options["counts"] or "undeclared"}
    return tuning_rules(at["N"], at["D"], loss=options["target_loss"], **more)


def _widths(options: dict[str, Any]) -> Any:
    from similitude.planning import width_rules

    base, target = _pair("--widths", options["widths"], "256:4096")
    return width_rules(base, target, optimiser=options["optimiser"], lr=options["rate"])


def _batches(options: dict[str, Any]) -> Any:
    from similitude.planning import rescale_batch

    old, new = _pair("--batches", options["batches"], "1M:4M")
    if options["rate"] is None:
        raise ArgumentError("--batches needs the learning rate before: --rate 1e-3")
    betas = [_parse.number("--betas", b) for b in options["betas"].split(",")]
    names = ("optimiser", "weight_decay", "ema", "noise_scale")
    return rescale_batch(old, new, lr=options["rate"], betas=betas, **{k: options[k] for k in names})


def _pair(option: str, text: str, example: str) -> tuple[float, float]:
    first, colon, second = text.partition(":")
    if not colon:
        raise ArgumentError(f"{option} {text!r}: expected two numbers, such as {example}")
    return _parse.number(option, first), _parse.number(option, second)


def _target(text: str) -> dict[str, float]:
    return {k: _parse.number(f"--at {k}", v) for k, v in _parse.assignments("--at", text, "N=7B,D=1.4T").items()}


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(_parse.listed(text))
