"""A study: a paper's claims, judged, with the tables that explain them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import log10
from typing import Any

from similitude._digits import format_interval
from similitude._view import Column, Section, Table, Text
from similitude.studies._claim import Claim, last_unit

__all__ = ["Declaration", "Item", "Study"]

SCHEMA_VERSION = 1
MARKS = "¹²³⁴⁵⁶⁷⁸⁹"
VERDICTS = ("reproduced", "close", "differs")
Item = Claim | Table | str  # what a declaration's function yields: claims, supporting tables, notes


@dataclass(frozen=True)
class Declaration:
    """A study that can be run: its name, title, the paper's key, its data sets, and the function of its claims.

    `claims(seed)` yields claims, and supporting tables and notes as they come up. A `fixture` only does arithmetic on
    the paper's own constants.
    """

    name: str
    title: str
    paper: str
    data: tuple[str, ...]
    claims: Callable[[int], Iterator[Item]] = field(repr=False)
    fixture: bool = False


@dataclass(frozen=True)
class Study:
    """A paper's claims beside our values, with verdicts; made by `reproduce`.

    `tables` and `notes` explain the claims; `counts`, `differing` and `summary()` say how they fared; `view()` is the
    table of claims and `section()` everything, as printed.

    >>> from similitude.studies._claim import measured
    >>> Study("demo", "A demonstration", "nobody2024", (measured("exponent", "0.513", "table 1", 0.5133),))
    Study(demo: 1 reproduced, 0 close, 0 differs)
    """

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
        """The claims as a table; marks beside the verdicts lead to the rules in its note."""
        rules = list(dict.fromkeys(c.rule for c in self.claims))
        marks = {rule: MARKS[i] for i, rule in enumerate(rules)}
        columns = (
            "claim, where",
            Column("published", align="right"),
            Column("ours", align="right"),
            "interval",
            "verdict, evidence",
        )
        note = " ".join(f"{marks[rule]} {rule.name}: {rule.sentence}." for rule in rules)
        return Table(
            self.title, columns, [_row(c, marks[c.rule]) for c in self.claims], note=f"{self.summary()}. {note}"
        )

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
            "name": self.name,
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


def _row(claim: Claim, mark: str) -> tuple[str, ...]:
    place = f"{claim.sentence} ({claim.where})"
    return (place, claim.printed, _ours(claim), _ends(claim), f"{claim.verdict} {mark}, {claim.evidence}")


def _ours(claim: Claim) -> str:
    """Our value to one digit more than the print, so that what was rounded shows."""
    value, unit = claim.ours.value, last_unit(claim.printed)
    power = claim.printed.lower().partition("e")[2]
    if power:
        scale = 10.0 ** int(power)
        return f"{value / scale:.{_decimals(unit / scale)}f}e{int(power)}"
    return f"{value:.{_decimals(unit)}f}"


def _ends(claim: Claim) -> str:
    ours = claim.ours
    if ours.low is None and ours.high is None:
        return ""
    return f"{format_interval(ours.value, ours.low, ours.high).partition(' ')[2]} {claim.interval}".strip()


def _decimals(unit: float) -> int:
    return max(0, round(-log10(unit)) + 1)
