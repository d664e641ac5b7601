"""`similitude papers`."""

from __future__ import annotations

import click

from similitude.cli._options import json_option
from similitude.cli._output import print_json, print_text

_EPILOG = """\b
Examples:
  similitude papers batch size
  similitude papers --room planning --status planned
"""


@click.command("papers", epilog=_EPILOG)
@click.argument("words", nargs=-1)
@click.option("--room", metavar="NAME", help="Only papers of this room, such as laws, planning or tasks.")
@click.option("--status", metavar="NAME", help="Only papers that are reproduced, checked, law or planned.")
@json_option
def command(words: tuple[str, ...], room: str | None, status: str | None, as_json: bool) -> None:
    """Search the papers: what each found, and what of it is here.

    All WORDS must occur in the title, the sentence, the key, or the names of laws and studies. A paper is reproduced
    where a study checks its claims on runs, checked where printed numbers follow from printed constants, law where its
    law is in the catalogue, else planned.
    """
    from similitude.studies import papers

    found = papers(" ".join(words), room=room, status=status)
    if as_json:
        print_json({"papers": [p.to_dict() for p in found]})
        return
    print_text(found)
    if len(found) == 1:
        print_text(found[0].link)
