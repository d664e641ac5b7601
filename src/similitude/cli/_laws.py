"""`similitude laws`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from similitude.cli._options import json_option, law_names
from similitude.cli._output import print_json, print_text

if TYPE_CHECKING:
    from similitude.laws import Law


@click.command("laws")
@click.argument("name", required=False, shell_complete=law_names)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the laws, or show one: formula, parameters, published coefficients."""
    from similitude.laws import catalogue, get

    if name is None:
        laws = list(catalogue().values())
        print_json({"laws": [_entry(law) for law in laws]}) if as_json else print_text(_listing(laws))
    else:
        law = get(name.partition(":")[0])
        print_json(_details(law)) if as_json else print_text(_page(law))


def _entry(law: Law) -> dict[str, Any]:
    return {
        "name": law.name,
        "title": law.title,
        "formula": law.text(),
        "inputs": {k: str(u) for k, u in law.inputs.items()},
        "output": str(law.output),
        "parameters": list(law.params),
        "published": [f"{law.name}:{key}" for key in law.published],
    }


def _details(law: Law) -> dict[str, Any]:
    sets = {
        key: {
            "values": dict(e.values),
            "digits": dict(e.digits),
            "counts": e.counts,
            "source": str(e.source),
            "note": e.note,
        }
        for key, e in law.published.items()
    }
    return {
        **_entry(law),
        "about": law.doc,
        "holds_for": law.validity,
        "source": str(law.source) if law.source else None,
        "latex": law.latex(),
        "published": sets,
        "bibtex": law.bibtex(),
    }


def _listing(laws: list[Law]) -> Any:
    from similitude._view import Table

    rows = [(law.name, law.text(), ", ".join(law.published)) for law in laws]
    return Table(
        "Laws",
        ("name", "formula", "published"),
        rows,
        note="similitude laws NAME shows one, with its coefficients and sources.",
    )


def _page(law: Law) -> str:
    from similitude._view import Table, Text

    inputs = ", ".join(f"{k} ({u})" if str(u) else k for k, u in law.inputs.items())
    facts = [law.text(), law.doc, f"Inputs: {inputs}. Output: {law.output or 'that of the runs'}."]
    facts += [f"Holds for {law.validity}."] if law.validity else []
    facts += [f"Source: {law.source}."] if law.source else []
    parts: list[Any] = [Text(law.title, facts)]
    if law.published:
        rows = [
            (key, *(e.digits.get(p, "") for p in law.params), e.counts, str(e.source))
            for key, e in law.published.items()
        ]
        parts.append(Table("Published coefficients", ("set", *law.params, "N counts", "source"), rows))
        parts.append(Text(points=[f"{key}: {e.note}" for key, e in law.published.items() if e.note]))
        parts.append(
            Text("", [f"Use one as a FIT: similitude predict {law.name}:{next(iter(law.published))} --at ..."])
        )
    return "\n\n".join(text for part in parts if (text := str(part)))
