"""A ladder through Dask-jobqueue's SLURM cluster, one of whose jobs is cancelled while it trains.

    pip install dask-jobqueue; python tests/stress/slurm.py

There is no SLURM here: `sbatch` and `scancel` are stand-ins that run a job's script on this machine, and end it. So
what is tried is the script that Dask-jobqueue writes, its workers, and what the lab does when one goes; not SLURM. In
the end the table must be that of the same ladder trained undisturbed, to the last bit. Exit code 1 where it is not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import similitude as sim
from similitude.lab import ladder_from
from similitude.runs.store import Store

SUBMIT = """#!/bin/sh
script=$(mktemp {folder}/jobXXXXXX)
cp "$1" "$script"
setsid sh "$script" > "$script.log" 2>&1 &
echo "Submitted batch job $!"
"""
CANCEL = f"#!{sys.executable}\nimport os, sys\nos.killpg(int(sys.argv[1]), 15)\n"
VALUES = {
    "run": {
        "model": {"layers": 2, "width": 16, "heads": 2},
        "data": {"sequence": 32, "held": 16},
        "train": {"batch": 4, "evaluations": 2, "steps": 6000},
    },
    "sweep": [{"seed": [0, 1, 2]}],
}


def stand_ins(folder: Path) -> None:
    """Commands of these names, found before any others."""
    for name, script in (("sbatch", SUBMIT.format(folder=folder)), ("scancel", CANCEL)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"


def table(store: Path) -> dict[str, tuple[str, float]]:
    """How each run ended."""
    with Store(store) as kept:
        return {run.key: (run.state, run.final["val/loss"]) for run in kept.logged()}


def cancel_one(client, store: Path, cancelled: list[int]) -> None:
    """The job of a worker that trains."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not cancelled:
        time.sleep(0.3)
        with Store(store) as kept:
            training = {row["pid"] for row in kept._all("select distinct pid from live")}
        for number in training & set(client.run(os.getpid).values()):
            job = os.getpgid(number)
            subprocess.run(["scancel", str(job)], check=True)
            cancelled.append(job)
            return


def main() -> int:
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stand_ins(folder)
        ladder = ladder_from(VALUES, store=folder / "runs.db")
        Store(ladder.store).close()
        cancelled: list[int] = []
        settings = {"queue": "cpu", "cores": 1, "memory": "2GB", "walltime": "00:10:00", "interface": "lo"}
        with (
            SLURMCluster(**settings, log_directory=name, scheduler_options={"dashboard_address": None}) as cluster,
            Client(cluster) as client,
        ):
            cluster.scale(jobs=2)
            client.wait_for_workers(2, timeout=150)
            other = threading.Thread(target=cancel_one, args=(client, ladder.store, cancelled))
            other.start()
            sim.lab.run(ladder, executor=client.get_executor())
            other.join()
        sim.lab.run(ladder_from(VALUES, store=folder / "alone.db"), workers=2)
        same = table(folder / "runs.db") == table(folder / "alone.db")
    print(f"{len(cancelled)} job cancelled; table {'the same as' if same else 'NOT that'} undisturbed")
    return 0 if same and cancelled else 1


if __name__ == "__main__":
    sys.exit(main())
