"""What an intervention declares: its name, what it changes, where it is from, and where in a training it enters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Intervention", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stretch of a run from step `start` on, with the settings that hold in it.

    `trains` says of a leaf's name whether it is trained; the others stay as they are.
    """

    start: int
    config: Any
    trains: Callable[[str], bool] = lambda name: True


@dataclass(frozen=True)
class Intervention:
    """One change to how a model is built or trained; every hook is given the run's Config and the settings last.

    Parameters
    ----------
    name, changes, source
        Its name in ladder files, one sentence on what it changes, and the paper.
    settings
        Every setting with its default.
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
        windows, in place of the next token's cross-entropy; `key` None asks for the validation loss.
    stages
        ``stages(config, settings)``: stretches of the run under other settings, the first from step 0;
        ``carry(params, before, after, settings)`` makes the next stage's parameters from the last one's.
    flop
        ``flop(config, settings)``: training FLOP of the whole run, where it is not the shape's times all tokens.
    measure
        ``measure(training, config, settings)``: values of the finished run, {name: number}.
    """

    name: str
    changes: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
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
