# /// script
# dependencies = ["wandb==0.31.0", "pandas==3.1.1", "pyarrow==26.0.1"]
# ///
"""Histories that Weights & Biases gives as data frames, as pandas saves them: whole, sampled and of one metric.

The server is a stand-in on this machine: it takes the rows that runs send and gives them back, of many as many as it is
asked for, evenly spaced. Which ones the real server chooses, and what else it makes of rows, is not tried.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

os.environ.update(WANDB_SILENT="true", WANDB_ERROR_REPORTING="false", WANDB_API_KEY="0" * 40)
os.environ.update(WANDB_CONFIG_DIR="settings", WANDB_CACHE_DIR="cache", WANDB_DATA_DIR="data")
import pandas as pd
import wandb

out = Path(sys.argv[1])
files = out / "files"
LENGTHS = {"short": 60, "long": 640}
received: dict[str, dict[int, str]] = {name: {} for name in LENGTHS}  # rows by their place


def logged(name: str, step: int) -> dict[str, float]:
    """What a run logs: a loss that is once no number, now and then another, and counts of tokens."""
    loss = math.nan if (name, step) == ("short", 20) else 4 / (1 + step) ** 0.5
    held = {"val/loss": 4.5 / (1 + step) ** 0.5} if step % 7 == 0 else {}
    return {"train/loss": loss, "tokens": 1024 * (1 + step), **held}


class Server(BaseHTTPRequestHandler):
    """What the library asks of a server to send the rows of runs, and to have them back."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        if self.path.endswith("/file_stream"):
            sent = asked.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
            received[self.path.split("/")[-2]].update(enumerate(sent["content"], sent["offset"]))
            self.answer({})
            return
        variables = asked.get("variables", {})
        name = variables.get("name")
        rows = [row for _, row in sorted(received.get(name, {}).items())]
        run = {"projectId": "1", "state": "finished", "config": "{}", "summaryMetrics": "{}", "systemMetrics": "{}"}
        run |= {"name": name, "user": {"name": "user"}, "history": spaced(rows, variables.get("samples", 0))}
        run["sampledHistory"] = []
        for spec in map(json.loads, variables.get("specs", [])):
            chosen = [{k: r[k] for k in spec["keys"]} for r in map(json.loads, rows) if set(spec["keys"]) <= set(r)]
            run["sampledHistory"].append(spaced(chosen, spec["samples"]))
        bucket = {"id": "1", "name": name, "project": {"name": "ladder", "entity": {"name": "user"}}}
        viewer = {"id": "user", "username": "user", "entity": "user", "flags": "{}", "teams": {"edges": []}}
        data = {"viewer": viewer, "project": {"run": run}, "upsertBucket": {"bucket": bucket, "inserted": True}}
        self.answer({"data": {**data, "createRunFiles": {"runID": "1", "uploadHeaders": [], "files": []}}})

    def answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def spaced(rows: list[Any], samples: int) -> list[Any]:
    """As many as asked for, the first and the last among them; all where there are no more."""
    last = len(rows) - 1
    return rows if len(rows) <= samples else [rows[i * last // (samples - 1)] for i in range(samples)]


def keep(frame: pd.DataFrame, name: str, run: str) -> None:
    """The frame in a file of either kind; its points are those that the run logged, less what is no number."""
    points: dict[str, list[list[float]]] = {}
    for column in frame.columns.difference(["_step", "_timestamp"]):
        there = frame[["_step", column]].dropna()
        points[column] = [[int(step), float(value)] for step, value in there.itertuples(index=False)]
        if column != "_runtime":
            given = {step: logged(run, step).get(column, math.nan) for step in frame["_step"]}
            assert points[column] == [[step, value] for step, value in given.items() if not math.isnan(value)]
    ends = frame["_timestamp"].iloc[[0, -1]].tolist() if "_timestamp" in frame else []
    for kind in ("csv", "parquet"):
        path = files / f"{name}-{kind}.{kind}"
        frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
        runs.append({"name": path.stem, "state": "unknown", "points": points, "first and last": ends})


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
Thread(target=server.serve_forever, daemon=True).start()
os.environ["WANDB_BASE_URL"] = f"http://127.0.0.1:{server.server_port}"
bare = ("x_disable_meta", "x_disable_stats", "x_disable_machine_info", "disable_git", "disable_code")
for name, length in LENGTHS.items():
    settings = wandb.Settings(console="off", **dict.fromkeys(bare, True))
    run = wandb.init(project="ladder", entity="user", id=name, dir=".", settings=settings)
    for step in range(length):
        run.log(logged(name, step))
    run.finish()
    assert len(received[name]) == length
api = wandb.Api()
runs: list[dict[str, Any]] = []
keep(api.run("user/ladder/short").history(), "short", "short")
keep(api.run("user/ladder/long").history(), "sampled", "long")
keep(api.run("user/ladder/long").history(samples=2000, keys=["val/loss"]), "one", "long")
kept = {"library": "wandb", "version": wandb.__version__, "reader": "table", "runs": runs}
(out / "values.json").write_text(json.dumps(kept, indent=1) + "\n")
