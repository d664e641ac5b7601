"""Ladders under way, seen from outside: a driver, its workers, and all that its store says in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from similitude.runs.store import Store

TIMED = ("seconds", "tokens_per_second")
DRIVER = """
import json, sys
import similitude.lab as lab
if __name__ == "__main__":
    lab.run(json.loads(sys.argv[1]), store=sys.argv[2], workers=2)
"""


def table_of(path: Path) -> dict[str, Any]:
    """All that a store says of its runs, but for times, by key; a key that is there twice is an error."""
    with Store(path) as store:
        kept = store.logged()
    found = {
        r.key: (
            r.state,
            sorted(r.config.items(), key=str),
            sorted((k, v) for k, v in r.final.items() if k not in TIMED),
            r.curves().select("metric", "step", "value").sort("metric", "step", "value").rows(),
        )
        for r in kept
    }
    assert len(found) == len(kept), "a run is there twice"
    return found


def workers_of(pid: int) -> list[int]:
    """The worker processes of a driver."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(pid) and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
