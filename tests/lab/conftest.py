"""Settings of a run that takes a moment, on a text of one's own."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # in workers too: most of the time is compiling


@pytest.fixture
def small(text):
    """Settings of a run that takes a moment."""

    def settings(steps=12, **train):
        return {
            "model": {"layers": 2, "width": 16, "heads": 2},
            "data": {"domains": {text: 1.0}, "sequence": 32, "held": 16},
            "train": {"steps": steps, "batch": 4, "lr": 1e-2, "warm_up": 3, "evaluations": 2, **train},
        }

    return settings
