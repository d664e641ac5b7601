"""`similitude laws`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from similitude.cli._options import json_option, law_names
from similitude.cli._output import print_json, print_text

if TYPE_CHECKING:
    from similitude.laws import Estimate, Law

LONGEST = 42  # characters of a formula in the listing


@click.command("laws")
@click.argument("name", required=False, shell_complete=law_names)
@click.option("--input", "input_", metavar="SYMBOL", help="Only laws with this input, by symbol or unit: N, tokens.")
@click.option("--output", metavar="WORD", help="Only laws with this output, such as loss or steps.")
@click.option("--family", metavar="NAME", help="Only laws of this family, such as routing.")
@click.option("--about", metavar="WORDS", help="Only laws whose title or text holds all these words.")
@json_option
def command(
    name: str | None, input_: str | None, output: str | None, family: str | None, about: str | None, as_json: bool
) -> None:
    """List the laws, or show one with its coefficients."""
    from similitude.laws import catalogue, get

    if name is None:
        laws = [law for law in catalogue().values() if _wanted(law, input_, output, family, about)]
        print_json({"laws": [_entry(law) for law in laws]}) if as_json else _print_listing(laws)
    else:
        law = get(name.partition(":")[0])
        print_json(_details(law)) if as_json else print_text(_page(law))


def _wanted(law: Law, input_: str | None, output: str | None, family: str | None, about: str | None) -> bool:
    """Whether a law passes the filters, which are words, not patterns."""
    if input_ and input_ not in law.symbols and not any(_named(u, input_) for u in law.inputs.values()):
        return False
    if output and not _named(law.output, output):
        return False
    text = f"{law.name} {law.title} {law.doc}".lower()
    return (not family or law.family == family) and all(word in text for word in (about or "").lower().split())


def _named(unit: Any, word: str) -> bool:
    return word.lower() in f"{unit.name} {unit.kind}".lower().replace("/", " ").split()


def _entry(law: Law) -> dict[str, Any]:
    return {
        "name": law.name,
        "title": law.title,
        "family": law.family,
        "form": (law.form or law).name,
        "formula": law.text(),
        "inputs": {k: str(u) for k, u in law.inputs.items()},
        "output": str(law.output),
        "parameters": list(law.params),
        "source": str(law.source) if law.source else None,
        "sets": len(law.sets),
        "published": [f"{law.name}:{key}" for key in law.published],
    }


def _details(law: Law) -> dict[str, Any]:
    sets = {key: _set(estimate) for key, estimate in law.published.items()}
    return {
        **_entry(law),
        "about": law.doc,
        "holds_for": law.validity,
        "source": str(law.source) if law.source else None,
        "latex": law.latex(),
        "published": sets,
        "bibtex": law.bibtex(),
    }


def _set(estimate: Estimate) -> dict[str, Any]:
    return {
        "values": dict(estimate.values),
        "digits": dict(estimate.digits),
        "counts": estimate.counts,
        "source": str(estimate.source),
        "note": estimate.note,
    }


def _print_listing(laws: list[Law]) -> None:
    """A table for each family, and how many there are."""
    from similitude._view import Column, Table

    for family in dict.fromkeys(law.family for law in laws):
        rows = [(law.name, _short(law), str(len(law.sets))) for law in laws if law.family == family]
        columns = ("name", "formula", Column("sets", align="right"))
        print_text(Table(family.replace("_", " ").capitalize(), columns, rows))
        print_text("")
    forms = len({(law.form or law).name for law in laws})
    print_text(f"{len(laws)} laws, {forms} distinct forms; sets counts published coefficient sets.")
    print_text("similitude laws NAME shows one, with its coefficients and sources.")


def _short(law: Law) -> str:
    """The formula, or what the law is called where that is too long for a line."""
    text = law.text()
    return text if len(text) <= LONGEST else f"({law.title})"[: LONGEST + 2]


def _page(law: Law) -> str:
    from similitude._view import Table, Text

    inputs = ", ".join(f"{k} ({u})" if str(u) else k for k, u in law.inputs.items())
    facts = [law.text(), *(" ".join(part.split()) for part in law.doc.split("\n\n"))]
    facts += [f"Inputs: {inputs}. Output: {str(law.output) or 'that of the runs'}."]
    facts += [f"Holds for: {law.validity.rstrip('.')}."] if law.validity else []
    facts += [f"Source: {law.source}."] if law.source else []
    parts: list[Any] = [Text(law.title, facts)]
    if law.published:
        rows = [(key, *(e.digits.get(p, "") for p in law.params)) for key, e in law.published.items()]
        first = next(iter(law.published))
        parts.append(Table("Published coefficients", ("set", *law.params), rows))
        parts.append(Text(points=[f"{key}: {_where(e)}" for key, e in law.published.items()]))
        parts.append(
            Text("", [f"A set stands where a FIT is expected: similitude predict {law.name}:{first} --at ..."])
        )
    return "\n\n".join(text for part in parts if (text := str(part)))


def _where(estimate: Estimate) -> str:
    counts = "" if estimate.counts == "undeclared" else f" N counts {estimate.counts}."
    return f"{estimate.source}.{counts} {estimate.note}".strip()
