# /// script
# dependencies = ["mlflow==3.17.2"]
# ///
"""MLflow's SQLite store and file store, written and read by its client."""

from __future__ import annotations

import os

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", MLFLOW_ALLOW_FILE_STORE="true")
from mlflow import MlflowClient
from mlflow.entities import Metric


def _client(kind, folder):
    return MlflowClient(f"sqlite:///{folder}/mlflow.db" if kind == "mlflow-sqlite" else f"file://{folder}/mlruns")


def write(kind, folder, records):
    client = _client(kind, folder)
    run = client.create_run(client.create_experiment("ladder"), run_name="run").info.run_id
    metrics = [Metric(name, value, 1_700_000_000_000 + s, s) for s, values in records for name, value in values.items()]
    for i in range(0, len(metrics), 1000):
        client.log_batch(run, metrics[i : i + 1000])
    client.set_terminated(run)


def read(kind, folder):
    client = _client(kind, folder)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return [
        client.get_metric_history(run.info.run_id, key)
        for run in client.search_runs(experiments)
        for key in run.data.metrics
    ]


def rows(histories):
    return ((m.key, m.step, m.value) for history in histories for m in history)


def _kind(kind):
    return "mlflow client", lambda *given: write(kind, *given), lambda *given: read(kind, *given), rows


KINDS = {kind: _kind(kind) for kind in ("mlflow-sqlite", "mlflow-files")}
