"""A claim of a paper beside our own value, and the rules that judge it: declared here, once, for every study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from similitude._view import Interval

__all__ = [
    "ABOUT",
    "AT_MOST",
    "PRINTED",
    "RESAMPLED",
    "RULES",
    "STANDARD_ERROR",
    "Claim",
    "Rule",
    "checked",
    "last_unit",
    "measured",
    "simulated",
]

Evidence = Literal["data", "simulation", "constants"]
Verdict = Literal["reproduced", "close", "differs"]


@dataclass(frozen=True)
class Rule:
    """How a verdict follows from the published value, ours and the published spread; `sentence` says it."""

    name: str
    sentence: str
    judge: Callable[[Claim], Verdict]

    def __repr__(self) -> str:
        return f"Rule({self.name}: {self.sentence})"


@dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    `printed` holds the published digits and `where` the place; `spread` the published standard error, or the width of
    the published interval, where the rule needs one. `ours` is our value, with the interval that `interval` names.
    `evidence`: "data" (recomputed from the runs), "simulation" (from runs simulated as the paper did) or "constants"
    (arithmetic on the paper's own numbers, which checks the print and reproduces nothing).

    >>> claim = Claim("exponent", "0.513", "table 1", Interval(0.5133), "data", PRINTED)
    >>> claim.verdict
    'reproduced'
    """

    sentence: str
    printed: str
    where: str
    ours: Interval
    evidence: Evidence
    rule: Rule
    spread: float | None = None
    interval: str = ""
    remark: str = ""

    @property
    def published(self) -> float:
        """The published value as a number."""
        return float(self.printed)

    @property
    def verdict(self) -> Verdict:
        """What the rule says."""
        return self.rule.judge(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as printed in JSON; `why` is the remark."""
        return {
            "claim": self.sentence,
            "published": self.published,
            "printed": self.printed,
            "where": self.where,
            "ours": {"value": self.ours.value, "low": self.ours.low, "high": self.ours.high},
            "unit": self.ours.unit,
            "interval": self.interval,
            "evidence": self.evidence,
            "verdict": self.verdict,
            "rule": self.rule.name,
            "remark": self.remark,
            "why": self.remark,
        }


def last_unit(printed: str) -> float:
    """The unit of the last printed digit.

    >>> last_unit("0.513"), last_unit("1.018274e-3"), last_unit("12530")
    (0.001, 1e-09, 1.0)
    """
    mantissa, _, power = printed.lower().partition("e")
    return float(f"1e{int(power or 0) - len(mantissa.partition('.')[2])}")


def _graded(distance: float, near: float, far: float) -> Verdict:
    slack = 1 + 1e-9  # decimal digits are not exact in binary
    return "reproduced" if distance <= near * slack else "close" if distance <= far * slack else "differs"


def _spread(claim: Claim) -> float:
    if claim.spread is None:
        raise ValueError(f"the rule '{claim.rule.name}' needs the published spread: {claim.sentence}")
    return claim.spread


def _distance(claim: Claim) -> float:
    return abs(claim.ours.value - claim.published)


def _by_digits(claim: Claim) -> Verdict:
    return _graded(
        _distance(claim), last_unit(claim.printed) / 2, max(last_unit(claim.printed), abs(claim.published) * 0.02)
    )


def _by_standard_error(claim: Claim) -> Verdict:
    return _graded(_distance(claim), 0.5 * _spread(claim), 2 * _spread(claim))


def _by_resampling(claim: Claim) -> Verdict:
    return _graded(_distance(claim), 0.05 * _spread(claim), 0.25 * _spread(claim))


def _at_most(claim: Claim) -> Verdict:
    return _graded(claim.ours.value - claim.published, last_unit(claim.printed) / 2, abs(claim.published) * 0.01)


def _about(claim: Claim) -> Verdict:
    return _graded(_distance(claim), 0.1 * abs(claim.published), 0.25 * abs(claim.published))


PRINTED = Rule(
    "printed digits",
    "reproduced: ours rounds to the printed digits; close: within one unit of the last of them or 2 % of the value",
    _by_digits,
)
STANDARD_ERROR = Rule(
    "standard error", "reproduced: within half a published standard error; close: within two", _by_standard_error
)
RESAMPLED = Rule(
    # four times the sampling error, 1/sqrt(2 x 4000), of a standard deviation from 4,000 resamples
    "resampled",
    "reproduced: within 5 % of the published standard error (or of the interval's width, for its ends); close: 25 %",
    _by_resampling,
)
AT_MOST = Rule(
    "objective",
    "reproduced: our minimum is no higher than the published one, to its digits; close: at most 1 % higher",
    _at_most,
)
ABOUT = Rule("about", "for values printed as approximate; reproduced: within 10 %; close: within 25 %", _about)
RULES = (PRINTED, STANDARD_ERROR, RESAMPLED, AT_MOST, ABOUT)


def measured(
    sentence: str, printed: str, where: str, ours: float | Interval, rule: Rule = PRINTED, **more: Any
) -> Claim:
    """A claim recomputed from the runs."""
    return Claim(sentence, printed, where, _interval(ours), "data", rule, **more)


def simulated(
    sentence: str, printed: str, where: str, ours: float | Interval, rule: Rule = PRINTED, **more: Any
) -> Claim:
    """A claim recomputed from runs simulated as the paper did."""
    return Claim(sentence, printed, where, _interval(ours), "simulation", rule, **more)


def checked(
    sentence: str, printed: str, where: str, ours: float | Interval, rule: Rule = PRINTED, **more: Any
) -> Claim:
    """A print that is arithmetic on other prints of the paper."""
    return Claim(sentence, printed, where, _interval(ours), "constants", rule, **more)


def _interval(ours: float | Interval) -> Interval:
    return ours if isinstance(ours, Interval) else Interval(float(ours))
