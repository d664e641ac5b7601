# /// script
# dependencies = ["torchtitan==0.3.0", "ai2-olmo-core==3.0.0", "litgpt==0.5.13", "torch==2.13.0"]
# ///
"""Output folders of litgpt: its command pretrains tiny models on random tokens, a few steps on the CPU.

Taken out: the weights. The model is not compiled, which takes a compiler and minutes. Of litgpt's own models, of all
kinds, the configurations and what they have in parameters.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
import lightning
import torch
import yaml
from litgpt.__main__ import main
from litgpt.config import Config
from litgpt.model import GPT

out = Path(sys.argv[1])
sys.path.insert(0, str(Path.cwd()))
Path("noise.py").write_text(
    '''import torch
from litgpt.data import DataModule
from torch.utils.data import DataLoader


class Noise(DataModule):
    """Random tokens."""

    def __init__(self, vocabulary: int = 256) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def connect(self, tokenizer=None, batch_size=1, max_seq_length=None, **kwargs):
        self.batch_size, self.length = batch_size, max_seq_length

    def drawn(self, seed, rows):
        draw = torch.Generator().manual_seed(seed)
        tokens = torch.randint(0, self.vocabulary, (rows, self.length + 1), generator=draw)
        return DataLoader(tokens, batch_size=self.batch_size)

    def train_dataloader(self):
        return self.drawn(0, 16)

    def val_dataloader(self):
        return self.drawn(1, 8)
'''
)
points: dict[str, list[list[float]]] = {}
LENGTH, BATCH, STEPS = 16, 2, 10
SHAPE = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 2 * LENGTH, "vocab_size": 250, "padding_multiple": 64}
LLAMA = {"norm_class_name": "RMSNorm", "mlp_class_name": "LLaMAMLP", "bias": False, "parallel_residual": False}
MODELS = {  # folder -> model, its settings, those of training
    "neox": ("pythia-14m", {**SHAPE, "name": "neox"}, {"save_interval": 4}),
    "llama": (
        "tiny-llama-1.1b",
        {**SHAPE, **LLAMA, "name": "llama", "n_query_groups": 1, "intermediate_size": 40},
        {"save_interval": None, "max_seq_length": LENGTH, "tie_embeddings": True},
    ),
}
KNOWN = (
    "pythia-70m",
    "Llama-2-7b-hf",
    "Llama-3.2-1B",
    "Gemma-2b",
    "Gemma-2-2b",
    "Gemma-3-1b-it",
    "Qwen2.5-0.5B",
    "Qwen3-0.6B",
    "OLMo-1B-hf",
    "OLMo-2-1124-7B",
    "phi-2",
    "falcon-7b",
    "stablelm-base-alpha-3b",
    "Mixtral-8x7B-v0.1",
    "Qwen3-30B-A3B",
)


def recorded(self: lightning.Fabric, metrics: dict[str, Any], step: int | None = None) -> None:
    """What litgpt gives to its logger: the column of steps is the logger's own."""
    for name, value in metrics.items():
        if name != "step":
            points.setdefault(name, []).append([step, float(value)])
    given(self, metrics, step)


def sizes(config: Config, tied: bool) -> dict[str, int]:
    """Parameters, all and without the input embeddings."""
    with torch.device("meta"):
        model = GPT(config)
    if tied:
        model.transformer.wte.weight = model.lm_head.weight
    total = sum(p.numel() for p in model.parameters())
    return {"total": total, "without embeddings": total - model.transformer.wte.weight.numel()}


given = lightning.Fabric.log_dict
lightning.Fabric.log_dict = recorded
torch.compile = lambda model, **_: model
runs = []
for name, (known, shape, more) in MODELS.items():
    length = more.get("max_seq_length", 2 * LENGTH)
    asked = {
        "model_name": known,
        "model_config": shape,
        "out_dir": name,
        "precision": "32-true",
        "data": {"class_path": "noise.Noise", "init_args": {"vocabulary": 250}},
        "train": {
            "log_interval": 1,
            "global_batch_size": 2 * BATCH,
            "micro_batch_size": BATCH,
            "max_tokens": STEPS * 2 * BATCH * length,
            "max_norm": 1.0,
            "lr_warmup_steps": 2,
            **more,
        },
        "eval": {"interval": 4, "max_iters": 2, "final_validation": True},
        "devices": 1,
        "logger_name": "csv",
    }
    Path(f"{name}.yaml").write_text(yaml.dump(asked))
    points = {}
    sys.argv = ["litgpt", "pretrain", "--config", f"{name}.yaml"]
    main()
    shutil.copytree(name, out / "files" / name, ignore=shutil.ignore_patterns("*.pth"))
    config = {"model_name": known, "train.global_batch_size": 2 * BATCH, "eval.interval": 4, "optimizer": "AdamW"}
    config |= {f"train.{k}": v for k, v in more.items() if v is not None} | {
        f"model_config.{k}": v for k, v in shape.items()
    }
    counts = sizes(Config.from_file(Path(name) / "final/model_config.yaml"), bool(more.get("tie_embeddings")))
    told = {"tokens": STEPS * 2 * BATCH * length, "length": length, "batch": 2 * BATCH, **counts}
    runs.append({"name": f"{name}/version_0", "state": "unknown", "config": config, "points": points, "table": told})

models = []
experts = {"mlp_class_name": "LLaMAMoE", "n_expert": 4, "n_expert_per_token": 2, "moe_intermediate_size": 12}
experts |= {"n_shared_expert": 3, "first_k_dense_replace": 1}
latent = {"q_lora_rank": 4, "kv_lora_rank": 4, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 4}
made_up = [
    Config(**{**SHAPE, **experts}, name="shared experts with biases"),
    Config(**{**SHAPE, **LLAMA, **experts}, name="shared experts", intermediate_size=40),
    Config(**SHAPE, name="latent attention", latent_attention=latent),
]
for config in (*map(Config.from_name, KNOWN), *made_up):
    models.append({"name": config.name, "config": asdict(config), **sizes(config, tied=False)})
kept = {"library": "litgpt", "version": version("litgpt"), "reader": "lightning", "runs": runs, "models": models}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
