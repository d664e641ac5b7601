# /// script
# dependencies = ["mlflow==3.17.2"]
# ///
"""An SQLite store and a file store of MLflow: a finished run, a failed one, a nested one, one deleted, odd values.

Kept are the tables and files of runs; tables of other things, artifacts and tags of the source's path are taken out.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", LOGNAME="user", USER="user", GIT_PYTHON_REFRESH="quiet")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
import mlflow

out = Path(sys.argv[1])


def log(prefix: str) -> list[dict[str, Any]]:
    """The same runs into whatever store is set."""
    runs = []
    mlflow.set_experiment("ladder")
    with mlflow.start_run(run_name=f"{prefix}-plain", tags={"mlflow.user": "user", "mlflow.source.name": "train.py"}):
        mlflow.log_params({"lr": 3e-4, "layers": 2, "name": "tiny"})
        losses = [4.0, 3.0, math.nan, 2.0, math.inf, -math.inf, 1 / 3]
        for i, value in enumerate(losses):
            mlflow.log_metric("loss", value, step=i * 100)
            mlflow.log_metric("lr", 1e-3 / (i + 1), step=i * 100)
        points = {
            "loss": [[i * 100, v] for i, v in enumerate(losses)],
            "lr": [[i * 100, 1e-3 / (i + 1)] for i in range(len(losses))],
        }
        config = {"lr": "0.0003", "layers": "2", "name": "tiny"}
        runs.append({"name": f"{prefix}-plain", "state": "finished", "config": config, "points": points})
        with mlflow.start_run(run_name=f"{prefix}-nested", nested=True, tags={"mlflow.user": "user"}):
            mlflow.log_metric("score", 0.5)
        runs.append({"name": f"{prefix}-nested", "state": "finished", "points": {"score": [[0, 0.5]]}})
    try:
        with mlflow.start_run(run_name=f"{prefix}-failed", tags={"mlflow.user": "user"}):
            mlflow.log_metric("loss", 9.0, step=1)
            raise RuntimeError("on purpose")
    except RuntimeError:
        runs.append({"name": f"{prefix}-failed", "state": "crashed", "points": {"loss": [[1, 9.0]]}})
    with mlflow.start_run(run_name=f"{prefix}-deleted", tags={"mlflow.user": "user"}) as run:
        mlflow.log_metric("loss", 1.0)
    mlflow.delete_run(run.info.run_id)
    return runs


(out / "files").mkdir(exist_ok=True)
mlflow.set_tracking_uri("sqlite:///mlflow.db")
runs = log("sql")
mlflow.set_tracking_uri("./mlruns")
runs += log("file")
import sqlite3  # noqa: E402

database = sqlite3.connect("mlflow.db")
here = str(Path.cwd())
for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
    database.execute(f"update {table} set {column} = replace({column}, ?, '.')", (here,))
database.execute("delete from tags where key like 'mlflow.source.%'")
kept_tables = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags", "alembic_version")
for kind in ("view", "table"):
    for (name,) in database.execute(f"select name from sqlite_master where type = '{kind}'").fetchall():
        if name not in kept_tables and not name.startswith("sqlite_"):
            database.execute(f'drop {kind} "{name}"')
database.commit()
database.execute("vacuum")
database.close()
shutil.copy("mlflow.db", out / "files" / "mlflow.db")
for path in Path("mlruns").rglob("meta.yaml"):
    path.write_text(path.read_text().replace(here, "."))
shutil.copytree("mlruns", out / "files" / "mlruns", ignore=shutil.ignore_patterns("artifacts", ".trash", "*source*"))
kept = {"library": "mlflow", "version": mlflow.__version__, "reader": "mlflow", "runs": runs}
kept["left_out"] = [["deleted"], ["deleted"]]
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
