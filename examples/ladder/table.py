"""Trained runs as the tables that come with the package: `python examples/ladder/table.py STORE... [-o FILE]`.

Numbers only, a row a run, in the order of compute; what a fit needs first, then the settings that vary. `--points`
gives a row for each measurement of validation loss and gradient noise instead.
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
    "parameterisation": "parameterisation",
    "intervention": "intervention",
    "seed": "seed",
}
NOT_LOSSES = ("val/loss", "val/ema/loss")
POINTS = {"val/loss": "loss", "noise/one": "noise_one", "noise/batch": "noise_batch"}


def rows_of(store: Path) -> list[dict[str, object]]:
    """A dictionary a run of a store; its group is the store's name, but "seeds" for the ladder's further seeds."""
    found = []
    with Store(store, create=False) as kept:
        for run in kept.logged():
            config = {**run.config, "intervention": intervention(run.config)}
            domains = [k.rpartition(".")[2] for k, v in config.items() if k.startswith("data.domains.") and v]
            group = "seeds" if store.stem == "ladder" and config["seed"] else store.stem
            row = {"run": config["id"], "group": group, "domain": "+".join(domains)}
            row |= {name: config[setting] for name, setting in COLUMNS.items()}
            others = {k.removeprefix("val/").removeprefix("quantised/").replace("/", "_"): v
                      for k, v in sorted(run.final.items()) if k.endswith("/loss") and k not in NOT_LOSSES}  # fmt: skip
            row |= {"loss": run.final.get("val/loss"), **others}
            found.append({**row, "seconds": round(run.final["seconds"], 1), "state": run.state})
    return found


def intervention(config: dict[str, object]) -> str:
    """Which intervention a run has, "plain" without; of quantised ones, whether they are so already in training."""
    names = sorted({k.split(".")[1] for k in config if k.startswith("interventions.")})
    if names == ["quantisation"]:
        return "quantised in training" if config["interventions.quantisation.during"] else "quantised after"
    return "+".join(names) or "plain"


def points_of(store: Path) -> list[dict[str, object]]:
    """A dictionary for each measurement of a run's validation loss, with the gradient noise measured there."""
    found = []
    with Store(store, create=False) as kept:
        for run in kept.logged():
            curves = run.curves().filter(pl.col("metric").is_in(list(POINTS)))
            wide = curves.pivot("metric", index="step", values="value").rename(POINTS).sort("step")
            settings = {k: run.config[COLUMNS[k]] for k in ("batch", "lr")}
            found += [{"run": run.config["id"], **settings, **row} for row in wide.iter_rows(named=True)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=TABLE)
    parser.add_argument("--points", action="store_true", help="a row for each measurement")
    given = parser.parse_args()
    if given.points:
        frame = pl.DataFrame([row for store in given.stores for row in points_of(store)]).sort("batch", "lr", "step")
    else:
        rows = [row for store in given.stores for row in rows_of(store)]
        frame = pl.DataFrame(rows, infer_schema_length=None).sort("group", "domain", "C", "lr", "batch", "seed")
        frame = frame.drop(name for name in ("parameterisation", "intervention") if frame[name].n_unique() == 1)
    frame.write_csv(given.output)
    said = {"rows": frame.height, "file": given.output.name}
    if "seconds" in frame.columns:
        said["core_hours"] = round(float(frame["seconds"].sum()) / 3600, 2)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
