"""`similitude reproduce`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from similitude._errors import DataError
from similitude.cli._options import json_option, seed_option
from similitude.cli._output import note, print_json, print_text
from similitude.cli._progress import counted

if TYPE_CHECKING:
    from similitude.studies import Study


@click.command("reproduce")
@click.argument("name", required=False)
@click.option("--strict", is_flag=True, help="Exit with 1 if a claim differs.")
@click.option("--list", "listing", is_flag=True, help="List the studies without running them.")
@seed_option
@json_option
def command(name: str | None, strict: bool, listing: bool, seed: int, as_json: bool) -> int:
    """Check papers' claims on their data.

    NAME is one of 'similitude reproduce --list'; without it all are run. A study whose data cannot be had is left out,
    and the exit code is then 3. Verdicts do not change the exit code, unless --strict asks for it.
    """
    from similitude.studies import catalogue

    if listing:
        _list(as_json)
        return 0
    made, missing = _run([name] if name else list(catalogue()), seed, show=not as_json)
    if as_json:
        print_json(made[0].to_dict() if name else {"studies": [study.to_dict() for study in made], "missing": missing})
    differing = sum(len(study.differing) for study in made)
    if strict and differing:
        note(f"{differing} claim{'s' * (differing > 1)} differ{'s' * (differing == 1)}, and --strict was asked for")
        return 1
    return DataError.exit_code if missing else 0


def _run(names: list[str], seed: int, *, show: bool) -> tuple[list[Study], list[str]]:
    """The studies, each printed when it is done; with several, one whose data are missing is passed over."""
    from similitude.studies import reproduce

    made: list[Study] = []
    missing: list[str] = []
    with counted("studies", len(names)) as bar:
        for name in names:
            bar.begin(name)
            try:
                made.append(reproduce(name, seed=seed, progress=bar.within))
            except DataError as error:
                if len(names) == 1:
                    raise
                missing.append(name)
                with bar.paused():
                    note(f"{name} is left out: {error}")
                continue
            if show:
                with bar.paused():
                    print_text(made[-1].section())
                    print_text("")
    return made, missing


def _list(as_json: bool) -> None:
    from similitude._view import Table
    from similitude.studies import catalogue

    entries = list(catalogue().values())
    if as_json:
        print_json({"studies": [{"name": e.name, "title": e.title, "paper": e.paper, "data": e.data} for e in entries]})
        return
    rows = [(e.name, e.title, ", ".join(e.data)) for e in entries]
    print_text(Table("Studies", ("name", "what it checks", "data"), rows, note="similitude reproduce NAME runs one."))
