# /// script
# dependencies = ["tensorboardX==2.6.4", "tensorboard==2.20.0", "numpy<2.4"]
# ///
"""What TensorBoard gives for download: its server asked for scalars as CSV, files named as its page names them."""

from __future__ import annotations

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import tensorboardX
from tensorboard import program

out = Path(sys.argv[1])
VALUES = [4.0, 3.1, math.nan, 2.5, math.inf, 1 / 3, 1e-30]
given = {("small", "train/loss"): VALUES, ("large", "lr"): [1e-3 / (i + 1) for i in range(7)]}
for (run, tag), values in given.items():
    with tensorboardX.SummaryWriter(str(Path("logs") / run)) as writer:
        for i, value in enumerate(values):
            writer.add_scalar(tag, value, 10 * i)

board = program.TensorBoard()
board.configure(argv=[None, "--logdir", "logs", "--host", "127.0.0.1", "--port", "0", "--load_fast", "false"])
address = board.launch()
runs: list[dict[str, Any]] = []
for (run, tag), values in given.items():
    asked = urlencode({"run": run, "tag": tag, "format": "csv"})
    name = tag.replace("/", "_")  # as browsers do
    with urlopen(f"{address}data/plugin/scalars/scalars?{asked}", timeout=60) as answer:
        (out / "files" / f"run-{run}-tag-{name}.csv").write_bytes(answer.read())
    points = [[10 * i, float(np.float32(value))] for i, value in enumerate(values)]
    runs.append({"name": run, "state": "unknown", "points": {name: points}})

kept = {"library": "tensorboard", "version": version("tensorboard"), "reader": "table", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
