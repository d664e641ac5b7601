"""How planning writes amounts of memory."""

from __future__ import annotations

__all__ = ["gb"]


def gb(size: float) -> str:
    """Bytes as people write memory, in powers of ten.

    >>> gb(327680), gb(1.3476e10), gb(2.45e12)
    ('328 KB', '13.5 GB', '2.45 TB')
    """
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 999.5 * unit else f"{size / unit:.0f} {name}"
    return f"{size:.3g} bytes"
