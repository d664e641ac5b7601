# /// script
# dependencies = ["torchtitan==0.3.0", "ai2-olmo-core==3.0.0", "litgpt==0.5.13", "torch==2.13.0"]
# ///
"""The metrics.csv of litgpt: its pretraining on a tiny model and random tokens, a few steps on the CPU.

The model is not compiled, which takes a compiler and minutes.
"""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning
import torch
from litgpt import pretrain
from litgpt.args import EvalArgs, TrainArgs
from litgpt.config import Config
from litgpt.data import DataModule
from torch.utils.data import DataLoader

out = Path(sys.argv[1])
VOCABULARY, LENGTH, BATCH = 256, 16, 2
points: dict[str, list[list[float]]] = {}


class Tokens(DataModule):
    """Random tokens."""

    def connect(self, tokenizer: Any = None, batch_size: int = 1, max_seq_length: int | None = None, **_: Any) -> None:
        self.batch_size = batch_size

    def drawn(self, seed: int, rows: int) -> DataLoader:
        draw = torch.Generator().manual_seed(seed)
        return DataLoader(torch.randint(0, VOCABULARY, (rows, LENGTH + 1), generator=draw), batch_size=self.batch_size)

    def train_dataloader(self) -> DataLoader:
        return self.drawn(0, 16)

    def val_dataloader(self) -> DataLoader:
        return self.drawn(1, 8)


def recorded(self: lightning.Fabric, metrics: dict[str, Any], step: int | None = None) -> None:
    """What litgpt gives to its logger: the column of steps is the logger's own."""
    for name, value in metrics.items():
        if name != "step":
            points.setdefault(name, []).append([step, float(value)])
    given(self, metrics, step)


given = lightning.Fabric.log_dict
lightning.Fabric.log_dict = recorded
torch.compile = lambda model, **_: model
shape = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": LENGTH, "vocab_size": VOCABULARY}
pretrain.setup(
    "pythia-14m",
    model_config=Config(name="tiny", padded_vocab_size=VOCABULARY, intermediate_size=32, **shape),
    out_dir=Path("tiny"),
    precision="32-true",
    data=Tokens(),
    train=TrainArgs(
        save_interval=None,
        log_interval=1,
        global_batch_size=2 * BATCH,
        micro_batch_size=BATCH,
        max_tokens=20 * BATCH * LENGTH,
        max_norm=1.0,
        min_lr=4e-5,
        lr_warmup_steps=2,
    ),
    eval=EvalArgs(interval=4, max_iters=2, final_validation=True),
    devices=1,
    logger_name="csv",
)
shutil.copytree(Path("tiny") / "logs", out / "files" / "tiny" / "logs")
runs = [{"name": "tiny/version_0", "state": "unknown", "points": points}]
kept = {"library": "litgpt", "version": version("litgpt"), "reader": "lightning", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
