"""How processes that train are begun, and what they do with memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os
print("begun", flush=True)
from similitude.lab._workers import _pool
pool = _pool(2)
print(len({pool.submit(os.getpid).result(), os.getpid()}), flush=True)
pool.shutdown()
"""
FAULTS = """
from similitude.lab._process import prepare
prepare()
import resource, jax, jax.numpy as jnp
squares = jax.jit(lambda x: (x @ x.T) @ x)  # 100 MB for a while
count = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    before = count()
    squares(jnp.ones((5000, 3))).block_until_ready()
    print(count() - before)
"""


def _said(script, tmp_path):
    file = tmp_path / "script.py"
    file.write_text(script)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_workers_do_not_run_the_callers_script_again(tmp_path):
    assert _said(SCRIPT, tmp_path) == ["begun", "2"]


@pytest.mark.skipif(sys.platform != "linux", reason="tells the GNU allocator")
def test_memory_of_a_step_is_kept_for_the_next(tmp_path):
    first, *_, last = map(int, _said(FAULTS, tmp_path))
    assert first > 20_000  # pages of 4 KB, mapped once
    assert last < 1_000
