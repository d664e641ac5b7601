"""Test-time compute: pass@k, best-of-n, votes, thinking tokens."""

from __future__ import annotations
