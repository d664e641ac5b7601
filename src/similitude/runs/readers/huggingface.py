"""Hugging Face Trainer: the state in `trainer_state.json`, of the run's folder or of its last checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar, flat, points_schema

from ._reader import Claim, Place, reader
from ._text import number, parse_document

if TYPE_CHECKING:
    import polars as pl

__all__ = ["huggingface"]

STATE = "trainer_state.json"
RECORDS = 1 << 16  # of the history that are put together at a time
_RUN = {"train_runtime", "train_loss"}  # the last record: of the run as a whole, not of a step


def _sniff(place: Place) -> Iterator[Claim]:
    """A folder with the state, or with checkpoints that have it: all of them are one run."""
    saved = [place.path / f / STATE for f in place.folders if f.startswith("checkpoint-")]
    found = [p for p in saved if p.is_file() and not p.is_symlink()]
    own = [place.path / STATE] if STATE in place.files else []
    if own or found:
        yield Claim((*own, *found))


@reader("huggingface", title="Hugging Face Trainer (trainer_state.json)", sniff=_sniff, verified="transformers 4.57.1")
def huggingface(claim: Claim) -> Iterator[LoggedRun]:
    """The state that saw the most steps holds the history of those before it."""
    states = [(path, _state(path)) for path in claim.files]
    path, state = max(states, key=lambda s: number(s[1].get("global_step")) or 0.0)
    folder = path.parent.parent if path.parent.name.startswith("checkpoint-") else path.parent
    history = [h for h in state["log_history"] if isinstance(h, dict)]
    records, final, repeated = _split(history)
    said = []
    if state.get("num_input_tokens_seen") == 0:
        said.append("num_input_tokens_seen = 0 says that tokens were not counted; it is left out")
    if repeated:
        said.append(f"{repeated} records repeat a step that was logged before: the run was resumed there")
    planned, reached = number(state.get("max_steps")) or 0.0, number(state.get("global_step")) or 0.0
    done = planned > 0 and reached >= planned
    yield LoggedRun(
        kind="huggingface",
        key=f"huggingface:{folder.name}:{state.get('max_steps')}:{_first(history)}",
        name=str(state.get("trial_name") or folder.name),
        source=str(path),
        config=_settings(state, folder),
        final=final,
        points=lambda: _points(records),
        state="finished" if done else "unknown",
        assumed=tuple(said),
    )


def _state(path: Path) -> Mapping[str, Any]:
    state = parse_document(path)
    if not isinstance(state, Mapping) or not isinstance(state.get("log_history"), list):
        raise DataError(f"{path.name} has no list 'log_history'; expected a state of the Hugging Face Trainer")
    return state


def _split(history: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], dict[str, float], int]:
    """Records of steps, values of the whole run, and how many records went back in steps."""
    records: list[Mapping[str, Any]] = []
    final: dict[str, float] = {}
    last, repeated = -1, 0
    for record in history:
        step = record.get("step")
        if not isinstance(step, int) or not 0 <= step < 1 << 63:
            continue
        repeated += step < last
        last = step
        if record.keys() >= _RUN:
            final |= {k: v for k, raw in record.items() if k != "step" and (v := number(raw)) is not None}
        else:
            records.append(record)
    return records, final, repeated


def _points(records: list[Mapping[str, Any]]) -> Iterator[pl.DataFrame]:
    """Points of many records at a time; what is no number is left out."""
    import polars as pl

    for i in range(0, len(records), RECORDS):
        part = records[i : i + RECORDS]
        columns = {
            "metric": list(chain.from_iterable(part)),
            "step": np.repeat([r["step"] for r in part], [len(r) for r in part]),
            "time": None,
            "value": [v if type(v) is float else number(v) for r in part for v in r.values()],
        }
        found = pl.DataFrame(columns, schema=points_schema())
        yield found.filter(pl.col("value").is_not_null() & (pl.col("metric") != "step"))


def _settings(state: Mapping[str, Any], folder: Path) -> dict[str, Scalar]:
    """What the state says of the run as a whole, and the model's config.json where it lies beside."""
    found = flat({k: v for k, v in state.items() if k not in ("log_history", "stateful_callbacks", "trial_params")})
    if found.get("num_input_tokens_seen") == 0:
        del found["num_input_tokens_seen"]
    for path in (folder / "config.json", *sorted(folder.glob("checkpoint-*/config.json"))):
        if path.is_file() and not path.is_symlink() and (path.parent == folder or not path.parent.is_symlink()):
            model = parse_document(path)
            if isinstance(model, Mapping):
                found |= flat(model, "model.")
                break
    return found


def _first(history: Sequence[Mapping[str, Any]]) -> str:
    """What tells runs of one folder's name apart: how they began."""
    return next((f"{h['loss']:.12g}" for h in history if isinstance(h.get("loss"), float)), "")
