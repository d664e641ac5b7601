"""Our own small runs beside what the field's papers say: transfer of rates, critical batch, cooldowns, a next rung."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from similitude._view import Column, Interval, Table
from similitude.comparison import compare
from similitude.fitting import fit
from similitude.laws import get
from similitude.planning import critical_batch, noise_scale, steps_to_goal, width_transfer
from similitude.runs import datasets, read_runs
from similitude.studies._claim import ABOUT, measured
from similitude.studies._rules import HOLDS, WITHIN
from similitude.studies._study import Declaration, Item

__all__ = ["STUDY"]

GOALS = (2.2, 2.1, 2.0, 1.9)  # nats a byte, which three batches or more reach
NEAR = 0.08  # nats about a goal within which the noise scale is averaged
FEWEST = 8  # measurements of the noise scale
LEVEL = 0.9


def claims(seed: int) -> Iterator[Item]:
    yield from _transfer()
    yield from _batches()
    yield from _schedules()
    yield from _next_rung(seed)


def _transfer() -> Iterator[Item]:
    runs = datasets.load("ladder", "experiments", group="widths")
    rows = []
    for name, printed, said in (("standard", "1", "hidden weights"), ("mup", "0", "all weights")):
        found = width_transfer(runs.where(parameterisation=name))
        yield measured(
            f"exponent p of the best rate ~ width^-p, {name} parameterisation, {said}",
            printed,
            "Yang et al. 2022, tables 3 and 8",
            found.exponent,
            HOLDS,
            interval="90 %",
            remark=f"{found.verdict}; from the least width to the largest it falls by a factor of {found.drift.text()}",
        )
        for best in found.tuning.optima:
            rows.append((name, f"{best.group['width']:.0f}", best.settings["lr"]))
    yield Table("The best rate by width", ("parameterisation", Column("width", align="right"), "best rate"), rows)


def _batches() -> Iterator[Item]:
    points = datasets.load("ladder", "batches").frame
    steps = steps_to_goal(points, list(GOALS), by="batch", trial="lr", metric="loss")
    found = critical_batch(steps, batch="batch", goal="goal", level=LEVEL)
    rows = []
    for goal, curve in zip(GOALS, found.curves, strict=True):
        scale = _noise_scale(points, goal)
        rows.append((f"{goal:g}", curve.critical, scale, f"{scale.value / curve.critical.value:.2f}"))
    ratios = [float(row[-1]) for row in rows]
    yield measured(
        "gradient noise scale over critical batch, geometric mean over goals",
        "1.0",
        "McCandlish et al. 2018, section 2",
        float(np.exp(np.mean(np.log(ratios)))),
        ABOUT,
    )
    columns = (Column("loss to reach", "nats/byte"), Column("critical batch", "sequences"),
               Column("noise scale", "sequences"), Column("ratio", align="right"))  # fmt: skip
    yield Table("Critical batch against gradient noise scale", columns, rows)


def _noise_scale(points: pl.DataFrame, goal: float) -> Interval:
    """The noise scale near a loss, from the run of the largest batch whose rate was best and that was there."""
    near = points.filter((pl.col("loss") - goal).abs() < NEAR)
    ends = points.group_by("batch", "lr").agg(pl.col("loss").last()).sort("loss").group_by("batch").first()
    for batch, rate, _ in ends.sort("batch", descending=True).iter_rows():
        mine = near.filter((pl.col("batch") == batch) & (pl.col("lr") == rate))
        if mine.height >= FEWEST:
            one, whole = (mine[name].to_numpy() for name in ("noise_one", "noise_batch"))
            found = noise_scale(one, whole, batch_small=1, batch_big=batch, level=LEVEL)
            return found.value
    raise AssertionError(f"no run stays near a loss of {goal:g} for {FEWEST} measurements")


def _schedules() -> Iterator[Item]:
    cosine = datasets.load("ladder", "experiments", group="cosine")
    lengths = set(cosine.column("D").tolist())
    one = datasets.load("ladder", domain="python", group="ladder").where("width == 32 and layers == 2")
    at = {float(d): float(y) for d, y in zip(one.column("D"), one.column("loss"), strict=True) if d in lengths}
    pairs = [(d, float(y), at[d]) for d, y in sorted(zip(cosine.column("D").tolist(), cosine.column("loss").tolist()))]
    gaps = np.array([cooled - ended for _, ended, cooled in pairs])
    yield measured(
        "loss after a cooldown of one run less that of a cosine run of its own, nats, longest run",
        "0.00",
        "Haegele et al. 2024, abstract",
        float(gaps[-1]),
        WITHIN,
        spread=2**0.5 * _between_seeds(),
        remark=f"mean of {len(gaps)}: {gaps.mean():+.3f}; the shortest cosine runs are behind by most",
    )
    table = {"D": [d for d, *_ in pairs] * 2, "loss": [p[1] for p in pairs] + [p[2] for p in pairs],
             "schedule": ["cosine"] * len(pairs) + ["wsd"] * len(pairs)}  # fmt: skip
    told = compare(read_runs(table), by="schedule", x="D", blocks="D", against="cosine", level=LEVEL)
    rows = [(f"{d / 1e6:.1f}M", f"{a:.3f}", f"{b:.3f}", f"{b - a:+.3f}") for d, a, b in pairs]
    heads = [Column(h, align="right") for h in ("cosine", "cooldown", "difference")]
    yield Table("Cosine runs against the cooldowns of one run", ("bytes", *heads), rows, told.pairs[0].verdict)


def _between_seeds() -> float:
    """The deviation of loss between seeds of one run: the mean over the ladder's points that have several."""
    runs = datasets.load("ladder").frame.filter(pl.col("group").is_in(["ladder", "seeds"]))
    points = runs.group_by("domain", "N", "D").agg(pl.col("loss").std().alias("deviation"), pl.len())
    return float(points.filter(pl.col("len") > 1)["deviation"].to_numpy().mean())


def _next_rung(seed: int) -> Iterator[Item]:
    """The run that was foretold before it was trained: see docs/ladder.md."""
    top = datasets.load("ladder", "experiments", group="top")
    runs = datasets.load("ladder", domain="python").where("group == 'ladder' or group == 'seeds'")
    n, d, loss = (float(top.column(k)[0]) for k in ("N", "D", "loss"))
    rows = []
    for name in ("chinchilla", "chinchilla_tied", "farseer", "kaplan"):
        told = fit(get(name), runs, seed=seed).predict(N=n, D=d, level=LEVEL)
        curve, run = Interval(told.value, told.low, told.high), Interval(told.value, told.new_low, told.new_high)
        rows.append((get(name).title, curve, run, f"{told.value / loss - 1:+.1%}"))
        if name == "chinchilla":
            yield measured(
                "loss of the next rung, foretold and then trained, nats/byte", f"{loss:.4f}", "the run itself", run,
                HOLDS, interval="90 %, a new run", remark=f"foretold {told.value / loss - 1:.1%} too high",
            )  # fmt: skip
    columns = ("law", "foretold", "a new run", Column("error", align="right"))
    yield Table(f"The next rung: {n / 1e6:.2f}M parameters, {d / 1e6:.1f}M bytes, loss {loss:.4f}", columns, rows)


STUDY = Declaration("similitude2026", "What small runs of our own show", "similitude2026", ("ladder",), claims)
