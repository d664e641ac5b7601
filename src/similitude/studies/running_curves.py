"""Forecasts of runs under way on published curves: how often the interval of the final loss held it, and how wide.

Nothing of this is a paper's claim: the nominal coverage is what stands for the published value. The constants of the
prior are chosen again, among a few settings, without each family before that family is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np

from similitude._errors import SimilitudeError
from similitude._schedule import Schedule, schedule
from similitude._view import Column, Table
from similitude.planning import TrainingCurve, logged_schedule
from similitude.planning._carry_on import KNOWN, LEARNT, UNKNOWN, Habits
from similitude.planning._in_run import forecast_with
from similitude.runs import Runs, datasets
from similitude.studies._claim import measured
from similitude.studies._rules import AT_LEAST, COVERS
from similitude.studies._study import Declaration, Item
from similitude.studies.luo2025 import trained

__all__ = ["STUDY", "outcomes", "with_schedules", "without_schedules"]

SHARES = (0.1, 0.25, 0.5, 0.75)
MOST = 10  # runs of a family, evenly from its list
FEWEST = 12  # readings of a run
PRICE = 0.02  # of coverage that intervals narrower by a factor of e are worth
END = 0.98  # share of a run from which its readings are the final loss
LEVELS = (0.8, 0.9)
# loss that is a perplexity in the data set, by family
PERPLEXITIES = ("opt",)


@dataclass(frozen=True)
class Outcome:
    """One forecast: relative errors of the end's two intervals and what they held."""

    held80: bool
    held90: bool
    width80: float
    width90: float
    error: float


def claims(seed: int) -> Iterator[Item]:
    for title, families, prior, settings in (
        ("the schedule known", with_schedules(), KNOWN, _settings(KNOWN)),
        ("the schedule not known", without_schedules(), UNKNOWN, _settings(UNKNOWN)),
    ):
        found = _without_each(families, settings)
        yield from _judged(title, found)
        shipped = {name: outcomes(runs, prior) for name, runs in families.items()}
        yield _table(f"Final loss, {title}: constants chosen without the family", found)
        yield _table(f"Final loss, {title}: the constants in use", shipped)
    learnt = {"olmo-ladder": _from_smaller()}
    yield from _judged("learnt from smaller runs of the ladder", learnt)
    yield _table("Final loss, learnt from smaller runs of the same length in tokens per parameter", learnt)
    yield (
        "The final loss is the median over the last 2 % of a run, at least three readings. Coverage is over runs and "
        "the four shares, families weighing alike. Widths are medians, relative to the loss."
    )
    yield (
        "Families that no interval from the first part could hold: redpajama-incite and olmo, whose files change to "
        "another evaluation before the end (steps of 2 to 11 % between neighbouring readings), and gpt-3, read off a "
        "figure, whose curves flatten in the last quarter."
    )


def _judged(title: str, found: Mapping[str, Mapping[float, Sequence[Outcome]]]) -> Iterator[Item]:
    for level, name in zip(LEVELS, ("held80", "held90"), strict=True):
        means = [np.mean([getattr(o, name) for f in shares.values() for o in f]) for shares in found.values()]
        sentence = f"coverage of {level:.0%} intervals of the final loss, {title}, mean of {len(means)} families"
        yield measured(
            sentence, f"{level:.2f}", "nominal", float(np.mean(means)), COVERS if len(means) > 1 else AT_LEAST
        )


def _settings(prior: Habits) -> list[Habits]:
    """What is chosen among: wander, and the gain of a decay where the schedule is known, else what it may do unseen."""
    if prior.gain:
        grid = product((0.0035, 0.005, 0.007), (0.036, 0.048), (1.2, 1.7))
        return [replace(prior, wander=w, gain=g, bend=b) for w, g, b in grid]
    return [replace(prior, wander=w, unseen=u) for w, u in product((0.012, 0.02, 0.03), (0.0, 0.008, 0.012, 0.018))]


def _without_each(
    families: Mapping[str, Sequence[TrainingCurve]], settings: Sequence[Habits]
) -> dict[str, dict[float, list[Outcome]]]:
    """Outcomes of each family under the setting that scored best on the others."""
    every = {name: [outcomes(runs, s) for s in settings] for name, runs in families.items()}
    out = {}
    for name in families:
        rest = [found for other, found in every.items() if other != name]
        off = [_off_nominal([found[i] for found in rest]) for i in range(len(settings))]
        out[name] = every[name][int(np.argmin(off))]
    return out


def _off_nominal(found: Sequence[Mapping[float, Sequence[Outcome]]]) -> float:
    """How far coverage is from nominal at each share of the run, families weighing alike, and a price on width."""
    off = []
    for share in SHARES:
        there = [f[share] for f in found if f.get(share)]
        for level, held, width in zip(LEVELS, ("held80", "held90"), ("width80", "width90"), strict=True):
            mean = np.mean([np.mean([getattr(o, held) for o in f]) for f in there])
            wide = np.mean([np.log(np.median([getattr(o, width) for o in f])) for f in there])
            off.append(abs(mean - level) + PRICE * wide)
    return float(np.mean(off))


def outcomes(
    runs: Sequence[TrainingCurve],
    habits: Habits | None,
    references: Callable[[TrainingCurve], Sequence[TrainingCurve]] = lambda run: (),
) -> dict[float, list[Outcome]]:
    """By share of the run done: a forecast of each run from its readings so far, where there are enough of them."""
    out: dict[float, list[Outcome]] = {}
    for run, share in product(runs, SHARES):
        try:
            out.setdefault(share, []).append(_outcome(run, share, habits, references(run)))
        except SimilitudeError:
            continue  # too few readings so early
    return out


def _outcome(run: TrainingCurve, share: float, habits: Habits | None, references: Sequence[TrainingCurve]) -> Outcome:
    last = float(run.steps[-1])
    seen = run.steps <= share * last
    curve = TrainingCurve(run.steps[seen], run.loss[seen], run.schedule, run.name)
    truth = _final(run)
    found = forecast_with(habits, curve, last, references=references, places=2)
    at = [found.final_at(level) for level in LEVELS]
    ends = [(float(f.low or 0), float(f.high or np.inf)) for f in at]
    held = [low <= truth <= high for low, high in ends]
    widths = [(high - low) / truth for low, high in ends]
    return Outcome(held[0], held[1], widths[0], widths[1], at[0].value / truth - 1)


def _final(run: TrainingCurve) -> float:
    late = run.loss[run.steps > END * run.steps[-1]]
    return float(np.median(late if len(late) >= 3 else run.loss[-3:]))


def with_schedules() -> dict[str, list[TrainingCurve]]:
    """Families of runs whose learning rates are known."""
    multi = datasets.load("multipowerlaw")
    curves = [
        _read(multi.where(run=r), lambda steps, name: trained(name.partition("|")[2], int(steps[-1])))
        for r in _names(multi)
    ]
    return {
        "multipowerlaw": _evenly(curves),
        "lr-schedules": _evenly(_cosines_and_cooldowns()),
        "olmo-ladder": _ladder(),
    }


def _names(runs: Runs) -> list[str]:
    return [str(n) for n in dict.fromkeys(runs.labels("run"))]


def _read(runs: Runs, plan: Callable[[np.ndarray, str], Schedule | None], x: str = "step") -> TrainingCurve:
    name = str(runs.labels("run")[0])
    order = np.argsort(runs.column(x), kind="stable")
    steps, loss = runs.column(x)[order], runs.column(runs.output)[order]
    kept = steps > 0
    return TrainingCurve(steps[kept], loss[kept], plan(steps[kept], name), name)


def _evenly(runs: Sequence[TrainingCurve], most: int = MOST) -> list[TrainingCurve]:
    long = [r for r in runs if len(r) >= FEWEST]
    return [long[i] for i in np.unique(np.linspace(0, len(long) - 1, most).astype(int))] if long else []


def _ladder() -> list[TrainingCurve]:
    """OLMo's ladder; its two targets have no logged rates."""
    runs = datasets.load("olmo-ladder", "losses").where("lr > 0")

    def plan(mine: Runs, steps: np.ndarray, name: str) -> Schedule:
        return logged_schedule(mine.column("step"), mine.column("lr"))

    named = [(n, runs.where(run=n)) for n in _names(runs) if "rerun" not in n]
    return [_read(mine, partial(plan, mine)) for _, mine in named]


def _cosines_and_cooldowns() -> list[TrainingCurve]:
    """Runs of a cosine, and cooldowns joined to the constant run that they branched off."""
    table, curves = datasets.load("lr-schedules").frame, datasets.load("lr-schedules", "curves").frame
    trunks = {_kin(r): r["run"] for r in table.iter_rows(named=True) if _is_trunk(r)}
    out = []
    for row in table.filter(table["group"] == "main").iter_rows(named=True):
        parts = [curves.filter(curves["run"] == str(row["run"])).sort("step")]
        total, rates = int(row["step"]), {"peak": row["lr"], "warm_up": int(row["warmup_steps"])}
        if row["scheduler"] == "cos":
            plan = schedule("cosine", total, **rates)
        elif row["scheduler"] == "wsd" and row["decay_frac"] > 0 and _kin(row) in trunks:
            shape = "wsd_sqrt" if row["decay_type"] == "sqrt" else "wsd"
            plan = schedule(shape, total, cooldown=row["decay_frac"], **rates)
            trunk = curves.filter(curves["run"] == str(trunks[_kin(row)])).sort("step")
            parts.insert(0, trunk.filter(trunk["step"] < parts[0]["step"].min()))
        else:
            continue
        steps, loss = (np.concatenate([p[c].to_numpy() for p in parts]).astype(float) for c in ("step", "loss"))
        kept = (steps > 0) & (steps <= total) & np.isfinite(loss)
        out.append(TrainingCurve(steps[kept], loss[kept], plan, str(row["run"])))
    return out


def _kin(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[k] for k in ("dataset", "N", "lr"))


def _is_trunk(row: Mapping[str, object]) -> bool:
    return row["scheduler"] == "wsd" and row["decay_frac"] == 0


def without_schedules() -> dict[str, list[TrainingCurve]]:
    """Families of the Hitchhiker's collection, which has tokens and losses only."""
    runs = datasets.load("colpret-curves")
    out: dict[str, list[TrainingCurve]] = {}
    for family in dict.fromkeys(str(f) for f in runs.labels("family")):
        mine = runs.where(family=family)
        curves = [_read(mine.where(run=r), lambda steps, name: None, "D") for r in _names(mine)]
        if family in PERPLEXITIES:
            curves = [TrainingCurve(c.steps, np.log(c.loss), None, c.name) for c in curves]
        if kept := _evenly(curves):
            out[family] = kept
    return out


def _from_smaller() -> dict[float, list[Outcome]]:
    """Each run of the ladder from the smaller ones of as many tokens per parameter."""
    runs = _ladder()
    sizes = ["190M", "370M", "760M", "1B", "3B"]

    def smaller(run: TrainingCurve) -> list[TrainingCurve]:
        size, length = run.name.split("-")[:2]
        below = sizes[: sizes.index(size)]
        return [r for r in runs if r.name.split("-")[0] in below and r.name.split("-")[1] == length]

    return outcomes([r for r in runs if smaller(r)], LEARNT, smaller)


def _table(title: str, found: Mapping[str, Mapping[float, Sequence[Outcome]]]) -> Table:
    rows = []
    for family, shares in found.items():
        for share in SHARES:
            if not (f := shares.get(share)):
                continue
            held = [f"{np.mean([getattr(o, k) for o in f]):.0%}" for k in ("held80", "held90")]
            wide = [f"{np.median([getattr(o, k) for o in f]):.2%}" for k in ("width80", "width90")]
            error = f"{np.median(np.abs([o.error for o in f])):.2%}"
            rows.append((family, f"{share:.0%}", str(len(f)), *held, *wide, error))
    heads = ("runs", "80 % holds", "90 % holds", "width 80 %", "width 90 %", "error")
    return Table(title, ("family", "done", *(Column(h, align="right") for h in heads)), rows)


STUDY = Declaration(
    "running-curves",
    "Forecasts of runs under way on published curves",
    "choshen2024",
    ("multipowerlaw", "lr-schedules", "olmo-ladder", "colpret-curves"),
    claims,
)
