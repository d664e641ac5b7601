"""What every test shares: where the published data lie, seeds, and a figure backend that needs no screen."""

from __future__ import annotations

import contextlib
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


@pytest.fixture
def disk(tmp_path):
    """Makes a small disk, and gives what makes it another size."""
    from stress.interruptions import small_disk

    with contextlib.ExitStack() as stack:

        def made(size):
            if os.geteuid() != 0:
                pytest.skip("a full disk is made by mounting a small one")
            try:
                return stack.enter_context(small_disk(tmp_path / "disk", size))
            except RuntimeError as error:
                pytest.skip(str(error))

        yield made


@pytest.fixture(autouse=True)
def _seeded() -> None:
    np.random.seed(0)  # noqa: NPY002 - for libraries that draw from the global state


# a text of one's own, so that training needs no download
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
