"""Changes to how models are built and trained, each in one file, declared with its source and what it changes.

>>> from similitude.lab import interventions
>>> sorted(interventions.catalogue()) == sorted(set(interventions.catalogue()))
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from similitude._errors import ArgumentError, did_you_mean

from ._intervention import Intervention, Stage

__all__ = ["Intervention", "Stage", "catalogue", "chosen", "shape_with"]

_FILES: tuple[str, ...] = ()


@cache
def catalogue() -> Mapping[str, Intervention]:
    """Every intervention by name; a name that is there twice is an error."""
    found: dict[str, Intervention] = {}
    for file in _FILES:
        made: Intervention = import_module(f"{__name__}.{file}").INTERVENTION
        if made.name in found:
            raise ArgumentError(f"two interventions are named '{made.name}'")
        found[made.name] = made
    return MappingProxyType(found)


def chosen(config: Any) -> Iterator[tuple[Intervention, dict[str, Any]]]:
    """The interventions of a run with all their settings, in the order in which they are written.

    Raises ArgumentError for a name or a setting that is not known.
    """
    known = catalogue()
    for name, given in config.interventions.items():
        if name not in known:
            raise ArgumentError(
                f"interventions: there is no '{name}'{did_you_mean(name, known)} "
                f"(there are {', '.join(known) or 'none'})"
            )
        defaults = known[name].settings
        for key in given:
            if key not in defaults:
                raise ArgumentError(
                    f"interventions.{name}: there is no setting '{key}'{did_you_mean(key, defaults)} "
                    f"(there are {', '.join(defaults) or 'none'})"
                )
        settings = {**defaults, **given}
        check = known[name].check
        if check is not None:
            check(config, settings)
        yield known[name], settings


def shape_with(shape: Any, config: Any) -> Any:
    """A shape as the interventions of a run leave it."""
    for made, settings in chosen(config):
        if made.shape is not None:
            shape = made.shape(shape, config, settings)
    return shape
