# /// script
# dependencies = ["inspect-ai==0.3.285"]
# ///
"""Logs of Inspect, as archive and as JSON: a task of four items with two scorers, answered from a list."""

from __future__ import annotations

import json
import math
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.dataset import Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import includes, match
from inspect_ai.solver import Generate, TaskState, solver

out = Path(sys.argv[1])
ANSWERS = {"a": "4", "b": "5", "c": "a blue sky", "d": "7"}


@solver
def answered():
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        state.output = ModelOutput.from_content("mockllm/model", ANSWERS[str(state.sample_id)])
        return state

    return solve


questions = [
    Sample(input="2 + 2", target="4", id="a"),
    Sample(input="2 + 4", target="6", id="b"),
    Sample(input="sky", target="blue", id="c"),
    Sample(input="3 + 4", target="7", id="d"),
]
task = Task(dataset=questions, solver=answered(), scorer=[match(), includes()], name="tiny")
runs = []
for kind in ("eval", "json"):
    (log,) = evaluate(task, model="mockllm/model", log_format=kind, log_dir="logs", display="none")
    path = Path(log.location.removeprefix("file://"))
    target = out / "files" / kind / f"tiny.{kind}"
    target.parent.mkdir(parents=True)
    shutil.copy(path, target)
    read = read_eval_log(str(path))
    final = {f"tiny/{s.name}/{m}": v.value for s in read.results.scores for m, v in s.metrics.items()}
    letters = {"C": 1.0, "I": 0.0}
    samples = [["tiny", str(s.id), n, letters[v.value]] for s in read.samples for n, v in s.scores.items()]
    assert not any(math.isnan(v) for v in final.values())
    config = {"model": "mockllm/model", "task": "tiny"}
    told = {"name": "mockllm/model on tiny", "state": "finished", "config": config, "final": final}
    runs.append({**told, "samples": sorted(samples)})
kept = {"library": "inspect_ai", "version": version("inspect_ai"), "reader": "inspect", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
