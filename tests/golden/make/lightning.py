# /// script
# dependencies = ["lightning==2.6.6", "torch==2.13.0"]
# ///
"""Lightning's CSVLogger: training and validation rows of their own, values that are no numbers, settings beside."""

from __future__ import annotations

import csv
import json
import math
import sys
from pathlib import Path

import lightning
from lightning.pytorch.loggers import CSVLogger

out = Path(sys.argv[1])
logger = CSVLogger(str(out / "files"), name="ladder", version=0)
logger.log_hyperparams({"lr": 3e-4, "layers": 2, "name": "tiny", "model": {"width": 64}, "tied": True, "none": None})
points: dict[str, list[list[float]]] = {}
for step in range(0, 50, 10):
    values = {"train_loss": 4.0 / (1 + step), "lr": 1e-3 / (1 + step), "epoch": step // 20}
    logger.log_metrics(values, step)
    for name, value in values.items():
        points.setdefault(name, []).append([step, value])
    if step % 20 == 0:
        held = {"val_loss": math.nan if step == 20 else 4.5 / (1 + step), "epoch": step // 20}
        logger.log_metrics(held, step + 1)
        for name, value in held.items():
            points.setdefault(name, []).append([step + 1, value])
logger.save()
with open(out / "files" / "ladder" / "version_0" / "metrics.csv", newline="") as stream:
    assert {"step", "epoch", "train_loss", "val_loss"} <= set(next(csv.reader(stream)))
config = {"lr": 3e-4, "layers": 2, "name": "tiny", "model.width": 64, "tied": True, "none": None}
runs = [{"name": "ladder/version_0", "state": "unknown", "config": config, "points": points}]
kept = {"library": "lightning", "version": lightning.__version__, "reader": "lightning", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
