"""`similitude plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from similitude.cli._options import json_option
from similitude.cli._output import print_json, print_text

if TYPE_CHECKING:
    from similitude._view import Section

_EPILOG = """\b
Examples:
  similitude plugins
  similitude plugins --json
"""


@click.command("plugins", epilog=_EPILOG)
@json_option
def command(as_json: bool) -> None:
    """List what other packages add: readers, laws, executors.

    A package adds by entry points of the groups similitude.readers, similitude.laws and similitude.executors.
    """
    from similitude._plugins import GROUPS, plugins
    from similitude.runs.readers import READERS

    found = plugins()
    if as_json:
        print_json(
            {
                "schema_version": 1,
                "groups": GROUPS,
                "plugins": [p.to_dict() for p in found],
                "readers": [
                    {
                        "name": r.name,
                        "title": r.title,
                        "verified": r.verified or None,
                        "unverified": r.unverified or None,
                    }
                    for r in READERS
                ],
            }
        )
    else:
        print_text(_view())


def _view() -> Section:
    from similitude._plugins import GROUPS, plugins
    from similitude._view import Column, Section, Table, Text
    from similitude.runs.readers import READERS

    rows = [
        (p.group.removeprefix("similitude."), p.name, f"{p.package} {p.version}", p.error or "works") for p in plugins()
    ]
    heads = tuple(Column(h) for h in ("group", "name", "package", "state"))
    added = (
        Table("Added by packages", heads, rows)
        if rows
        else Text("Added by packages", ["None is installed."], points=[f"{g}: {what}" for g, what in GROUPS.items()])
    )
    known = [(r.name, r.title, r.tested_on) for r in READERS]
    own = Table("Readers that come with it", tuple(Column(h) for h in ("name", "reads", "tested on files of")), known)
    return Section("Plugins", (added, own))
