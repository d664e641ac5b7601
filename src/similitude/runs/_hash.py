"""The content of a frame as one hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def hash_frame(frame: pl.DataFrame) -> str:
    """SHA-256 of names, kinds and values of a frame, the same on every machine."""
    digest = hashlib.sha256()
    for series in frame:
        digest.update(f"{series.name}\0{series.dtype}\0{len(series)}\0".encode())
        if series.dtype.is_numeric():
            digest.update(series.is_null().to_numpy().tobytes())
            digest.update(series.fill_null(0).to_numpy().tobytes())
        else:
            digest.update("\x1f".join("\x00" if v is None else str(v) for v in series.to_list()).encode())
    return digest.hexdigest()
