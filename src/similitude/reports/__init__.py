"""Results as pages, terminal text and figures for paper. This room computes nothing: it draws view values."""

from __future__ import annotations

from typing import Any

_HOME = {
    "cite": "_cite",
    "draw_text": "_text",
    "wants_color": "_text",
    "draw_html": "_html",
    "draw_notebook": "_html",
    "page": "_page",
    "draw_axes": "_paper",
    "report": "_compose",
    "save_figures": "_compose",
    "save_figure": "_paper",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module 'similitude.reports' has no attribute {name!r}")
    return getattr(import_module(f"similitude.reports.{_HOME[name]}"), name)
