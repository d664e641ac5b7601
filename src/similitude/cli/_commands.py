"""The commands by name, each in a module of its own that is imported when it is called, so that --help is instant."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from similitude import __version__
from similitude._errors import did_you_mean

__all__ = ["COMMANDS", "root"]

# name -> what it does, in the order of the work; the text is also each command's own first line (a test compares them)
COMMANDS = {
    "laws": "List the laws, or show one with its coefficients.",
    "papers": "Search the papers: what each found, and what of it is here.",
    "data": "List the published data sets, show or export one.",
    "runs": "Read logs into a store of runs, and look at what is there.",
    "lab": "Train ladders of small models, and resume them.",
    "watch": "Watch runs that are under way, and where they will end.",
    "fit": "Fit a law to a table of runs.",
    "predict": "Predict at inputs, with intervals.",
    "plan": "Choose parameters and tokens for a budget or a loss.",
    "compare": "Compare laws by what they would have forecast.",
    "allocate": "Read compute-optimal trends off runs, without a law.",
    "report": "Write a report: one HTML file to share.",
    "reproduce": "Check papers' claims on their data.",
    "cite": "Print the BibTeX of laws, coefficients, data and fits.",
    "demo": "Fit, predict, plan, compare and report on real runs.",
    "plugins": "List what other packages add: readers, laws, executors.",
    "completion": "Print the shell's completion script.",
}

_EXAMPLES = """\b
Examples:
  similitude fit sweep.csv --law chinchilla -o fit.json
  similitude predict fit.json --at N=70B,D=1.4T
  similitude plan fit.json --flop 1e24

A published set such as chinchilla:besiroglu2024 stands wherever a FIT is expected, and "-" is standard input. Every
command but completion takes --json: one document on standard output, all else on standard error.

Exit codes: 0 done, 1 a gate that was asked for failed, 2 arguments and formulas, 3 data or a question they cannot
answer, 4 the best optimum found is none, 130 interrupted."""


class Root(click.Group):
    """A group that imports a command when it is called, and turns every failure into one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"similitude.cli._{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            listed = ", ".join(COMMANDS)
            raise click.UsageError(
                f"no command '{args[0]}'{did_you_mean(args[0], COMMANDS)}; the commands are: {listed}"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Any = None, *_: Any, **__: Any) -> Any:
        """Run and leave the process, as click's own does; `similitude.cli.main` returns the exit code instead."""
        import sys

        from similitude.cli._main import main

        sys.exit(main(args))


root = Root(
    "similitude",
    help="Scaling laws: from a table of small training runs to a decision about the big one.",
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda ctx, _, asked: asked and (click.echo(f"similitude {__version__}"), ctx.exit()),
            help="Print the version.",
        )
    ],
)
