"""How numbers are printed, in one place: digits follow the error, counts carry K to T, compute powers of ten.

Two figures of the error and the value to match is the rule of the Particle Data Group, simplified.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

__all__ = ["format_interval", "format_number", "in_powers"]

_COUNTED = ("parameters", "tokens", "steps", "runs", "params")
_SUFFIX = {0: "", 3: "K", 6: "M", 9: "B", 12: "T"}
LONG = 1e7  # an end from here on is written with its power of ten though the value is not
OPEN = "…"  # an end that is not known
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]?\d+)(?!\w)")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def format_number(value: float | None, unit: str = "", digits: int = 4, *, show_unit: bool = True) -> str:
    """A bare number to `digits` significant figures, in the manner of its unit.

    >>> format_number(6.8e9, "parameters"), format_number(5.76e23, "FLOP"), format_number(1.81719, "nats/token")
    ('6.8B parameters', '5.76e23 FLOP', '1.817 nats/token')
    >>> format_number(2e6, "$"), format_number(None)
    ('$2M', '…')
    """
    if value is None or not math.isfinite(value):
        return _not_finite(value)
    power, suffix = _manner(value, unit)
    scaled = value / 10.0**power
    return _with_unit(_trim(_fixed(scaled, _decimals(scaled, digits))) + suffix, unit if show_unit else "")


def format_interval(
    value: float, low: float | None, high: float | None, unit: str = "", *, show_unit: bool = True
) -> str:
    """A number with its interval: the error to two figures, the value and both ends to match, unknown ends open.

    >>> format_interval(2085.43, 1042, 5810), format_interval(70.31e9, 65.2e9, 81.4e9, "parameters")
    ('2100 [1000, 5800]', '70.3B [65.2B, 81.4B] parameters')
    >>> format_interval(5.76e23, None, None, "FLOP")
    '5.76e23 […, …] FLOP'
    """
    if not math.isfinite(value):
        return _not_finite(value)
    power, suffix = _manner(value, unit)
    ends = [None if e is None or math.isnan(e) else e / 10.0**power for e in (low, high)]
    scaled = value / 10.0**power
    error = _error(scaled, ends)
    decimals = _decimals(error or scaled, 2 if error else 4)
    write = _fixed if error else _write_exact
    low_text, high_text = (_end(e, decimals, suffix, write) for e in ends)
    return _with_unit(f"{write(scaled, decimals)}{suffix} [{low_text}, {high_text}]", unit if show_unit else "")


def in_powers(text: str) -> str:
    """Numbers like 5.8e23 within words, written as powers of ten.

    >>> in_powers("5.8e23 FLOP"), in_powers("1e18")
    ('5.8×10²³ FLOP', '10¹⁸')
    """
    return _POWER.sub(
        lambda m: ("" if m[1] == "1" else f"{m[1]}×") + "10" + str(int(m[2])).translate(_SUPERSCRIPT), text
    )


def _error(value: float, ends: list[float | None]) -> float | None:
    """The shorter arm of the interval, but no less than a tenth of the longer one; None where there is none.

    An interval that does not hold zero has no error larger than the value, which would round it out of the interval.
    """
    known = [e for e in ends if e is not None and math.isfinite(e)]
    arms = [abs(e - value) for e in known if e != value]
    if not arms:
        return None
    error = max(min(arms), max(arms) / 10)
    across = not value or min([value, *known]) <= 0 <= max([value, *known])
    return error if across else min(error, abs(value))


def _end(end: float | None, decimals: int, suffix: str, write: Callable[[float, int], str]) -> str:
    if end is None:
        return OPEN
    if math.isinf(end):
        return "∞" if end > 0 else "-∞"
    if not suffix and abs(end) >= LONG:
        return format_number(end, digits=2)
    text = write(end, decimals)
    if float(text) == 0 and end != 0:  # an end far below the error must not print as zero
        text = _fixed(end, _decimals(end, 2))
    return text + suffix


def _not_finite(value: float | None) -> str:
    if value is None or math.isnan(value):
        return OPEN
    return "∞" if value > 0 else "-∞"


def _manner(value: float, unit: str) -> tuple[int, str]:
    """The power of ten taken out of a number of this unit, and how it is written behind it."""
    size = math.floor(math.log10(abs(float(f"{value:.3e}")))) if value else 0
    if unit == "$" or unit.endswith(_COUNTED):
        power = min(3 * (size // 3), 12) if size >= 3 else 0
        return (power, _SUFFIX[power]) if size < 16 else (size, f"e{size}")
    if -4 <= size < (6 if unit != "FLOP" else 4):
        return 0, ""
    return size, f"e{size}"


def _decimals(value: float, digits: int) -> int:
    return digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}")))) if value else 0


def _fixed(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def _write_exact(value: float, decimals: int) -> str:
    return _trim(_fixed(value, decimals))


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _with_unit(text: str, unit: str) -> str:
    if unit == "$":
        return text.replace("[", "[$").replace(", ", ", $").replace(f"${OPEN}", OPEN).join(("$", ""))
    return f"{text} {unit}".rstrip()
