"""Rules of verdict that several studies share beside those of `_claim`."""

from __future__ import annotations

from similitude.studies._claim import Claim, Rule, Verdict

__all__ = ["AT_LEAST", "BEATS", "COVERS", "HOLDS", "WITHIN"]


def _at_least(claim: Claim) -> Verdict:
    gap = claim.published - claim.ours.value
    return "reproduced" if gap <= 0 else "close" if gap <= 0.1 * abs(claim.published) else "differs"


def _beats(claim: Claim) -> Verdict:
    ours, theirs = claim.ours.value, claim.published
    return "reproduced" if ours < theirs else "close" if ours <= 1.02 * theirs else "differs"


def _covers(claim: Claim) -> Verdict:
    gap = abs(claim.ours.value - claim.published)
    return "reproduced" if gap <= 0.04 else "close" if gap <= 0.08 else "differs"


def _within(claim: Claim) -> Verdict:
    assert claim.spread is not None
    gap = abs(claim.ours.value - claim.published)
    return "reproduced" if gap <= claim.spread else "close" if gap <= 2 * claim.spread else "differs"


def _holds(claim: Claim) -> Verdict:
    low, high = claim.ours.low, claim.ours.high
    assert low is not None
    assert high is not None
    outside = max(low - claim.published, claim.published - high)
    return "reproduced" if outside <= 0 else "close" if outside <= 0.25 * (high - low) else "differs"


AT_LEAST = Rule("at least", "reproduced: ours is no less than the value; close: at most a tenth of it below", _at_least)
BEATS = Rule("beats", "reproduced: ours is below the value; close: at most 2 % above", _beats)
COVERS = Rule("coverage", "reproduced: within 4 points of the nominal coverage; close: within 8", _covers)
WITHIN = Rule("within", "reproduced: within the stated distance of the value; close: within twice of it", _within)
HOLDS = Rule(
    "interval", "reproduced: the value lies in our interval; close: outside by a quarter of its width at most", _holds
)  # fmt: skip
