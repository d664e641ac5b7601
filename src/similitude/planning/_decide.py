"""From an estimate of any law, a cost and limits to a decision over all its inputs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude._quantity import FLOP, Unit, format_quantity, parse_quantity
from similitude._view import Interval
from similitude.laws import Estimate
from similitude.planning._budget import Budget, amount
from similitude.planning._certainty import draws_of
from similitude.planning._cost import Cost, cost_of
from similitude.planning._decision import Decision, Deviation, Frontier, Rounded
from similitude.planning._optimum import Best, Space
from similitude.planning._plan import Regret, Sensitivity
from similitude.planning._sensitivity import digit_ranges

__all__ = ["decide", "pose"]

Number = float | str
Limit = tuple[Number | None, Number | None]
WIDE = {"parameters": (1e3, 1e18), "tokens": (1e3, 1e21), "compute": (1e3, 1e32), "steps": (1.0, 1e12)}
WHOLE = {"precision", "parallel streams", "experts", "experts a feed-forward layer is cut into", "samples a problem"}
DOUBLING = {"parallel streams", "experts", "experts a feed-forward layer is cut into"}  # built in powers of two
SHARES = {"ratio", "share of a mixture", "sampling weight"}
FACTORS = (1 / 4, 1 / 2, 2.0, 4.0)
SPREAD = np.linspace(-3, 1, 13) * np.log(10.0)  # of the frontier around the cost of the decision
AT_END = 1e-9


def decide(
    estimate: Estimate,
    spend: Number | Budget | None = None,
    *,
    reach: Number | None = None,
    cost: str | None = None,
    at: Mapping[str, Number] | None = None,
    limits: Mapping[str, Limit] | None = None,
    inference_tokens: Number | None = None,
    extrapolate: bool = False,
    level: float = 0.9,
    seed: int = 0,
) -> Decision:
    """The best value of every input of a law that carries cost: for a cost to `spend`, or at the least cost to `reach`.

    `cost` is a formula of the inputs, such as "6*N*D*P/16"; left out, it is the law's own, else 6 N D FLOP. Names in it
    that are no inputs are given by `at`, which also holds inputs. Chosen are the inputs in the cost, and those with
    `limits`, a lowest and a highest value each (None for no limit of that side). Inputs other than parameters, tokens,
    steps and compute stay in the range that the law was made from unless limits or `extrapolate` say otherwise.
    `inference_tokens` are served by the model: a third of a training token's cost each.

    Raises ArgumentError for a question that is not one, QuestionError for one without an answer: limits that no budget
    meets, a value beyond the law's floor.

    Closed forms where they exist are Hoffmann et al. (2022, eq. 4) and Ghorbani et al. (2021, section 4).

    >>> import similitude as sim
    >>> law = sim.laws.nmt_encoder_decoder
    >>> sim.decide(law.estimate(**law.example), 1e9).inputs["N_d"].value  # p_d / (p_e + p_d) of all parameters
    625000000.0
    """
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g}; expected a number between 0 and 1, such as 0.9")
    if (spend is None) == (reach is None):
        raise ArgumentError(
            "ask one of two questions: the best for a cost to spend, or the least cost to reach a value"
        )
    space, goal, notes = pose(
        estimate, spend, reach, cost=cost, at=at, limits=limits, inference_tokens=inference_tokens,
        extrapolate=extrapolate,
    )  # fmt: skip
    params = {k: np.array([float(v)]) for k, v in estimate.values.items()}
    return _made(estimate, space, params, goal, reach is not None, notes, level, seed)


def pose(
    estimate: Estimate,
    spend: Number | Budget | None,
    reach: Number | None = None,
    *,
    cost: str | None = None,
    at: Mapping[str, Number] | None = None,
    limits: Mapping[str, Limit] | None = None,
    inference_tokens: Number | None = None,
    extrapolate: bool = False,
) -> tuple[Space, float, tuple[str, ...]]:
    """A decision's question as `decide` reads it: the inputs to choose, the log budget or the value, and sentences."""
    if not isinstance(estimate, Estimate):
        raise ArgumentError(
            f"a decision rests on a fit or a published coefficient set, not on {type(estimate).__name__}"
        )
    if not getattr(estimate, "identified", True):
        raise QuestionError(f"{estimate.label}: these runs cannot tell the law's inputs apart, so no decision follows")
    given = {k: amount(k, v) for k, v in (at or {}).items()}
    served = amount("inference_tokens", inference_tokens, "tokens")
    rule, said = cost_of(estimate.law, cost, _unit(spend), given, served)  # pyright: ignore[reportArgumentType]
    space, notes = _space(estimate, rule, given, limits or {}, extrapolate)  # pyright: ignore[reportArgumentType]
    params = {k: np.array([float(v)]) for k, v in estimate.values.items()}
    space = replace(space, sign=_sense(space, params))
    return space, _goal(space, params, spend, reach), (said, *notes)


def _unit(spend: Any) -> Unit | None:
    """The unit that an amount to spend is written in; None for a plain number."""
    if isinstance(spend, Budget):
        return FLOP
    read = parse_quantity(spend) if isinstance(spend, str) else None
    return getattr(read, "unit", None)


def _space(
    estimate: Estimate, cost: Cost, given: Mapping[str, float], limits: Mapping[str, Limit], extrapolate: bool
) -> tuple[Space, tuple[str, ...]]:
    """The free inputs with their boxes; and sentences on where ranges come from."""
    law = estimate.law
    for name in limits:
        if name not in law.inputs:
            raise ArgumentError(
                f"law '{law.name}' has no input '{name}'{did_you_mean(name, law.inputs)} "
                f"(it takes {', '.join(law.inputs)}): it cannot be limited"
            )
        if name in given:
            raise ArgumentError(f"{name} is given at {given[name]:g} and limited as well: choose one")
    free = tuple(k for k in law.inputs if k not in given and (k in cost.names or k in limits))
    held = {k: v for k, v in given.items() if k in law.inputs}
    if missing := [k for k in law.inputs if k not in free and k not in held]:
        raise ArgumentError(
            f"law '{law.name}' also takes {', '.join(missing)}, which the cost {cost.text} does not count: give "
            f"at={{'{missing[0]}': ...}}, or limits to choose it within"
        )
    if not free:
        raise ArgumentError("every input is given: there is nothing to choose, predict the value there")
    boxes, notes = {}, []
    for name in free:
        boxes[name] = _box(estimate, name, limits.get(name, (None, None)), extrapolate)
        if name not in limits and law.inputs[name].kind not in WIDE:
            low, high = (format_quantity(v) for v in boxes[name])
            why = "widened as asked" if extrapolate else "the range that the law was made from"
            notes.append(f"{name} is kept within {low} to {high}, {why}.")
    ends = np.log(np.array([boxes[k] for k in free]))
    return Space(law, cost, free, held, ends[:, 0], ends[:, 1]), tuple(notes)


def _box(estimate: Estimate, name: str, limit: Limit, extrapolate: bool) -> tuple[float, float]:
    """The lowest and highest value of an input."""
    low, high = (None if v is None else amount(f"limits of {name}", v) for v in limit)
    unit = estimate.law.inputs[name]
    if unit.kind in WIDE:
        usual = WIDE[unit.kind]
    else:
        known = [r for r in (estimate.within.get(name), estimate.law.span.get(name)) if r is not None]
        usual = (min(r[0] for r in known), max(r[1] for r in known)) if known else None
        if usual is None and (low is None or high is None):
            raise ArgumentError(
                f"nothing says where {name} of law '{estimate.law.name}' may lie: give limits={{'{name}': (low, high)}}"
            )
        usual = usual or (1.0, 1.0)
        if extrapolate:
            usual = (
                usual[0] / 100,
                min(usual[1] * 100, 1.0) if unit.kind in ("ratio", "share of a mixture") else usual[1] * 100,
            )
    box = (usual[0] if low is None else low, usual[1] if high is None else high)
    if not box[0] <= box[1]:
        raise ArgumentError(
            f"the limits of {name} contradict each other: at least {format_quantity(box[0])} and at most "
            f"{format_quantity(box[1])}"
        )
    return box


def _sense(space: Space, params: Mapping[str, Any]) -> float:
    """1 for a loss, and for what falls as more is spent; -1 for what rises, as a score does."""
    if space.law.output.kind in ("loss", "perplexity"):
        return 1.0
    low, high = np.maximum(space.low, -700), np.minimum(space.high, 700)
    ends = np.stack([low + 0.25 * (high - low), low + 0.75 * (high - low)])
    with np.errstate(all="ignore"):
        less, more = space.value(params, ends)[0]
    return -1.0 if more > less else 1.0


def _goal(space: Space, params: Mapping[str, Any], spend: Any, reach: Any) -> float:
    """log of what may be spent, or the value to be reached in the sense of the space; refused where it cannot be."""
    corners = np.array(list(itertools.product(*zip(space.low, space.high, strict=True))))
    with np.errstate(all="ignore"):
        costs, values = space.spent(corners)[0], space.value(params, corners)[0]
    unit = space.cost.unit
    if not np.isfinite(costs).all():
        raise ArgumentError(f"the cost {space.cost.text} is not a positive number everywhere within these limits")
    if reach is not None:
        wanted = float(amount("reach", reach) or 0.0)
        if space.sign * wanted < np.nanmin(values):
            best = space.sign * float(np.nanmin(values))
            raise QuestionError(
                f"{wanted:g} is out of reach: within these limits the law comes to {best:.4g} at best, however much is "
                "spent"
            )
        return space.sign * wanted
    goal = float(np.log(_spent(space.cost, spend)))
    if goal < np.nanmin(costs):
        least = {k: float(np.exp(v)) for k, v in zip(space.free, corners[int(np.nanargmin(costs))], strict=True)}
        said = ", ".join(f"{k} = {format_quantity(v)}" for k, v in least.items())
        raise QuestionError(
            f"no configuration costs as little as {format_quantity(np.exp(goal), unit)} within these limits; the "
            f"cheapest ({said}) needs {format_quantity(np.exp(np.nanmin(costs)), unit)}"
        )
    return goal


def _spent(cost: Cost, spend: Any) -> float:
    if isinstance(spend, Budget):
        if cost.unit.kind == "money" and spend.dollars is not None:
            return spend.dollars
        if cost.unit.kind != "compute":
            raise ArgumentError(
                f"the cost is in {cost.unit or 'a unit of its own'}, and this budget is compute: spend a number"
            )
        if spend.flop is None:
            raise ArgumentError("this budget has a rate but no amount: give days, dollars, hours or flop")
        return spend.flop
    return float(amount("spend", spend, cost.unit.kind if cost.unit.kind in ("compute", "money") else "") or 0.0)


def _made(
    estimate: Estimate,
    space: Space,
    params: Mapping[str, Any],
    goal: float,
    target: bool,
    notes: tuple[str, ...],
    level: float,
    seed: int,
) -> Decision:
    best = space.least(params, goal, target=True) if target else space.within(params, goal)
    spare = not target and float(best.log_cost[0]) < goal - 1e-9
    if not best.solved[0]:
        raise QuestionError(
            f"{estimate.label} has no optimum under the cost {space.cost.text} within these limits: its value goes on "
            "improving towards an end, or does not depend on an input; narrow the limits or hold an input"
        )
    z = best.z[0]
    draws = draws_of(estimate, seed)
    deviations = _deviations(space, params, best)
    made = Decision(
        label=estimate.label,
        law=estimate.law.name,
        question=_question(space, goal, target),
        inputs=_inputs(estimate, space, best, goal, target, level, spare),
        value=_value(estimate, space, best, level, target),
        cost=Interval(float(np.exp(best.log_cost[0])), None, None, space.cost.unit.name),
        formula=space.cost.text,
        at={**space.held, **space.cost.held},
        level=level if hasattr(estimate, "interval_of") else None,
        counts=estimate.counts,
        regret=_regret(space, best, draws, level),
        rounded=_rounded(space, params, best, goal if target else None),
        binding=_binding(space, params, best, spare),
        deviations=deviations,
        sensitivity=_sensitivity(estimate, space, params, best),
        frontier=_frontier(space, params, best, draws, level),
        extrapolation=_beyond(estimate, space, z),
        assumptions=notes,
        estimate=estimate,
    )
    return replace(made, warnings=_warnings(made, space, z, spare))


def _question(space: Space, goal: float, target: bool) -> str:
    if target:
        return f"the least {space.cost.unit.name or 'cost'} that reaches {space.sign * goal:g}"
    return f"the best of {', '.join(space.free)} for {format_quantity(np.exp(goal), space.cost.unit)}"


def _inputs(
    estimate: Any, space: Space, best: Best, goal: float, target: bool, level: float, spare: bool
) -> dict[str, Interval]:
    """Each chosen input with its interval by the estimate's own method; none at an end of its limits."""
    out = {}
    for j, name in enumerate(space.free):
        unit = space.law.inputs[name].name
        value = _written(float(np.exp(best.z[0, j])), space, best, j)
        ends: tuple[float | None, float | None] = (None, None)
        known = hasattr(estimate, "interval_of") and not spare and len(space.free) > 1
        if known and space.low[j] + AT_END < best.z[0, j] < space.high[j] - AT_END:

            def target_of(p: Mapping[str, Any], j: int = j) -> Any:
                return space.least(p, goal, best.z[0], target=target).z[:, j]

            _, low, high = estimate.interval_of(target_of, level=level)
            ends = _exp(low), _exp(high)
        out[name] = Interval(value, *ends, unit=unit)
    return out


def _written(value: float, space: Space, best: Best, j: int) -> float:
    """A value at an end of its limits as the limit was written: its logarithm has lost the last digits."""
    at_end = min(best.z[0, j] - space.low[j], space.high[j] - best.z[0, j]) < AT_END
    return float(f"{value:.13g}") if at_end else value


def _exp(end: float | None) -> float | None:
    return None if end is None or not np.isfinite(end) else float(np.exp(end))


def _value(estimate: Any, space: Space, best: Best, level: float, target: bool) -> Interval:
    value, unit = float(best.value[0]), space.law.output.name
    if target or not hasattr(estimate, "interval_of"):
        return Interval(value, None, None, unit)
    z = best.z[0]
    inputs = {**space.held, **{k: float(np.exp(v)) for k, v in zip(space.free, z, strict=True)}}
    _, low, high = estimate.interval_of(lambda p: space.law.evaluate(inputs, p), level=level)
    return Interval(value, *(None if e is None or not np.isfinite(e) else float(e) for e in (low, high)), unit=unit)


def _regret(space: Space, best: Best, draws: Any, level: float) -> Regret | None:
    """Over draws: the value of the decision against the best at its cost, and the cost that the best would save."""
    if draws is None or len(space.free) < 2:
        return None
    z, log_cost = best.z[0], float(best.log_cost[0])
    rows = len(next(iter(draws.values())))
    with np.errstate(all="ignore"):
        chosen = space.value(draws, np.broadcast_to(z, (rows, len(z))))[0]
    own = space.least(draws, log_cost, z)
    cheaper = space.least(draws, chosen, own.z, target=True)
    excess = chosen - space.sign * own.value
    saved = 1 - np.exp(cheaper.log_cost - log_cost)
    good = own.solved & cheaper.solved & np.isfinite(excess) & np.isfinite(saved)
    if good.mean() < 0.9:
        return None
    excess, saved = np.maximum(excess[good], 0), np.clip(saved[good], 0, 1)
    high = (float(np.quantile(x, level)) for x in (excess, saved))
    loss_high, compute_high = high
    return Regret(float(excess.mean()), loss_high, float(saved.mean()), compute_high, level, int(good.sum()))


def _rounded(space: Space, params: Mapping[str, Any], best: Best, target: float | None) -> Rounded | None:
    """The best of the neighbouring whole numbers of counted inputs, the others chosen again for the same question."""
    counted = [j for j, k in enumerate(space.free) if space.law.inputs[k].kind in WHOLE]
    if not counted or len(counted) == len(space.free):
        return None
    choices = []
    for j in counted:
        value, low, high = (float(np.exp(x)) for x in (best.z[0, j], space.low[j], space.high[j]))
        base = np.log2(value) if space.law.inputs[space.free[j]].kind in DOUBLING else value
        pair = {np.floor(base + 1e-9), np.ceil(base - 1e-9)}
        made = {2.0**b for b in pair} if space.law.inputs[space.free[j]].kind in DOUBLING else pair
        choices.append([v for v in sorted(made) if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)])
    found = []
    for picked in itertools.product(*choices):
        fixed = dict(zip((space.free[j] for j in counted), picked, strict=True))
        rest = _held(space, fixed)
        cost = float(best.log_cost[0])
        again = rest.within(params, cost) if target is None else rest.least(params, target, target=True)
        if again.solved[0]:
            inputs = {**dict(zip(rest.free, np.exp(again.z[0]).tolist(), strict=True)), **fixed}
            worth = space.sign * again.value[0] if target is None else again.log_cost[0]
            found.append((worth, inputs, float(again.value[0]), float(np.exp(again.log_cost[0]))))
    if not found:
        return None
    _, inputs, value, cost = min(found, key=lambda f: f[0])
    lost = float(space.sign * (value - best.value[0]))
    ordered = {k: float(inputs[k]) for k in space.free}
    return Rounded(ordered, value, lost if abs(lost) > 1e-12 else 0.0, cost)


def _held(space: Space, fixed: Mapping[str, float]) -> Space:
    """The space with some of its free inputs held."""
    kept = [j for j, k in enumerate(space.free) if k not in fixed]
    return replace(
        space,
        free=tuple(space.free[j] for j in kept),
        held={**space.held, **fixed},
        low=space.low[kept],
        high=space.high[kept],
    )


def _deviations(space: Space, params: Mapping[str, Any], best: Best) -> tuple[Deviation, ...]:
    out = []
    if len(space.free) < 2:
        return ()
    for j, name in enumerate(space.free):
        for factor in FACTORS:
            at = best.z[0, j] + np.log(factor)
            if not space.low[j] <= at <= space.high[j]:
                continue
            narrower = _held(space, {name: float(np.exp(at))})
            if not any(k in space.cost.names for k in narrower.free):
                continue
            again = narrower.least(params, float(best.log_cost[0]), np.delete(best.z[0], j))
            if not again.solved[0]:
                continue
            value = float(again.value[0])
            cheaper = space.least(params, space.sign * value, best.z[0], target=True)
            wasted = 1 - float(np.exp(cheaper.log_cost[0] - best.log_cost[0])) if cheaper.solved[0] else None
            chosen = {k: float(np.exp(v)) for k, v in zip(narrower.free, again.z[0], strict=True)}
            inputs = {k: chosen.get(k, float(np.exp(at))) for k in space.free}
            out.append(Deviation(name, factor, inputs, value, space.sign * (value - float(best.value[0])), wasted))
    return tuple(out)


def _binding(space: Space, params: Mapping[str, Any], best: Best, spare: bool) -> dict[str, float]:
    """The limits the decision sits on, and how much one per cent more room would improve the value."""
    out = {}
    for j, name in enumerate(space.free):
        for end, side in ((space.low, "at least"), (space.high, "at most")):
            if abs(best.z[0, j] - end[j]) > AT_END or space.low[j] == space.high[j] or spare:
                continue
            room = 0.01 if side == "at most" else -0.01
            moved = {"low": space.low.copy(), "high": space.high.copy()}
            moved["high" if room > 0 else "low"][j] += room
            again = replace(space, **moved).least(params, float(best.log_cost[0]), best.z[0])
            if again.solved[0]:
                gain = float(space.sign * (best.value[0] - again.value[0]))
                out[f"{side} {format_quantity(np.exp(end[j]))} {name}"] = gain
    return out


def _sensitivity(estimate: Estimate, space: Space, params: Mapping[str, Any], best: Best) -> tuple[Sensitivity, ...]:
    """The cost a fifth higher than reckoned, half a unit of the last printed digits, and the set's own siblings."""
    first = float(np.exp(best.z[0, 0]))
    found = []

    def change(what: str, z: np.ndarray, value: np.ndarray) -> None:
        n = np.exp(z[:, 0])
        found.append(Sensitivity(what, (float(n.min()), float(n.max())), (float(value.min()), float(value.max()))))

    dearer = space.least(params, float(best.log_cost[0]) - np.log(1.2), best.z[0])
    if dearer.solved[0]:
        ends = (float(best.value[0]), float(dearer.value[0]))
        found.append(Sensitivity("a true cost a fifth above the formula", (first, float(np.exp(dearer.z[0, 0]))), ends))
    ranges = digit_ranges(estimate.digits)
    if ranges and set(ranges) == set(estimate.values):
        rng = np.random.default_rng(0)
        rows = {k: rng.uniform(*pair, 256) for k, pair in ranges.items()}
        again = space.least(rows, float(best.log_cost[0]), best.z[0])
        if again.solved.any():
            change("what was lost in rounding the printed digits", again.z[again.solved], again.value[again.solved])
    return tuple(found)


def _frontier(space: Space, params: Mapping[str, Any], best: Best, draws: Any, level: float) -> Frontier:
    if len(space.free) < 2:
        return Frontier()
    costs = float(best.log_cost[0]) + SPREAD
    z, start = [], best.z[0]
    for cost in costs[::-1]:
        found = space.least(params, cost, start)
        z.append(found.z[0] if found.solved[0] else np.full(len(start), np.nan))
        start = found.z[0] if found.solved[0] else start
    z = np.array(z[::-1])
    good = np.isfinite(z).all(1)
    costs, z = costs[good], z[good]
    value = space.value(params, z)[0] if len(z) else np.empty(0)
    names = space.free
    low, high = {}, {}
    if draws is not None and len(z):
        rows = [space.least(draws, c, start) for c, start in zip(costs, z, strict=True)]
        for j, name in enumerate(names):
            ends = [np.quantile(np.exp(b.z[b.solved, j]), [(1 - level) / 2, (1 + level) / 2]) for b in rows]
            low[name], high[name] = (tuple(float(e[i]) for e in ends) for i in (0, 1))
    inputs = {k: tuple(np.exp(z[:, j]).tolist()) for j, k in enumerate(names)}
    return Frontier(tuple(np.exp(costs).tolist()), inputs, tuple((space.sign * value).tolist()), low, high)


def _beyond(estimate: Estimate, space: Space, z: np.ndarray) -> dict[str, float]:
    """How many times beyond the range of the runs (or the law's published range) each chosen input lies."""
    out = {}
    for j, name in enumerate(space.free):
        known = estimate.within.get(name)
        if known:
            value = float(np.exp(z[j]))
            out[name] = value / known[1] if value > known[1] else value / known[0] if value < known[0] else 1.0
    return out


def _warnings(made: Decision, space: Space, z: np.ndarray, spare: bool) -> tuple[str, ...]:
    said = []
    if spare:
        said.append("The budget is not spent: the limits, or a law that turns, leave nothing to gain from more.")
    for name, times in made.extrapolation.items():
        if times > 1.5 or times < 1 / 1.5:
            said.append(f"{name} lies {format_quantity(max(times, 1 / times))} times beyond the runs the law rests on.")
    for j, name in enumerate(space.free):
        unit: Unit = space.law.inputs[name]
        if unit.kind not in WIDE and min(abs(z[j] - space.low[j]), abs(z[j] - space.high[j])) < AT_END:
            said.append(
                f"{name} sits on the end of its range, {format_quantity(np.exp(z[j]))}: its optimum may lie beyond, "
                "where the law was not checked; limits widen the range."
            )
    if space.sign < 0:
        said.append("The value rises as more is spent, so it was made as large as possible.")
    return tuple(said)
