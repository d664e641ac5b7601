"""Training loops whose tracking goes on and off by turns: `python loops.py lab|numpy|huggingface|lightning`.

Further arguments: a folder, blocks, steps between two logs, and `calls` to take the time of each call of the tracking.
Printed is JSON. Times are those of blocks of a few steps, of the thread that trains and by the wall. Needs only what
the loop needs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import similitude as sim

BLOCK = 20  # steps
WARM = 5  # blocks that are not counted


class Turns:
    """Told of each step: takes the time of blocks, says whether steps are tracked: off, on, on, off and so on.

    With `calls` also the time of each call, which is a cost of its own: about that of the call.
    """

    def __init__(self, blocks: int, clock: Callable[[], float] = time.thread_time, *, calls: bool = False) -> None:
        self.clock, self.calls = clock, calls
        self.steps = (blocks + WARM) * BLOCK
        self.blocks: list[list[float]] = []
        self.inside = 0.0  # seconds of the thread in calls of the tracking
        self.tracked, self._step, self._begun = False, 0, (0.0, 0.0)

    def __call__(self) -> bool:
        """At the beginning of a step, and once at the end of the last."""
        if self._step % BLOCK == 0:
            now = self.clock(), time.perf_counter()
            if self._step > WARM * BLOCK:
                self.blocks.append([float(self.tracked), now[0] - self._begun[0], now[1] - self._begun[1]])
            self.tracked = (self._step // BLOCK - WARM) % 4 in (1, 2)
            self._begun = self.clock(), time.perf_counter()
        self._step += 1
        return self.tracked

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call; its time counts as that of the tracking while steps are tracked, where calls are looked at."""
        if not self.calls:
            return call

        def counted(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*given, **named)
            finally:
                self.inside += (time.thread_time() - begun) * (self.tracked and self._step > WARM * BLOCK)

        return counted


def numpy_loop(store: Path, every: int, turn: Turns) -> None:
    """Steps of about 3 ms: products of matrices."""
    import numpy as np

    rng = np.random.default_rng(0)
    h, w = rng.standard_normal((64, 512)), rng.standard_normal((512, 512)) / 30
    with sim.track.run(store) as run:
        log = turn.timed(run.log)
        for step in range(turn.steps):
            tracked = turn()
            for _ in range(2):
                h = np.tanh(h @ w)
            loss = float(np.square(h).mean())
            if tracked and step % every == 0:
                log({"loss": loss, "lr": 1e-3, "norm": loss * 2, "seen": step * 64.0}, step)
        turn()


def lab_loop(store: Path, every: int, turn: Turns) -> None:
    """The lab's own step on its smallest decoder, 33 thousand parameters, with loss and norm read at each."""
    from similitude.lab._process import prepare

    prepare()
    import jax
    import jax.numpy as jnp
    import numpy as np

    from similitude.lab import config_from
    from similitude.lab._leaf import first_values
    from similitude.lab._step import compiled

    values = {
        "model": {"layers": 2, "width": 32, "heads": 2},
        "data": {"sequence": 128},
        "train": {"batch": 8, "steps": 9},
    }
    made = compiled(config_from(values))
    params = {k: jnp.asarray(v) for k, v in first_values(made.leaves, 0).items()}
    state: Any = {"params": params, "optimizer": made.direction.init(params), "ema": {}, "extra": {}}
    windows, key = np.random.default_rng(0).integers(0, 256, (8, 129), dtype=np.int32), jax.random.key(0)
    with sim.track.run(store) as run:
        log = turn.timed(run.log)
        for step in range(turn.steps):
            tracked = turn()
            state, (loss, norm, _) = made.step(state, windows, 1e-3, 0.1, 0.0, step, key)
            held, size = float(loss), float(norm)
            if tracked and step % every == 0:
                log({"loss": held, "lr": 1e-3, "norm": size, "seen": step * 1024.0}, step)
        turn()


def _switch(callback: Any, run: Any, tracked: bool) -> None:
    callback.tracked = run if tracked else None


def huggingface_loop(store: Path, every: int, turn: Turns) -> None:
    """The Trainer on a Llama of two layers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(1)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=256, max_position_embeddings=64, **shape))
    rows = [{"input_ids": (t := torch.randint(0, 256, (16,))), "labels": t} for _ in range(256)]
    tracking = sim.track.huggingface(store)
    tracking.on_log = turn.timed(tracking.on_log)

    class Timer(TrainerCallback):
        """Called before the tracking."""

        run: Any = None

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.run = self.run or tracking.tracked
            _switch(tracking, self.run, turn())

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            turn()
            _switch(tracking, self.run, True)

    arguments = TrainingArguments(
        "out", max_steps=turn.steps, logging_steps=every, report_to="none", save_strategy="no", disable_tqdm=True,
        use_cpu=True, per_device_train_batch_size=4,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[Timer(), tracking])
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def lightning_loop(store: Path, every: int, turn: Turns) -> None:
    """Lightning's Trainer on a perceptron of two layers."""
    import logging
    import warnings

    import lightning
    import torch

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    tracking = sim.track.lightning(store)
    for hook in ("on_train_batch_start", "on_train_batch_end"):
        setattr(tracking, hook, turn.timed(getattr(tracking, hook)))

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            layers = torch.nn.Linear(256, 512), torch.nn.Tanh(), torch.nn.Linear(512, 256)
            self.net = torch.nn.Sequential(*layers)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = (self.net(batch) - batch).square().mean()
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    class Timer(lightning.Callback):
        """Called after the tracking, which logs a step when the next begins."""

        run: Any = None

        def on_train_batch_start(self, *_: Any) -> None:
            self.run = self.run or tracking.tracked
            _switch(tracking, self.run, turn())

        def on_train_end(self, *_: Any) -> None:
            turn()
            _switch(tracking, self.run, True)

    trainer = lightning.Trainer(
        max_steps=turn.steps, log_every_n_steps=every, logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, callbacks=[tracking, Timer()],
    )  # fmt: skip
    trainer.fit(Module(), torch.utils.data.DataLoader(torch.randn(64 * 64, 256), batch_size=64))


LOOPS = {"lab": lab_loop, "numpy": numpy_loop, "huggingface": huggingface_loop, "lightning": lightning_loop}


def microseconds(store: Path, calls: int = 20_000) -> float:
    """Processor time of one call of `log` with four numbers."""
    with sim.track.run(store) as run:
        begun = time.thread_time()
        for step in range(calls):
            run.log({"loss": 1.0, "lr": 1e-3, "norm": 2.0, "seen": 3.0}, step)
        taken = time.thread_time() - begun
    return taken / calls * 1e6


def main(kind: str, folder: str, blocks: str, every: str, *what: str) -> None:
    """The blocks, what the writing thread took, and what the store holds afterwards."""
    clock = time.process_time if kind == "lab" else time.thread_time
    store, turn = Path(folder) / "similitude.db", Turns(int(blocks), clock, calls=what == ("calls",))
    begun = time.process_time() - time.thread_time()
    LOOPS[kind](store, int(every), turn)
    others = time.process_time() - time.thread_time() - begun
    with sim.Store(store) as held:
        (run,) = held.logged()
        logged = run.curves()["step"].n_unique()
    document = {"blocks": turn.blocks, "others": others, "inside": turn.inside, "logged": logged, "state": run.state}
    document["microseconds"] = microseconds(Path(folder) / "calls.db")
    print(json.dumps(document))


if __name__ == "__main__":
    main(*sys.argv[1:])
