"""Ladders: files that say which runs to train, by grid, by list, or from what `similitude plan` proposes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import log
from pathlib import Path
from typing import Any

import msgspec

from similitude._errors import DataError, did_you_mean

from ._settings import Config, config_from
from ._train import key_of, name_of

__all__ = ["Ladder", "ladder_from", "read_ladder"]

STORE = "similitude.db"  # in the current folder, as for all commands
MOST = 100_000  # runs of a ladder
_FIELDS = ("name", "about", "store", "run", "sweep", "runs", "plan", "fit")
_PLAN_FIELDS = ("file", "head_width", "design")
_FIT_FIELDS = ("law", "loss", "report")


@dataclass(frozen=True)
class Ladder:
    """The runs of a ladder, each once, in the order of the file; `store` is where they are kept.

    `fit` says what is fitted when all are there: a law by name, and which validation loss.
    """

    name: str
    runs: tuple[Config, ...]
    store: Path
    about: str = ""
    fit: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        return f"Ladder({self.name}: {len(self)} runs)"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What the store knows the runs by."""
        return tuple(key_of(run) for run in self.runs)


def read_ladder(path: str | Path, *, store: str | Path | None = None) -> Ladder:
    """A ladder from its TOML file.

    The file has a table `run` of settings that all runs share, tables `sweep` of which every list is one axis of a grid
    (a list of tables is an axis of settings that go together), `runs` as a list, and `plan`, a JSON file of
    `similitude plan next` or `plan ladder`, of which each proposed N becomes the nearest shape. Raises DataError that
    names the file and the entry.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "tiny.toml"
    >>> text = "[[sweep]]\\nseed = [0, 1]\\nmodel = [{width = 16, heads = 1}, {width = 32, heads = 2}]"
    >>> file.write_text(text) > 0
    True
    >>> import similitude as sim
    >>> sim.lab.read_ladder(file)
    Ladder(tiny: 4 runs)
    """
    import tomllib

    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); expected a ladder's TOML file") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; expected a ladder's TOML file") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    return ladder_from(values, where=file, store=store)


def ladder_from(values: Mapping[str, Any], *, where: Path | None = None, store: str | Path | None = None) -> Ladder:
    """A ladder from nested plain values; see :func:`read_ladder`."""
    said = str(where) if where is not None else "ladder"
    for name in values:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise DataError(f"{said}: there is no entry '{name}'{did_you_mean(name, _FIELDS)} (there are {known})")
    fit = _table(values, "fit", said, _FIT_FIELDS)
    folder = where.parent if where is not None else Path()
    name = str(values.get("name") or (where.stem if where is not None else "ladder"))
    found: dict[str, Config] = {}
    for place, settings in _settings(values, folder, said):
        run = config_from(settings, f"{said}, {place}")
        found.setdefault(run.id, run)
        if len(found) > MOST:
            raise DataError(f"{said} has more than {MOST:,} runs")
    if not found:
        raise DataError(f"{said} has no runs: give a table [run], tables [[sweep]], [[runs]] or [plan]")
    _check_starts(found, said)
    runs = tuple(found.values())
    kept = Path(store) if store is not None else folder / str(values["store"]) if "store" in values else Path(STORE)
    return Ladder(name, runs, kept, str(values.get("about", "")), fit, tuple(name_of(r) for r in runs))


def _check_starts(runs: Mapping[str, Config], said: str) -> None:
    """DataError for a run that begins from another of the ladder at a step that one does not keep."""
    for start in (run.start for run in runs.values() if run.start is not None and run.start.run in runs):
        kept = runs[start.run].kept
        if start.step not in kept:
            steps = ", ".join(map(str, kept)) or "none"
            raise DataError(f"{said}: start.step = {start.step}; run {start.run} of this ladder keeps (train.keep) the "
                            f"steps: {steps}")  # fmt: skip


def _table(values: Mapping[str, Any], name: str, said: str, known: Sequence[str]) -> dict[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, Mapping):
        raise DataError(f"{said}: '{name}' is {type(table).__name__}; expected a table")
    for key in table:
        if key not in known:
            raise DataError(f"{said}, {name}: there is no entry '{key}'{did_you_mean(key, known)} "
                            f"(there are {', '.join(known)})")  # fmt: skip
    return dict(table)


def _settings(values: Mapping[str, Any], folder: Path, said: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The settings of every run, with the place in the file they are from."""
    base = values.get("run", {})
    if not isinstance(base, Mapping):
        raise DataError(f"{said}: 'run' is {type(base).__name__}; expected a table of settings")
    given = False
    for what in ("runs", "sweep"):
        entries = values.get(what, [])
        if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
            raise DataError(f"{said}: '{what}' must be tables, written [[{what}]]")
        for number, entry in enumerate(entries, 1):
            given = True
            combined = [dict(entry)] if what == "runs" else grid(entry)
            yield from ((f"[[{what}]] {number}", merged(base, settings)) for settings in combined)
    if "plan" in values:
        given = True
        plan = _table(values, "plan", said, _PLAN_FIELDS)
        for number, settings in enumerate(planned(plan, folder, base, said), 1):
            yield f"[plan] run {number}", merged(base, settings)
    if not given and base:
        yield "[run]", dict(base)


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with those of `more` on top; mixtures and interventions are replaced as wholes."""
    found = dict(base)
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping) and key in ("model", "data", "train"):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


def grid(sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the lists in a sweep; a list of tables is an axis of tables.

    >>> list(grid({"seed": [0, 1], "train": {"lr": 0.1}}))
    [{'seed': 0, 'train': {'lr': 0.1}}, {'seed': 1, 'train': {'lr': 0.1}}]
    """
    axes = list(_axes(sweep, ()))
    for values in product(*(options for _, options in axes)):
        found: dict[str, Any] = {}
        for (path, _), value in zip(axes, values, strict=True):
            found = merged(found, _nested(path, value))
        yield found


def _axes(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, value in values.items():
        here = (*path, *key.split("."))
        if isinstance(value, list):
            if not value:
                raise DataError(f"{'.'.join(here)} is an empty list; expected the values of an axis")
            yield here, value
        elif isinstance(value, Mapping) and here in (("model",), ("data",), ("train",)):
            yield from _axes(value, here)
        else:
            yield here, [value]


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


# -- from a plan ----------------------------------------------------------------------------------------------------


def planned(plan: Mapping[str, Any], folder: Path, base: Mapping[str, Any], said: str) -> Iterator[dict[str, Any]]:
    """Settings for each run that a plan proposes: the nearest shape, the tokens, a seed for each repeat."""
    model = base.get("model")
    kind = model.get("kind", "transformer") if isinstance(model, Mapping) else "transformer"
    if kind != "transformer":
        raise DataError(
            f"{said}, plan: proposed runs become decoders, not model.kind = '{kind}'; list them in [[runs]]"
        )
    path = folder / str(plan.get("file", ""))
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{said}, plan: {path} is no JSON of 'similitude plan next --json' ({error})") from None
    rows = list(_proposed(document, plan.get("design"), f"{said}, plan: {path}"))
    if not rows:
        raise DataError(f"{said}, plan: {path} proposes no runs with N and D")
    for n, d, seeds in rows:
        model = nearest_shape(n, base, int(plan.get("head_width", 16)))
        for seed in range(seeds):
            yield {"model": model, "train": {"tokens": d}, "seed": seed}


def _proposed(document: Any, design: str | None, said: str) -> Iterator[tuple[float, float, int]]:
    """(N, D, seeds) of each run of a plan's document; DataError where they are no positive numbers."""
    if isinstance(document, Mapping) and "designs" in document:
        designs = document["designs"]
        names = [d.get("name") for d in designs]
        if design is not None and design not in names:
            raise DataError(f"{said} has no design '{design}'; it has: {', '.join(map(str, names))}")
        document = designs[names.index(design) if design is not None else 0]
    for number, run in enumerate(document.get("runs", []) if isinstance(document, Mapping) else [], 1):
        inputs = run.get("inputs", run) if isinstance(run, Mapping) else {}
        if "N" in inputs and "D" in inputs:
            found = {"N": inputs["N"], "D": inputs["D"], "seeds": run.get("seeds", 1)}
            for name, value in found.items():
                if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
                    raise DataError(f"{said}, run {number}: {name} is {value!r}; expected a positive number")
            yield float(found["N"]), float(found["D"]), int(found["seeds"])


def nearest_shape(n: float, base: Mapping[str, Any], head_width: int = 16) -> dict[str, int]:
    """Layers, width and heads of the decoder whose parameters are nearest to `n`, 8 to 64 times as wide as deep.

    An LSTM keeps its layers, and has the width that is nearest.
    """
    config = config_from({k: v for k, v in base.items() if k != "train"})
    if config.model.kind == "lstm":
        return _nearest_width(n, config)
    best, off = {"layers": 1, "width": head_width, "heads": 1}, float("inf")
    for heads in range(1, 1025):
        width = heads * head_width
        for layers in range(max(1, width // 64), max(2, width // 8) + 1):
            sizes = {"layers": layers, "width": width, "heads": heads}
            model = msgspec.structs.replace(config.model, **sizes)
            count = msgspec.structs.replace(config, model=model).shape.parameters("total")
            far = abs(log(count / n)) + 0.02 * abs(log(width / layers / 24))
            if far < off:
                best, off = sizes, far
            if count > 2 * n:
                break
        if 12 * width * width * max(1, width // 64) > 3 * n and off < 0.5:
            break
    return best


def _nearest_width(n: float, config: Config) -> dict[str, int]:
    """Layers as they are, and the width whose parameters are nearest to `n`."""

    def far(width: int) -> float:
        model = msgspec.structs.replace(config.model, width=width)
        return abs(log(msgspec.structs.replace(config, model=model).shape.parameters("total") / n))

    layers = config.model.layers
    widest = 1 + int((n / (8 * layers)) ** 0.5)  # whose recurrent layers alone have `n`
    return {"layers": layers, "width": min(range(1, widest + 1), key=far)}
