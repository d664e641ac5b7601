"""The lab's own step, told like its peer beside it."""

from __future__ import annotations

import json
import sys
import time

from similitude.lab._process import prepare

prepare()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from similitude.lab import config_from  # noqa: E402
from similitude.lab._leaf import count, first_values  # noqa: E402
from similitude.lab._step import compiled  # noqa: E402


def main(settings: dict) -> None:
    config = config_from({
        "model": {k: settings[k] for k in ("layers", "width", "heads")},
        "data": {"sequence": settings["sequence"]},
        "train": {"batch": settings["batch"], "steps": 10},
    })  # fmt: skip
    made = compiled(config)
    params = {k: jnp.asarray(v) for k, v in first_values(made.leaves, 0).items()}
    state = {"params": params, "optimizer": made.direction.init(params), "ema": {}, "extra": {}}
    shape = (settings["batch"], settings["sequence"] + 1)
    windows, key = np.random.default_rng(0).integers(0, 256, shape, dtype=np.int32), jax.random.key(0)
    print(json.dumps({"parameters": count(made.leaves)}), flush=True)
    number = 0
    for line in sys.stdin:
        begun = time.process_time()
        for _ in range(int(line)):
            state, (loss, _, _) = made.step(state, windows, 1e-3, 0.1, 0.0, number, key)
            value, number = float(loss), number + 1
        print(json.dumps({"seconds": time.process_time() - begun, "loss": value}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
