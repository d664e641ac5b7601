"""What to cite: the papers behind laws, coefficients, data sets and the results made from them, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from similitude._errors import ArgumentError

__all__ = ["cite"]

_KEY = re.compile(r"\[([\w-]+)\]")  # a data set's citation ends in the key of its paper


def cite(*things: Any) -> str:
    """The BibTeX entries behind laws, estimates, fits, plans, comparisons, runs and data sets, and of this package.

    Raises ArgumentError for a thing that has no sources.

    >>> from similitude.laws import chinchilla
    >>> "{besiroglu2024," in cite(chinchilla.published["besiroglu2024"])
    True
    """
    from similitude import __version__
    from similitude._bibliography import bibtex

    keys = dict.fromkeys(key for thing in things for key in _keys(thing))
    own = (
        f"@software{{similitude,\n  author = {{{{The Similitude developers}}}},\n  title = {{{{Similitude}}}},\n"
        f"  version = {{{__version__}}}\n}}"
    )
    return "\n\n".join([*([bibtex(keys).strip()] if keys else []), own])


def _keys(thing: Any) -> Iterator[str]:
    """Keys of the bibliography, by what a thing holds: a source, a law, an estimate, runs, a citation, a paper."""
    parts = [getattr(thing, name, None) for name in ("law", "estimate", "runs", "fit", "source")]
    laws = [part for part in parts if part is not None and (hasattr(part, "formula") or not callable(part))]
    laws = [part for part in laws if not isinstance(part, (str, int, float))]
    scores = getattr(thing, "scores", ())
    found = [key for part in (*laws, *scores) for key in _keys(part)]
    if isinstance(key := getattr(thing, "key", None), str):
        found.append(key)
    if isinstance(paper := getattr(thing, "paper", None), str):
        found.append(paper)
    if isinstance(citation := getattr(thing, "citation", None), str):
        found += _KEY.findall(citation)
    if not found and not (laws or scores or hasattr(thing, "citation") or hasattr(thing, "formula")):
        raise ArgumentError(f"{thing!r} has no sources to cite; give laws, estimates, fits, plans, runs or data sets")
    yield from found
