"""Sparsity and routing: mixtures of experts, sparse weights and activations, distillation."""

from __future__ import annotations
