# /// script
# dependencies = ["wandb==0.31.0"]
# ///
"""Offline runs: a plain one, one with sparse, nested and odd values, one that failed. No metadata of the machine."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import wandb

out = Path(sys.argv[1])
quiet: dict[str, Any] = {
    "console": "off",
    "host": "machine",
    "username": "user",
    "email": "user@example.org",
    "root_dir": ".",
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_disable_machine_info": True,
    "program": "train.py",
    "program_relpath": "train.py",
    "program_abspath": "train.py",
}
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")


def begin(name: str, config: dict[str, Any]) -> Any:
    settings = wandb.Settings(**{k: v for k, v in quiet.items() if k in wandb.Settings.model_fields})
    return wandb.init(project="ladder", name=name, id=name, config=config, settings=settings, dir=".", tags=["golden"])


runs: list[dict[str, Any]] = []
config = {"n_layer": 2, "lr": 3e-4, "betas": [0.9, 0.95], "model": {"width": 64, "name": "tiny"}, "tied": True}
run = begin("plain", config)
points: dict[str, list[list[float]]] = {"train/loss": [], "lr": []}
for i in range(30):
    values = {"train/loss": 4.0 / (i + 1) ** 0.5, "lr": 3e-4 * (1 - i / 30)}
    run.log(values)
    for key, value in values.items():
        points[key].append([i, value])
run.finish()
told = {"n_layer": 2, "lr": 3e-4, "betas": "[0.9, 0.95]", "model.width": 64, "model.name": "tiny", "tied": True}
final = {"train/loss": points["train/loss"][-1][1], "lr": points["lr"][-1][1]}
runs.append({"name": "plain", "state": "finished", "config": told, "final": final, "points": points})

run = begin("odd", {"huge": 10**12, "nothing": None})
run.log({"loss": 2.5, "eval": {"loss": 2.75, "parts": {"a": 1}}}, step=0)
run.log({"loss": math.nan}, step=5)
run.log({"loss": math.inf, "flag": True}, step=7)
run.log({"eval": {"loss": -math.inf}, "text": "a word"}, step=100)
run.log({"loss": 1.0 / 3.0, "large": 2**60}, step=1_000_000)
run.summary["best"] = 0.125
run.finish()
odd = {
    "loss": [[0, 2.5], [5, math.nan], [7, math.inf], [1_000_000, 1.0 / 3.0]],
    "eval.loss": [[0, 2.75], [100, -math.inf]],
    "eval.parts.a": [[0, 1.0]],
    "large": [[1_000_000, float(2**60)]],
}
runs.append({"name": "odd", "state": "finished", "config": {"huge": 10**12}, "final": {"best": 0.125}, "points": odd})

run = begin("failed", {"lr": 1.0})
for i in range(3):
    run.log({"loss": 10.0 * (i + 1)})
run.finish(exit_code=1)
bad = {"loss": [[i, 10.0 * (i + 1)] for i in range(3)]}
runs.append({"name": "failed", "state": "crashed", "config": {"lr": 1.0}, "final": {"loss": 30.0}, "points": bad})

twice: list[list[float]] = []
for first in (0, 3):
    run = begin("twice", {"lr": 2.0})
    for i in range(first, first + 5):
        run.log({"loss": 100.0 * (first + 1) + i}, step=i)
        twice.append([i, 100.0 * (first + 1) + i])
    run.finish()
    time.sleep(1.1)  # folders are named by the second
again = {"name": "twice", "state": "finished", "config": {"lr": 2.0}, "final": {"loss": 407.0}}
runs.append({**again, "points": {"loss": twice}})

for place, folder in enumerate(sorted(Path("wandb").glob("offline-run-*"))):
    target = out / "files" / "wandb" / f"offline-run-20240101_00000{place}-{folder.name.rpartition('-')[2]}"
    target.mkdir(parents=True)
    for path in folder.glob("*.wandb"):
        shutil.copy(path, target / path.name)
values = {"library": "wandb", "version": wandb.__version__, "reader": "wandb", "runs": runs}
values["left_out"] = [["flag", "true or false"], ["text"]]
(out / "values.json").write_text(json.dumps(values, indent=1) + "\n")
