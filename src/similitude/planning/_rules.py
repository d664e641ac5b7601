"""Published rules for learning rate and batch at one target, each with what it counts and what it was measured for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from similitude._bibliography import entry
from similitude._errors import ArgumentError
from similitude._quantity import PARAMETERS, TOKENS, Quantity, format_quantity, parse_quantity
from similitude._view import Column, Section, Table, Text
from similitude.laws import get

__all__ = ["TuningRule", "TuningRules", "positive_number", "tuning_rules"]

SCHEMA_VERSION = 1
SEQUENCE = 2048  # tokens: what Porian et al. count their batch in
HELD = 5e5  # tokens: the batch at which Bjorck et al. swept
Values = Mapping[str, float]


@dataclass(frozen=True)
class TuningRule:
    """What one paper's rule gives at the target: peak learning rate and batch in tokens, None where it gives none.

    `batch_held` says that the batch is a premise of the rule and not its answer. `outside` names the inputs that lie
    beyond what the rule was measured on, by how much; `conditions` the training it was measured for.
    """

    name: str
    source: str
    lr: float | None
    batch: float | None
    counts: str
    conditions: str
    outside: tuple[str, ...] = ()
    batch_held: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "lr": self.lr,
            "batch_tokens": self.batch,
            "batch_held": self.batch_held,
            "counts": self.counts,
            "conditions": self.conditions,
            "outside": list(self.outside),
            "note": self.note,
        }


@dataclass(frozen=True)
class TuningRules:
    """The published rules at one target; made by `tuning_rules`."""

    at: Mapping[str, float]
    rules: tuple[TuningRule, ...]
    counts: str = "undeclared"
    sequence_length: int = SEQUENCE
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        rates = [r.lr for r in self.rules if r.lr is not None]
        return f"TuningRules({_target(self.at)}: {len(self.rules)} rules, rates {min(rates):.2g} to {max(rates):.2g})"

    def __str__(self) -> str:
        return str(self.view())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """The rules side by side, and what each was measured for."""
        return Section("Published rules for learning rate and batch", (_table(self), _conditions(self)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "at": dict(self.at),
            "counts": self.counts,
            "sequence_length": self.sequence_length,
            "rules": [r.to_dict() for r in self.rules],
            "notes": list(self.notes),
        }


def tuning_rules(
    N: Any, D: Any, *, loss: float | None = None, counts: str = "undeclared", sequence_length: int = SEQUENCE
) -> TuningRules:
    """What published rules give for N parameters on D tokens: peak learning rate, and batch in tokens.

    `N` and `D` are numbers or text ("7B"); `loss`, in nats/token, is what the run is expected to reach: rules for the
    critical batch need it. `counts` says how your N counts embeddings; each rule's own convention stands beside it.
    `sequence_length` in tokens only changes the column of sequences. Rules: Step law (Li 2025, eqs. 1 and 2), DeepSeek
    (Bi 2024, eq. 1, C = 6ND here), Porian 2024, Bjorck 2024 at a batch of half a million tokens, Kaplan 2020 (appendix
    D.6 and eq. 5.3), MiniCPM (Hu 2024).

    Raises ArgumentError for values that are not positive.

    >>> import similitude as sim
    >>> at = sim.tuning_rules(N="1B", D="100B")
    >>> at.rules[0].name, round(at.rules[0].lr, 6), round(at.rules[0].batch, -3)
    ('Step law', 0.001632, 1108000.0)
    """
    n, d = positive_number("N", N, PARAMETERS.kind), positive_number("D", D, TOKENS.kind)
    values = {"N": n, "D": d, "C": 6 * n * d}
    if loss is not None:
        values["L"] = positive_number("loss", loss)
    if not sequence_length > 0:
        raise ArgumentError(f"sequence_length = {sequence_length!r}: expected the tokens of a sequence, such as 2048")
    rules = tuple(rule for make in _RULES if (rule := make(values, counts)) is not None)
    at = {"N": n, "D": d, **({"loss": values["L"]} if loss is not None else {})}
    notes = ["DeepSeek's compute counts attention and leaves embeddings out; here C = 6ND."]
    if loss is None:
        notes.append("Rules for the critical batch (MiniCPM, Kaplan) need the loss to be reached: give loss=...")
    return TuningRules(at, rules, counts, sequence_length, tuple(notes))


def positive_number(name: str, value: Any, kind: str | None = None) -> float:
    """A positive number as people write it; ArgumentError for anything else, or for a unit of another kind."""
    read = parse_quantity(value) if isinstance(value, str) else value
    if isinstance(read, Quantity):
        if kind is not None and read.unit.kind != kind:
            raise ArgumentError(f"{name} = {value!r} is a number of {read.unit}; expected {kind}")
        read = read.value
    if isinstance(read, bool) or not isinstance(read, (int, float)) or not 0 < float(read) < float("inf"):
        raise ArgumentError(f"{name} = {value!r}: expected a positive number such as 7B")
    return float(read)


def _value(law: str, key: str, **inputs: float) -> float:
    return float(get(law).published[key].value(**inputs))


def _outside(law: str, values: Values) -> tuple[str, ...]:
    """Which inputs of a law lie beyond its span, in words."""
    said = []
    for name, (low, high) in get(law).span.items():
        if values[name] > high:
            said.append(f"{name} {format_quantity(values[name] / high, digits=2)}x above")
        elif values[name] < low:
            said.append(f"{name} {format_quantity(low / values[name], digits=2)}x below")
    return tuple(said)


def _steplaw(values: Values, counts: str) -> TuningRule:
    n, d = values["N"], values["D"]
    return TuningRule(
        "Step law",
        "li2025steplaw",
        _value("steplaw_lr", "li2025steplaw", N=n, D=d),
        _value("steplaw_batch", "li2025steplaw", D=d),
        "without embeddings",
        "cosine to a fixed end of 1e-5, AdamW; use both together",
        _outside("steplaw_lr", values),
        note=_counting("without embeddings", counts),
    )


def _deepseek(values: Values, counts: str) -> TuningRule:
    return TuningRule(
        "DeepSeek",
        "bi2024",
        _value("deepseek_lr", "bi2024", C=values["C"]),
        _value("deepseek_batch", "bi2024", C=values["C"]),
        "compute",
        "multi-step schedule, compute-optimal runs",
        _outside("deepseek_lr", values),
    )


def _porian(values: Values, counts: str) -> TuningRule:
    return TuningRule(
        "Porian et al.",
        "porian2024",
        _value("porian_lr", "porian2024", N=values["N"]),
        _value("porian_batch", "porian2024", N=values["N"]) * SEQUENCE,
        "total, head included",
        "constant rate, compute-optimal length, beta2 tuned for small batches",
        _outside("porian_lr", values),
        note=_counting("total", counts),
    )


def _bjorck(values: Values, counts: str) -> TuningRule:
    return TuningRule(
        "Bjorck et al.",
        "bjorck2024",
        _value("bjorck_lr", "bjorck2024", N=values["N"], D=values["D"]),
        HELD,
        "undeclared",
        "batch held at half a million tokens",
        _outside("bjorck_lr", values),
        batch_held=True,
        note="its coefficients are quoted from notes on the paper",
    )


def _kaplan(values: Values, counts: str) -> TuningRule:
    rate = _value("kaplan_lr", "kaplan2020", N=values["N"])
    batch = _value("critical_batch", "kaplan2020", L=values["L"]) if "L" in values else None
    note = _counting("without embeddings", counts)
    if rate <= 0:
        note = f"its rate reaches zero at 1.2e10 parameters; {note}".rstrip("; ")
    return TuningRule(
        "Kaplan et al.",
        "kaplan2020",
        rate if rate > 0 else None,
        batch,
        "without embeddings",
        "cosine, 3000 steps of warm-up; the batch is the critical one at the loss reached",
        _outside("kaplan_lr", values),
        note=note,
    )


def _minicpm(values: Values, counts: str) -> TuningRule | None:
    if "L" not in values:
        return None
    return TuningRule(
        "MiniCPM",
        "hu2024",
        None,
        _value("minicpm_batch", "hu2024", L=values["L"]),
        "loss",
        "its own tokenizer and data, maximal-update form",
        _outside("minicpm_batch", values),
    )


_RULES: tuple[Callable[[Values, str], TuningRule | None], ...] = (
    _steplaw,
    _deepseek,
    _porian,
    _bjorck,
    _kaplan,
    _minicpm,
)


def _counting(theirs: str, yours: str) -> str:
    """A note where both conventions are known and differ."""
    if yours in ("undeclared", theirs) or yours.startswith(theirs):
        return ""
    return f"it counts N {theirs}, yours {yours}"


def _target(at: Mapping[str, float]) -> str:
    units = {"N": PARAMETERS, "D": TOKENS}
    return ", ".join(f"{k} = {format_quantity(v, digits=3) if k in units else f'{v:.4g}'}" for k, v in at.items())


def _table(found: TuningRules) -> Table:
    rows = []
    for r in found.rules:
        batch = "" if r.batch is None else format_quantity(r.batch) + (" (held)" if r.batch_held else "")
        seqs = "" if r.batch is None else format_quantity(r.batch / found.sequence_length)
        rows.append((r.name, "" if r.lr is None else f"{r.lr:.3g}", batch, seqs, r.counts, "; ".join(r.outside)))
    columns = (
        "rule",
        Column("learning rate", align="right"),
        Column("batch", "tokens", align="right"),
        Column("sequences", align="right"),
        "in terms of N, or of",
        "outside its range",
    )
    note = f"Peak rates. Sequences of {found.sequence_length} tokens. {' '.join(found.notes)}"
    return Table(f"Published rules at {_target(found.at)}", columns, rows, note=note)


def _conditions(found: TuningRules) -> Text:
    """What each rule was measured for."""
    points = []
    for r in found.rules:
        note = f" Beware: {r.note}." if r.note else ""
        points.append(f"{r.name} ({entry(r.source).short}): {r.conditions}.{note}")
    return Text("Measured for", points=points)
