"""States on disk: what is written is what is read."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("safetensors")

from similitude._errors import DataError
from similitude.lab._checkpoint import read_checkpoint, write_checkpoint


def test_a_count_without_a_dimension_comes_back_without_one(tmp_path):
    """It was written with one, so that every state was refused and every interrupted run began anew."""
    state = {"params": {"w": np.arange(6.0).reshape(2, 3).T}, "optimizer": {"count": np.int32(7)}}
    write_checkpoint(tmp_path / "state", state, {"step": 3})
    found, words = read_checkpoint(tmp_path / "state", like=state)
    assert words == {"step": 3}
    assert found["optimizer"]["count"].shape == ()
    assert found["optimizer"]["count"] == 7
    np.testing.assert_array_equal(found["params"]["w"], state["params"]["w"])


def test_another_models_state_is_refused(tmp_path):
    write_checkpoint(tmp_path / "state", {"w": np.zeros(3)}, {})
    with pytest.raises(DataError, match="expected \\(4,\\)"):
        read_checkpoint(tmp_path / "state", like={"w": np.zeros(4)})
    with pytest.raises(DataError, match="another model"):
        read_checkpoint(tmp_path / "state", like={"v": np.zeros(3)})
