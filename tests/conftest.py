"""What every test shares: where the published data lie, seeds, and a figure backend that needs no screen."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

os.environ["MPLBACKEND"] = "Agg"
settings.register_profile("same every time", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("same every time")

_beside = ROOT.parent / "shared" / "data"
if not os.environ.get("SIMILITUDE_DATA") and _beside.is_dir():
    os.environ["SIMILITUDE_DATA"] = str(_beside)  # in the environment, so that doctests and subprocesses see it too


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of published data; the test is skipped when there is none."""
    home = os.environ.get("SIMILITUDE_DATA")
    if not home or not Path(home).is_dir():
        pytest.skip("no published data: set SIMILITUDE_DATA to the folder that holds them")
    return Path(home)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with the same seed in every test."""
    return np.random.default_rng(20240415)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from the global state
