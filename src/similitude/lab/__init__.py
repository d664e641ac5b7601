"""A small training codebase: ladders of tiny models, on a laptop or a cluster, as rows of Runs.

>>> import similitude as sim
>>> config = sim.lab.config_from({"model": {"width": 32, "heads": 2}, "train": {"tokens_per_parameter": 20}})
>>> config.shape.parameters("total"), config.steps
(33440, 327)
"""

from __future__ import annotations

from similitude.lab._card import Card, card
from similitude.lab._ladder import Ladder, ladder_from, read_ladder
from similitude.lab._outlook import Outlook, outlook
from similitude.lab._results import runs_of
from similitude.lab._run import run
from similitude.lab._settings import Config, DataSettings, ModelSettings, StartSettings, TrainSettings, config_from
from similitude.lab._train import train

__all__ = [
    "Card",
    "Config",
    "DataSettings",
    "Ladder",
    "ModelSettings",
    "Outlook",
    "StartSettings",
    "TrainSettings",
    "card",
    "config_from",
    "ladder_from",
    "outlook",
    "read_ladder",
    "run",
    "runs_of",
    "train",
]
