"""How a plan shows itself: the answer, what it costs to be off it, what would change it, and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from similitude._digits import format_interval, format_number, in_powers
from similitude._errors import SimilitudeError
from similitude._view import Axis, Band, Column, Figure, FirstScreen, Interval, Line, Marker, Ruler, Table, Text
from similitude.planning._plan import Plan, Sensitivity

__all__ = ["allocation_figure", "first_screen", "off_optimum_figure", "plan_view", "sensitivity_table", "target"]


def plan_view(plan: Plan) -> tuple[Table | Text | Figure, ...]:
    """Everything a report says about a plan below its first screen."""
    views: list[Any] = [plan_table(plan)]
    if plan.warnings:
        views.append(Text("Beware", points=plan.warnings, tone="warning"))
    views += [f for f in (off_optimum_figure(plan), allocation_figure(plan)) if f is not None]
    views += [t for t in (off_optimum_table(plan), sensitivity_table(plan)) if t is not None]
    if plan.assumptions:
        views.append(Text("What the plan takes for granted", points=plan.assumptions))
    return tuple(views)


def plan_table(plan: Plan) -> Table:
    """The answer, quantity by quantity."""
    rows: list[tuple[str, Any]] = [
        ("parameters N", _shown(plan.N)),
        ("tokens D", _shown(plan.D)),
        ("tokens per parameter", _shown(plan.tokens_per_parameter)),
        (_output(plan), _shown(plan.loss)),
        ("compute", _shown(plan.compute)),
    ]
    if plan.inference_tokens:
        rows += [("of which training", in_powers(format_number(plan.training_flop, "FLOP"))),
                 ("tokens served", format_number(plan.inference_tokens, "tokens"))]  # fmt: skip
    of = " of training" if plan.inference_tokens else ""
    rows += [(f"{k}{of}", _shown(v)) for k, v in (("time", plan.days), ("cost", plan.dollars)) if v is not None]
    rows += [(f"given {k}", v) for k, v in plan.at.items()]
    if plan.excess is not None:
        rows.append(
            ("cost of the fixed size", f"{plan.excess.wasted:.1%} of compute, {plan.excess.excess:.4f} in loss")
        )
    rows.append(("against the largest run", _reach(plan)))
    if plan.round is not None:
        r = plan.round
        rows += [
            ("in whole sizes", f"{r.layers} layers of {r.width:,}, {r.heads} heads: {format_number(r.N, 'params')}"),
            ("", f"{r.steps:,} steps of {r.batch:,} x {r.context:,} tokens: loss {r.loss:.4f} ({r.excess:+.4f})"),
        ]
    level = f"Intervals at {plan.level:.0%}, of the law's own uncertainty; " if plan.level else ""
    return Table(f"Plan: {plan.question}", ("quantity", "value"), rows, note=f"{level}{plan.label}.{_regret(plan)}")


def _reach(plan: Plan) -> str:
    if plan.extrapolation is None:
        return "not known: the law does not say how large its runs were"
    return f"{format_number(plan.extrapolation, digits=3)} times its compute"


def _shown(value: Interval) -> Interval | str:
    """A number that was given, or that has no interval, prints without one."""
    if value.low is None and value.high is None:
        return in_powers(format_number(value.value, str(value.unit)))
    return value


def _output(plan: Plan) -> str:
    return "loss" if "loss" not in str(plan.loss.unit) else str(plan.loss.unit)


def _regret(plan: Plan) -> str:
    r = plan.regret
    if r is None:
        return ""
    return (
        f" Deciding on these coefficients, not the true ones, is expected to waste {_share(r.compute)} of the compute "
        f"(at most {_share(r.compute_high)} with probability {r.level:.0%}; {r.draws:,} draws)."
    )


def off_optimum_table(plan: Plan) -> Table | None:
    """What models larger or smaller than the best cost at the same compute."""
    if not plan.off_optimum:
        return None
    rows = [
        (
            "the best size" if o.factor == 1 else f"{_times(o.factor)} of it",
            o.N,
            o.D,
            o.loss,
            f"{o.excess:+.4f}",
            f"{o.wasted:.1%}",
        )
        for o in plan.off_optimum
    ]
    columns = ("size", Column("N", "parameters", digits=3), Column("D", "tokens", digits=3), Column("loss", digits=5),
               Column("excess loss", align="right"), Column("compute wasted", align="right"))  # fmt: skip
    note = "Same compute throughout; the waste is what the optimum would have saved for the same loss."
    return Table("What it costs to be off the optimum", columns, rows, note)


def _times(factor: float) -> str:
    return f"1/{1 / factor:.3g}" if factor < 1 else f"{factor:.3g}×"


def sensitivity_table(plan: Plan) -> Table | None:
    """The assumptions that move the answer most, from one end of their range to the other."""
    if not plan.sensitivity:
        return None
    rows = [(s.what, *_ends(s.N, "parameters"), *_ends(s.loss, "")) for s in plan.sensitivity]
    columns = ("assumption", *(Column(c, align="right") for c in ("N from", "to", "loss from", "to")))
    return Table("What would change the answer", columns, rows)


def _ends(pair: tuple[float, float], unit: str) -> tuple[str, str]:
    low, high = (format_number(v, unit, 3, show_unit=False) if unit else f"{v:.3f}" for v in pair)
    return low, high


def off_optimum_figure(plan: Plan) -> Figure | None:
    """Loss along the plan's budget against the size of the model."""
    if len(plan.curves.N) < 3:
        return None
    n, loss = np.array(plan.curves.N), np.array(plan.curves.loss)
    shown = (n > plan.N.value / 12) & (n < plan.N.value * 12) & np.isfinite(loss)
    series = [
        Line("the law along this budget", n[shown], loss[shown]),
        Marker("plan", plan.N.value, plan.loss.value, role="target", x_low=plan.N.low, x_high=plan.N.high,
               label=f"{format_number(plan.N.value, 'params', 3, show_unit=False)}"),
    ]  # fmt: skip
    return Figure("Loss along the budget", Axis("Parameters", "parameters"), _loss_axis(plan), series,
                  note=_flatness(plan), name="loss-along-budget")  # fmt: skip


def _flatness(plan: Plan) -> str:
    near = [o for o in plan.off_optimum if o.factor in (0.5, 2.0)]
    said = " and ".join(f"{_times(o.factor)} the best size wastes {o.wasted:.0%}" for o in near)
    return f"{said} of the compute." if said else ""


def allocation_figure(plan: Plan) -> Figure | None:
    """The best size and tokens against compute, with the bands of the coefficients' uncertainty."""
    c = plan.curves
    if len(c.flop) < 3:
        return None
    series: list[Any] = []
    for name, best, low, high, here in (("size", c.best_N, c.N_low, c.N_high, plan.N),
                                        ("tokens", c.best_D, c.D_low, c.D_high, plan.D)):  # fmt: skip
        if low and plan.level:
            series.append(Band(f"{plan.level:.0%} band", c.flop, low, high))
        series += _split(plan, name, np.array(best))
        series.append(Marker("plan", plan.flop, here.value, role="target", y_low=here.low, y_high=here.high))
    axis = Axis("Parameters, tokens", ticks="count")
    return Figure("Best size and tokens against compute", Axis("Compute", "FLOP"), axis, series, name="best-size")


def _split(plan: Plan, name: str, best: np.ndarray) -> list[Line]:
    """A curve of the plan's frontier, dashed beyond the largest run, where the solid part ends."""
    flop, role = np.array(plan.curves.flop), "frontier" if name == "tokens" else "fitted"
    largest = plan.training_flop / plan.extrapolation if plan.extrapolation else np.inf
    seen = int(np.sum(flop <= largest))
    lines = [Line(f"best {name}", flop[:seen], best[:seen], role)] if seen > 1 else []
    start = max(seen - 1, 0)
    if flop.size - start > 1 and seen < flop.size:
        lines.append(Line(f"best {name}, extrapolated", flop[start:], best[start:], "extrapolated", label=name))
    return lines


def _loss_axis(plan: Plan) -> Axis:
    return Axis("Loss", str(plan.loss.unit))


def target(plan: Plan) -> Marker:
    """The plan as a mark on the figure of loss against compute."""
    new = _new_run(plan)
    return Marker("plan", plan.training_flop, plan.loss.value, role="target", y_low=new.low, y_high=new.high,
                  label=f"plan: {format_number(plan.loss.value)}")  # fmt: skip


def _new_run(plan: Plan) -> Interval:
    """The interval of one new run at the plan; the law's own interval where there is none."""
    predict = getattr(plan.estimate, "predict", None)
    inputs = {"N": plan.N.value, "D": plan.D.value, **plan.at}
    if predict is None or plan.level is None or plan.estimate is None or set(plan.estimate.law.inputs) - set(inputs):
        return plan.loss
    try:
        found = predict(level=plan.level, **{k: inputs[k] for k in plan.estimate.law.inputs})
    except SimilitudeError:
        return plan.loss
    return Interval(found.value, found.new_low, found.new_high, plan.loss.unit)


def first_screen(plan: Plan, *, tested: str = "", reach: float | None = None) -> FirstScreen:
    """The four answers for a decision-maker.

    `tested` says what back-tests on the same runs found, `reach` how many times beyond their runs they went.
    """
    score = _new_run(plan)
    change = [_sentence(s) for s in plan.sensitivity]
    if plan.counts == "undeclared":
        change.append(
            "How parameters are counted is undeclared: with or without embeddings, optima have moved severalfold."
        )
    return FirstScreen(
        _run(plan), _get(plan, score), _sure(plan, tested), change[:3], score=score, ruler=_ruler(plan, reach)
    )


def _ruler(plan: Plan, reach: float | None) -> Ruler | None:
    """From the runs' compute to the plan's; None where the runs are not known."""
    observed = getattr(plan.estimate, "observed", None)
    found = observed.compute() if observed is not None else None
    if found is None or not plan.extrapolation:
        return None
    low, high = float(found[0].min()), float(found[0].max())
    return Ruler("Training compute", low, high, plan.extrapolation * high, "FLOP", reach)


def _run(plan: Plan) -> str:
    n, d = (format_number(v.value, str(v.unit), 3) for v in (plan.N, plan.D))
    ratio = format_number(plan.tokens_per_parameter.value, digits=3)
    said = f"Train {n} on {d}: {ratio} tokens per parameter, {format_number(plan.training_flop, 'FLOP', 3)}"
    said += f", {format_number(plan.days.value, 'days', 3)}" if plan.days else ""
    return said + (f", {format_number(plan.dollars.value, '$', 3)}" if plan.dollars else "") + "."


def _get(plan: Plan, score: Interval) -> str:
    if plan.level is None:
        return f"Loss by {plan.label}. Published coefficients come without runs, so no interval can be given."
    own = format_interval(plan.loss.value, plan.loss.low, plan.loss.high, str(plan.loss.unit))
    if score is plan.loss:
        return f"Loss, with the {plan.level:.0%} interval of the law."
    return f"Loss of one new run, {plan.level:.0%} interval. The law itself: {own}."


def _sure(plan: Plan, tested: str) -> str:
    parts = []
    if plan.N.low is not None or plan.N.high is not None:
        parts.append(f"The best size is {plan.N.text()}, at {plan.level:.0%}.")
    if plan.extrapolation is not None:
        far = f"trains with {format_number(plan.extrapolation, digits=2)} times the compute of the largest run"
        parts.append(f"The target {far if plan.extrapolation > 1 else 'lies within the compute of the runs'}.")
    if plan.regret is not None:
        parts.append(
            f"Not knowing the coefficients better is expected to waste {_share(plan.regret.compute)} of the compute."
        )
    if plan.level is None:
        parts.append("Nothing here says how sure these published coefficients are.")
    parts += [tested] if tested else []
    return " ".join(parts)


def _share(x: float) -> str:
    return f"{x:.1%}" if x >= 0.001 else "less than 0.1%"


def _sentence(item: Sensitivity) -> str:
    (n_low, n_high), (low, high) = _ends(item.N, "parameters"), _ends(item.loss, "")
    what = item.what[:1].upper() + item.what[1:]
    size = f"N stays at {n_low}" if n_low == n_high else f"N from {n_low} to {n_high}"
    return f"{what}: {size}, loss {low} to {high}."
