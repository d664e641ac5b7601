"""The bibliography: every paper that a law, a data set or a study cites, by key, as a short reference or BibTeX."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ._errors import ArgumentError, did_you_mean

__all__ = ["Entry", "bibtex", "entry", "keys", "short"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One paper; `authors` in print order, a last "others" standing for those left out, a group's name in braces."""

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    venue: str = ""
    arxiv: str = ""
    doi: str = ""
    url: str = ""

    @property
    def short(self) -> str:
        """Family names and year: "Kaplan et al. 2020", "Pearce and Song 2024"."""
        families = [name[1:-1] if name.startswith("{") else name.rpartition(" ")[2] for name in self.authors]
        if len(families) > 2:
            families = [families[0], "others"]
        return " and ".join(families).replace(" and others", " et al.") + f" {self.year}"

    @property
    def link(self) -> str:
        """Where to read it; empty when that is not known."""
        if self.url:
            return self.url
        if self.arxiv:
            return f"https://arxiv.org/abs/{self.arxiv}"
        return f"https://doi.org/{self.doi}" if self.doi else ""

    def bibtex(self) -> str:
        """The entry for a BibTeX file."""
        kind = "inproceedings" if self.venue else "misc"
        fields = {
            "author": " and ".join(self.authors),
            "title": f"{{{self.title}}}",
            "year": str(self.year),
            "booktitle": self.venue,
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
            "doi": self.doi,
            "url": self.link,
        }
        lines = [f"  {name} = {{{_escaped(value, name)}}}" for name, value in fields.items() if value]
        return f"@{kind}{{{self.key},\n" + ",\n".join(lines) + "\n}"


def _escaped(text: str, field: str) -> str:
    """LaTeX's special characters, which a link must keep as they are."""
    if field in ("url", "doi", "eprint"):
        return text
    return text.replace("&", "\\&").replace("%", "\\%").replace("#", "\\#").replace("_", "\\_")


@cache
def _papers() -> dict[str, Entry]:
    import tomllib
    from importlib.resources import files

    text = files("similitude").joinpath("_papers.toml").read_text(encoding="utf-8")
    return {k: Entry(key=k, **{**v, "authors": tuple(v["authors"])}) for k, v in tomllib.loads(text).items()}


def keys() -> tuple[str, ...]:
    """The keys of all entries, sorted.

    >>> "hoffmann2022" in keys()
    True
    """
    return tuple(sorted(_papers()))


def entry(key: str) -> Entry:
    """The paper of that key; ArgumentError when there is none.

    >>> entry("kaplan2020").arxiv
    '2001.08361'
    """
    try:
        return _papers()[key]
    except KeyError:
        raise ArgumentError(f"no paper has the key '{key}'{did_you_mean(key, _papers())}") from None


def short(key: str) -> str:
    """How a paper is named in a sentence; ArgumentError when the key is unknown.

    >>> short("hoffmann2022")
    'Hoffmann et al. 2022'
    """
    return entry(key).short


def bibtex(keys: Iterable[str]) -> str:
    """The BibTeX entries of these keys, each once, in this order; ArgumentError when one is unknown.

    >>> print(bibtex(["besiroglu2024"]).splitlines()[0])
    @misc{besiroglu2024,
    """
    wanted = [keys] if isinstance(keys, str) else keys
    return "\n\n".join(entry(key).bibtex() for key in dict.fromkeys(wanted))
