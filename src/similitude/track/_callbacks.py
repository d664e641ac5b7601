"""Callbacks for the trainers that people use; their libraries are imported when a callback is made."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from similitude._errors import ArgumentError
from similitude.track._run import Run, run

__all__ = ["huggingface", "lightning"]


def huggingface(store: str | Path = "similitude.db", *, name: str | None = None, **more: Any) -> Any:
    """A `TrainerCallback` that keeps what a Hugging Face Trainer logs, its arguments and the model's configuration.

    `more` are those of :func:`run`. Raises ArgumentError where transformers is not installed.

    Use: ``Trainer(..., callbacks=[sim.track.huggingface("similitude.db")])``.

    >>> import similitude as sim
    >>> sim.track.huggingface.__module__
    'similitude.track._callbacks'
    """
    base: Any = _imported(("transformers",), "transformers").TrainerCallback

    class Tracking(base):
        """Begins with the training, logs what the Trainer logs, ends with it."""

        tracked: Run | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if state.is_world_process_zero:
                settings = _safely(lambda: _settings(args, given.get("model")))
                self.tracked = run(store, settings, name=name or getattr(args, "run_name", None), **more)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
            if self.tracked is not None and logs:
                self.tracked.log(logs, state.global_step)

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if self.tracked is not None:
                self.tracked.summary({"total_flos": getattr(state, "total_flos", 0.0)})
                self.tracked.finish()

    return Tracking()


def _imported(modules: tuple[str, ...], package: str) -> Any:
    """The first of these modules that is there."""
    for module in modules:
        try:
            return import_module(module)
        except ImportError:
            continue
    raise ArgumentError(f"{package} is not installed: pip install {package}")


def _settings(arguments: Any, model: Any) -> dict[str, Any]:
    """The Trainer's arguments, the model's configuration and its number of parameters."""
    found: dict[str, Any] = dict(arguments.to_dict())
    config = getattr(model, "config", None)
    if config is not None:
        found["model"] = config.to_dict()
    if model is not None:
        found["num_parameters"] = sum(p.numel() for p in model.parameters())
    return found


def _safely(call: Any) -> dict[str, Any]:
    try:
        return call()
    except Exception:  # a training must not fail for its settings
        return {}


def lightning(store: str | Path = "similitude.db", *, name: str | None = None, **more: Any) -> Any:
    """A Lightning callback that keeps the metrics a LightningModule logs, and its hyper-parameters.

    `more` are those of :func:`run`. Raises ArgumentError where Lightning is not installed.

    Use: ``Trainer(callbacks=[sim.track.lightning("similitude.db")])``.

    >>> import similitude as sim
    >>> sim.track.lightning.__module__
    'similitude.track._callbacks'
    """
    base: Any = _imported(("lightning.pytorch", "pytorch_lightning"), "lightning").Callback

    class Tracking(base):
        """Begins with the fit, logs as often as the trainer does, ends with it.

        A step is logged when the next thing begins: by then Lightning has put together what was logged in it, which it
        does for each step anyway and takes longer than all the rest.
        """

        tracked: Run | None = None
        due: int | None = None  # the step to be logged

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                settings = _safely(lambda: _hyper_parameters(trainer, pl_module))
                self.tracked = run(store, settings, name=name, **more)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if self.tracked is not None and trainer.global_step % max(trainer.log_every_n_steps, 1) == 0:
                self.due = trainer.global_step

        def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if self.due is not None:
                step, self.due = self.due, None
                if self.tracked is not None:
                    self.tracked.log(_logged(trainer), step)

        def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
            self.on_train_batch_start(trainer, pl_module)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            self.on_train_batch_start(trainer, pl_module)

        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            if self.tracked is not None and not trainer.sanity_checking:
                held = {k: v for k, v in trainer.callback_metrics.items() if k not in trainer.logged_metrics}
                self.tracked.log(held or trainer.callback_metrics, trainer.global_step)

        def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
            self.on_train_batch_start(trainer, pl_module)
            if self.tracked is not None:
                self.tracked.finish()

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            self.on_train_batch_start(trainer, pl_module)
            if self.tracked is not None:
                self.tracked.finish("crashed")

    return Tracking()


def _logged(trainer: Any) -> Any:
    """What was logged in the step that has ended; put together once more where Lightning does not keep it so."""
    kept = getattr(getattr(trainer, "_logger_connector", None), "_logged_metrics", None)
    return kept if isinstance(kept, dict) else trainer.logged_metrics


def _hyper_parameters(trainer: Any, module: Any) -> dict[str, Any]:
    found: Mapping[str, Any] = getattr(module, "hparams", {}) or {}
    steps = trainer.max_steps if trainer.max_steps and trainer.max_steps > 0 else None
    more = {"max_steps": steps, "num_parameters": sum(p.numel() for p in module.parameters())}
    return {**dict(found), **{k: v for k, v in more.items() if v is not None}}
