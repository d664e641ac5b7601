"""The papers that the project starts from: what each found, and how far it has got here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, overload
from urllib.parse import quote

from similitude._bibliography import entry
from similitude._errors import ArgumentError, did_you_mean
from similitude._view import Column, Table
from similitude.studies._study import Declaration

__all__ = ["ROOMS", "STATUSES", "Paper", "Papers", "laws_by_key", "papers"]

ROOMS = ("laws", "fitting", "planning", "tasks", "comparison", "sampling", "corpus", "evals", "theory", "lab")
STATUSES = {
    "reproduced": "a study checks its claims on runs, released or simulated",
    "checked": "its printed numbers follow from its constants, or do not",
    "law": "its law or coefficients are in the catalogue",
    "planned": "nothing of it is here yet",
}


@dataclass(frozen=True)
class Paper:
    """One paper: number, title, room, a sentence on what it found, and what of it is here.

    `laws` and `studies` name what cites it; `status` follows from them. `link` is where to read it, or a search for its
    title where no identifier is known (`identified` tells).
    """

    id: int
    title: str
    room: str
    about: str
    link: str
    identified: bool
    key: str = ""
    laws: tuple[str, ...] = ()
    studies: tuple[str, ...] = ()
    fixture: bool = False

    @property
    def status(self) -> str:
        """reproduced, checked, law or planned."""
        if self.studies:
            return "checked" if self.fixture else "reproduced"
        return "law" if self.laws else "planned"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        fields = ("id", "title", "room", "status", "about", "link", "key")
        return {k: getattr(self, k) for k in fields} | {"laws": list(self.laws), "studies": list(self.studies)}


@dataclass(frozen=True)
class Papers(Sequence[Paper]):
    """Papers in the order of their numbers; printed, a table."""

    items: tuple[Paper, ...]

    @overload
    def __getitem__(self, index: int) -> Paper: ...
    @overload
    def __getitem__(self, index: slice) -> Papers: ...
    def __getitem__(self, index: int | slice) -> Paper | Papers:
        return Papers(self.items[index]) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Paper]:
        return iter(self.items)

    def __repr__(self) -> str:
        return f"Papers({len(self)})"

    def __str__(self) -> str:
        return str(self.view())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many have each status."""
        return {s: sum(p.status == s for p in self) for s in STATUSES}

    def view(self) -> Table:
        """The papers as a table."""
        rows = [(str(p.id), p.title, p.room, p.status, p.about) for p in self]
        columns = (Column("no.", align="right"), "title", "room", "status", "what it found")
        counts = ", ".join(f"{n} {status}" for status, n in self.counts.items() if n)
        return Table(
            "",
            columns,
            rows,
            note=f"{len(self)} paper{'s' * (len(self) != 1)}: {counts}." if len(self) else "No paper fits.",
        )


def papers(words: str = "", *, room: str | None = None, status: str | None = None) -> Papers:
    """The papers the project starts from whose title, sentence, key, laws or studies hold all of `words`.

    `room` is where a paper belongs (laws, planning, tasks, ...), `status` how far it has got: reproduced,
    checked, law or planned. Raises ArgumentError for an unknown room or status.

    >>> import similitude as sim
    >>> [p.id for p in sim.papers("chinchilla replication")]
    [60]
    >>> sim.papers(room="fitting", status="reproduced")[0].studies
    ('li2025',)
    """
    for name, given, known in (("room", room, ROOMS), ("status", status, STATUSES)):
        if given is not None and given not in known:
            raise ArgumentError(f"no {name} '{given}'{did_you_mean(given, known)} (there are {', '.join(known)})")
    wanted = words.lower().split()
    return Papers(
        tuple(
            p
            for p in _all()
            if room in (None, p.room) and status in (None, p.status) and all(w in _text(p) for w in wanted)
        )
    )


def _text(paper: Paper) -> str:
    return " ".join((paper.title, paper.about, paper.key, *paper.laws, *paper.studies)).lower()


@cache
def _all() -> tuple[Paper, ...]:
    from similitude.studies._reproduce import catalogue

    listed = tomllib.loads((files("similitude") / "_mission.toml").read_text(encoding="utf-8"))["paper"]
    laws, studies = laws_by_key(), list(catalogue().values())
    return tuple(_paper(each, laws, studies) for each in listed)


def _paper(each: Mapping[str, Any], laws: Mapping[str, list[str]], studies: Sequence[Declaration]) -> Paper:
    key = each.get("key", "")
    link = entry(key).link if key else f"https://arxiv.org/abs/{each['arxiv']}" if "arxiv" in each else ""
    search = f"https://www.semanticscholar.org/search?q={quote(each['title'])}"
    mine = [s for s in studies if key and s.paper == key]
    return Paper(
        each["id"],
        each["title"],
        each["room"],
        each["about"],
        link or search,
        bool(link),
        key,
        tuple(laws.get(key, ())),
        tuple(s.name for s in mine),
        all(s.fixture for s in mine),
    )


def laws_by_key() -> dict[str, list[str]]:
    """Laws by the keys that they or their coefficient sets cite."""
    from similitude.laws import catalogue

    cited: dict[str, list[str]] = {}
    for law in catalogue().values():
        own = [law.source.key] if law.source else []
        for key in dict.fromkeys([*own, *(s.source.key for s in law.sets)]):
            cited.setdefault(key, []).append(law.name)
    return cited
