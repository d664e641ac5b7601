"""What people type behind options, to numbers and names: N=70B,D=1.4T and E=1.69 and alpha=0.1:1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from similitude._errors import ArgumentError
from similitude._quantity import Quantity, Unit, parse_quantity

__all__ = ["assignments", "bounds", "listed", "merged", "number", "numbers", "points", "priors", "starts", "ties"]

# a comma separates two assignments only where another name and = follow: 1,000,000 and .2,.6 stay whole
_NEXT = re.compile(r",(?=[^,=]+=)")


def assignments(option: str, text: str, example: str) -> dict[str, str]:
    """The NAME=VALUE parts of a text; ArgumentError for anything else, or a name that comes twice."""
    found: dict[str, str] = {}
    for part in _NEXT.split(text):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not (name and equals and value):
            raise ArgumentError(f"{option} {text!r}: expected NAME=VALUE, such as {example}")
        if name in found:
            raise ArgumentError(f"{option} {text!r}: {name} is given twice")
        found[name] = value
    return found


def number(option: str, text: str, unit: Unit | None = None) -> float:
    """A number as people write it ("1.3B", "6e21"); where it names a unit, that must be of the kind expected."""
    try:
        read = parse_quantity(text)
    except ArgumentError as error:
        raise ArgumentError(f"{option}: {error}") from None
    if not isinstance(read, Quantity):
        return read
    if unit is not None and unit.kind not in (read.unit.kind, "count", "score"):
        raise ArgumentError(f"{option}: {text!r} is a number of {read.unit}; expected {unit}")
    return read.value


def merged(option: str, texts: Iterable[str], example: str) -> dict[str, str]:
    """The assignments of a repeatable option together; ArgumentError for a name that comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        for name, value in assignments(option, text, example).items():
            if name in found:
                raise ArgumentError(f"{option}: {name} is given twice")
            found[name] = value
    return found


def numbers(option: str, texts: Iterable[str], example: str = "E=1.69") -> dict[str, float]:
    """name -> number, of a repeatable option."""
    return {k: number(f"{option} {k}", v) for k, v in merged(option, texts, example).items()}


def points(texts: Iterable[str], units: Mapping[str, Unit], option: str = "--at") -> list[dict[str, float]]:
    """One mapping of inputs to numbers for each text."""
    return [
        {k: number(f"{option} {k}", v, units.get(k)) for k, v in assignments(option, text, "N=70B,D=1.4T").items()}
        for text in texts
    ]


def starts(texts: Iterable[str]) -> dict[str, list[float]]:
    """name -> starting values, from "alpha=.2,.6"."""
    listed = merged("--start", texts, "alpha=0.2,0.6")
    return {k: [number(f"--start {k}", v) for v in value.split(",")] for k, value in listed.items()}


def ties(texts: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names, from "alpha=beta"."""
    groups = [tuple(name.strip() for name in text.split("=")) for text in texts]
    for text, group in zip(texts, groups):
        if len(group) < 2 or not all(group):
            raise ArgumentError(f"--tie {text!r}: expected names of parameters, such as alpha=beta")
    return groups


def bounds(texts: Iterable[str]) -> dict[str, tuple[float | None, float | None]]:
    """name -> (low, high), an end left out being open, from "alpha=0.1:1"."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for name, value in merged("--bound", texts, "alpha=0.1:1").items():
        low, colon, high = value.partition(":")
        if not colon or not (low.strip() or high.strip()):
            raise ArgumentError(f"--bound {name}={value}: expected LOW:HIGH, either of which may be left out")
        ends = [number(f"--bound {name}", end) if end.strip() else None for end in (low, high)]
        if ends[0] is not None and ends[1] is not None and not ends[0] < ends[1]:
            raise ArgumentError(f"--bound {name}={value}: the low end must be below the high end")
        found[name] = (ends[0], ends[1])
    return found


def priors(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    """name -> (centre, spread), from "E=1.7:0.1"."""
    found: dict[str, tuple[float, float]] = {}
    for name, value in merged("--prior", texts, "E=1.7:0.1").items():
        centre, colon, spread = value.partition(":")
        if not colon:
            raise ArgumentError(f"--prior {name}={value}: expected CENTRE:SPREAD, such as E=1.7:0.1")
        found[name] = (number(f"--prior {name}", centre), number(f"--prior {name}", spread))
    return found


def listed(text: str) -> list[str]:
    """The parts of a text with commas between.

    >>> listed("web, code,")
    ['web', 'code']
    """
    return [part.strip() for part in text.split(",") if part.strip()]
