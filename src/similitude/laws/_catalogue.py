"""The catalogue: every law by name, one expression over an explicit tuple of family modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

from similitude._errors import ArgumentError, did_you_mean
from similitude._plugins import load
from similitude.laws._law import Law

if TYPE_CHECKING:
    from similitude.laws._estimate import Estimate

__all__ = ["catalogue", "get", "resolve"]

# by path, because the package binds some of these names to the laws themselves
_FAMILIES = tuple(
    import_module(f"similitude.laws.{name}")
    for name in (
        "power",
        "curves",
        "kaplan",
        "chinchilla",
        "surfaces",
        "overtraining",
        "repetition",
        "capacity",
        "routing",
        "transfer",
        "schedules",
        "annealing",
        "tuning",
        "data",
        "post_training",
        "sampling",
        "modalities",
        "theory",
    )
)


def catalogue() -> Mapping[str, Law]:
    """Every law of the package by name, in the order of the families.

    >>> catalogue()["chinchilla"].inputs["N"].name
    'parameters'
    """
    return _CATALOGUE


def get(name: str) -> Law:
    """The law of that name, of the catalogue or else of another package that adds it.

    Raises ArgumentError, with the closest name, when there is none.

    >>> get("chinchilla").linear
    ('E', 'A', 'B')
    """
    found = _CATALOGUE.get(name) or _added(name)
    if found is None:
        raise ArgumentError(
            f"no law is called '{name}'{did_you_mean(name, _CATALOGUE)} ('similitude laws' lists all {len(_CATALOGUE)})"
        )
    return found


def _added(name: str) -> Law | None:
    """A law that another package adds by an entry point; looked up only for names that are not known."""
    found = load("similitude.laws", name)
    if found is not None and not isinstance(found, Law):
        raise ArgumentError(f"plugin '{name}' gives a {type(found).__name__}; expected a law, made with similitude.law")
    return found


def resolve(reference: str) -> Estimate:
    """The published coefficient set written as `law:set`.

    Raises ArgumentError when the law or the set is unknown, or no set is named.

    >>> resolve("chinchilla:besiroglu2024").digits["E"]
    '1.8172'
    """
    name, _, key = reference.partition(":")
    law = get(name)
    known = ", ".join(f"{name}:{k}" for k in law.published) or "none"
    if not key:
        raise ArgumentError(f"'{reference}' is a law, not a coefficient set; published sets: {known}")
    if key not in law.published:
        raise ArgumentError(f"law '{name}' has no set '{key}'{did_you_mean(key, law.published)} (published: {known})")
    return law.published[key]


def collect(families: Iterable[ModuleType]) -> Mapping[str, Law]:
    """The laws defined in family modules, by name.

    Raises ArgumentError when two different laws share a name.
    """
    found: dict[str, Law] = {}
    for law in _laws(families):
        if found.setdefault(law.name, law) is not law:
            raise ArgumentError(f"two laws are called '{law.name}'")
    return MappingProxyType(found)


def _laws(families: Iterable[ModuleType]) -> Iterator[Law]:
    """Every law among the modules' values; one that a family imports from another comes up again as the same object."""
    for module in families:
        yield from (value for value in vars(module).values() if isinstance(value, Law))


_CATALOGUE = collect(_FAMILIES)
