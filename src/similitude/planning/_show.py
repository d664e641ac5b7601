"""A plan as views: the table, the cost of being off it, loss along the budget, the frontier, and its sentences."""

from __future__ import annotations

import numpy as np

from similitude._digits import format_number
from similitude._errors import SimilitudeError
from similitude._view import (
    Axis,
    Band,
    Column,
    Figure,
    FirstScreen,
    Interval,
    Line,
    Marker,
    Ruler,
    Section,
    Series,
    Table,
    Text,
)
from similitude.planning._plan import Plan

__all__ = ["first_screen", "plan_section", "plan_text", "target"]


def plan_section(plan: Plan) -> Section:
    """All the views of a plan."""
    items = [_table(plan), _budget_figure(plan), _frontier_figure(plan), _off_table(plan), _sensitivity_table(plan)]
    texts = [_text("Assumptions", plan.assumptions, "plain"), _text("Beware", plan.warnings, "warning")]
    return Section("Plan", [i for i in (*items, *texts) if i is not None])


def plan_text(plan: Plan) -> str:
    """The plan for a terminal: table, warnings, assumptions."""
    parts = [_table(plan), _sensitivity_table(plan), _text("Beware", plan.warnings, "warning")]
    parts.append(_text("Assumptions", plan.assumptions, "plain"))
    return "\n\n".join(str(p).rstrip() for p in parts if p is not None)


def first_screen(plan: Plan, *, tested: str = "", reach: float | None = None) -> FirstScreen:
    """The four answers for a decision-maker: what to run, what it gives, how sure, what would change it.

    `tested` says what back-tests on the same runs found, `reach` how many times beyond their runs they went.
    """
    score = new_run(plan)
    ratio = format_number(plan.tokens_per_parameter.value, digits=3)
    run = (
        f"Train {_say(plan.N)} on {_say(plan.D)}, {ratio} tokens per parameter, for {_say(plan.compute)}"
        f"{_cost_words(plan)}."
    )
    return FirstScreen(
        run=run,
        get=_get_words(plan, score),
        sure=" ".join(said for said in (_sure_words(plan), tested) if said),
        change=_changes(plan),
        score=score,
        ruler=_ruler(plan, reach),
    )


def target(plan: Plan) -> Marker:
    """The plan as a mark on a figure of loss against compute, with the interval of one new run."""
    new, words = new_run(plan), f"plan: {format_number(plan.loss.value)}"
    return Marker("plan", plan.training_flop, plan.loss.value, "target", y_low=new.low, y_high=new.high, label=words)


def new_run(plan: Plan) -> Interval:
    """Where one run of the plan would fall; the law's own interval where that is not known."""
    estimate, at = plan.estimate, {"N": plan.N.value, "D": plan.D.value, **plan.at}
    if estimate is None or plan.level is None or not set(estimate.law.inputs) <= set(at):
        return plan.loss
    try:
        found = estimate.predict(level=plan.level, **{k: at[k] for k in estimate.law.inputs})
    except SimilitudeError:
        return plan.loss
    return Interval(plan.loss.value, found.new_low, found.new_high, plan.loss.unit)


def _get_words(plan: Plan, score: Interval) -> str:
    if score is plan.loss:
        return f"{plan.label} puts the loss at {_say(plan.loss)}."
    return f"Loss of one run of this plan, {plan.level:.0%} interval; the law itself is at {_say(plan.loss)}."


def _changes(plan: Plan) -> list[str]:
    said = [_change_words(s.what, s.N, s.loss) for s in plan.sensitivity]
    if plan.counts == "undeclared":
        said.append("How N counts parameters is undeclared: with or without embeddings, optima have moved severalfold.")
    return said[:3]


def _cost_words(plan: Plan) -> str:
    costs = [_say(c) for c in (plan.days, plan.dollars) if c is not None]
    return f" ({', '.join(costs)})" if costs else ""


def _say(value: Interval) -> str:
    """An interval, or the bare number where no end is known."""
    if value.low is None and value.high is None:
        return format_number(value.value, value.unit)
    return value.text()


def _sure_words(plan: Plan) -> str:
    said = []
    if plan.level is None:
        said.append("These are published coefficients without their runs: they carry no interval.")
    if plan.regret is not None:
        said.append(
            f"Deciding on these runs rather than on the true law is expected to cost {plan.regret.compute:.1%} of the "
            f"compute, {plan.regret.compute_high:.1%} at the upper end."
        )
    if plan.extrapolation is not None:
        said.append(
            f"The compute is {format_number(plan.extrapolation, digits=2)} times that of the largest run."
            if plan.extrapolation > 1
            else "The compute lies within that of the runs."
        )
    return " ".join(said)


def _change_words(what: str, n: tuple[float, float], loss: tuple[float, float]) -> str:
    sizes = " to ".join(format_number(x, "parameters", 3, show_unit=False) for x in n)
    return f"{what[0].upper()}{what[1:]}: N {sizes}, loss {loss[0]:.3f} to {loss[1]:.3f}."


def _ruler(plan: Plan, reach: float | None = None) -> Ruler | None:
    observed = getattr(plan.estimate, "observed", None)
    found = observed.compute() if observed is not None else None
    if found is None:
        return None
    compute = np.asarray(found[0], float)
    ends = float(compute.min()), float(compute.max())
    return Ruler("Training compute", *ends, plan.training_flop, "FLOP", tested=reach)


def _table(plan: Plan) -> Table:
    rows: list[tuple[str, str]] = [
        ("parameters N", _say(plan.N)),
        ("tokens D", _say(plan.D)),
        ("tokens per parameter", _say(plan.tokens_per_parameter)),
        ("loss", _say(plan.loss)),
        ("compute", _say(plan.compute)),
    ]
    if plan.inference_tokens:
        rows.append(("of it for training", format_number(plan.training_flop, "FLOP")))
    rows += [("training time", _say(plan.days))] if plan.days is not None else []
    rows += [("training cost", _say(plan.dollars))] if plan.dollars is not None else []
    if plan.regret is not None:
        worst = f"{plan.regret.compute:.2%} of compute, {plan.regret.compute_high:.2%} at the upper end"
        rows.append(("expected regret", worst))
    if plan.excess is not None:
        cost = (
            f"{plan.excess.excess:.4f} in loss, {plan.excess.wasted:.1%} of compute ({plan.excess.factor:.3g}x best N)"
        )
        rows.append(("cost of the fixed size", cost))
    if plan.extrapolation is not None:
        rows.append(("against the largest run", f"{format_number(plan.extrapolation, digits=3)}x its compute"))
    note = plan.label if plan.level is None else f"{plan.label}; {plan.level:.0%} intervals."
    return Table(f"Plan: {plan.question}", ("", Column("answer", align="left")), rows, note)


def _off_table(plan: Plan) -> Table | None:
    if not plan.off_optimum:
        return None
    columns = ("N against the best", Column("N"), Column("D"), Column("loss", plan.loss.unit), "compute wasted")
    rows = [
        (
            _times(o.factor),
            format_number(o.N, "parameters", 3, show_unit=False),
            format_number(o.D, "tokens", 3, show_unit=False),
            f"{o.loss:.4f}",
            f"{o.wasted:.1%}",
        )
        for o in plan.off_optimum
    ]
    note = "Wasted: the share of compute that the best division would have saved for the same loss."
    return Table("What being off the optimum costs, at the same compute", columns, rows, note)


def _times(factor: float) -> str:
    return f"{factor:g}x" if factor >= 1 else f"1/{1 / factor:g}x"


def _sensitivity_table(plan: Plan) -> Table | None:
    if not plan.sensitivity:
        return None
    rows = [
        (
            s.what,
            " to ".join(format_number(x, "parameters", 3, show_unit=False) for x in s.N),
            f"{s.loss[0]:.4f} to {s.loss[1]:.4f}",
        )
        for s in plan.sensitivity
    ]
    return Table("What would change the answer", ("assumption", "N", "loss"), rows)


def _text(title: str, sentences: tuple[str, ...], tone: str) -> Text | None:
    return Text(title, points=sentences, tone=tone) if sentences else None  # pyright: ignore[reportArgumentType]


def _budget_figure(plan: Plan) -> Figure | None:
    curve = plan.curves
    if not curve.N:
        return None
    role = "extrapolated" if (plan.extrapolation or 0) > 1 else "fitted"
    marker = Marker(
        "plan",
        plan.N.value,
        plan.loss.value,
        "optimum" if plan.excess is None else "target",
        x_low=plan.N.low,
        x_high=plan.N.high,
        label=format_number(plan.N.value, "parameters", 3, show_unit=False),
    )
    return Figure(
        f"Loss along the budget of {format_number(plan.flop, 'FLOP', 3)}",
        Axis("parameters N", "parameters"),
        Axis("loss", plan.loss.unit, scale="linear"),
        [Line("law along the budget", curve.N, curve.loss, role), marker],
        note="Tokens follow from the budget: smaller models see more of them.",
        alt=f"Loss against model size at constant compute, lowest near {format_number(plan.N.value, 'parameters', 3)}.",
        name="plan-budget",
    )


def _frontier_figure(plan: Plan) -> Figure | None:
    curve = plan.curves
    if not np.all(np.isfinite(curve.best_N or [np.nan])):
        return None
    largest = plan.training_flop / plan.extrapolation if plan.extrapolation else None
    series: list[Series] = []
    for name, line, low, high, here in (
        ("best N (parameters)", curve.best_N, curve.N_low, curve.N_high, plan.N),
        ("best D (tokens)", curve.best_D, curve.D_low, curve.D_high, plan.D),
    ):
        if low:
            series.append(Band(f"{name}, {plan.level or 0.9:.0%} of resampled fits", curve.flop, low, high))
        series += _split(name, curve.flop, line, largest)
        series.append(Marker(f"plan, {name}", plan.flop, here.value, y_low=here.low, y_high=here.high))
    return Figure(
        "Best parameters and tokens against compute",
        Axis("compute", "FLOP"),
        Axis("parameters N, tokens D", ticks="count"),
        series,
        note="Dashed beyond the largest run." if largest else "",
        alt="Compute-optimal parameters and tokens as lines rising with compute, the plan marked on both.",
        name="plan-frontier",
    )


def _split(name: str, x: tuple[float, ...], y: tuple[float, ...], largest: float | None) -> list[Series]:
    """A curve, dashed beyond the largest run's compute; the two parts share a point."""
    inside = sum(v <= largest for v in x) if largest else len(x)
    if inside == 0:
        return [Line(name, x, y, "extrapolated", label=name)]
    if inside == len(x):
        return [Line(name, x, y, "frontier", label=name)]
    first = Line(name, x[:inside], y[:inside], "frontier")
    return [first, Line(f"{name}, extrapolated", x[inside - 1 :], y[inside - 1 :], "extrapolated", label=name)]
