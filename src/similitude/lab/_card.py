"""One run of the lab on a page: what it was, what it reached, how it got there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from similitude._digits import format_number
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Line, Points, Section, Table, Text
from similitude.runs import LoggedRun, curve_of

from ._start import KeptState, kept_states
from ._train import checkpoints_of

__all__ = ["Card", "card"]

# what is measured under "norms/", by the title and axis of the figure it is shown in
NORMS = {
    "Activations": ("Root mean square", ("residual", "output", "logits")),
    "Attention logits": ("Largest", ("attention_max",)),
    "Gradients": ("Norm", ("gradient",)),
}


@dataclass(frozen=True)
class Card(Result):
    """A run with its settings, its last measurements, its curves and the states it kept; made by `sim.lab.card`."""

    run: LoggedRun
    kept: tuple[KeptState, ...] = ()

    def __repr__(self) -> str:
        loss = self.run.final.get("val/loss")
        return f"Card({self.run.name}: {self.run.state}" + (f", loss {loss:.4f})" if loss is not None else ")")

    def view(self) -> Section:
        """The tables and figures."""
        run, c = self.run, self.run.config
        unit = str(c.get("units.D", "tokens"))
        whole = [
            ("state", run.state),
            ("parameters", format_number(_number(c.get("n_total")), "parameters", show_unit=False)),
            (unit, format_number(_number(c.get("D")), unit, show_unit=False)),
            ("training FLOP", format_number(_number(c.get("C")), "FLOP", 3, show_unit=False)),
            *((k, v) for k, v in sorted(run.final.items()) if k not in ("steps",)),
        ]
        left_out = ("n_total", "n_params_no_emb", "n_params_no_emb_no_head", "n_active", "D", "C", "id",
                    "units.D", "units.loss")  # fmt: skip
        settings = [(k, "none" if v is None else v) for k, v in sorted(c.items()) if k not in left_out]
        curves = run.curves()
        names = set(curves["metric"].unique()) if curves.height else set()
        items: list[Any] = [
            Table("What it reached", ("", Column("value", digits=5)), whole),
            *self._figures(names),
            *self._norms(names),
            *self._states(),
            Table("Settings", ("setting", "value"), settings),
        ]
        if run.state == "diverged":
            items.insert(0, Text("", ["The loss stopped being a number: in a fit the run counts as censored."],
                                 tone="warning"))  # fmt: skip
        return Section(f"Run {run.name}", tuple(items))

    def _figures(self, names: set[str]) -> list[Figure]:
        found = []
        curve = {n: curve_of(self.run, n).finite() for n in ("train/loss", "val/loss") if n in names}
        train, held = curve.get("train/loss"), curve.get("val/loss")
        lines: list[Line | Points] = []
        if train is not None and len(train) > 1:
            lines.append(Line("training, mean since the last point", train.step, train.value))
        if held is not None and len(held):
            lines.append(Points("validation", held.step, held.value))
        if lines:
            unit = next(c.unit for c in (held, train) if c is not None)
            found.append(Figure("Loss", Axis("Step", scale="log"), Axis("Loss", unit, scale="log"), lines,
                                name="loss"))  # fmt: skip
        return found

    def _norms(self, names: set[str]) -> list[Table | Figure]:
        """Sizes of activations and gradients where they were measured: first and last, and their courses."""
        curves = {n.removeprefix("norms/"): curve_of(self.run, n).finite() for n in names if n.startswith("norms/")}
        curves = {n: c for n, c in sorted(curves.items(), key=lambda item: _in_order(item[0])) if len(c)}
        if not curves:
            return []
        rows = [(n, c.value[0], c.value.max(), c.value[-1]) for n, c in curves.items()]
        columns = ("", *(Column(name, digits=4) for name in ("first", "largest", "last")))
        found: list[Table | Figure] = [Table("Norms", columns, rows)]
        for title, (axis, parts) in NORMS.items():
            lines = [Line(n, c.step, c.value) for n, c in curves.items() if n.split("/")[0] in parts and len(c) > 1]
            if lines:
                found.append(Figure(title, Axis("Step"), Axis(axis), lines, name=f"norms-{parts[0]}"))
        return found

    def _states(self) -> list[Table]:
        """The states kept, and how to begin from one."""
        if not self.kept:
            return []
        rows = [(state.step, f"{state.size / 1e6:.1f} MB", str(state.path)) for state in self.kept]
        last = f'start = {{run = "{self.run.config.get("id")}", step = {self.kept[-1].step}}}'
        note = (
            f"A run begins from one with {last} and a length beyond that step; its schedule is that of the steps from "
            "there."
        )
        return [Table("States kept", ("step", "size", "file"), rows, note)]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, curves with them."""
        curves = self.run.curves()
        points = {
            str(name): part.select("step", "value").to_dict(as_series=False)
            for (name,), part in curves.group_by("metric", maintain_order=True)
        }
        return {
            "schema_version": 1,
            "name": self.run.name,
            "state": self.run.state,
            "settings": dict(self.run.config),
            "final": dict(self.run.final),
            "curves": points,
            "kept": [{"step": s.step, "bytes": s.size, "file": str(s.path)} for s in self.kept],
        }


def _in_order(name: str) -> tuple[Any, ...]:
    """What sorts "residual/10" after "residual/9"."""
    part, _, place = name.partition("/")
    return part, int(place) if place.isdigit() else -1, place


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def card(run: LoggedRun, *, store: str | Path | None = None) -> Card:
    """A run of the lab as a page, with the states it kept beside its store where that is given.

    >>> import similitude as sim
    >>> sim.lab.card(sim.lab.train({"train": {"steps": 10}}))  # doctest: +SKIP
    Card(119K-20.5K-w64-l2-lr0.003-s0-0f1e2d: finished, loss 3.1234)
    """
    if store is None:
        return Card(run)
    return Card(run, kept_states(checkpoints_of(store), str(run.config.get("id"))))
