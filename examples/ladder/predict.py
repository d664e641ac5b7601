"""What the ladder foretells of the top rung, written before it is trained: `python examples/ladder/predict.py`.

The law was chosen before: Chinchilla's, on the Python runs of the ladder and their further seeds. Beside it stand what
other laws say, and how each would have done on the ladder's own largest runs.
"""

from __future__ import annotations

import json
from pathlib import Path

import similitude as sim
from similitude.lab._train import training_flop

HERE = Path(__file__).resolve().parent
LAWS = ("chinchilla", "chinchilla_tied", "farseer", "kaplan")
LEVEL = 0.9


def main() -> None:
    (top,) = sim.lab.read_ladder(HERE / "top.toml").runs
    runs = sim.datasets.load("ladder").where(domain="python")
    runs = runs.where("group == 'ladder' or group == 'seeds'")
    n, d, c = top.shape.parameters("total"), top.tokens, training_flop(top)
    ratio = c / float(runs.column("C").max())
    told = {}
    for name in LAWS:
        fit = sim.fit(getattr(sim.laws, name), runs, seed=0)
        p = fit.predict(N=n, D=d, level=LEVEL)
        told[name] = {"loss": p.value, "low": p.low, "high": p.high, "new_low": p.new_low, "new_high": p.new_high}
    compared = sim.compare_laws([getattr(sim.laws, name) for name in LAWS], runs, hold_out="largest 20%", seed=0)
    document = {
        "top": {"id": top.id, "N": n, "D": d, "C": c, "compute_over_largest": round(ratio, 3)},
        "runs": len(runs),
        "law": LAWS[0],
        "level": LEVEL,
        "predictions": told,
        "held_out": {s.law: s.held_out for s in compared.scores},
    }
    (HERE / "prediction.json").write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))
    print(sim.fit(sim.laws.chinchilla, runs, seed=0))
    print(compared)


if __name__ == "__main__":
    main()
