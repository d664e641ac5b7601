"""After pre-training: reinforcement learning, reward models, preference."""

from __future__ import annotations
