# /// script
# requires-python = ">=3.12"
# dependencies = [
#     "maxtext==0.2.5", "jax==0.12.0.1", "flax==0.12.12", "optax==0.2.8", "orbax-checkpoint==0.12.8", "grain==0.2.18",
#     "absl-py==2.5.1", "aqtp==0.9.0", "drjax==0.2.1", "huggingface_hub==2.4.0", "jinja2==3.1.6",
#     "ml-collections==1.1.0", "omegaconf==2.4.0", "pathwaysutils==0.1.13", "pillow==13.0.0", "pydantic==2.14.4",
#     "qwix==0.1.8", "sentencepiece==0.2.3", "sympy==1.14.0", "tensorboardX==2.6.5", "tiktoken==0.14.0",
#     "tokamax==0.0.17", "transformers==5.24.0",
# ]
# ///
"""What MaxText prints, and its file of metrics: its own trainer on the CPU, tiny models, synthetic tokens, a few steps.

Of the thousand settings that it prints, the lines of those that are read are kept, and some more. It writes to its file
within evaluations too, each time with the step of the evaluation, and empties it at a step 0, of whichever kind.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(JAX_PLATFORMS="cpu", HF_HUB_OFFLINE="1", HF_HOME="home")
import absl.logging
import maxtext
from maxtext.common import metric_logger
from maxtext.trainers.pre_train import train

out = Path(sys.argv[1])
files = out / "files"
KEPT = re.compile(
    r"Config param (run_name|model_name|dataset_(type|name)|steps|global_batch_size_to_\w+|max_target_length"
    r"|(base_)?emb_dim|(base_)?mlp_dim|mlp_activations|(base_)?num_\w*(layers|heads|experts|per_tok|tokens)|head_dim|vocab_size"
    r"|learning_rate\w*|decoder_block|logits_via_embedding|gradient_accumulation_steps|per_device_batch_size|\w*tokens\w*):"
)
SMALL = {
    "hardware": "cpu",
    "skip_jax_distributed_system": True,
    "dataset_type": "synthetic",
    "base_output_directory": "out",
    "base_emb_dim": 32,
    "base_num_query_heads": 4,
    "base_num_kv_heads": 2,
    "base_mlp_dim": 80,
    "base_num_decoder_layers": 2,
    "head_dim": 16,
    "vocab_size": 256,
    "max_target_length": 32,
    "per_device_batch_size": 2,
    "steps": 5,
    "learning_rate": 1e-2,
    "enable_checkpointing": False,
    "enable_tensorboard": False,
    "attention": "dot_product",
}
# how MetricLogger prints what it is given
PRINTED = {
    "train": {
        "seconds": ("perf/step_time_seconds", ".3f"),
        "TFLOP/s/device": ("perf/per_device_tflops_per_sec", ".3f"),
        "Tokens/s/device": ("perf/per_device_tokens_per_sec", ".3f"),
        "learning/total_weights": ("learning/total_weights", ""),
        "loss": ("learning/loss", ".3f"),
        "lm_loss": ("learning/lm_loss", ".3f"),
        "perplexity": ("learning/perplexity", ".3f"),
    },
    "eval": {
        "eval loss": ("eval/avg_loss", ".3f"),
        "eval perplexity": ("eval/avg_perplexity", ".3f"),
        "eval total_weights": ("eval/total_weights", ""),
        "eval avg_z_loss": ("eval/avg_z_loss", ".3f"),
    },
}
OF_EXPERTS = {
    "train": {"moe_lb_loss": ("learning/moe_lb_loss", ".6f")},
    "eval": {"eval avg_moe_lb_loss": ("eval/avg_moe_lb_loss", ".3f")},
}


@contextmanager
def printing(path: Path) -> Iterator[None]:
    """What goes to standard output and to the log goes to a file."""
    absl.logging.use_absl_handler()
    absl.logging.set_verbosity(absl.logging.INFO)  # as absl's app.run does, under which MaxText trains
    handler, chosen = absl.logging.get_absl_handler(), logging.Filter()
    chosen.filter = lambda record: "Config param" not in record.getMessage() or bool(KEPT.match(record.getMessage()))
    handler.addFilter(chosen)
    with open(path, "w") as stream, redirect_stdout(stream), redirect_stderr(stream):
        yield
    handler.removeFilter(chosen)


def trained(name: str, **given: Any) -> tuple[dict[str, list[list[float]]], int]:
    """One run of the trainer: what its logger was given, as it prints or writes it, and the parameters."""
    points: dict[str, list[list[float]]] = {}
    sizes: list[int] = []
    write, setup = metric_logger.MetricLogger.write_metrics, metric_logger.MetricLogger.write_setup_info_to_tensorboard

    def written(self: Any, metrics: Any, step: int, metric_type: str = "train") -> None:
        write(self, metrics, step, metric_type)
        if "metrics_file" in given:
            if step == 0:
                points.clear()
            for called, value in metrics["scalar"].items() if metric_type != "running_eval" else ():
                points.setdefault(called, []).append([step, float(value)])
            return
        printed = PRINTED.get(metric_type, {})
        if given.get("num_experts", 1) > 1:
            printed = printed | OF_EXPERTS.get(metric_type, {})
        for called, (metric, form) in printed.items():
            value = metrics["scalar"][metric]
            points.setdefault(called, []).append([step, float(format(value, form))])

    def told(self: Any, params: Any) -> None:
        sizes.append(metric_logger.max_utils.calculate_num_params_from_pytree(params))
        setup(self, params)

    metric_logger.MetricLogger.write_metrics = written
    metric_logger.MetricLogger.write_setup_info_to_tensorboard = told
    settings = SMALL | {"run_name": name} | given
    base = Path(maxtext.__file__).parent / "configs" / "base.yml"
    train.main(["train", str(base), *(f"{k}={v}" for k, v in settings.items())])
    metric_logger.MetricLogger.write_metrics = write
    metric_logger.MetricLogger.write_setup_info_to_tensorboard = setup
    return points, sizes[0]


runs: list[dict[str, Any]] = []
for name, given in {
    "ladder-1": {"eval_interval": 2, "eval_steps": 2},
    "ladder-2": {"decoder_block": "qwen3", "use_qk_norm": True, "logits_via_embedding": True, "steps": 3},
    "ladder-3": {
        "decoder_block": "mixtral",
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "base_moe_mlp_dim": 80,
        "eval_interval": 4,
        "eval_steps": 3,
    },
    "ladder-4": {"decoder_block": "mistral", "steps": 3},
}.items():
    with printing(files / f"{name}.log"):
        points, size = trained(name, **given)
    config = {"max_steps": given.get("steps", 5), "global_batch_size": 2, "seq_len": 32, "hidden_size": 32}
    runs.append({"name": name, "state": "finished", "config": config, "N": size, "points": points})

with printing(files / "silent.txt"):
    points, _ = trained("silent", log_config=False, steps=3)
runs.append({"name": "silent", "state": "unknown", "points": points})

for name, given in {"evaluated": {"eval_interval": 2, "eval_steps": 9}, "taught": {"steps": 3}}.items():
    with printing(Path("printed.log")):
        points, _ = trained(name, metrics_file=files / f"{name}.jsonl", **given)
    runs.append({"name": name, "reader": "table", "state": "unknown", "points": points})

kept = {"library": "maxtext", "version": version("maxtext"), "reader": "console", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
