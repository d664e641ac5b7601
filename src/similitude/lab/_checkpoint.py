"""States of trainings as files: arrays by name in the safetensors format, which holds no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from similitude._errors import DataError
from similitude._files import replace_whole

__all__ = ["read_checkpoint", "write_checkpoint"]


def write_checkpoint(path: Path, state: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    """Write under a temporary name, sync, rename."""
    from safetensors.numpy import save

    named = {k: np.asarray(v, order="C") for k, v in _named(state).items()}
    replace_whole(str(path), save(named, metadata={"similitude": json.dumps(dict(words))}))


def read_checkpoint(path: Path, like: Any = None) -> tuple[Any, dict[str, Any]]:
    """The state, in the form of `like` (None where it is not given), and the words written with it.

    Raises DataError for a file that is damaged or holds another model's arrays.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            words = json.loads((file.metadata() or {})["similitude"])
            if like is None:
                return None, words
            wanted = _named(like)
            names = set(file.keys())
            if names != set(wanted):
                raise DataError(f"{path} holds the state of another model; remove it to train from the beginning")
            found = {k: file.get_tensor(k) for k in wanted}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no checkpoint that can be read ({error}); remove it to train again") from None
    for name, array in wanted.items():
        if found[name].shape != array.shape:
            raise DataError(f"{path}: {name} is {found[name].shape}, expected {array.shape}; remove it to train again")
    _, form = jax.tree.flatten(like)
    return jax.tree.unflatten(form, [found[k] for k in wanted]), words


def _named(state: Any) -> dict[str, np.ndarray]:
    """Arrays by the path to them, in the order of JAX's leaves."""
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)}
