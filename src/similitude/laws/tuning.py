"""Hyper-parameters and batch: learning rate, batch size, noise scale, width."""

from __future__ import annotations
