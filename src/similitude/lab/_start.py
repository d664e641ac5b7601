"""States that runs keep for others to begin from: where they lie, which there are, who may begin from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from similitude._errors import DataError

from ._settings import Config

__all__ = ["KeptState", "checked_start", "kept_path", "kept_states"]

# what a state and the tokens of its steps depend on; rate, schedule, decay, texts and seed may be others from there
_SHARED = ("model", "parameterisation", "base_width", "interventions", "data.tokenizer", "data.sequence",
           "data.images", "train.batch", "train.optimizer", "train.dtype")  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeptState:
    """The state that a run kept at a step, its file and its size in bytes."""

    step: int
    path: Path
    size: int


def kept_path(folder: Path, run: str, step: int) -> Path:
    """The file of a run's state at a step, in the folder beside the store."""
    return folder / f"{run}-{step}.safetensors"


def kept_states(folder: Path, run: str) -> tuple[KeptState, ...]:
    """The states that a run, by its id, has kept so far, in the order of steps."""
    found = []
    for path in folder.glob(f"{run}-*.safetensors"):
        step = path.stem.rpartition("-")[2]
        if step.isdigit():
            found.append(KeptState(int(step), path, path.stat().st_size))
    return tuple(sorted(found, key=lambda state: state.step))


def checked_start(config: Config, folder: Path) -> Path:
    """The state that a run begins from.

    Raises DataError where it is not there, cannot be read, or is of a run whose model or batches are others.
    """
    from ._checkpoint import read_checkpoint

    assert config.start is not None
    run, step = config.start.run, config.start.step
    path = kept_path(folder, run, step)
    if not path.is_file():
        steps = ", ".join(str(state.step) for state in kept_states(folder, run))
        there = f"of that run there are steps {steps}" if steps else "of that run there is none"
        raise DataError(
            f"it begins from run {run} at step {step}, whose state is not in {folder} ({there}); train that run into "
            f"the same store, with {step} among the steps of train.keep"
        )
    try:
        words = read_checkpoint(path)[1]
    except DataError:
        raise DataError(
            f"it begins from run {run} at step {step}, whose state {path} is damaged; remove that run from the store "
            "and train it again"
        ) from None
    _same(config, words.get("settings", {}))
    return path


def _same(config: Config, settings: Mapping[str, Any]) -> None:
    """DataError where a setting that has to be that of the start is another."""
    assert config.start is not None
    ours = msgspec.to_builtins(config.resolved())
    try:
        theirs = msgspec.to_builtins(msgspec.convert(settings, Config))  # what came later is at its default
    except msgspec.ValidationError as error:
        raise DataError(
            f"it begins from run {config.start.run}, whose settings are of another version ({error})"
        ) from None
    for name in _SHARED:
        a, b = (_at(values, name) for values in (ours, theirs))
        if a != b:
            raise DataError(
                f"it begins from run {config.start.run}, which has {name} = {b}, not {a}; expected the same"
            )
    if bool(ours["train"]["ema"]) != bool(theirs["train"]["ema"]):
        raise DataError(f"it begins from run {config.start.run}; expected train.ema in both or in neither")


def _at(values: Mapping[str, Any], name: str) -> Any:
    for part in name.split("."):
        values = values.get(part, {})
    return values
