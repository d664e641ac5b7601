"""The runs of a ladder that have ended, as Runs."""

from __future__ import annotations

from similitude._errors import DataError
from similitude.runs import Runs

from ._ladder import Ladder

__all__ = ["runs_of"]


def runs_of(ladder: Ladder, *, loss: str = "val/loss") -> Runs:
    """The ladder's runs that its store has, as Runs; those that diverged are marked as censored.

    `loss` is another of the validation losses, such as "val/bits_per_byte", "val/kernel/loss" where several domains
    were measured, or "val/error" of runs on images. Raises DataError where none has ended, or none has that loss.

    >>> import similitude as sim
    >>> sim.lab.runs_of(sim.lab.read_ladder("ladder.toml"))  # doctest: +SKIP
    Runs(15 runs: N 7.47K to 167K, D 300K to 1.2M, C 1.71e10 to 1.38e12, loss 1.62 to 2.47)
    """
    import polars as pl

    from similitude.runs._logged import points_of
    from similitude.runs._rows import rows_of, table_or_error
    from similitude.runs.store import Store

    if not ladder.store.is_file():
        raise DataError(f"{ladder.store} is not there: no run of ladder '{ladder.name}' has been trained into it")
    wanted = set(ladder.keys)
    with Store(ladder.store) as store:
        kept = [r for r in store.logged() if r.key in wanted]
        if not kept:
            raise DataError(f"{ladder.store} has none of the {len(ladder)} runs of ladder '{ladder.name}' yet")
        chosen = []
        for run in kept:
            curve = run.curves().filter((pl.col("metric") == loss) & pl.col("step").is_not_null())
            if curve.height:
                last = loss.rpartition("/")[2]
                name = "val/loss" if last == "error" else f"val/{last}"  # which states the unit
                points = [(name, int(s), None, float(v)) for s, v in curve.select("step", "value").iter_rows()]
                from dataclasses import replace

                final = {k: v for k, v in run.final.items() if not k.startswith("val/")}
                config = {**run.config, "units.loss": "error rate"} if last == "error" else run.config
                chosen.append(replace(run, config=config, points=points_of(points), final=final))
    if not chosen:
        known = sorted({m for r in kept for m in r.curves()["metric"].unique() if m.startswith("val/")})
        raise DataError(f"no run of ladder '{ladder.name}' has a loss '{loss}'; there are: {', '.join(known)}")
    order = {key: i for i, key in enumerate(ladder.keys)}
    chosen.sort(key=lambda r: order[r.key])
    return table_or_error(rows_of(chosen, source=f"ladder {ladder.name}"), str(ladder.store))
