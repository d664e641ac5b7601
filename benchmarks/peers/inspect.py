# /// script
# dependencies = ["inspect-ai==0.3.285"]
# ///
"""An archive of Inspect, written and read by its own functions."""

from __future__ import annotations

from inspect_ai.dataset import Sample  # noqa: F401 - first of all: the order in which its modules can be imported
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, read_eval_log, write_eval_log
from inspect_ai.scorer import Score

LETTERS = {"C": 1.0, "I": 0.0}


def write(folder, records):
    spec = EvalSpec(
        created="2024-01-01T00:00:00+00:00",
        task="tiny",
        dataset=EvalDataset(name="tiny", samples=len(records)),
        model="mockllm/model",
        config=EvalConfig(),
    )
    samples = [
        EvalSample(
            id=step,
            epoch=1,
            input=f"What is {step} + {step}?",
            target=str(2 * step),
            scores={
                name: Score(value="C" if values[key] > 2.5 else "I", answer=str(2 * step))
                for name, key in (("match", "train/loss"), ("includes", "val/loss"))
            },
        )
        for step, values in records
    ]
    write_eval_log(EvalLog(status="success", eval=spec, samples=samples), str(folder / "tiny.eval"))


def read(folder):
    (path,) = folder.glob("*.eval")
    return read_eval_log(str(path))


def rows(log):
    return ((name, s.id, LETTERS[score.value]) for s in log.samples for name, score in s.scores.items())


KINDS = {"inspect": ("read_eval_log", write, read, rows)}
