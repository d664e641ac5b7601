"""A ladder on a Dask cluster of this machine, one of whose workers is killed while it trains."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

import pytest

import similitude as sim
from similitude.lab import ladder_from
from similitude.runs.store import Store

distributed = pytest.importorskip("distributed")


def _losses(path):
    with Store(path) as store:
        return {r.key: (r.state, r.final["val/loss"]) for r in store.logged()}


@pytest.mark.filterwarnings("ignore")  # of the cluster's own libraries, while it is taken down
def test_a_cluster_trains_a_ladder_though_a_worker_is_killed(small, tmp_path):
    settings = small()
    del settings["train"]["steps"]
    values = {"run": settings, "sweep": [{"seed": [0, 1, 2], "train": {"steps": 400}}]}
    ladder = ladder_from(values, store=tmp_path / "runs.db")
    killed: list[int] = []

    def kill(client):
        """A worker, once it trains."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not killed:
            time.sleep(0.2)
            with Store(ladder.store) as store:
                rows = store._all("select distinct pid from live")
            workers = set(client.run(os.getpid).values())
            for row in rows:
                if row["pid"] in workers:
                    os.kill(row["pid"], signal.SIGKILL)
                    killed.append(row["pid"])
                    return

    Store(ladder.store).close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            killer = threading.Thread(target=kill, args=(client,))
            killer.start()
            outlook = sim.lab.run(ladder, executor=client.get_executor())
            killer.join()
    assert killed
    assert [r["state"] for r in outlook.rows] == ["finished"] * 3
    undisturbed = ladder_from(values, store=tmp_path / "other.db")
    sim.lab.run(undisturbed, workers=1)
    assert _losses(ladder.store) == _losses(undisturbed.store)
