# /// script
# dependencies = ["torchtitan==0.3.0", "ai2-olmo-core==3.0.0", "litgpt==0.5.13", "torch==2.13.0"]
# ///
"""What OLMo-core prints: its trainer on a model of a few thousand parameters, random tokens, a few steps on the CPU.

The name of the machine is replaced. Numbers that such a run does not have are recorded by the trainer's own method.
An evaluation belongs to the step for which the trainer records it; the console says so by how long it took.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["NO_COLOR"] = "1"
import torch
from olmo_core import utils
from olmo_core.data import DataCollator, TextDataLoaderBase
from olmo_core.eval.lm_evaluator import LMEvaluator
from olmo_core.nn.transformer import TransformerConfig
from olmo_core.optim import AdamWConfig, CosWithWarmup
from olmo_core.train import Duration, TrainerConfig
from olmo_core.train.callbacks import Callback, ConsoleLoggerCallback, EvaluatorCallback
from olmo_core.train.train_module import TransformerTrainModule

socket.gethostname = lambda: "machine"
out = Path(sys.argv[1])
files = out / "files"
VOCABULARY, LENGTH, BATCH = 512, 32, 4
SUFFIXES = {"B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
MADE_UP = {
    "system/bytes read": 2_345_678_901.0,
    "system/bytes written": -123.4567e12,
    "system/operations": 6.54e18,
    "system/seconds": 123_456.789,
    "system/drift": -3.21e-5,
    "gpu_memory/fragmentation": math.nan,
    "optim/step skipped": 0.0,
}


def printed(value: float) -> float:
    """A number as OLMo-core's format_float leaves it: three or four digits, thousands in B, T, P and E."""
    text = utils.format_float(value).replace(",", "")
    scale = SUFFIXES.get(text[-1], 1.0)
    return float(text.rstrip("BTPE")) * scale


def batch_of(seed: int) -> dict[str, Any]:
    drawn = torch.randint(0, VOCABULARY, (BATCH, LENGTH), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": drawn, "metadata": [{"label": "noise"}] * BATCH}


class Tokens(TextDataLoaderBase):
    """Random tokens, a few batches."""

    total_batches = 12

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass

    def reshuffle(self, epoch: int | None = None, **_: Any) -> None:
        self._epoch = epoch or 1

    def _iter_batches(self) -> Iterator[dict[str, Any]]:
        yield from (batch_of(i) for i in range(self.total_batches))

    def get_mock_batch(self) -> dict[str, Any]:
        return batch_of(0)


@dataclass
class Recorder(Callback):
    """What the trainer gives to its console logger, as that prints it."""

    console: ConsoleLoggerCallback
    points: dict[str, list[list[float]]] = field(default_factory=dict)

    def pre_optim_step(self) -> None:
        for name, value in MADE_UP.items():
            self.trainer.record_metric(name, value)

    def log_metrics(self, step: int, metrics: dict[str, float]) -> None:
        every = self.console.metrics_log_interval or self.console.log_interval
        if step == 1 or step % every == 0:
            for name, value in metrics.items():
                if name.startswith("eval/") or any(fnmatch(name, pattern) for pattern in self.console.metrics):
                    self.points.setdefault(name, []).append([step, printed(value)])


@contextmanager
def printing(path: Path, rich: bool) -> Iterator[None]:
    """Standard output goes to a file."""
    os.environ[utils.RICH_LOGGING_ENV_VAR] = str(int(rich))
    with open(path, "w") as stream, redirect_stdout(stream):
        utils.setup_logging(force=True)
        utils.prepare_cli_environment()
        yield


def train(name: str, console: ConsoleLoggerCallback) -> dict[str, Any]:
    """One run, with an evaluation every five steps and at the end."""
    torch.manual_seed(0)
    model = TransformerConfig.olmo2_1M(VOCABULARY, n_layers=2).build(init_device="cpu")
    module = TransformerTrainModule(
        model=model,
        optim=AdamWConfig(lr=1e-3),
        rank_microbatch_size=BATCH * LENGTH,
        max_sequence_length=LENGTH,
        max_grad_norm=1.0,
        z_loss_multiplier=1e-5,
        scheduler=CosWithWarmup(warmup=2),
        device=torch.device("cpu"),
    )
    loader = Tokens(collator=DataCollator(pad_token_id=0), work_dir="work", global_batch_size=BATCH * LENGTH)
    given = TrainerConfig(save_folder="work", device="cpu", max_duration=Duration.steps(12), no_checkpoints=True)
    recorder = Recorder(console)
    held = LMEvaluator(name="lm", batches=[batch_of(100 + i) for i in range(3)], labels=["noise"])
    evaluator = EvaluatorCallback(evaluators=[held], eval_interval=5, eval_on_finish=True)
    callbacks = {"console": console, "recorder": recorder, "evaluator": evaluator}
    given.with_callbacks(callbacks).build(module, loader).fit()
    counts = {"total_params": model.num_params, "non_embedding_params": model.num_non_embedding_params}
    return {"name": name, "state": "finished", "config": {**counts, "max_steps": 12}, "points": recorder.points}


runs: list[dict[str, Any]] = []
with printing(files / "plain.log", rich=False):
    runs.append(train("plain", ConsoleLoggerCallback()))

with printing(files / "rich.txt", rich=True):
    console = ConsoleLoggerCallback(log_interval=2, metrics_log_interval=4)
    console.metrics = [*console.metrics, "eval/*"]
    runs.append(train("rich", console))

kept = {"library": "ai2-olmo-core", "version": version("ai2-olmo-core"), "reader": "console", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
