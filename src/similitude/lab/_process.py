"""Making this process fit to train: one thread, large blocks of memory kept, compiled programs remembered."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from contextlib import suppress
from typing import Any

__all__ = ["prepare"]

_TRIM, _TOP, _MAPPED, _ARENAS = -1, -2, -4, -8  # mallopt's M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX
_ready: list[bool] = []


def prepare() -> None:
    """Called before JAX is used; does nothing where it was done.

    One thread: two one-thread processes train more than one of two threads, and sums have one order, so that losses are
    the same to the last bit. Blocks that training frees stay with the process: else each step maps, clears and unmaps
    its activations, which at these sizes is half of the time. Programs are kept on disk between processes.
    """
    if _ready:
        return
    _ready.append(True)
    _keep_memory()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "jax" in sys.modules and _has_begun():
        return
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {min(cores)})  # JAX makes as many threads as it may use cores
    try:
        _begin()
    finally:
        _restore(cores)


def _has_begun() -> bool:
    bridge: Any = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "_backends", None))


def _begin() -> None:
    import jax

    from similitude.runs._provider import cache_folder

    with suppress(OSError):
        folder = cache_folder() / "lab" / "programs"
        folder.mkdir(parents=True, exist_ok=True)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jax.devices()


def _restore(cores: set[int]) -> None:
    """All threads may use all cores again; there are not more of them."""
    if not cores:
        return
    for thread in os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else ["0"]:
        with suppress(OSError):
            os.sched_setaffinity(int(thread), cores)


def _keep_memory() -> None:
    """Tell the GNU allocator to keep what is freed, and not to map large blocks one by one; nothing elsewhere.

    One arena for all threads: JAX computes in a thread of its own, and the arena of such a thread gives nothing larger
    than 64 MB, so that the activations of all but the smallest models would be mapped anew at each step.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENAS, 1)
        mallopt(_MAPPED, 0)
        mallopt(_TRIM, 2_000_000_000)
        mallopt(_TOP, 64 << 20)
