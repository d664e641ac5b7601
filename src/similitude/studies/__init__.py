"""The field's papers, claim by claim: published value, ours, evidence and verdict."""

from __future__ import annotations

from similitude.studies._claim import RULES, Claim, Rule
from similitude.studies._papers import Paper, Papers, papers
from similitude.studies._reproduce import catalogue, reproduce
from similitude.studies._study import Declaration, Study

__all__ = ["RULES", "Claim", "Declaration", "Paper", "Papers", "Rule", "Study", "catalogue", "papers", "reproduce"]
