"""The kinds of logs that are read: an explicit tuple, asked in this order; the first that recognises a file has it."""

from __future__ import annotations

from similitude.runs.readers._reader import Claim, Place, Reader, reader
from similitude.runs.readers.huggingface import huggingface

__all__ = ["READERS", "Claim", "Place", "Reader", "reader"]

READERS: tuple[Reader, ...] = (huggingface,)
