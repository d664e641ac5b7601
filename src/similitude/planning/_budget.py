"""What can be spent, in FLOP, accelerator time or money, and what stands between them: peak, utilisation, price."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from similitude._errors import ArgumentError, did_you_mean

__all__ = ["Accelerator", "Budget", "accelerators", "amount", "budget"]

DAY = 86400.0
PRECISIONS = ("bf16", "fp16", "fp8")


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator: dense peaks in TFLOP/s at 16 bits and, where it has them, at 8; memory in GB; and their source.

    `bandwidth` of the memory and `link`, what it sends and receives over fast links together, are in GB/s.
    """

    key: str
    name: str
    peak_tflops: float
    memory_gb: float
    document: str
    date: str
    price: float | None = None
    price_note: str = ""
    peak_fp8: float | None = None
    bandwidth: float | None = None
    link: float | None = None

    def peak(self, precision: str = "bf16") -> float:
        """Dense peak in TFLOP/s at a precision; ArgumentError where the accelerator has no such units.

        >>> accelerators()["h100"].peak("fp8")
        1978.9
        """
        if precision not in PRECISIONS:
            raise ArgumentError(
                f"no precision '{precision}'{did_you_mean(precision, PRECISIONS)} (known: {', '.join(PRECISIONS)})"
            )
        if precision != "fp8":
            return self.peak_tflops
        if self.peak_fp8 is None:
            raise ArgumentError(f"{self.name} has no 8-bit floating units: plan with precision='bf16'")
        return self.peak_fp8


@cache
def accelerators() -> dict[str, Accelerator]:
    """The accelerators known by name, each with its source.

    >>> accelerators()["h100"].peak_tflops
    989.4
    """
    text = resources.files("similitude.planning").joinpath("_hardware.toml").read_text(encoding="utf-8")
    return {key: Accelerator(key, **entry) for key, entry in tomllib.loads(text).items()}


@dataclass(frozen=True)
class Budget:
    """A compute budget: `flop`, or accelerators, days and dollars from which it follows.

    `flop` is None where only a rate is given: then it converts the compute of a plan into days and dollars.
    `assumptions` are sentences a report prints.
    """

    flop: float | None
    accelerator: Accelerator | None = None
    count: float | None = None
    days: float | None = None
    dollars: float | None = None
    mfu: float = 0.4
    price: float | None = None
    assumptions: tuple[str, ...] = ()
    precision: str = "bf16"

    def __repr__(self) -> str:
        parts = [f"{self.flop:.4g} FLOP"] if self.flop is not None else []
        if self.accelerator is not None:
            parts.append((f"{self.count:g}x " if self.count else "") + self.accelerator.name)
        parts += [f"{self.days:g} days"] if self.days is not None else []
        parts += [f"${self.dollars:,.0f}"] if self.dollars is not None else []
        return f"Budget({', '.join(parts)})"

    @property
    def flop_per_day(self) -> float | None:
        """Training FLOP a day on all accelerators together; None without their number."""
        if self.accelerator is None or self.count is None:
            return None
        return self.count * self.flop_per_hour * 24

    @property
    def flop_per_hour(self) -> float:
        """Training FLOP an hour on one accelerator, at the assumed utilisation."""
        if self.accelerator is None:
            raise ArgumentError("this budget names no accelerator")
        return self.accelerator.peak(self.precision) * 1e12 * self.mfu * 3600

    def days_for(self, flop: float) -> float | None:
        """Days that training compute takes on these accelerators; None without their kind or number."""
        rate = self.flop_per_day
        return None if rate is None else flop / rate

    def dollars_for(self, flop: float) -> float | None:
        """Dollars that training compute costs at the assumed price; None without accelerator or price."""
        if self.accelerator is None or self.price is None:
            return None
        return flop / self.flop_per_hour * self.price


def budget(
    *,
    flop: float | str | None = None,
    gpus: str | None = None,
    days: float | str | None = None,
    dollars: float | str | None = None,
    gpu_hours: str | None = None,
    mfu: float = 0.4,
    price: float | None = None,
    precision: str = "bf16",
) -> Budget:
    """What can be spent: FLOP; accelerators ("64xH100", "H100") with days, dollars or both; hours ("500 H100").

    `mfu` is the share of the dense peak at `precision` ("bf16", "fp16", "fp8") that training reaches, measured where it
    has been, `price` dollars per accelerator and hour. Given several of flop, days, dollars and hours, the scarcest
    binds. Raises ArgumentError where the parts do not make a budget.

    >>> budget(gpus="64xH100", days=14).flop
    3.0637522944e+22
    >>> budget(gpu_hours="21,504 H100").flop == budget(gpus="64xH100", days=14).flop
    True
    """
    if not 0 < mfu <= 1:
        raise ArgumentError(f"mfu = {mfu:g}; it is the share of peak reached in training, above 0 and at most 1")
    amounts = {
        "flop": amount("flop", flop, "compute"),
        "days": _days(days),
        "dollars": amount("dollars", dollars, "money"),
        "price": amount("price", price, "money"),
    }
    hours, of = _read_hours(gpu_hours)
    if gpus is None and of is None:
        return _without_accelerator(amounts, mfu)
    count, chip = (None, of) if gpus is None else _read_gpus(gpus)
    if of is not None and of != chip:
        raise ArgumentError(f"gpu_hours = {gpu_hours!r} and gpus = {gpus!r} name two kinds of accelerator")
    assert chip is not None
    said = [_peak_sentence(chip, mfu, precision)]
    rate = amounts["price"] if amounts["price"] is not None else chip.price
    if rate is not None:
        note = "" if amounts["price"] is not None else f" ({chip.price_note}; an assumption, give your own price)"
        said.append(f"An accelerator costs ${rate:g} an hour{note}.")
    whole = Budget(None, chip, count, amounts["days"], amounts["dollars"], mfu, rate, tuple(said), precision)
    return _with_flop(whole, amounts["flop"], hours)


def _peak_sentence(chip: Accelerator, mfu: float, precision: str) -> str:
    bits = "8-bit" if precision == "fp8" else "16-bit"
    return (
        f"Training reaches {mfu:.0%} of the dense {bits} peak of {chip.name}, {chip.peak(precision):g} TFLOP/s "
        f"({chip.document}; {chip.date})."
    )


def _read_hours(text: str | None) -> tuple[float | None, Accelerator | None]:
    """("500 H100") -> (500, the H100)."""
    if text is None:
        return None, None
    match = re.fullmatch(
        r"\s*(\d[\d,_.]*(?:[eE]\d+)?\s*[kKmM]?)\s*[x×* -]?\s*([A-Za-z].*?)\s*(?:-?\s*hours?)?\s*", str(text)
    )
    if match is None:
        raise ArgumentError(f"gpu_hours = {text!r}: expected hours and a kind of accelerator, such as '500 H100'")
    hours = amount("gpu_hours", match[1].strip())
    return hours, _read_gpus(match[2])[1]


def _with_flop(whole: Budget, flop: float | None, hours: float | None = None) -> Budget:
    """The budget with the compute that its days, dollars and hours allow."""
    from dataclasses import replace

    limits = {} if flop is None else {"flop": flop}
    if hours is not None:
        limits["accelerator hours"] = whole.flop_per_hour * hours
    if whole.days is not None:
        if whole.flop_per_day is None:
            raise ArgumentError(f"days need a number of accelerators: gpus='64x{whole.accelerator.key.upper()}'")  # pyright: ignore[reportOptionalMemberAccess]
        limits["days"] = whole.flop_per_day * whole.days
    if whole.dollars is not None:
        if whole.price is None:
            raise ArgumentError("dollars need a price per accelerator and hour: price=2.0")
        limits["dollars"] = whole.dollars / whole.price * whole.flop_per_hour
    if not limits:
        return whole
    binding = min(limits, key=limits.__getitem__)
    said = whole.assumptions
    if len(limits) > 1:
        said = (*said, f"Of {', '.join(limits)}, {binding} is what binds.")
    return replace(whole, flop=limits[binding], assumptions=said)


def _without_accelerator(amounts: dict[str, float | None], mfu: float) -> Budget:
    for name in ("days", "dollars"):
        if amounts[name] is not None:
            raise ArgumentError(f"{name} = {amounts[name]:g} need accelerators to become compute: gpus='64xH100'")
    if amounts["flop"] is None:
        raise ArgumentError("a budget needs flop=, gpu_hours=, or gpus= with days= or dollars=")
    return Budget(amounts["flop"], mfu=mfu)


def _read_gpus(text: str) -> tuple[float | None, Accelerator]:
    """("64xH100") -> (64, the H100); without a number the count is None."""
    match = re.fullmatch(r"\s*(?:(\d[\d,_]*)\s*[x×* ]\s*)?(.+?)\s*", str(text), re.IGNORECASE)
    known = accelerators()
    name = re.sub(r"[\s_-]", "", match[2]).casefold() if match else ""
    if match is None or name not in known:
        raise ArgumentError(
            f"gpus = {text!r}: expected a number and a kind such as '64xH100'{did_you_mean(name, known)} "
            f"(known: {', '.join(k.upper() for k in known)})"
        )
    count = float(re.sub("[,_]", "", match[1])) if match[1] else None
    if count is not None and count <= 0:
        raise ArgumentError(f"gpus = {text!r}: the number of accelerators must be positive")
    return count, known[name]


def _days(value: float | str | None) -> float | None:
    if isinstance(value, str):
        from similitude._quantity import parse_quantity

        read: Any = parse_quantity(value)
        if getattr(getattr(read, "unit", None), "kind", None) == "time":
            value = read.value / DAY
    return amount("days", value, "time")


def amount(name: str, value: float | str | None, kind: str = "") -> float | None:
    """A positive number, written as a number or as people write it."""
    if value is None:
        return None
    number: Any = value
    if isinstance(value, str):
        from similitude._quantity import parse_quantity

        number = parse_quantity(value)
        unit = getattr(number, "unit", None)
        if unit is not None and kind and unit.kind != kind:
            raise ArgumentError(f"{name} = {value!r} is a number of {unit.name}; expected {kind}")
        number = getattr(number, "value", number)
    if not (isinstance(number, (int, float)) and 0 < number < float("inf")):
        raise ArgumentError(f"{name} = {value!r}; expected a positive number")
    return float(number)
