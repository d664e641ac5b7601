"""What theory predicts: regimes, spectra, dimension, superposition."""

from __future__ import annotations
