"""`similitude completion`."""

from __future__ import annotations

import click

from similitude.cli._output import print_text

_EPILOG = """\b
bash:  eval "$(similitude completion bash)"                       in ~/.bashrc
zsh:   eval "$(similitude completion zsh)"                        in ~/.zshrc
fish:  similitude completion fish > ~/.config/fish/completions/similitude.fish"""


@click.command("completion", epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the shell's completion script."""
    from click.shell_completion import get_completion_class

    from similitude.cli._commands import root

    kind = get_completion_class(shell)
    assert kind is not None
    print_text(kind(root, {}, "similitude", "_SIMILITUDE_COMPLETE").source())
