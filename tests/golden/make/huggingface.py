# /// script
# dependencies = ["transformers==4.57.1", "torch==2.13.0", "accelerate==1.11.0"]
# ///
"""A tiny Llama trained by the Trainer, with evaluation and checkpoints; the history as the Trainer itself holds it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

out = Path(sys.argv[1])
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=64,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=32,
    tie_word_embeddings=True,
)
model = LlamaForCausalLM(config)
rows = [{"input_ids": (t := torch.randint(0, 64, (16,))), "labels": t} for _ in range(64)]
arguments = TrainingArguments(
    output_dir=str(out / "files" / "tiny-llama"),
    max_steps=20,
    per_device_train_batch_size=4,
    logging_steps=2,
    eval_strategy="steps",
    eval_steps=10,
    save_steps=10,
    save_only_model=True,
    include_num_input_tokens_seen=True,
    report_to=[],
    use_cpu=True,
    seed=0,
)
trainer = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows[:16])
trainer.train()
trainer.save_state()
for path in (out / "files").rglob("*"):
    if path.is_file() and path.name not in ("trainer_state.json", "config.json"):
        path.unlink()  # weights, and arguments that are pickled

points: dict[str, list[list[float]]] = {}
final: dict[str, float] = {}
for record in trainer.state.log_history:
    values = {k: float(v) for k, v in record.items() if k != "step"}
    if "train_loss" in record:
        final = values
        continue
    for name, value in values.items():
        points.setdefault(name, []).append([record["step"], value])
run = {
    "name": "tiny-llama",
    "state": "finished",
    "config": {"train_batch_size": 4, "model.hidden_size": 16, "model.num_hidden_layers": 2},
    "final": final,
    "points": points,
}
values = {"library": "transformers", "version": transformers.__version__, "reader": "huggingface", "runs": [run]}
(out / "values.json").write_text(json.dumps(values, indent=1) + "\n")
