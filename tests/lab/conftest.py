"""A small text of one's own, so that training needs no download."""

from __future__ import annotations

import numpy as np
import pytest

SAID = "the model learns a law from small runs and tells what the large one will reach before it is trained"
WORDS = SAID.split()


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """A folder of 40 files of words drawn by a seed, some 160 KB; its path as text."""
    folder = tmp_path_factory.mktemp("lab") / "words"
    folder.mkdir()
    draw = np.random.default_rng(7)
    for i in range(40):
        order = draw.zipf(1.6, 800) % len(WORDS)
        (folder / f"{i:02}.txt").write_text(" ".join(f"{WORDS[k]}{'.' if k == 3 else ''}" for k in order))
    return str(folder)


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
