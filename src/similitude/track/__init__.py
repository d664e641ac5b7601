"""Runs while they are made: three lines in a training loop, or a callback, keep them in the store.

>>> import similitude as sim, tempfile
>>> store = tempfile.mkdtemp() + "/similitude.db"
>>> with sim.track.run(store, {"lr": 3e-4}, name="first") as run:
...     run.log({"loss": 4.0}, step=0)
...     run.log({"loss": 3.5}, step=1)
>>> sim.Store(store)["first"].state
'finished'
"""

from __future__ import annotations

from similitude.track._callbacks import huggingface, lightning
from similitude.track._run import Run, run

__all__ = ["Run", "huggingface", "lightning", "run"]
