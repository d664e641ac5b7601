"""The store of runs: SQLite for what is said of them, Parquet files for their curves."""

from __future__ import annotations

from similitude.runs.store._schema import is_store
from similitude.runs.store._store import Added, Store

__all__ = ["Added", "Store", "is_store"]
