# /// script
# dependencies = ["lm-eval==0.4.9.2", "torch==2.13.0", "datasets<4", "transformers<5", "pandas<3"]
# ///
"""Samples of lm-evaluation-harness, written by its own tracker and read by pandas."""

from __future__ import annotations

import os

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
import pandas as pd


def write(folder, records):
    from lm_eval.loggers import EvaluationTracker

    tracker = EvaluationTracker(output_path=str(folder))
    tracker.general_config_tracker.log_experiment_args("dummy", "pretrained=tiny/model", "tiny/model", None, False)
    samples = [_sample(step, values) for step, values in records]
    scores = {"alias": "tiny", **{f"{m},none": sum(s[m] for s in samples) / len(samples) for m in ("acc", "acc_norm")}}
    results = {"results": {"tiny": scores}, "config": {"model": "dummy"}, "versions": {"tiny": 1}}
    tracker.save_results_aggregated(results=results, samples={"tiny": samples})
    tracker.save_results_samples(task_name="tiny", samples=samples)


def _sample(i, values):
    text = f"What is {i} + {i}?"
    acc, norm = (float(values[k] > 2.5) for k in ("train/loss", "val/loss"))
    return {
        "doc_id": i,
        "doc": {"question": text, "choices": [str(2 * i), str(3 * i + 1)], "answer": i % 2},
        "target": str(2 * i),
        "arguments": [(text, f" {2 * i}"), (text, f" {3 * i + 1}")],
        "resps": [[(-values["train/loss"], False)], [(-values["val/loss"], False)]],
        "filtered_resps": [(-values["train/loss"], False), (-values["val/loss"], False)],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": f"{i:064x}",
        "prompt_hash": f"{i:064x}",
        "target_hash": f"{i:064x}",
        "acc": acc,
        "acc_norm": norm,
    }


def read(folder):
    (path,) = folder.rglob("samples_*.jsonl")
    return pd.read_json(path, lines=True)


def rows(table):
    for metric in ("acc", "acc_norm"):
        for item, value in zip(table["doc_id"], table[metric]):
            yield metric, item, value


KINDS = {"lm-eval": ("pandas.read_json", write, read, rows)}
