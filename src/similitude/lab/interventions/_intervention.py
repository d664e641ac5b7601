"""What an intervention declares: its name, what it changes, where it is from, and where in a training it enters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from similitude._errors import ArgumentError

__all__ = ["Intervention", "Stage", "without"]


@dataclass(frozen=True, eq=False)
class Stage:
    """A stretch of a run from step `start` on, with the settings that hold in it.

    `trains` says of a leaf's name whether it is trained, the others stay as they are; by default all are. It is a
    function of a module, so that runs share compiled programs. `rates` are the learning rates of its steps, by default
    those of the run. The optimiser begins anew with each stage, and so does the average of weights.
    """

    start: int
    config: Any
    trains: Callable[[str], bool] | None = None
    rates: np.ndarray | None = None


@dataclass(frozen=True)
class Intervention:
    """One change to how a model is built or trained; every hook is given the run's Config and the settings last.

    Hooks import JAX when they are called, not when their file is: what a run costs can be said without it.

    Parameters
    ----------
    name, changes, source
        Its name in ladder files, one sentence on what it changes, and the paper; its file says the rest.
    settings, limits
        Every setting with its default, whose type it keeps; least and largest value of those that are numbers, or the
        words that are possible.
    check
        ``check(config, settings)`` raises ArgumentError for settings that cannot be.
    shape
        ``shape(shape, config, settings)``: the Counted shape with exact counts of parameters and FLOP.
    parts
        ``parts(parts, config, settings)``: what stands in the place of parts of the decoder.
    leaves
        ``leaves(leaves, config, settings)``: the arrays there are.
    weights
        ``weights(params, extra, step, config, settings)``: the weights the forward pass sees, differentiated through.
    extra
        ``extra(leaves, config, settings)``: arrays kept beside the parameters that are not trained, {name: array}.
    revise
        ``revise(params, extra, step, config, settings) -> (params, extra)``, NumPy arrays, before the steps that
        ``revises(config, settings)`` lists.
    inputs
        ``inputs(tokens, key, config, settings)``: the tokens the model is given in training, (batch, sequence).
    objective
        ``objective(decoder, params, windows, key, config, settings) -> (loss, losses)`` for (batch, sequence + 1)
        windows, in place of the next token's cross-entropy: the loss that is reported, and what is added to it by name
        in training; `key` None asks for the validation loss.
    stages
        ``stages(config, settings)``: stretches of the run under other settings, the first from step 0; those whose
        Config does not name the intervention are without it. ``carry(params, before, after, settings)``, of NumPy
        arrays and the Configs of two stages, makes the next stage's parameters; what it leaves out begins anew.
    flop
        ``flop(flop, config, settings)``: training FLOP of one token under the Config of a stage, where it is not three
        times the forward pass of the shape, given what it would be without the intervention.
    measure
        ``measure(training, config, settings)``: values of the finished run, {name: number}.
    """

    name: str
    changes: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    check: Callable[..., None] | None = None
    shape: Callable[..., Any] | None = None
    parts: Callable[..., Any] | None = None
    leaves: Callable[..., Any] | None = None
    weights: Callable[..., Any] | None = None
    extra: Callable[..., Any] | None = None
    revise: Callable[..., Any] | None = None
    revises: Callable[..., Any] | None = None
    inputs: Callable[..., Any] | None = None
    objective: Callable[..., Any] | None = None
    stages: Callable[..., Any] | None = None
    carry: Callable[..., Any] | None = None
    flop: Callable[..., float] | None = None
    measure: Callable[..., dict[str, float]] | None = None

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """ArgumentError for a value of another type than the default's, or outside its limits."""
        for key, value in settings.items():
            name, default = f"interventions.{self.name}.{key}", self.settings[key]
            if default is not None and not _same_type(value, default):
                raise ArgumentError(f"{name} = {value!r}; expected {_TYPES[type(default)]}, such as {default!r}")
            limits = self.limits.get(key)
            if limits is None or value is None:
                continue
            if isinstance(limits[0], str):
                if not set(value if isinstance(value, list) else [value]) <= set(limits):
                    raise ArgumentError(f"{name} = {value!r}; the possible words are: {', '.join(limits)}")
            elif not _same_type(value, limits[0]) or not limits[0] <= value <= limits[1]:
                raise ArgumentError(f"{name} = {value!r}; expected from {limits[0]} to {limits[1]}")


_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", list: "a list"}


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, type(default))


def without(config: Any, name: str) -> Any:
    """The same run without an intervention."""
    import msgspec

    return msgspec.structs.replace(config, interventions={k: v for k, v in config.interventions.items() if k != name})
