"""Each intervention against the plain decoder: `python examples/ladder/interventions.py` writes interventions.json.

Runs of one width and length are a pair. Two things are told of each intervention: the mean difference of loss within
pairs, at equal width and tokens, with Student's interval; and what Chinchilla's law, fitted to each of the two, says of
both at the compute of the largest plain run and of ten such runs. N in that law is the compute of a token over six, so
that what an intervention adds to compute counts, and memory does not.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import stats

import similitude as sim

HERE = Path(__file__).resolve().parent
LEVEL = 0.9
PLAIN = "plain"


def main() -> None:
    runs = sim.datasets.load("ladder", "interventions")
    names = [n for n in dict.fromkeys(runs.labels("intervention").tolist()) if n != PLAIN]
    found = {name: told_of(runs, name) for name in sorted(names)}
    (HERE / "interventions.json").write_text(json.dumps(found, indent=2) + "\n")
    for name, told in found.items():
        print(name, told["difference"], told["at"])


def told_of(runs: sim.Runs, name: str) -> dict[str, object]:
    """What runs say of an intervention against the plain decoder; low-rank tuning against training on its text."""
    plain = cells(runs.where(intervention=PLAIN, domain="english" if name == "lora" else "python"))
    other = cells(runs.where(intervention=name), loss="int4_loss" if name == "quantised after" else "loss")
    both = sorted(plain.keys() & other.keys())
    gaps = np.array([other[c]["loss"] - plain[c]["loss"] for c in both])
    half = stats.t.ppf((1 + LEVEL) / 2, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    by_length = {f"{d:.0f}": float(np.mean([g for g, c in zip(gaps, both) if c[1] == d])) for d in {c[1] for c in both}}
    told = {
        "runs": len(both),
        "parameters": float(np.mean([other[c]["N"] / plain[c]["N"] for c in both])),
        "compute": float(np.mean([other[c]["C"] / plain[c]["C"] for c in both])),
        "difference": [float(gaps.mean()), float(gaps.mean() - half), float(gaps.mean() + half)],
        "difference_by_length": dict(sorted(by_length.items(), key=lambda item: float(item[0]))),
        "ahead": int(np.sum(gaps < 0)),
    }
    laws = [law_of(cell, both) for cell in (plain, other)]
    n = max(plain[c]["C"] / (6 * plain[c]["D"]) for c in both)
    d = max(plain[c]["D"] for c in both)
    told["at"] = {}
    for times in (1, 10):  # of the largest plain run's compute, N and D growing alike
        a, b = (fit.predict(N=n * times**0.5, D=d * times**0.5, level=LEVEL) for fit in laws)
        told["at"][times] = {which: [p.value, p.low, p.high] for which, p in ((PLAIN, a), (name, b))}
    return told


def law_of(cell: dict[tuple[float, float], dict[str, float]], both: list[tuple[float, float]]) -> sim.Fit:
    """Chinchilla's law through the runs of one kind."""
    columns = {k: np.array([cell[c][k] for c in both]) for k in ("C", "D", "loss")}
    return sim.fit(
        sim.laws.chinchilla, sim.read_runs({"N": columns.pop("C") / (6 * columns["D"]), **columns}, check=False)
    )


def cells(runs: sim.Runs, loss: str = "loss") -> dict[tuple[float, float], dict[str, float]]:
    """Runs by width and tokens."""
    columns = {k: runs.column(loss if k == "loss" else k).tolist() for k in ("width", "D", "N", "C", "loss")}
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return {(r["width"], r["D"]): r for r in rows}


if __name__ == "__main__":
    main()
