# /// script
# dependencies = ["marin-levanter==0.2.20.dev202606180959", "GitPython==3.2.1"]
# ///
"""Levanter's JSON logger: in the log file that Levanter sets up, on standard error, and alone, a record a line."""

from __future__ import annotations

import json
import logging
import math
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from levanter import tracker
from levanter.tracker.histogram import SummaryStats
from levanter.tracker.json_logger import JsonLoggerConfig
from levanter.utils.logging import init_logging

out = Path(sys.argv[1])
files = out / "files"
PARTS = ("min", "max", "num", "nonzero_count", "sum", "sum_squares", "mean", "variance", "rms")
tempfile.tempdir = "."  # the artifact's place is logged


@dataclass
class Model:
    seq_len: int = 128
    hidden_dim: int = 64


@dataclass
class Training:
    """Settings, nested as Levanter's are."""

    model: Model = field(default_factory=Model)
    train_batch_size: int = 8
    learning_rate: float = 3e-4
    mp: str = "p=f32,c=bf16"


def train(finish: bool) -> dict[str, list[list[float]]]:
    """What is given to the tracker, whose arrays are of 32 bits."""
    points: dict[str, list[list[float]]] = {}
    tracker.log_configuration(Training())
    tracker.log_summary({"parameter_count": 123_456})
    for step in range(0, 50, 10):
        loss = jnp.float32(math.nan if step == 20 else 4 / (1 + step))
        given: dict[str, Any] = {
            "train/loss": loss,
            "optim/learning_rate": 3e-4 / (1 + step),
            "run_progress": step / 50,
        }
        if step % 20 == 0:
            given["eval/loss"] = jnp.float32(4.5 / (1 + step))
            given["grad/norm"] = SummaryStats.from_array(jnp.arange(step + 1.0), num_bins=4)
        for name, value in given.items():
            parts = {f"{name}.{part}": getattr(value, part) for part in PARTS} if name == "grad/norm" else {name: value}
            for part, number in parts.items():
                points.setdefault(part, []).append([step, float(number)])
        tracker.log(given, step=step)
    if finish:
        tracker.current_tracker().finish()
    return points


def run(names: Sequence[str], finish: bool) -> None:
    """One training, which is printed in one file or more."""
    with tracker.current_tracker(JsonLoggerConfig().init(None)):
        points = train(finish)
    config = {"model.seq_len": 128, "train_batch_size": 8, "learning_rate": 3e-4, "mp": "p=f32,c=bf16"}
    told = {"state": "finished" if finish else "unknown", "config": config, "final": {"parameter_count": 123_456.0}}
    runs.extend({"name": name, **told, "points": points} for name in names)


runs: list[dict[str, Any]] = []
with open(files / "printed.err", "w") as stream, redirect_stderr(stream):
    init_logging(files, "ladder-s")
    run(["ladder-s", "printed"], finish=True)
for handler in list(logging.getLogger().handlers):
    logging.getLogger().removeHandler(handler)
alone = logging.FileHandler(files / "ladder-m.jsonl")
logging.getLogger("levanter.json_logger").addHandler(alone)
run(["ladder-m"], finish=False)

kept = {"library": "marin-levanter", "version": version("marin-levanter"), "reader": "levanter", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
