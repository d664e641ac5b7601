"""Recommended settings against the best measured ones: each size left out in turn, beside published rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.planning import tune, tuning_rules
from similitude.runs import Runs

__all__ = ["HeldOut", "held_out", "held_out_table"]


@dataclass(frozen=True)
class HeldOut:
    """Excess loss, in %, of settings over the best measured run, one entry a group of size and tokens.

    `nearest` reads the loss of the measured cell nearest in ln lr and ln batch; `between` interpolates ln loss linearly
    between measured cells, and takes the nearest cell where the settings lie off the grid (`off`).
    """

    name: str
    nearest: np.ndarray
    between: np.ndarray
    off: int


@dataclass(frozen=True)
class _Group:
    """The finished cells of one group."""

    n: float
    d: float
    z: np.ndarray
    loss: np.ndarray

    def read(self, lr: float, batch: float) -> tuple[float, float, bool]:
        """Loss over the best, in %: nearest cell, interpolated, and whether the settings are off the grid."""
        from scipy.interpolate import LinearNDInterpolator

        at = np.log([lr, batch])
        best = self.loss.min()
        near = float(self.loss[np.argmin(((self.z - at) ** 2).sum(axis=1))])
        value = float(LinearNDInterpolator(self.z, np.log(self.loss))(at)[0])
        between = np.exp(value) if np.isfinite(value) else near
        return 100 * (near / best - 1), 100 * (between / best - 1), not np.isfinite(value)


def held_out(runs: Runs, *, seed: int = 0) -> tuple[list[HeldOut], tuple[int, int, int]]:
    """Our law fitted without each size, and every published rule, at all groups.

    Also how many of the optima left out lie in the 90 % interval for them: of rates, of batches, and of how many.
    """
    groups = _groups(runs)
    ours, inside = _ours(runs, groups, seed)
    rows = [_scored("ours, size left out", groups, ours)]
    for rule in ("Step law", "Porian et al.", "DeepSeek", "Bjorck et al.", "Kaplan et al."):
        rows.append(_scored(rule, groups, [_by_rule(rule, g) for g in groups]))
    rows.append(_scored("no law: mean of other sizes", groups, _typical(groups)))
    return rows, inside


def _groups(runs: Runs) -> list[_Group]:
    n, d, loss = (runs.column(k) for k in ("N", "D", "loss"))
    z = np.log(np.stack([runs.column("lr"), runs.column("batch_tokens")], axis=1))
    pairs = sorted(set(zip(n.tolist(), d.tolist(), strict=True)))
    return [_Group(a, b, z[m], loss[m]) for a, b in pairs for m in [(n == a) & (d == b)]]


def _ours(runs: Runs, groups: list[_Group], seed: int) -> tuple[list[tuple[float, float]], tuple[int, int, int]]:
    """Settings for each group by the law of the other sizes; and how many optima its intervals hold."""
    everything = {(o.group["N"], o.group["D"]): o for o in tune(runs, batch="batch_tokens", seed=seed).optima}
    found: dict[tuple[float, float], tuple[float, float]] = {}
    held = [0, 0]
    for size in sorted({g.n for g in groups}):
        others = tune(runs.where(runs.column("N") != size), batch="batch_tokens", seed=seed)
        for g in groups:
            if g.n == size:
                at = others.at(N=g.n, D=g.d)
                assert at.batch is not None
                found[g.n, g.d] = (at.lr.value, at.batch.value)
                truth = everything[g.n, g.d].settings
                for i, (told, setting) in enumerate(((at.lr, "lr"), (at.batch, "batch_tokens"))):
                    held[i] += _holds(told, truth[setting].value)
    return [found[g.n, g.d] for g in groups], (held[0], held[1], len(groups))


def _holds(told: Interval, value: float) -> bool:
    return told.low is not None and told.high is not None and told.low <= value <= told.high


def _by_rule(name: str, group: _Group) -> tuple[float, float]:
    """What a published rule gives; rules for the critical batch are given the best loss measured."""
    rules = tuning_rules(group.n, group.d, loss=float(group.loss.min())).rules
    rule = next(r for r in rules if r.name == name)
    assert rule.lr is not None
    assert rule.batch is not None
    return rule.lr, rule.batch


def _typical(groups: list[_Group]) -> list[tuple[float, float]]:
    """The geometric mean of the best runs of other sizes: what one does without any law."""
    best = np.array([g.z[np.argmin(g.loss)] for g in groups])
    sizes = np.array([g.n for g in groups])
    means = [np.exp(best[sizes != g.n].mean(axis=0)) for g in groups]
    return [(float(m[0]), float(m[1])) for m in means]


def _scored(name: str, groups: list[_Group], settings: list[tuple[float, float]]) -> HeldOut:
    read = [g.read(*s) for g, s in zip(groups, settings, strict=True)]
    near, between, off = (np.array(column) for column in zip(*read, strict=True))
    return HeldOut(name, near, between, int(off.sum()))


def held_out_table(rows: list[HeldOut]) -> Table:
    """Mean and worst excess of every recommendation."""
    shown = [(r.name, r.between.mean(), r.between.max(), r.nearest.mean(), r.nearest.max(), r.off) for r in rows]
    columns = (
        "settings by",
        *(Column(c, "%", digits=2) for c in ("mean", "worst", "mean, nearest cell", "worst, nearest cell")),
        "off the grid",
    )
    note = (
        f"Excess loss over the best of all measured cells, over {len(rows[0].between)} groups of size and tokens. Mean "
        "and worst: ln loss interpolated between cells, which lies above a valley; nearest: that of the nearest cell."
    )
    return Table("Recommended settings against the best measured ones", columns, shown, note=note)
