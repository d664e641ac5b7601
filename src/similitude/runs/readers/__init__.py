"""The kinds of logs that are read: an explicit tuple, asked in this order; the first that recognises a file has it."""

from __future__ import annotations

from similitude._errors import DataError
from similitude._plugins import load_all
from similitude.runs.readers._reader import Claim, Place, Reader, reader
from similitude.runs.readers.console import console
from similitude.runs.readers.evaluations import harness, helm, inspect, leaderboard
from similitude.runs.readers.huggingface import huggingface
from similitude.runs.readers.levanter import levanter
from similitude.runs.readers.mlflow import mlflow
from similitude.runs.readers.tables import lightning, table
from similitude.runs.readers.tensorboard import tensorboard
from similitude.runs.readers.wandb import wandb

__all__ = ["READERS", "Claim", "Place", "Reader", "all_readers", "reader"]

READERS: tuple[Reader, ...] = (
    huggingface,
    wandb,
    tensorboard,
    mlflow,
    harness,
    inspect,
    helm,
    leaderboard,
    lightning,
    levanter,
    console,
    table,
)


def all_readers() -> tuple[Reader, ...]:
    """Those that other packages add, which are asked first, and our own.

    Raises DataError for an entry that cannot be loaded or is no reader.
    """
    added = []
    for name, found in load_all("similitude.readers"):
        if not isinstance(found, Reader):
            raise DataError(
                f"plugin '{name}' gives a {type(found).__name__}; expected a reader, made with "
                "similitude.runs.readers.reader"
            )
        added.append(found)
    return (*added, *READERS)
