"""The ladder as the table that comes with the package: `python examples/ladder/table.py STORE... [-o FILE]`.

Numbers only, a row a run, in the order of compute; what a fit needs first, then the settings that vary.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from similitude.runs.store import Store

TABLE = Path(__file__).resolve().parents[2] / "src" / "similitude" / "runs" / "ladder.csv"
COLUMNS = {
    "N": "n_total",
    "N_without_embeddings": "n_params_no_emb",
    "D": "D",
    "C": "C",
    "lr": "train.lr",
    "batch": "train.batch",
    "layers": "model.layers",
    "width": "model.width",
    "heads": "model.heads",
    "schedule": "train.schedule",
    "seed": "seed",
}


def rows_of(store: Path) -> list[dict[str, object]]:
    """A dictionary a run of a store; its group is the store's name, but "seeds" for the ladder's further seeds."""
    found = []
    with Store(store, create=False) as kept:
        for run in kept.logged():
            config = run.config
            (domain,) = [k.rpartition(".")[2] for k in config if k.startswith("data.domains.")]
            group = "seeds" if store.stem == "ladder" and config["seed"] else store.stem
            row = {"run": config["id"], "group": group, "domain": domain}
            row |= {name: config[setting] for name, setting in COLUMNS.items()}
            row |= {"loss": run.final.get("val/loss"), "seconds": round(run.final["seconds"], 1), "state": run.state}
            found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=TABLE)
    given = parser.parse_args()
    rows = [row for store in given.stores for row in rows_of(store)]
    frame = pl.DataFrame(rows).sort("group", "domain", "C", "lr", "batch", "seed")
    frame.write_csv(given.output)
    seconds = float(frame["seconds"].sum())
    print(json.dumps({"runs": frame.height, "core_hours": round(seconds / 3600, 2), "file": given.output.name}))


if __name__ == "__main__":
    main()
