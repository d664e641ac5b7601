"""Units, and numbers as people write them: "1.3B", "6e21", "20T tokens", "3 PF-days", "$2M", "500 H100-hours"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from ._errors import ArgumentError

__all__ = [
    "BITS_PER_BYTE",
    "BYTES",
    "COUNT",
    "DOLLARS",
    "EPOCHS",
    "FLOP",
    "NATS_PER_TOKEN",
    "PARAMETERS",
    "PERPLEXITY",
    "RATIO",
    "SCORE",
    "SECONDS",
    "STEPS",
    "TOKENS",
    "TOKENS_PER_PARAMETER",
    "Quantity",
    "Unit",
    "format_quantity",
    "parse_quantity",
    "parse_unit",
]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: `name` as printed after a number, `kind` the quantity it measures."""

    name: str
    kind: str

    def __str__(self) -> str:
        return self.name


PARAMETERS = Unit("parameters", "parameters")
TOKENS = Unit("tokens", "tokens")
FLOP = Unit("FLOP", "compute")
NATS_PER_TOKEN = Unit("nats/token", "loss")
BITS_PER_BYTE = Unit("bits/byte", "loss")
PERPLEXITY = Unit("perplexity", "perplexity")
RATIO = Unit("", "ratio")
TOKENS_PER_PARAMETER = Unit("tokens/parameter", "ratio")
EPOCHS = Unit("epochs", "ratio")
STEPS = Unit("steps", "steps")
COUNT = Unit("", "count")
SCORE = Unit("", "score")
SECONDS = Unit("seconds", "time")
DOLLARS = Unit("$", "money")
BYTES = Unit("bytes", "memory")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the unit it was written in, already converted to that unit's base (tokens, FLOP, seconds, $)."""

    value: float
    unit: Unit

    def __str__(self) -> str:
        return format_quantity(self.value, self.unit)


_SUFFIXES = {"k": 3, "m": 6, "g": 9, "b": 9, "bn": 9, "t": 12}
_SUFFIXES |= {"thousand": 3, "million": 6, "millions": 6, "billion": 9, "billions": 9, "trillion": 12, "trillions": 12}

_WORDS: dict[str, tuple[str, Unit]] = {}
for _unit, _names in {
    PARAMETERS: "parameters parameter params param",
    TOKENS: "tokens token tok",
    FLOP: "flop flops",
    NATS_PER_TOKEN: "nats/token nats nats/tok nat",
    BITS_PER_BYTE: "bits/byte bpb bits-per-byte",
    PERPLEXITY: "perplexity ppl",
    TOKENS_PER_PARAMETER: "tokens/parameter tokens/param",
    EPOCHS: "epochs epoch",
    STEPS: "steps step",
    SECONDS: "seconds second sec secs s",
    DOLLARS: "$ usd dollars dollar",
}.items():
    _WORDS |= dict.fromkeys(_names.split(), ("1", _unit))
_WORDS |= {name: (str(math.log(2)), NATS_PER_TOKEN) for name in ("bits/token", "bits/tok")}
_WORDS |= dict.fromkeys(("minutes", "minute", "min"), ("60", SECONDS))
_WORDS |= dict.fromkeys(("hours", "hour", "h"), ("3600", SECONDS))
_WORDS |= dict.fromkeys(("days", "day", "d"), ("86400", SECONDS))
_WORDS |= dict.fromkeys(("weeks", "week"), ("604800", SECONDS))
for _prefix, _power in (("k", 1), ("m", 2), ("g", 3), ("t", 4)):
    _WORDS |= {f"{_prefix}b": (str(1000**_power), BYTES), f"{_prefix}ib": (str(1024**_power), BYTES)}
_WORDS |= dict.fromkeys(("bytes", "byte"), ("1", BYTES))
for _prefix, _long, _power in (
    ("t", "tera", 12),
    ("p", "peta", 15),
    ("e", "exa", 18),
    ("z", "zetta", 21),
    ("y", "yotta", 24),
):
    _WORDS |= {f"{p}flop{s}": (f"1e{_power}", FLOP) for p in (_prefix, _long) for s in ("", "s")}
    for _rate in (f"{_prefix}f", f"{_prefix}flop", f"{_prefix}flops", f"{_prefix}flop/s", f"{_long}flop/s"):
        _WORDS |= {f"{_rate}-{d}": (str(86400 * 10**_power), FLOP) for d in ("day", "days")}

_NUMBER = re.compile(r"([+-]?(?:\d[\d,_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)", re.DOTALL | re.ASCII)
_TIMES_TEN = re.compile(r"\s*[x×*·]\s*10\s*(?:\^|\*\*)\s*([+-]?\d+)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DEVICE_TIME = re.compile(r"([a-z][a-z0-9]*)-(hour|hours|day|days)", re.IGNORECASE)
_EXPECTED = "a number such as 6e21, 1.3B, '20T tokens' or '3 PF-days'"


def parse_quantity(text: str | float) -> float | Quantity:
    """Read a number as people write it; with a unit word the result is a :class:`Quantity`.

    K, M, B (or G) and T are 1e3, 1e6, 1e9 and 1e12, in either case. A PF-day is 8.64e19 FLOP; times are
    converted to seconds, device times to device-hours. A percentage becomes its fraction.

    Raises :class:`~similitude._errors.ArgumentError` when the text is not such a number.

    >>> parse_quantity("1.3B"), parse_quantity("1,000,000")
    (1300000000.0, 1000000.0)
    >>> parse_quantity("3 PF-days")
    Quantity(value=2.592e+20, unit=Unit(name='FLOP', kind='compute'))
    """
    if isinstance(text, (int, float)):
        return _finite(float(text), text)
    try:
        value, words = _split_number(text)
        factor, unit = _parse_unit_words(words, text)
        number = float(value * factor)
    except ArithmeticError:  # an exponent beyond what decimals hold
        raise ArgumentError(f"{text!r} is not a finite number") from None
    return _finite(number, text) if unit is None else Quantity(_finite(number, text), unit)


def parse_unit(text: str) -> tuple[float, Unit | None]:
    """The factor and the unit that a word such as "B", "B tokens", "PF-days" or "nats/token" stands for.

    A word that is no known unit becomes a unit of its own with factor 1.

    >>> parse_unit("B tokens")
    (1000000000.0, Unit(name='tokens', kind='tokens'))
    """
    try:
        factor, unit = _parse_unit_words(text, text)
    except ArgumentError:
        return 1.0, Unit(text.strip(), text.strip())
    return float(factor), unit


def _finite(value: float, text: object) -> float:
    if not math.isfinite(value):
        raise ArgumentError(f"{text!r} is not a finite number")
    return value


def _split_number(text: str) -> tuple[Decimal, str]:
    """The leading number as an exact decimal, and the words behind it."""
    stripped = text.strip()
    dollars = stripped.startswith(("$", "US$", "-$"))
    body = stripped.replace("US$", "$", 1).replace("$", "", 1).strip() if dollars else stripped
    match = _NUMBER.fullmatch(body)
    if match is None:
        raise ArgumentError(f"{text!r} is not {_EXPECTED}")
    number, words = match.groups()
    value = _decimal(number, text)
    if power := _TIMES_TEN.match(words):
        value, words = value.scaleb(int(power[1])), words[power.end() :].strip()
    return value, f"{words} $" if dollars else words


def _decimal(number: str, text: str) -> Decimal:
    if "," in number and not _THOUSANDS.fullmatch(number):
        raise ArgumentError(f"{text!r} is not {_EXPECTED}; a comma may only separate thousands, as in 1,000,000")
    return Decimal(number.replace(",", ""))


def _parse_unit_words(words: str, text: str) -> tuple[Decimal, Unit | None]:
    words = words.strip()
    if not words:
        return Decimal(1), None
    if words == "%":
        return Decimal("0.01"), None
    if known := _known_unit(words):
        return known
    head, _, tail = words.partition(" ")
    if head.casefold() in _SUFFIXES:
        scale = Decimal(10) ** _SUFFIXES[head.casefold()]
        if not tail.strip():
            return scale, None
        if known := _known_unit(tail.strip()):
            return scale * known[0], known[1]
    raise ArgumentError(f"{text!r} is not {_EXPECTED}: the unit {words!r} is not known")


def _known_unit(word: str) -> tuple[Decimal, Unit] | None:
    folded = word.casefold().replace(" ", "")
    if folded in _SUFFIXES or word.casefold() == "d":
        return None
    if folded in _WORDS:
        factor, unit = _WORDS[folded]
        return Decimal(factor), unit
    if device := _DEVICE_TIME.fullmatch(word.strip()):
        return Decimal(24 if device[2].casefold().startswith("day") else 1), Unit(f"{device[1]}-hours", "device time")
    return None


def format_quantity(value: float, unit: Unit | None = None, digits: int = 3) -> str:
    """Write a number with `digits` significant figures the way the field writes it.

    Compute is in powers of ten, large counts carry K, M, B or T, times are in the largest unit that fits.

    >>> format_quantity(1.3e9), format_quantity(1.4e12, TOKENS), format_quantity(5.76e23, FLOP)
    ('1.3B', '1.4T tokens', '5.76e23 FLOP')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("-∞" if value < 0 else "∞")
    unit = unit or COUNT
    if unit.kind == "money":
        return ("-$" if value < 0 else "$") + _short(abs(value), digits)
    if unit.kind == "time":
        return _time(value, digits)
    if unit.kind == "memory":
        return _memory(value, digits)
    number = _scientific(value, digits) if unit.kind == "compute" else _short(value, digits)
    return f"{number} {unit.name}".rstrip()


def _memory(count: float, digits: int) -> str:
    for size, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(count) >= size:
            return f"{_short(count / size, digits)} {name}"
    return f"{_short(count, digits)} bytes"


def _time(seconds: float, digits: int) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if abs(seconds) >= 2 * size:
            return f"{_short(seconds / size, digits)} {name}"
    return f"{_short(seconds, digits)} seconds"


def _scientific(value: float, digits: int) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return _plain(value, digits)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(power)}"


def _short(value: float, digits: int) -> str:
    rounded = float(f"{value:.{digits - 1}e}")
    if not 1e3 <= abs(rounded) < 1e15:
        return _scientific(value, digits)
    power = 3 * (math.floor(math.log10(abs(rounded)) + 1e-9) // 3)
    return _plain(rounded / 10**power, digits) + {3: "K", 6: "M", 9: "B", 12: "T"}[power]


def _plain(value: float, digits: int) -> str:
    """`digits` significant figures without an exponent, trailing zeros removed."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    text = f"{round(value, decimals):.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
