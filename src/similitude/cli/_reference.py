"""The page of the documentation with every command's help: python -m similitude.cli._reference > docs/cli.md"""

from __future__ import annotations

import os

import click

from similitude.cli._commands import COMMANDS, root
from similitude.cli._plan_group import QUESTIONS, question

__all__ = ["reference"]

WIDTH = 80


def reference() -> str:
    """The page as Markdown, the same on every machine."""
    parts = ["# Command line", "", "Every page here is what `--help` prints.", "", *_block("similitude", root, None)]
    context = _context("similitude", root, None)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        parts += [f"## similitude {name} {{ #{name} }}", "", *_block(name, command, context)]
        for asked in QUESTIONS if name == "plan" else ():
            parts += [f"### similitude plan {asked} {{ #plan-{asked} }}", ""]
            parts += _block(f"plan {asked}", question(asked), context)
        for inner, below in sorted(command.commands.items()) if isinstance(command, click.Group) else ():
            parts += [f"### similitude {name} {inner} {{ #{name}-{inner} }}", ""]
            parts += _block(inner, below, _context(name, command, context))
    return "\n".join(parts).rstrip() + "\n"


def _block(name: str, command: click.Command, parent: click.Context | None) -> list[str]:
    lines = [line.rstrip() for line in command.get_help(_context(name, command, parent)).splitlines()]
    return ["```text", *lines, "```", ""]


def _context(name: str, command: click.Command, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": WIDTH}
    return command.context_class(command, info_name=name, parent=parent, **settings)


if __name__ == "__main__":
    os.environ["NO_COLOR"] = "1"
    click.echo(reference(), nl=False)
