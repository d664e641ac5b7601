"""`similitude cite`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option
from similitude.cli._output import print_json, print_text
from similitude.cli._sources import data_set_of, read_estimates

_EPILOG = """\b
Examples:
  similitude cite fit.json > references.bib
  similitude cite chinchilla chinchilla:besiroglu2024 data:porian-resolving
"""


@click.command("cite", epilog=_EPILOG)
@click.argument("things", metavar="FIT|LAW|DATA...", nargs=-1, required=True)
@json_option
def command(things: tuple[str, ...], as_json: bool) -> None:
    """Print the BibTeX of laws, coefficients, data and fits.

    Each may be a FIT file, a law, a published set such as chinchilla:besiroglu2024, or a data set such as
    data:chinchilla-epoch.
    """
    from similitude.reports import cite

    text = cite(*(thing for name in things for thing in _things(name)))
    print_json({"bibtex": text}) if as_json else print_text(text)


def _things(name: str) -> list[Any]:
    from similitude.laws import catalogue
    from similitude.runs import datasets

    if name in catalogue() and not Path(name).exists():
        return [catalogue()[name]]
    published = data_set_of(name)
    if published is not None:
        return [datasets.show(published.partition("/")[0])]
    if not Path(name).exists() and name != "-" and ":" not in name:
        raise ArgumentError(
            f"{name}: neither a file, nor a law, nor a data set; see 'similitude laws' and 'similitude data'"
        )
    return read_estimates(name)
