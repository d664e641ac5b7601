# /// script
# dependencies = [
#     "lightning==2.6.6", "transformers==4.57.1", "torch==2.13.0", "accelerate==1.11.0", "pandas<3", "pyarrow>=15",
# ]
# ///
"""Tables and JSON: Lightning's logger, the Trainer's state, exports of Weights & Biases, plain tables; by pandas."""

from __future__ import annotations

import json

import pandas as pd

RUNS = 100  # of the table of several runs


def write_lightning(folder, records):
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(str(folder), name="ladder", version=0, flush_logs_every_n_steps=1_000_000_000)
    for step, values in records:
        logger.log_metrics({**values, "epoch": step // 1000}, step)
        if step % 10 == 0:
            logger.log_metrics({"val_loss": values["train/loss"] + 0.125, "epoch": step // 1000}, step)
    logger.save()


def write_huggingface(folder, records):
    from transformers.trainer_callback import TrainerState

    history = [{**values, "epoch": step / 1000, "step": step} for step, values in records]
    TrainerState(max_steps=len(history), global_step=len(history), log_history=history).save_to_json(
        str(folder / "trainer_state.json")
    )


def _wide(records):
    return pd.DataFrame([{"step": step, **values} for step, values in records])


def write_csv(folder, records):
    _wide(records).to_csv(folder / "curves.csv", index=False)


def write_runs(folder, records):
    table = _wide(records)
    length = -(-len(table) // RUNS)
    table.insert(0, "run", [f"run-{i // length}" for i in range(len(table))])
    table.to_csv(folder / "curves.csv", index=False)


def write_lines(folder, records):
    _wide(records).to_json(folder / "metrics.jsonl", orient="records", lines=True, double_precision=15)


def write_chart(folder, records):
    table = _wide(records)
    export = {"Step": table["step"]}
    for i, name in enumerate(("train/loss", "lr", "grad_norm", "val/loss")):
        for end in ("", "__MIN", "__MAX"):
            export[f"run-{i} - {name}{end}"] = table[name]
    pd.DataFrame(export).to_csv(folder / "wandb_export.csv", index=False)


def write_history(folder, records):
    table = _wide(records).rename(columns={"step": "_step"})
    table["_timestamp"] = 1.7e9 + table["_step"]
    table.to_parquet(folder / "history.parquet", index=False)


def _file(folder):
    return next(p for p in sorted(folder.rglob("*")) if p.suffix in (".csv", ".json", ".jsonl", ".parquet"))


def read_csv(folder):
    return pd.read_csv(_file(folder), float_precision="round_trip")


def read_state(folder):
    with open(_file(folder)) as stream:
        return pd.DataFrame(json.load(stream)["log_history"])


def read_lines(folder):
    return pd.read_json(_file(folder), lines=True, precise_float=True)


def read_parquet(folder):
    return pd.read_parquet(_file(folder))


def rows(table):
    (step,) = (c for c in table.columns if c in ("step", "_step", "Step"))
    for name in table.columns:
        if name not in (step, "_timestamp", "run") and not name.endswith(("__MIN", "__MAX")):
            held = table[table[name].notna()]
            for i, value in zip(held[step], held[name]):
                yield name, i, value


KINDS = {
    "lightning": ("pandas.read_csv", write_lightning, read_csv, rows),
    "huggingface": ("json and pandas", write_huggingface, read_state, rows),
    "csv": ("pandas.read_csv", write_csv, read_csv, rows),
    "csv-of-runs": ("pandas.read_csv", write_runs, read_csv, rows),
    "json-lines": ("pandas.read_json", write_lines, read_lines, rows),
    "wandb-chart": ("pandas.read_csv", write_chart, read_csv, rows),
    "wandb-history": ("pandas.read_parquet", write_history, read_parquet, rows),
}
