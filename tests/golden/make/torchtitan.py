# /// script
# dependencies = ["torchtitan==0.3.0", "ai2-olmo-core==3.0.0", "litgpt==0.5.13", "torch==2.13.0"]
# ///
# ruff: noqa: E402
"""What torchtitan prints: its metrics processor and its own logger, with colours and without, resumed, quantised.

The monitor of device memory is replaced, as it needs a GPU; the numbers it gives are made up, as losses are.
One run is the trainer's own, of its smallest model on made-up text. On the CPU it has stand-ins for attention, for the
kernels of experts, which it does not have, and for the timeouts of collectives.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT="29711")
os.environ.update(HF_HUB_OFFLINE="1", HF_HOME="home", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
sys.modules["torchtitan.distributed.minimal_async_ep.kernels"] = MagicMock()
import torch
import torch._utils
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

torch._utils._get_available_device_type = lambda: "cpu"
from torchtitan.components import metrics
from torchtitan.distributed import ParallelDims
from torchtitan.distributed import utils as dist_utils
from torchtitan.models.common.attention import FlexAttention
from torchtitan.models.llama3.config_registry import llama3_debugmodel
from torchtitan.tools import utils
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


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
    """Causal attention that has a gradient on the CPU."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True), None


def trained(points: dict[str, list[list[float]]]) -> dict[str, int]:
    """Ten steps of the trainer with two validations; the settings that it was given."""
    FlexAttention.compiled_flex_attn = staticmethod(attention)
    dist_utils.set_pg_timeouts = lambda **_: None
    utils.device_module.set_device = lambda *_: None
    text = "the runs of a ladder are of several sizes and several lengths " * 20
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator([text], trainers.WordLevelTrainer(special_tokens=["<unk>", "<s>", "</s>"]))
    for folder in ("words", "data"):
        Path(folder).mkdir()
    words.save("words/tokenizer.json")
    Path("words/tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    Path("data/train.json").write_text((json.dumps({"text": text}) + "\n") * 64)
    config = llama3_debugmodel()
    config.hf_assets_path = "words"
    config.dataloader.dataset_path = config.validator.dataloader.dataset_path = "data"
    config.validator.dataloader.dataset = "c4_test"
    config.validator.enable, config.validator.freq, config.validator.steps = True, 5, 2
    config.training.local_batch_size, config.training.seq_len, config.training.steps = 2, 32, 10
    config.training.disable_cuda_graphs = True
    config.activation_checkpoint = None
    config.checkpoint.enable = False
    trainer = config.build()
    trainer.metrics_processor.logger = Recorder(points)
    trainer.train()
    trainer.close()
    size = sum(p.numel() for part in trainer.model_parts for p in part.parameters())
    return {"total_params": size, "global_batch_size": 2, "seq_len": 32, "max_steps": 10}


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

ten: dict[str, list[list[float]]] = {}
with printing(files / "trained.log"):
    config = trained(ten)
runs.append({"name": "trained", "state": "finished", "config": config, "points": ten})

kept = {"library": "torchtitan", "version": version("torchtitan"), "reader": "console", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
