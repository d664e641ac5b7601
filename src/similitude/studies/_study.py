"""A study: a paper's claims, judged, with the tables that explain them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from similitude._digits import format_interval, format_number
from similitude._view import Column, Section, Table, Text
from similitude.studies._claim import Claim, last_unit

__all__ = ["Declaration", "Item", "Study"]

SCHEMA_VERSION = 1
VERDICTS = ("reproduced", "close", "differs")
Item = Claim | Table | str  # what a declaration's function yields: claims, supporting tables, notes


@dataclass(frozen=True)
class Declaration:
    """A study that can be run: its name, title, the paper's key, its data sets, and the function of its claims.

    `claims(seed)` yields claims, and supporting tables and notes as they come up.
    """

    name: str
    title: str
    paper: str
    data: tuple[str, ...]
    claims: Callable[[int], Iterator[Item]] = field(repr=False)


@dataclass(frozen=True)
class Study:
    """A paper's claims beside our values, with verdicts; made by `reproduce`."""

    name: str
    title: str
    paper: str
    claims: tuple[Claim, ...]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    seed: int = 0

    def __repr__(self) -> str:
        return f"Study({self.name}: {self.summary()})"

    def __str__(self) -> str:
        return str(self.section())

    def _repr_html_(self) -> str:
        return self.section()._repr_html_()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many claims had each verdict, arithmetic on the paper's own constants left out."""
        judged = [c.verdict for c in self.claims if c.evidence != "constants"]
        return {v: judged.count(v) for v in VERDICTS}

    @property
    def differing(self) -> tuple[Claim, ...]:
        """The claims whose verdict is "differs", of any evidence."""
        return tuple(c for c in self.claims if c.verdict == "differs")

    def summary(self) -> str:
        """One line: how many claims were reproduced, close, differ, and how many prints were checked."""
        counted = ", ".join(f"{n} {v}" for v, n in self.counts.items())
        prints = [c.verdict != "differs" for c in self.claims if c.evidence == "constants"]
        checked = f"; {sum(prints)} of {len(prints)} prints follow from their own constants" if prints else ""
        return counted + checked

    def view(self) -> Table:
        """The claims as a table; the note states the rules of the verdicts in it."""
        rules = {c.rule.name: c.rule.sentence for c in self.claims}
        columns = (
            "claim",
            Column("published", align="right"),
            "where",
            Column("ours", align="right"),
            "evidence",
            "verdict",
            "rule",
        )
        note = " ".join(f"{name}: {sentence}." for name, sentence in rules.items())
        return Table(f"{self.title}: {self.summary()}", columns, [_row(c) for c in self.claims], note=note)

    def section(self) -> Section:
        """The whole study: claims, why ours differ where they do, supporting tables, sources."""
        remarks = [f"{c.sentence}: {c.remark}" for c in self.claims if c.remark]
        texts = [Text("Remarks", points=[*remarks, *self.notes])] if remarks or self.notes else []
        sources = Text("", [f"Data: {c}" for c in self.citations])
        return Section(f"{self.title} [{self.paper}]", (self.view(), *texts, *self.tables, sources))

    def to_dict(self) -> dict[str, Any]:
        """Plain values fit for JSON: study, paper, claims, counts, rules, tables, notes, citations."""
        return {
            "schema_version": SCHEMA_VERSION,
            "study": self.name,
            "title": self.title,
            "paper": self.paper,
            "claims": [c.to_dict() for c in self.claims],
            "counts": dict(self.counts),
            "rules": {c.rule.name: c.rule.sentence for c in self.claims},
            "tables": [t.to_dict() for t in self.tables],
            "notes": list(self.notes),
            "citations": list(self.citations),
            "seed": self.seed,
        }


def _row(claim: Claim) -> tuple[str, ...]:
    return (claim.sentence, claim.printed, claim.where, _ours(claim), claim.evidence, claim.verdict, claim.rule.name)


def _ours(claim: Claim) -> str:
    """Our value to one digit more than the print, so that what was rounded shows; then its interval."""
    value = claim.ours.value
    unit = last_unit(claim.printed)
    power = claim.printed.lower().partition("e")[2]
    text = format_number(value, digits=7)
    if power:
        text = f"{value / 10.0 ** int(power):.{_decimals(unit / 10.0 ** int(power))}f}e{int(power)}"
    elif abs(value) < 1e7:
        text = f"{value:.{_decimals(unit)}f}"
    if claim.ours.low is None and claim.ours.high is None:
        return text
    ends = format_interval(value, claim.ours.low, claim.ours.high).partition(" ")[2]
    return f"{text} {ends}" + (f" ({claim.interval})" if claim.interval else "")


def _decimals(unit: float) -> int:
    from math import log10

    return max(0, round(-log10(unit)) + 1)
