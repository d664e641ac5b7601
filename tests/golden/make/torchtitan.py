# /// script
# dependencies = ["torchtitan==0.3.0", "ai2-olmo-core==3.0.0", "litgpt==0.5.13", "torch==2.13.0"]
# ///
"""What torchtitan prints: its metrics processor and its own logger, with colours and without, resumed, quantised.

Only the monitor of device memory is replaced, as it needs a GPU; the numbers it gives are made up, as losses are.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torchtitan.components import metrics
from torchtitan.distributed import ParallelDims
from torchtitan.tools.logging import init_logger

out = Path(sys.argv[1])
GIB = 1 << 30
# how MetricsProcessor.log and log_validation print what they give to TensorBoard
PRINTED = {
    "loss": ("loss_metrics/global_avg_loss", ".5f"),
    "grad_norm": ("grad_norm", ".4f"),
    "memory": ("memory/max_reserved(GiB)", ".2f"),
    "tps": ("throughput(tps)", ".0f"),
    "tflops": ("tflops", ".2f"),
    "mfu": ("mfu(%)", ".2f"),
    "validation loss": ("validation_metrics/loss", ".4f"),
    "validation memory": ("validation_metrics/memory/max_reserved(GiB)", ".2f"),
    "validation tps": ("validation_metrics/throughput(tps)", ".0f"),
}


class Memory(metrics.DeviceMemoryMonitor):
    """A monitor without a device."""

    def __init__(self, device: str = "") -> None:
        self.device_name, self.device_capacity, self.device_capacity_gib = "NVIDIA H100", 80 * GIB, 80.0
        self.peak = 3.21

    def get_peak_stats(self) -> metrics.DeviceMemStats:
        self.peak += 0.5
        held = self.peak + 0.25
        return metrics.DeviceMemStats(self.peak, 100 * self.peak / 80, held, 100 * held / 80, 0, 0)

    def reset_peak_stats(self) -> None:
        pass


class Recorder(metrics.BaseLogger):
    """What the processor gives to its loggers, as it prints it."""

    def __init__(self, points: dict[str, list[list[float]]]) -> None:
        self.points = points

    def log(self, metrics: dict[str, Any], step: int) -> None:
        for name, (given, form) in PRINTED.items():
            if given in metrics:
                self.points.setdefault(name, []).append([step, float(format(metrics[given], form))])


@contextmanager
def printing(path: Path) -> Iterator[None]:
    """Standard output goes to a file, at its end."""
    with open(path, "a") as stream, redirect_stdout(stream):
        init_logger()
        yield


def processor(points: dict[str, list[list[float]]], **given: Any) -> metrics.MetricsProcessor:
    dims = ParallelDims(dp_replicate=1, dp_shard=1, cp=1, tp=1, pp=1, ep=1, world_size=1)
    quantised = given.pop("has_quantization", False)
    config = metrics.MetricsProcessor.Config(log_freq=5, **given)
    made = metrics.MetricsProcessor(config, parallel_dims=dims, has_quantization=quantised)
    made.logger, made.num_flops_per_token = Recorder(points), 6 * 10**9
    return made


def train(made: metrics.MetricsProcessor, steps: range, tokens: int) -> None:
    """A loop as the trainer's, with losses from a formula and now and then a validation."""
    for step in steps:
        made.ntokens_since_last_log += tokens
        made.data_loading_times.append(1e-4)
        time.sleep(0.002)
        if made.should_log(step):
            loss = math.nan if step == 15 else 1.7 + 9.1 / step**0.5
            made.log(step, loss, loss + 0.1, 1e3 / step**2)
        if step % 10 == 0:
            time.sleep(0.002)
            made.ntokens_since_last_log += tokens
            made.log_validation(1.8 + 9.1 / step**0.5, step)


metrics.DeviceMemoryMonitor = Memory
files = out / "files"
runs: list[dict[str, Any]] = []

coloured: dict[str, list[list[float]]] = {}
with printing(files / "coloured.log"):
    train(processor(coloured), range(1, 31), 32)
runs.append({"name": "coloured", "state": "unknown", "points": coloured})

quantised: dict[str, list[list[float]]] = {}
with printing(files / "quantised.txt"):
    train(processor(quantised, disable_color_printing=True, has_quantization=True), range(1, 21), 1 << 20)
runs.append({"name": "quantised", "state": "unknown", "points": quantised})

resumed: dict[str, list[list[float]]] = {}
for steps in (range(100_001, 100_021), range(100_011, 100_031)):
    with printing(files / "resumed.out"):
        train(processor(resumed), steps, 8192)
runs.append({"name": "resumed", "state": "unknown", "points": resumed})

kept = {"library": "torchtitan", "version": version("torchtitan"), "reader": "console", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
