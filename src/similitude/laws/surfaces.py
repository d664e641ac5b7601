"""Loss over parameters and data: the surfaces beyond Kaplan and Chinchilla."""

from __future__ import annotations
