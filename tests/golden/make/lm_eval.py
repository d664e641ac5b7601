# /// script
# dependencies = ["lm-eval==0.4.9.2", "torch==2.13.0", "datasets<4", "transformers<5"]
# ///
"""Results and samples of lm-evaluation-harness: its dummy model on a task of six items from a local file.

Taken out of the results: what describes the machine (pretty_env_info, git_hash, paths of the task's files).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", HF_HOME="hub")
import lm_eval
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

out = Path(sys.argv[1])
Path("tasks").mkdir()
rows = [{"question": f"What is {i} + {i}?", "choices": [str(2 * i), str(3 * i + 1)], "answer": i % 2} for i in range(6)]
Path("tasks/items.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
Path("tasks/tiny.yaml").write_text(
    """task: tiny
dataset_path: json
dataset_kwargs:
  data_files:
    test: tasks/items.jsonl
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
num_fewshot: 0
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
"""
)
lm_eval.tasks.__file__ = str(Path("tasks/all.py").resolve())  # else it fails to print tasks of a folder elsewhere
tracker = EvaluationTracker(output_path="results")
found = lm_eval.simple_evaluate(
    model="dummy",
    model_args="pretrained=tiny/model,revision=main",
    tasks=["tiny"],
    task_manager=TaskManager(include_path=str(Path("tasks").resolve()), include_defaults=False),
    log_samples=True,
    evaluation_tracker=tracker,
    random_seed=0,
)
samples = found.pop("samples")
tracker.save_results_aggregated(results=found, samples=samples)
tracker.save_results_samples(task_name="tiny", samples=samples["tiny"])
for path in Path("results").rglob("*.json*"):
    target = out / "files" / path.relative_to("results")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        document = json.loads(path.read_text())
        for key in ("pretty_env_info", "git_hash", "transformers_version", "system_instruction"):
            document.pop(key, None)
        target.write_text(json.dumps(document, indent=2).replace(str(Path.cwd()), "."))
    else:
        target.write_text(path.read_text())
result = found["results"]["tiny"]
final = {f"tiny/{k.partition(',')[0]}": v for k, v in result.items() if k.endswith(",none")}
items = [
    ["tiny", str(s["doc_id"]), metric, float(s[metric])] for s in samples["tiny"] for metric in ("acc", "acc_norm")
]
told = {"name": "tiny/model", "state": "finished", "final": {**final, "tiny/n": 6.0}, "samples": sorted(items)}
told["config"] = {"model": "dummy", "model_args.revision": "main"}
kept = {"library": "lm_eval", "version": lm_eval.__version__, "reader": "lm-eval", "runs": [told]}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
