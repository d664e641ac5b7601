"""Data as a resource: mixtures, quality, repetition, pruning."""

from __future__ import annotations
