# /// script
# dependencies = [
#     "wandb==0.31.0", "tensorboardX==2.6.4", "mlflow==3.17.2", "transformers==4.57.1", "torch==2.13.0",
#     "lightning==2.6.6", "numpy<2.4",
# ]
# ///
"""A ladder of 24 runs kept by eight programs, three runs each: losses SIMULATED, files written by the libraries.

The losses are those of the coefficients in Besiroglu et al. 2024 with noise of 0.3 %. Printed logs (torchtitan's
lines), JSON lines and the table of one row a run are written here; all else by the library.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import shutil
import sqlite3
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")
os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", LOGNAME="user", USER="user", GIT_PYTHON_REFRESH="quiet")
import mlflow
import tensorboardX
import wandb
from lightning.pytorch.loggers import CSVLogger
from transformers import LlamaConfig
from transformers.trainer_callback import TrainerState

out = Path(sys.argv[1])
files = out / "files"
BATCH, LENGTH, VOCABULARY = 256, 1024, 8192
SIZES = [(3, 192, 512), (4, 256, 704), (6, 384, 1024), (8, 512, 1408), (10, 640, 1728), (12, 768, 2048)]


@dataclass
class Planned:
    name: str
    kind: str
    layers: int
    width: int
    feed_forward: int
    N: int
    D: int
    steps: int
    loss: float = 0.0

    def at(self, step: int) -> float:
        """The loss at a step, without noise."""
        return 1.8172 + 482.01 / self.N**0.3478 + 2085.43 / (step * BATCH * LENGTH) ** 0.3658

    def rate(self, step: int) -> float:
        return 1e-3 * (0.1 + 0.45 * (1 + math.cos(math.pi * step / self.steps)))

    def logged(self) -> list[tuple[int, float, float, float | None]]:
        """Step, learning rate, training loss and now and then the validation loss; the last is the final one."""
        rng = random.Random(self.name)
        marks = [max(1, round(self.steps * i / 20)) for i in range(1, 21)]
        return [
            (
                step,
                self.rate(step),
                self.at(step) * math.exp(rng.gauss(0, 0.01)),
                None if i % 4 else self.loss if step == self.steps else self.at(step) * math.exp(rng.gauss(0, 0.003)),
            )
            for i, step in enumerate(marks, 1)
        ]


def planned() -> list[Planned]:
    rng = random.Random(0)
    kinds = ["wandb", "tensorboard", "mlflow", "huggingface", "lightning", "console", "jsonl", "csv"]
    runs = []
    for i, (layers, width, inner) in enumerate(SIZES):
        size = 2 * VOCABULARY * width + layers * (4 * width**2 + 3 * width * inner + 2 * width) + width
        for j, multiple in enumerate((5, 10, 20, 40)):
            steps = round(multiple * size / (BATCH * LENGTH))
            name = f"{size / 1e6:.0f}m-{multiple}x"
            kind = kinds[(4 * i + j + i // 2) % 8]
            run = Planned(name, kind, layers, width, inner, size, steps * BATCH * LENGTH, steps)
            run.loss = run.at(steps) * math.exp(rng.gauss(0, 0.003))
            runs.append(run)
    return runs


def of_wandb(run: Planned) -> None:
    given: dict[str, Any] = {"console": "off", "host": "machine", "username": "user", "email": "user@example.org"}
    given |= {"root_dir": ".", "disable_git": True, "disable_code": True, "save_code": False, "x_disable_meta": True}
    given |= {"x_disable_stats": True, "x_disable_machine_info": True, "program": "train.py"}
    given |= {"program_relpath": "train.py", "program_abspath": "train.py"}
    settings = wandb.Settings(**{k: v for k, v in given.items() if k in wandb.Settings.model_fields})
    config = {"num_parameters": run.N, "model": {"n_layer": run.layers, "width": run.width}, "max_steps": run.steps}
    made = wandb.init(project="ladder", name=run.name, id=run.name, config=config, settings=settings, dir=".")
    for step, rate, train, held in run.logged():
        values = {"train/loss": train, "lr": rate, "tokens_seen": step * BATCH * LENGTH}
        made.log(values if held is None else {**values, "eval/loss": held}, step=step)
    made.finish()


def keep_wandb() -> None:
    wandb.teardown()  # what was logged is whole on the disk only now
    for path in Path("wandb").glob("offline-run-*/*.wandb"):
        target = files / "wandb" / f"offline-run-20240101_000000-{path.stem.removeprefix('run-')}"
        target.mkdir(parents=True)
        shutil.copy(path, target)


def of_tensorboard(run: Planned) -> None:
    folder = files / "tensorboard" / run.name
    with tensorboardX.SummaryWriter(str(folder)) as writer:
        writer.add_hparams(
            {"num_parameters": run.N, "layers": run.layers}, {"hparam/layers": run.layers}, name="settings"
        )
        for step, rate, train, held in run.logged():
            writer.add_scalar("train/loss", train, step)
            writer.add_scalar("lr", rate, step)
            writer.add_scalar("tokens", step * BATCH * LENGTH, step)
            if held is not None:
                writer.add_scalar("val/loss", held, step)
    for path in sorted(folder.rglob("*tfevents*")):
        parts = path.name.split(".")
        path.rename(path.with_name(".".join([*parts[:4], "machine", *parts[5:]])))


def of_mlflow(run: Planned) -> None:
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("ladder")
    with mlflow.start_run(run_name=run.name, tags={"mlflow.user": "user", "mlflow.source.name": "train.py"}):
        mlflow.log_params({"num_parameters": run.N, "global_batch_size": BATCH, "seq_len": LENGTH})
        for step, rate, train, held in run.logged():
            values = {"loss": train, "learning_rate": rate}
            mlflow.log_metrics(values if held is None else {**values, "val_loss": held}, step=step)


def keep_mlflow() -> None:
    database = sqlite3.connect("mlflow.db")
    here = str(Path.cwd())
    for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
        database.execute(f"update {table} set {column} = replace({column}, ?, '.')", (here,))
    database.execute("delete from tags where key like 'mlflow.source.%'")
    kept = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags", "alembic_version")
    for kind in ("view", "table"):
        for (name,) in database.execute(f"select name from sqlite_master where type = '{kind}'").fetchall():
            if name not in kept and not name.startswith("sqlite_"):
                database.execute(f'drop {kind} "{name}"')
    database.commit()
    database.execute("vacuum")
    database.close()
    shutil.copy("mlflow.db", files / "mlflow.db")


def of_huggingface(run: Planned) -> None:
    folder = files / "trainer" / run.name
    folder.mkdir(parents=True)
    history: list[dict[str, float]] = []
    for step, rate, train, held in run.logged():
        about = {"epoch": step / run.steps, "num_input_tokens_seen": step * BATCH * LENGTH, "step": step}
        history.append({"loss": train, "learning_rate": rate, **about})
        if held is not None:
            history.append({"eval_loss": held, **about})
    state = TrainerState(max_steps=run.steps, global_step=run.steps, log_history=history, num_train_epochs=1)
    state.num_input_tokens_seen, state.epoch = run.D, 1.0
    state.save_to_json(str(folder / "trainer_state.json"))
    LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=run.width,
        intermediate_size=run.feed_forward,
        num_hidden_layers=run.layers,
        num_attention_heads=run.width // 64,
        num_key_value_heads=run.width // 64,
        max_position_embeddings=LENGTH,
    ).save_pretrained(folder)


def of_lightning(run: Planned) -> None:
    logger = CSVLogger(str(files / "lightning"), name=run.name, version=0)
    given = {"num_params": run.N, "global_batch_size": BATCH, "seq_len": LENGTH, "max_steps": run.steps}
    logger.log_hyperparams(given)
    for step, rate, train, held in run.logged():
        logger.log_metrics({"train_loss": train, "lr": rate, "epoch": 0}, step)
        if held is not None:
            logger.log_metrics({"val_loss": held, "epoch": 0}, step)
    logger.save()


def of_console(run: Planned) -> None:
    clock = datetime(2024, 1, 1, tzinfo=UTC)
    head = f"[titan] {clock:%Y-%m-%d %H:%M:%S},000 - root - INFO - "
    lines = [f"{head}Model llama3 {run.name} size: {run.N:,} total parameters"]
    for step, _, train, held in run.logged():
        clock += timedelta(seconds=100)
        head = f"[titan] {clock:%Y-%m-%d %H:%M:%S},000 - root - INFO - "
        lines.append(f"{head}step: {step:2}  loss: {train:7.4f}  memory:  1.20GiB(5.1%)  tps: 61,234  mfu: 31.20%")
        if held is not None:
            lines.append(f"{head}validate step: {step:2}  loss: {held:7.4f}  memory:  0.90GiB(3.8%)  tps: 90,123")
    (files / "slurm").mkdir(exist_ok=True)
    (files / "slurm" / f"{run.name}.log").write_text("\n".join(lines) + "\n")


def of_jsonl(run: Planned) -> None:
    (files / "jsonl").mkdir(exist_ok=True)
    with open(files / "jsonl" / f"{run.name}.jsonl", "w") as stream:
        for step, rate, train, held in run.logged():
            record = {"step": step, "parameter_count": run.N, "throughput/total_tokens": step * BATCH * LENGTH}
            record |= {"train/loss": train, "optim/learning_rate": rate}
            stream.write(json.dumps(record if held is None else {**record, "eval/loss": held}) + "\n")


def of_csv(runs: list[Planned]) -> None:
    with open(files / "older-runs.csv", "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["run", "params", "tokens", "val_loss"])
        writer.writerows([r.name, f"{r.N:,}", f"{r.D / 1e6:.6f}M", repr(r.loss)] for r in runs)


files.mkdir(exist_ok=True)
runs = planned()
write = {"wandb": of_wandb, "tensorboard": of_tensorboard, "mlflow": of_mlflow, "huggingface": of_huggingface}
write |= {"lightning": of_lightning, "console": of_console, "jsonl": of_jsonl}
for run in runs:
    if run.kind in write:
        write[run.kind](run)
keep_wandb()
keep_mlflow()
of_csv([r for r in runs if r.kind == "csv"])
used = ("wandb", "tensorboardX", "mlflow", "transformers", "lightning")
kept = {"libraries": {name: version(name) for name in used}, "runs": [asdict(r) for r in runs]}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
