"""Training time: learning-rate schedules, annealing and cooldown."""

from __future__ import annotations
