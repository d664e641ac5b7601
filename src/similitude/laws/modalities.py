"""Other modalities and objectives: images, video, time series, recommenders, retrieval."""

from __future__ import annotations
