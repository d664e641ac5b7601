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

__all__ = ["Intervention", "Stage", "catalogue", "check", "chosen", "flop_of_token", "shape_with", "stages_of"]

# in the order in which they are applied
_FILES = ("growth", "moe", "recursion", "parscale", "lora", "pruning", "quantisation", "diffusion", "mir")
_ALONE = ("objective", "stages")  # what one intervention of a run may have


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
    """The interventions of a run with all their settings, in the catalogue's order, however they are written.

    Raises ArgumentError for a name or a setting that is not known.
    """
    if not config.interventions:
        return
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
    for name, made in known.items():
        if name in config.interventions:
            yield made, {**made.settings, **config.interventions[name]}


def check(config: Any) -> None:
    """ArgumentError for interventions whose settings cannot be, or that cannot be in one run."""
    hooks = list(chosen(config))
    for made, settings in hooks:
        made.check_settings(settings)
    for hook in _ALONE:
        names = [made.name for made, _ in hooks if getattr(made, hook) is not None]
        if len(names) > 1:
            raise ArgumentError(f"'{names[0]}' and '{names[1]}' cannot be in one run: each has its own {hook}")
    for made, settings in hooks:
        if made.check is not None:
            made.check(config, settings)


def shape_with(shape: Any, config: Any) -> Any:
    """A shape as the interventions of a run leave it."""
    for made, settings in chosen(config):
        if made.shape is not None:
            shape = made.shape(shape, config, settings)
    return shape


def stages_of(config: Any) -> tuple[Stage, ...]:
    """The stretches of a run, the first from step 0; of most runs there is one."""
    if not config.interventions:
        return (Stage(0, config),)
    config = config.resolved()
    for made, settings in chosen(config):
        if made.stages is not None:
            return tuple(made.stages(config, settings))
    return (Stage(0, config),)


def flop_of_token(config: Any) -> float:
    """Training FLOP of one token, or of one image, under the settings of a stage."""
    flop = config.shape.flop().training
    for made, settings in chosen(config):
        if made.flop is not None:
            flop = made.flop(flop, config, settings)
    return flop
