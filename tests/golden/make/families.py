# /// script
# dependencies = ["transformers==4.57.1", "torch==2.13.0", "accelerate==1.11.0"]
# ///
"""Parameters of small models of many families, as transformers makes them: all, and without the input embeddings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoModelForCausalLM

out = Path(sys.argv[1])
common = {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
common["intermediate_size"] = 88
INPUT = ("embed_tokens.weight", "wte.weight", "wpe.weight", "embed_in.weight")
grouped = {**common, "num_key_value_heads": 2}
families: dict[str, dict[str, Any]] = {
    "gpt2": {"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "gpt_neox": common,
    "llama": grouped,
    "llama tied": {**grouped, "tie_word_embeddings": True},
    "mistral": {**grouped, "head_dim": 16},
    "mixtral": {**grouped, "num_local_experts": 4, "num_experts_per_tok": 2},
    "phi3": {**grouped, "pad_token_id": 0},
    "olmo": grouped,
    "olmo2": grouped,
    "qwen2": grouped,
    "qwen3": {**grouped, "head_dim": 16},
    "qwen3_moe": {**grouped, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    "gemma": {**grouped, "head_dim": 16},
}
models = []
for name, sizes in families.items():
    config = AutoConfig.for_model(name.split()[0], **sizes)
    model = AutoModelForCausalLM.from_config(config)
    total = sum(p.numel() for p in model.parameters())
    embedding = sum(p.numel() for n, p in model.named_parameters() if n.endswith(INPUT))
    models.append({"name": name, "config": config.to_dict(), "total": total, "without embeddings": total - embedding})
values = {"library": "transformers", "version": transformers.__version__, "models": models}
(out / "values.json").write_text(json.dumps(values, indent=1, default=str) + "\n")
