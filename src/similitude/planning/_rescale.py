"""What else changes when the batch does: learning rate, betas, weight decay, moving averages, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from similitude._errors import ArgumentError
from similitude._quantity import format_quantity
from similitude._view import Column, Section, Table, Text
from similitude.laws import get
from similitude.planning._rules import positive_number

__all__ = ["BatchChange", "Rescaled", "rescale_batch"]

SCHEMA_VERSION = 1
Certainty = Literal["published", "derived", "established", "unsure"]


@dataclass(frozen=True)
class Rescaled:
    """One setting before and after: `rule` in words, `source`, and how sure it is.

    `certainty`: "published" (a law of the catalogue, with its place), "derived" (algebra on the rule's own words),
    "established" (as the field states it; its print was not compared) or "unsure" (check the paper first).
    """

    setting: str
    rule: str
    before: float
    after: float
    source: str
    certainty: Certainty
    note: str = ""


@dataclass(frozen=True)
class BatchChange:
    """Settings for another batch; made by `rescale_batch`. `kappa` is the ratio of the batches."""

    batch: float
    to: float
    optimiser: str
    settings: tuple[Rescaled, ...]
    notes: tuple[str, ...]

    @property
    def kappa(self) -> float:
        """How many times larger the new batch is."""
        return self.to / self.batch

    def __repr__(self) -> str:
        return f"BatchChange({self.optimiser}, batch x{self.kappa:.4g}: {len(self.settings)} settings)"

    def __str__(self) -> str:
        return "\n\n".join(str(v) for v in self.view().items)

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def view(self) -> Section:
        """Before and after, with rule, source and certainty."""
        columns = ("setting", "rule", Column("before", digits=6), Column("after", digits=6), "source", "certainty")
        rows = [(s.setting, s.rule, s.before, s.after, s.source, s.certainty) for s in self.settings]
        said = [f"{s.setting}, {s.rule}: {s.note}." for s in self.settings if s.note]
        title = f"Batch {format_quantity(self.batch)} to {format_quantity(self.to)} (kappa = {self.kappa:.4g})"
        note = (
            "Several rules for one setting are alternatives. published: a law of the catalogue; derived: algebra on "
            "the rule's own words; established: as the field states it, print not compared; unsure: check the paper."
        )
        return Section(
            "When the batch changes",
            (Table(title, columns, rows, note=note), Text("Notes", points=[*said, *self.notes])),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        names = ("setting", "rule", "before", "after", "source", "certainty", "note")
        return {
            "schema_version": SCHEMA_VERSION,
            "batch": self.batch,
            "to": self.to,
            "kappa": self.kappa,
            "optimiser": self.optimiser,
            "settings": [{n: getattr(s, n) for n in names} for s in self.settings],
            "notes": list(self.notes),
        }


def rescale_batch(
    batch: Any,
    to: Any,
    *,
    lr: Any,
    optimiser: Literal["adam", "sgd"] = "adam",
    betas: Sequence[float] = (0.9, 0.95),
    epsilon: float | None = None,
    weight_decay: float | None = None,
    ema: float | None = None,
    noise_scale: Any = None,
) -> BatchChange:
    """Settings for a batch `to` that do what the settings at `batch` did, rule by rule.

    With kappa = to / batch: SGD's rate grows as kappa, Adam's as its root, with betas 1 - kappa (1 - beta), an epsilon
    over the root; a moving average of weights, `ema`, becomes ema^kappa (Busbridge et al. 2023); `weight_decay`
    (decoupled, multiplied by the rate as in AdamW) keeps its half-life in tokens: rate x decay grows as kappa. With
    `noise_scale`, in the unit of the batches, SGD's rate also by (1 + B_noise/B) (McCandlish et al. 2018, eq. 2.7).

    A rule that leaves no average, kappa (1 - beta) being 1 or more, is left out with a note. Raises ArgumentError for
    values out of range.

    >>> import similitude as sim
    >>> change = sim.rescale_batch("1M", "8M", lr=1e-3, ema=0.9999)
    >>> next(s.after for s in change.settings if s.setting == "EMA of weights").__round__(7)
    0.9992003
    """
    if optimiser not in ("adam", "sgd"):
        raise ArgumentError(f"optimiser = {optimiser!r}; expected adam or sgd")
    old, new = positive_number("batch", batch), positive_number("to", to)
    rate, kappa = positive_number("lr", lr), new / old
    made: list[Rescaled] = []
    if optimiser == "adam":
        made += _adam(kappa, rate, betas, epsilon)
    else:
        made += _sgd(kappa, rate, old, new, noise_scale)
    if weight_decay is not None:
        made += _decay(kappa, rate, made[0].after, positive_number("weight_decay", weight_decay))
    if ema is not None:
        made.append(_average(kappa, ema))
    alike = (
        "These rules keep the noise of training alike; they hold below the critical batch, and above it no rate brings "
        "the steps down any more."
    )
    notes = [
        alike,
        "At equal tokens there are kappa times fewer steps: shorten warm-up and decay in steps, not in tokens.",
    ]
    if optimiser == "adam" and (gone := [i for i, b in enumerate(betas, 1) if kappa * (1 - b) >= 1]):
        notes.append(
            f"1 - kappa (1 - beta) leaves nothing of the average of beta{gone[0]} at this batch: that rule does not "
            "reach so far."
        )
    if kappa >= 8 or kappa <= 1 / 8:
        notes.append(
            "A change of a factor of eight or more in one go is beyond what papers tested most: sweep the rate."
        )
    return BatchChange(old, new, optimiser, tuple(made), tuple(notes))


def _adam(kappa: float, rate: float, betas: Sequence[float], epsilon: float | None) -> Iterator[Rescaled]:
    source = "Malladi et al. 2022"
    yield Rescaled("learning rate", "square root", rate, rate * kappa**0.5, source, "established")
    yield Rescaled(
        "learning rate", "linear", rate, rate * kappa, "Goyal et al. 2017", "established",
        "made for SGD; for Adam only where the rate was far below its best",
    )  # fmt: skip
    for i, beta in enumerate(betas, 1):
        _unit(f"beta{i}", beta)
        after = 1 - kappa * (1 - beta)
        if after > 0:
            yield Rescaled(f"beta{i}", "1 - kappa (1 - beta)", beta, after, source, "established")
        yield Rescaled(f"beta{i}", "half-life in tokens", beta, beta**kappa, "beta^kappa", "derived")
    if epsilon is not None:
        value = positive_number("epsilon", epsilon)
        yield Rescaled("epsilon", "over the root", value, value / kappa**0.5, source, "unsure")


def _sgd(kappa: float, rate: float, old: float, new: float, noise_scale: Any) -> Iterator[Rescaled]:
    yield Rescaled("learning rate", "linear", rate, rate * kappa, "Goyal et al. 2017", "established")
    if noise_scale is not None:
        scale = positive_number("noise_scale", noise_scale)
        law = get("noise_scale_step")
        values = {"eps_max": 1.0, "B_noise": scale}
        ratio = float(law.evaluate({"B": new}, values) / law.evaluate({"B": old}, values))
        place = "McCandlish et al. 2018, eq. 2.7"
        yield Rescaled("learning rate", "noise scale", rate, rate * ratio, place, "published")


def _decay(kappa: float, rate: float, new_rate: float, decay: float) -> Iterator[Rescaled]:
    """A weight decays by rate x decay a step: its half-life in tokens is ln 2 x batch / (rate x decay)."""
    after = decay * kappa * rate / new_rate
    yield Rescaled(
        "weight decay", "half-life in tokens", decay, after, "Wang and Aitchison 2024", "derived",
        "for decay multiplied by the rate, as in AdamW, with the first rule of the rate above",
    )  # fmt: skip
    yield Rescaled(
        "weight decay", "half-life, independent", decay, decay * kappa, "Wortsman et al. 2023", "derived",
        "for decay that is not multiplied by the rate",
    )  # fmt: skip


def _average(kappa: float, ema: float) -> Rescaled:
    _unit("ema", ema)
    after = float(get("ema_rule").evaluate({"kappa": kappa}, {"rho": ema}))
    note = "with the rate scaled, too; where the loss uses the average and kappa is large, raise the batch gradually"
    return Rescaled(
        "EMA of weights", "rho^kappa", ema, after, "Busbridge et al. 2023, definition 1.2", "published", note
    )


def _unit(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ArgumentError(f"{name} = {value!r}: expected a number between 0 and 1")
