"""What parameters hold and how they count: precision, pruning, streams, knowledge."""

from __future__ import annotations
