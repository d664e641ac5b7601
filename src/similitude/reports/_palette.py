"""The colours and marks of every drawing: one accent, one signal colour, one ramp; told apart in grey too."""

from __future__ import annotations

__all__ = ["DARK", "LIGHT", "MARKS", "RAMP_DARK", "RAMP_LIGHT", "mark_of", "step_of"]

LIGHT = {
    "page": "#ffffff",
    "raised": "#f5f6f8",
    "ink": "#16191d",
    "muted": "#59616c",
    "hair": "#dde1e6",
    "grid": "#eceef1",
    "accent": "#0a5aa8",
    "signal": "#b3450f",
    "point": "#4b5563",
}
DARK = {
    "page": "#14171b",
    "raised": "#1c2026",
    "ink": "#e8eaed",
    "muted": "#a0a8b3",
    "hair": "#343a43",
    "grid": "#262b32",
    "accent": "#6fb1f0",
    "signal": "#f0955c",
    "point": "#b4bcc8",
}

# Lightness falls (light page) or rises (dark page) evenly along the ramp, so that it orders in grey as in colour.
RAMP_LIGHT = ("#86c5be", "#69b1b9", "#509cb3", "#3e87ab", "#33719f", "#2f5b90", "#2d457c", "#292f63", "#201b47")
RAMP_DARK = ("#4d74ad", "#5082b2", "#5691b9", "#60a0bf", "#70b0c4", "#86c4ca", "#a4d6d3", "#c7e7de", "#eef8ec")

# Paths around the origin, of about equal area.
MARKS = {
    "circle": "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
    "square": "M-3.1-3.1h6.2v6.2h-6.2z",
    "triangle": "M0-4.2L4 3.1H-4z",
    "diamond": "M0-4.5L4.5 0L0 4.5L-4.5 0z",
    "down": "M0 4.2L4-3.1H-4z",
    "cross": "M-3.4-3.4L3.4 3.4M-3.4 3.4L3.4-3.4",
    "star": "M0-7.2L2-2.3L7-2.2L3.1 1.1L4.4 6L0 3.2L-4.4 6L-3.1 1.1L-7-2.2L-2-2.3z",
    "ring": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0zM-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0z",
    "target": "M0-7L7 0L0 7L-7 0z",
    "bin": "M-4.5-4.5h9v9h-9z",
}
_BY_GROUP = ("circle", "square", "triangle", "diamond", "down")
_BY_ROLE = {"binned": "bin", "outlier": "cross", "optimum": "star", "target": "ring"}


def mark_of(role: str, rank: int | None) -> str:
    """The mark of a series: by its role, or for measured groups by their rank."""
    return _BY_ROLE.get(role) or _BY_GROUP[(rank or 0) % len(_BY_GROUP)]


def step_of(fraction: float) -> int:
    """The ramp's step for a place from 0 to 1 along it."""
    return min(max(int(fraction * len(RAMP_LIGHT)), 0), len(RAMP_LIGHT) - 1)
