"""Transfer and fine-tuning: effective data, joint laws, loss to loss, translation."""

from __future__ import annotations
