"""What a tuning says at a target: settings with intervals, their regret, and what each published rule would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError, did_you_mean
from similitude._quantity import format_quantity
from similitude._view import Interval
from similitude.planning._optimum_law import interval
from similitude.planning._rules import TuningRule, positive_number, tuning_rules
from similitude.planning._tuning import RuleCost, SettingLaw, TunedSettings, Tuning

__all__ = ["rule_costs", "settings_at"]

FAR = 30.0  # times beyond the sweep from which a law of optima is a guess


def settings_at(tuning: Tuning, inputs: Mapping[str, Any], loss: float | None) -> TunedSettings:
    """The settings at a target."""
    at = _check_inputs(tuning, inputs)
    laws = [law for law in (tuning.lr_law, tuning.batch_law) if law is not None]
    optimum = _draws(tuning, laws, at)
    means = [np.exp(law.law.mean(_log_inputs(law, at))) for law in laws]
    shown = [interval(np.exp(column), tuning.level, _unit(tuning, i)) for i, column in enumerate(optimum.T)]
    law_of = [interval(m, tuning.level, _unit(tuning, i)) for i, m in enumerate(means)]
    chosen = np.median(optimum, axis=0)
    cost = _excess(tuning, optimum, chosen)
    rules = rule_costs(tuning, at, loss, optimum) if {"N", "D"} <= at.keys() else ()
    reach = _reach(tuning, at)
    if loss is not None:
        at = at | {"loss": float(loss)}
    return TunedSettings(
        at,
        shown[0],
        law_of[0],
        shown[1] if len(shown) > 1 else None,
        law_of[1] if len(law_of) > 1 else None,
        _mean_and_high(cost, tuning.level),
        reach,
        rules,
        tuning.level,
        _cautions(reach),
        tuning,
    )


def _log_inputs(law: SettingLaw, at: Mapping[str, float]) -> np.ndarray:
    return np.log([at[k] for k in law.law.inputs])


def _unit(tuning: Tuning, axis: int) -> str:
    return "" if axis == 0 or not tuning.batch_in_tokens else "tokens"


def _draws(tuning: Tuning, laws: list[SettingLaw], at: Mapping[str, float]) -> np.ndarray:
    """Draws of the log optimum at the target (draws, settings): the law's, and the scatter of one more optimum."""
    rng = np.random.default_rng([tuning.seed, 1])
    together, first, columns = tuning.correlation, None, []
    for law in laws:
        own = rng.standard_normal(len(law.law.tau))
        deviate = own if first is None else together * first + np.sqrt(1 - together**2) * own
        first = deviate if first is None else first
        columns.append(law.law.mean(_log_inputs(law, at)) + law.law.tau * deviate)
    return np.stack(columns, axis=1)


def _excess(tuning: Tuning, optimum: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Excess loss in % of `taken` (settings,) over each draw of the optimum; NaN in `taken` is tuned to the others."""
    hessian = tuning.bowls.hessian
    given = np.isfinite(taken)
    if hessian.shape[0] == 2 and (optimum.shape[1] == 1 or not given.all()):
        kept = 0 if optimum.shape[1] == 1 else int(np.argmax(given))
        other = 1 - kept
        hessian = np.array([[hessian[kept, kept] - hessian[0, 1] ** 2 / hessian[other, other]]])
        away = taken[[kept if optimum.shape[1] > 1 else 0]] - optimum[:, [kept if optimum.shape[1] > 1 else 0]]
    else:
        away = taken[: optimum.shape[1]] - optimum
    return 100 * np.expm1(np.einsum("si,ij,sj->s", away, hessian, away) / 2)


def _mean_and_high(cost: np.ndarray, level: float) -> Interval:
    """The mean, and the two quantiles."""
    low, high = np.quantile(cost, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(np.mean(cost)), float(low), float(high), "%")


def rule_costs(
    tuning: Tuning, at: Mapping[str, float], loss: float | None, optimum: np.ndarray
) -> tuple[RuleCost, ...]:
    """Every published rule at the target beside the draws of the sweep's own optimum there."""
    found = tuning_rules(at["N"], at["D"], loss=loss, counts=tuning.counts)
    levels = _levels(tuning)
    return tuple(_cost(tuning, rule, optimum, levels.get(rule.name, {})) for rule in found.rules)


def _cost(tuning: Tuning, rule: TuningRule, optimum: np.ndarray, level: Mapping[str, float]) -> RuleCost:
    batch = rule.batch if optimum.shape[1] > 1 and tuning.batch_in_tokens else None
    taken = np.log([np.nan if v is None else v for v in (rule.lr, batch)])
    ratios: list[Interval | None] = [None, None]
    for axis in range(optimum.shape[1]):
        if np.isfinite(taken[axis]):
            ratios[axis] = interval(np.exp(taken[axis] - optimum[:, axis]), tuning.level)
    usable = np.isfinite(taken[: optimum.shape[1]]).any()
    cost = _mean_and_high(_excess(tuning, optimum, taken), tuning.level) if usable else None
    scaled = [None if v is None or k not in level else v * level[k] for k, v in (("lr", rule.lr), ("batch", batch))]
    if rule.batch_held:
        ratios[1], scaled[1] = None, None
    return RuleCost(rule, ratios[0], ratios[1], cost, scaled[0], scaled[1])


def _levels(tuning: Tuning) -> dict[str, dict[str, float]]:
    """How many times each rule's values the sweep's own optima are, by the geometric mean over groups inside it."""
    if not {"N", "D"} <= set(tuning.by):
        return {}
    ratios: dict[str, dict[str, list[float]]] = {}
    for optimum in tuning.optima:
        rules = tuning_rules(optimum.group["N"], optimum.group["D"], loss=optimum.loss).rules
        for rule in rules:
            into = ratios.setdefault(rule.name, {"lr": [], "batch": []})
            for key, setting, value in zip(("lr", "batch"), tuning.settings, (rule.lr, rule.batch), strict=False):
                if value is not None and not optimum.side[setting]:
                    into[key].append(float(np.log(optimum.settings[setting].value / value)))
    return {n: {k: float(np.exp(np.mean(v))) for k, v in by.items() if v} for n, by in ratios.items()}


def _reach(tuning: Tuning, at: Mapping[str, float]) -> dict[str, float]:
    """How many times beyond the sweep the target lies, by input: above 1 past the largest, below 1 under the least."""
    found = {}
    values = {name: tuning.sweep.values[:, i] for i, name in enumerate(tuning.sweep.by)}
    if {"N", "D"} <= values.keys() and {"N", "D"} <= at.keys():
        values["N D"], at = values["N"] * values["D"], {**at, "N D": at["N"] * at["D"]}
    for name, known in values.items():
        if name in at:
            low, high = float(known.min()), float(known.max())
            found[name] = at[name] / high if at[name] > high else at[name] / low if at[name] < low else 1.0
    return found


def _cautions(reach: Mapping[str, float]) -> tuple[str, ...]:
    said = []
    for name, times in reach.items():
        if times > FAR or times < 1 / FAR:
            far = format_quantity(max(times, 1 / times), digits=2)
            where = "the largest" if times > 1 else "below the smallest"
            said.append(
                f"{name} is {far} times {where} of the sweep: the interval takes the law for granted that far; "
                "a sweep at an intermediate size would test it."
            )
    return tuple(said)


def _check_inputs(tuning: Tuning, inputs: Mapping[str, Any]) -> dict[str, float]:
    """The target's inputs as numbers; ArgumentError for missing or unknown ones, QuestionError without a law."""
    if tuning.lr_law is None:
        raise QuestionError(f"{tuning.source}: {tuning.no_law}")
    laws = [law for law in (tuning.lr_law, tuning.batch_law) if law is not None]
    needed = list(dict.fromkeys(k for law in laws for k in law.law.inputs))
    known = dict.fromkeys([*needed, *tuning.by, "N", "D"])
    for name in inputs:
        if name not in known:
            raise ArgumentError(f"'{name}' is no input of these laws{did_you_mean(name, known)} ({', '.join(needed)})")
    if missing := [k for k in needed if k not in inputs]:
        raise ArgumentError(f"the law of the best settings needs {' and '.join(missing)} at the target, such as N=7B")
    return {k: positive_number(k, v, {"N": "parameters", "D": "tokens"}.get(k)) for k, v in inputs.items()}
