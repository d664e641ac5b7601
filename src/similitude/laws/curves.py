"""Learning curves of one input: plateaus, breaks and ceilings around a power law."""

from __future__ import annotations
