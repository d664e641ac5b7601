"""From logged runs to a table: which loss, how many parameters and tokens, and what that took for granted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import DataError

from ._answers import Answer, answer_of
from ._curves import settled
from ._families import counted
from ._logged import LoggedRun, Scalar
from ._meanings import (
    as_number,
    loss_metrics,
    parameter_settings,
    rate_metric,
    setting,
    step_tokens,
    token_metrics,
    unit_of,
)
from ._oddities import oddities_of
from ._questions import Open, Question, questions
from ._roles import COUNT_COLUMNS, fold

if TYPE_CHECKING:
    import polars as pl

    from similitude._quantity import Unit

    from ._table import Runs

__all__ = ["Rows", "rows_of"]

LAST = 10  # training losses that are averaged, the last of a run
DECAYED = 0.3  # of its peak: a learning rate that ends above has not been decayed
_MOST = 200  # settings that become columns


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of the runs that have a loss, None where no run has one; why others are not in it; what is open."""

    runs: Runs | None
    left_out: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(slots=True)
class _Row:
    """One run on its way to a row."""

    run: LoggedRun
    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    answer: Answer
    metric: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    number: str = ""


def rows_of(
    runs: Iterable[LoggedRun], answers: Sequence[Answer] = (), *, source: str = "logs", counts: str | None = None
) -> Rows:
    """One row a run, with N, D, C, loss, step and what else the logs tell, each choice a sentence in `Runs.assumed`.

    The loss is a validation loss where the logs have one, its last value; else the mean of the last ten training
    losses. Units are nats a token and tokens unless names, or settings 'units.loss' and 'units.D', say otherwise. Runs
    whose loss has another unit than most, or a training loss where most have a validation loss, are left
    out with the reason. N is what was logged, else counted from the configuration; D what was logged, else steps times
    tokens a step, or batch times length, where they are known. `answers` settle what logs leave open. N counts what
    `counts` says, and so do counts that are undeclared, else what most runs can be counted by; runs counted otherwise
    have no N, which is said.
    """
    rows = [_Row(r, _curves(r), answer_of(r, answers)) for r in runs]
    for row in rows if counts else ():
        row.answer = replace(row.answer, counts=counts)
    left_out: list[str] = []
    rows = _with_loss(rows, left_out)
    if not rows:
        return Rows(None, _once(left_out))
    for row in rows:
        _size(row)
        _tokens(row)
        _compute(row)
        _rate(row)
        row.said += [o.says for o in oddities_of(row.run, row.curves)]
    opened = [Open(r.run.name, r.run.kind, tuple(r.missing), r.number) for r in rows]
    return Rows(_table(rows, source, counts), _once(left_out), questions(opened))


def _once(sentences: Sequence[str]) -> tuple[str, ...]:
    """Each sentence once, with the number of runs it is of."""
    return tuple(s if n == 1 else f"{s} ({n} runs)" for s, n in Counter(sentences).items())


# -- curves ---------------------------------------------------------------------------------------------------------


def _curves(run: LoggedRun) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The metrics that matter here, steps and values each; all chunks are passed through, few of them kept."""
    import polars as pl

    if run.points is None:
        return {}
    kept: dict[str, list[pl.DataFrame]] = {}
    wanted: dict[str, bool] = {}
    for chunk in run.points():
        for (name,), part in chunk.group_by("metric", maintain_order=True):
            name = str(name)
            if name not in wanted:
                wanted[name] = _matters(name)
            if wanted[name]:
                kept.setdefault(name, []).append(part.select("step", "value"))
    found = {}
    for name, parts in kept.items():
        whole = pl.concat(parts).drop_nulls("step")
        step, rows = settled(whole["step"].to_numpy())
        found[name] = step, whole["value"].to_numpy()[rows]
    return found


def _matters(name: str) -> bool:
    validation, training = loss_metrics([name])
    counts = token_metrics([name]) or step_tokens([name]) or parameter_settings({name: 1})
    return bool(validation or training or counts or rate_metric([name]))


# -- loss -----------------------------------------------------------------------------------------------------------


def _with_loss(rows: list[_Row], left_out: list[str]) -> list[_Row]:
    """The rows that have the same kind of loss, with its value."""
    validation: Counter[str] = Counter(n for r in rows for n in loss_metrics(_names(r))[0])
    training: Counter[str] = Counter(n for r in rows for n in loss_metrics(_names(r))[1])
    found = []
    for row in rows:
        own = [n for n in (row.answer.loss,) if n in _names(row)]
        held = own or _ranked(loss_metrics(_names(row))[0], validation)
        taught = [] if held else _ranked(loss_metrics(_names(row))[1], training)
        if not (held or taught):
            left_out.append(f"{row.run.source}: no metric that is a loss{_said_names(row)}")
            continue
        row.metric = (held or taught)[0]
        found.append((row, bool(held)))
    if any(held for _, held in found):
        for row in [r for r, held in found if not held]:
            left_out.append(
                f"{row.run.source}: only a training loss, '{row.metric}', where others have a validation loss; to "
                f'use it, give loss = "{row.metric}" in similitude.toml'
            )
        found = [(r, held) for r, held in found if held]
    units = Counter(unit_of(r.metric, r.run.config) for r, _ in found)
    usual = units.most_common(1)[0][0] if units else ""
    for row in [r for r, _ in found if unit_of(r.metric, r.run.config) != usual]:
        unit = unit_of(row.metric, row.run.config)
        left_out.append(f"{row.run.source}: '{row.metric}' is in {unit}, the loss of most in {usual}")
    found = [(r, held) for r, held in found if unit_of(r.metric, r.run.config) == usual]
    for row, held in found:
        _loss(row, held or row.metric == row.answer.loss)
        row.values["unit"] = usual
    return [r for r, _ in found]


def _names(row: _Row) -> list[str]:
    """Metrics, and final values but for the mean over training that the Hugging Face Trainer calls train_loss."""
    final = [n for n in row.run.final if not (row.run.kind == "huggingface" and n == "train_loss")]
    return list(dict.fromkeys([*row.curves, *final]))


def _ranked(names: list[str], counts: Mapping[str, int]) -> list[str]:
    return sorted(names, key=lambda n: (-counts[n], names.index(n)))


def _said_names(row: _Row) -> str:
    known = list(dict.fromkeys([*row.curves, *row.run.final]))[:6]
    return f" among {', '.join(known)}; name it in similitude.toml" if known else ""


def _loss(row: _Row, held: bool) -> None:
    step, value = row.curves.get(row.metric, (np.zeros(0), np.zeros(0)))
    if not len(value):
        row.values |= {"loss": row.run.final[row.metric], "censored": False}
        row.said.append(f"loss is the final value '{row.metric}'")
        return
    row.values |= {"step": int(step[-1]), "censored": not math.isfinite(value[-1])}
    if held:
        row.values["loss"] = float(value[-1])
        row.said.append(f"loss is the last '{row.metric}', a validation loss")
        return
    last = value[-LAST:]
    row.values["loss"] = float(np.mean(last)) if np.isfinite(last).all() else math.nan
    row.values["censored"] = not np.isfinite(last).all()
    row.said.append(f"loss is the mean of the last {len(last)} values of '{row.metric}', a training loss")


# -- parameters, tokens, compute ------------------------------------------------------------------------------------


def _size(row: _Row) -> None:
    """N by every convention that is known, and what an undeclared count is."""
    logged = parameter_settings({**row.run.config, **row.run.final, **_constants(row)})
    shape = counted(row.run.config)
    if shape is not None:
        row.counts |= {"total": shape.total, "without embeddings": shape.without_embeddings}
    for name, value in logged.items():
        stated = COUNT_COLUMNS.get(fold(name.rpartition(".")[2])) or row.answer.counts or "undeclared"
        if stated == "undeclared" and (same := [c for c, v in row.counts.items() if v == value]):
            stated = same[0]
        row.counts.setdefault(stated, value)
    if row.answer.N is not None:
        row.counts = {row.answer.counts or "undeclared": row.answer.N}
    if logged:
        row.number = next((n for n in logged if COUNT_COLUMNS.get(fold(n)) == "total"), next(iter(logged)))
        row.said.append(f"N is the logged '{row.number}'")
    elif shape is not None:
        row.said.append(shape.says)
    if not row.counts:
        row.missing.append("N")
    elif set(row.counts) == {"undeclared"}:
        row.missing.append("counts")


def _constants(row: _Row) -> dict[str, Scalar]:
    """Metrics that are one number throughout, as counts of parameters are where they are logged as metrics."""
    return {n: float(v[-1]) for n, (_, v) in row.curves.items() if len(v) and np.ptp(v) == 0 and v[-1] > 1}


def _tokens(row: _Row) -> None:
    """D at the step of the loss: a counter that was logged, else steps times batch times length.

    A loss one step after the last count, as evaluations at the end are logged, is of that count.
    """
    step = row.values.get("step")
    for name in token_metrics(row.curves):
        at, seen = row.curves[name]
        if step is None or not np.nanmax(seen, initial=0.0) > 0:
            continue
        if (np.diff(seen) < 0).any():
            row.said.append(f"'{name}' falls at times, so it is no count of the tokens so far")
            continue
        start = ([0.0], [0.0]) if at[0] > 0 else ([], [])
        beyond = math.nan if step > at[-1] + 1 else float(seen[-1])
        found = float(np.interp(step, [*start[0], *at], [*start[1], *seen], right=beyond))
        if found > 0:
            row.values["D"] = found
            row.said.append(f"D is '{name}' at the step of the loss")
            return
    for name, value in {**row.run.config, **row.run.final}.items():
        number = as_number(value) if name == "D" or token_metrics([name]) else None
        if number is not None and number > 0:
            row.values["D"] = number
            row.said.append(f"D is the setting '{name}'")
            return
    if not _summed_tokens(row):
        _derived_tokens(row)


def _summed_tokens(row: _Row) -> bool:
    """D as the sum of the tokens of each step, counted from 0, up to that of the loss; False where it is not known."""
    name, step = step_tokens(row.curves), row.values.get("step")
    if name is None or step is None:
        return False
    at, each = row.curves[name]
    upto = at <= step
    if np.array_equal(at[upto], np.arange(step + 1)) and np.isfinite(each[upto]).all():
        found, says = float(each[upto].sum()), f"D is the sum of '{name}' up to the step of the loss"
    elif len(each) and np.ptp(each) == 0:
        found, says = (step + 1.0) * float(each[0]), f"D = (step + 1) x '{name}' {each[0]:g}, as steps count from 0"
    else:
        return False
    row.values["D"] = found
    row.said.append(says)
    return found > 0


def _derived_tokens(row: _Row) -> None:
    step, config, answer = row.values.get("step"), row.run.config, row.answer
    whole = None if answer.batch or answer.length else setting(config, "tokens") or _batch_in_tokens(config)
    if step and whole is not None:
        row.values["D"] = float(step) * whole[1]
        row.said.append(f"D = step x {whole[0]} {whole[1]:g}")
        return
    length = (("length", answer.length) if answer.length else None) or setting(config, "length")
    batch = (("batch", answer.batch) if answer.batch else None) or setting(config, "batch")
    factors = [batch] if batch else [setting(config, "one_batch"), setting(config, "accumulation")]
    if batch is None:
        devices = setting(config, "devices")
        factors += [devices] if devices else []
    if not step or length is None or factors[0] is None:
        missing = [w for w, v in (("steps", step), ("a batch", factors[0]), ("a length", length)) if not v]
        row.lacks.append(f"D is not known: the log has neither a count of tokens nor {' and '.join(missing)}")
        if step:
            lacking = (("batch", factors[0]), ("length", length))
            row.missing += [name for name, value in lacking if not value]
        return
    known = [f for f in factors if f is not None]
    found = float(step) * length[1]
    for _, value in known:
        found *= value
    row.values["D"] = found
    listed = " x ".join(["step", *(f"{n} {v:g}" for n, v in [*known, length])])
    less = (
        "" if batch or len(known) > 1 else ", taken as the whole batch: no accumulation or number of devices is logged"
    )
    row.said.append(f"D = {listed}{less}")


def _batch_in_tokens(config: Mapping[str, Scalar]) -> tuple[str, float] | None:
    """The whole batch where it is in tokens, as nanochat has it: a multiple of what one device takes at once."""
    named = {fold(k.rpartition(".")[2]): (k, as_number(v)) for k, v in config.items()}
    name, batch = named.get("total_batch_size", ("", None))
    one, length = (named.get(n, ("", None))[1] for n in ("device_batch_size", "max_seq_len"))
    whole = batch and one and length and length > 1 and batch % (one * length) == 0
    return (name, batch) if batch and whole else None


def _compute(row: _Row) -> None:
    for name, given in (("total_flos", row.run.final.get("total_flos")), ("C", row.run.config.get("C"))):
        value = as_number(given)
        if value is not None and value > 0:
            row.values["C"] = value
            row.said.append(f"C is '{name}'")
            return


def _rate(row: _Row) -> None:
    """Whether the learning rate had come down by the step of the loss; None where it was not logged."""
    name = rate_metric(row.curves)
    if name is None:
        return
    step, rate = row.curves[name]
    seen = rate[step <= row.values.get("step", step[-1])]
    seen = seen[np.isfinite(seen)]
    if len(seen) >= 2 and seen.max() > 0:
        row.values["decayed"] = bool(seen[-1] <= DECAYED * seen.max())
        row.values["end_rate"] = float(seen[-1] / seen.max())


# -- the table ------------------------------------------------------------------------------------------------------


def _table(rows: list[_Row], source: str, counts: str | None) -> Runs:
    from ._read import read_runs

    convention = counts or _convention(rows)
    columns: dict[str, list[Any]] = {"run": _unique([r.run.name for r in rows]), "kind": [r.run.kind for r in rows]}
    for name in ("D", "C", "loss", "step", "decayed", "censored"):
        columns[name] = [r.values.get(name) for r in rows]
    columns["N"] = [r.counts.get(convention) for r in rows]
    _say_what_has_no_size(rows, columns["N"], convention, source)
    columns["state"] = [r.run.state for r in rows]
    columns |= _settings(rows, columns)
    columns |= _scores(rows, columns)
    columns = {k: v for k, v in columns.items() if any(x is not None for x in v)}
    made = read_runs(
        columns,
        units={"loss": rows[0].values["unit"], **_data_unit(rows, columns)},
        counts=None if convention == "undeclared" else convention,
        censored="censored",
        not_finite="censored",
        check=False,
        name=source,
    )
    return replace(made, assumed=(*_unfinished(rows), *_sentences(rows), *made.assumed))


def _data_unit(rows: list[_Row], columns: Mapping[str, Any]) -> dict[str, str | Unit]:
    """The unit of D where all runs state the same in their setting 'units.D', such as images."""
    stated = {r.run.config.get("units.D") for r in rows}
    unit = stated.pop()
    return {"D": unit} if not stated and isinstance(unit, str) and "D" in columns else {}


def _convention(rows: list[_Row]) -> str:
    """The convention most runs can be counted by."""
    known = Counter(c for r in rows for c in r.counts)
    order = ("total", "without embeddings", "without embeddings and head", "active", "undeclared")
    return max(order, key=lambda c: (known[c], -order.index(c)))


def _say_what_has_no_size(rows: list[_Row], sizes: list[float | None], convention: str, source: str) -> None:
    """Say which runs have no N since theirs counts something else; DataError where that is so of all."""
    others = [r for r, size in zip(rows, sizes, strict=True) if size is None and r.counts]
    known = sorted({c for r in others for c in r.counts})
    if others and all(size is None for size in sizes):
        raise DataError(f"{source}: no run's N counts '{convention}'; expected one of: {', '.join(known)}")
    for row in others:
        held = " or ".join(map(repr, row.counts))
        row.lacks.append(
            f"N is left out: it counts {held}, that of most runs {convention!r}; say what N counts with counts, or in "
            "similitude.toml"
        )


def _unique(names: list[str]) -> list[str]:
    """Names as they are, with a number behind those that are there twice."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _settings(rows: list[_Row], taken: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Settings that differ between runs, under the last part of their name where that is enough."""
    names = list(dict.fromkeys(k for r in rows for k in r.run.config))
    varying = [n for n in names if len({repr(r.run.config.get(n)) for r in rows}) > 1][:_MOST]
    short = Counter(n.rpartition(".")[2] for n in varying)
    found = {}
    for name in varying:
        last = name.rpartition(".")[2]
        called = last if short[last] == 1 and last not in taken and not _is_role(last) else name
        if not _is_role(called):
            found[called] = [r.run.config.get(name) for r in rows]
    return found


def _is_role(name: str) -> bool:
    """Whether a column of this name would be taken for N, D, C or the loss."""
    from ._roles import ROLES, SEARCHED

    return any(ROLES[role].tier(name) is not None for role in SEARCHED)


def _scores(rows: list[_Row], taken: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Final values, and the last values of losses that were not chosen."""
    found: dict[str, list[Any]] = {}
    for i, row in enumerate(rows):
        last = {n: float(v[-1]) for n, (_, v) in row.curves.items() if len(v) and any(loss_metrics([n]))}
        for name, value in {**last, **row.run.final}.items():
            called = f"{name} (last)" if _is_role(name) or name in taken else name
            if name != row.metric and len(found) < _MOST:
                found.setdefault(called, [None] * len(rows))[i] = None if math.isnan(value) else value
    return found


def _sentences(rows: list[_Row]) -> list[str]:
    """What is missing and what was assumed, each sentence once with the runs it is of."""
    by: dict[str, list[str]] = {}
    told = [(s, row) for row in rows for s in row.lacks] + [(s, row) for row in rows for s in row.said]
    for sentence, row in told:
        by.setdefault(sentence, []).append(row.run.name)
    return [s if len(names) == len(rows) else f"{s} ({_listed(names)})" for s, names in by.items()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unfinished(rows: list[_Row]) -> list[str]:
    """The runs whose learning rate had not come down: their losses are not those of finished runs."""
    early = [r for r in rows if r.values.get("decayed") is False]
    if not early:
        return []
    names = _listed([r.run.name for r in early])
    said = f"{len(early)} of {len(rows)} runs end before their learning rate decayed ({names})"
    remedy = "keep the others with where=\"decayed == 'true'\""
    return [f"{said}: their losses are not those of finished runs; {remedy}"]


def table_or_error(rows: Rows, source: str) -> Runs:
    """The table; DataError with the first reason where there is none."""
    if rows.runs is None:
        if not rows.left_out:
            raise DataError(f"{source} holds no logs of runs; 'similitude plugins' lists the kinds that are read")
        raise DataError(f"{source} holds no run with a loss: {rows.left_out[0]}")
    return rows.runs
