# /// script
# dependencies = ["wandb==0.25.0"]
# ///
"""Offline runs of Weights & Biases, written by wandb and read by its DataStore, which later versions do not have."""

from __future__ import annotations

import json
import os

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")
import wandb
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore


def write(folder, records):
    settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True, disable_git=True)
    run = wandb.init(project="ladder", name="run", id="run", dir=str(folder), settings=settings)
    for step, values in records:
        run.log(values, step=step)
    run.finish()
    for path in folder.rglob("*"):  # to its own log files
        if path.is_symlink():
            path.unlink()


def read(folder):
    (path,) = folder.rglob("*.wandb")
    store, found = DataStore(), []
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            found.append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
    return found


def rows(records):
    for values in records:
        for name, value in values.items():
            if not name.startswith("_"):
                yield name, values["_step"], value


KINDS = {"wandb": ("wandb DataStore", write, read, rows)}
