"""Arrays kept in a folder of the cache, whole or not at all, however many processes make them at the same time."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from similitude._errors import DataError

__all__ = ["keep_arrays", "kept_arrays"]

FACTS = "about.json"
ABANDONED = 3600.0  # seconds: nothing takes so long to write

Kept = tuple[dict[str, np.ndarray], dict[str, Any]]


def kept_arrays(folder: Path, make: Callable[[], Kept]) -> Kept:
    """Arrays by name, mapped from their files and read-only, and facts about them, as JSON holds them.

    `make` gives them when the folder is not there or not whole. Raises DataError when they cannot be read back.
    """
    found = _read(folder)
    if found is None:
        keep_arrays(folder, *make())
        found = _read(folder)
    if found is None:
        raise DataError(f"{folder} cannot be read back; remove it and make sure that the disk is not full")
    return found


def keep_arrays(folder: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write under a temporary name, sync, rename: of two processes at it the second finds the work done."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, array in arrays.items():
            _write(temporary / f"{name}.npy", lambda stream, array=array: np.save(stream, array, allow_pickle=False))
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        text = json.dumps({**facts, "shapes": shapes}, indent=1, ensure_ascii=False)
        _write(temporary / FACTS, lambda stream: stream.write(text.encode()))
        os.chmod(temporary, 0o755)
        _put(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """What a process that was killed left under a temporary name."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        if time.time() - _written(path) > ABANDONED:
            shutil.rmtree(path, ignore_errors=True)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has just finished with it
        return time.time()


def _put(temporary: Path, folder: Path) -> None:
    """Rename; a folder in the way stays when it is whole, and goes when it is not."""
    try:
        os.rename(temporary, folder)
    except OSError:
        if _read(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(temporary, folder)


def _read(folder: Path) -> Kept | None:
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
        arrays = {}
        for name, shape in facts.pop("shapes").items():
            arrays[name] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if list(arrays[name].shape) != shape:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, cut short, or of an older form
        return None
    return arrays, facts


def _write(path: Path, write: Callable[[Any], Any]) -> None:
    with path.open("wb") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())
