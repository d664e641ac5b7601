"""`similitude plan`: a question to a law, or one of the more special questions, by its name in place of the FIT."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

__all__ = ["QUESTIONS", "Planning", "question"]

# name -> what it does; the text is also each command's own first line (a test compares them), its module _plan_<name>
QUESTIONS: dict[str, str] = {
    "batch": "Find the batch: critical batch, noise scale, what a batch costs.",
    "mix": "Choose the mixture of domains, within what each can give.",
    "parallel": "Rank the ways to spread training over accelerators that fit their memory.",
    "pools": "Choose which pools of data to keep at a budget, when some must be repeated.",
    "repeat": "Repeat data or grow the model: epochs, and the worth of fresh tokens.",
    "serve": "Find what serving takes: latency, throughput, cache and cost, or a lifetime.",
    "shape": "Find layers and widths for a number of parameters, or what a shape costs.",
    "schedule": "Choose a learning-rate schedule from measured training curves.",
    "forecast": "Forecast the final loss of a run that is under way.",
    "next": "Choose the next small runs, so that the decision at a target is surest.",
    "ladder": "Design small runs for a target before any is made.",
    "tuning": "Learning rate and batch: from your sweep and published rules.",
}


def question(name: str) -> click.Command:
    """The command that answers a question, imported now."""
    return import_module(f"similitude.cli._plan_{name}").command


class Planning(click.Command):
    """A command whose first argument may name another: `plan shape ...` beside `plan FIT ...`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in QUESTIONS:
            return question(args[0]).make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        if QUESTIONS:
            with formatter.section("Questions in place of FIT (each with its own --help)"):
                formatter.write_dl(list(QUESTIONS.items()))
