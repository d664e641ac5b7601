"""`similitude lab`: train a ladder, see how far it is, look at one of its runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, output_option, page_option, seed_option
from similitude.cli._output import check_target, note, print_json, print_text, write_page
from similitude.cli._progress import counted, working

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from similitude.lab import Ladder, Outlook
    from similitude.runs._logged import LoggedRun

_EPILOG = """\b
Examples:
  similitude lab run ladder.toml --dry-run
  similitude lab run ladder.toml
  similitude lab status ladder.toml
  similitude lab show 7.47K-300K
"""
_RUN = """\b
Examples:
  similitude lab run ladder.toml --dry-run
  similitude lab run ladder.toml --workers 4 --store sweep.db
  similitude lab run ladder.toml --limit 3600 -o report.html

A run that is in the store is not trained again; a run that was interrupted goes on from its last checkpoint. With a
table [fit] in the ladder, its law is fitted when all runs are there.

Runs that are trained K --together differ in learning rate, seed and weight decay alone. That is for a GPU or TPU which
one of them leaves idle; losses are those of single runs up to rounding, and 'lab show' says K of each.
"""

_store = click.option("--store", metavar="FILE", help="The store of runs.  [default: the ladder's, else similitude.db]")
_workers = click.option("--workers", type=click.IntRange(min=1), help="Processes of one thread.  [default: all cores]")


@click.group("lab", epilog=_EPILOG)
def command() -> None:
    """Train ladders of small models, and resume them."""


@command.command("run", epilog=_RUN)
@click.argument("ladder", metavar="LADDER.toml")
@_store
@_workers
@click.option("--limit", type=float, metavar="SECONDS", help="Put a run aside after so long; it can be gone on with.")
@click.option("--retries", type=click.IntRange(min=0), default=3, show_default=True, help="Tries after an error.")
@click.option(
    "--together", type=click.IntRange(min=1), default=1, metavar="K", help="Train runs K at a time in one step."
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained: parameters, FLOP, time and memory.")
@click.option("--executor", metavar="NAME", help="Workers of another package, see 'similitude plugins'.")
@click.option("--no-fit", is_flag=True, help="Train only.")
@output_option("Write a report of the fit.")
@seed_option
@json_option
def run_(
    ladder: str,
    store: str | None,
    workers: int | None,
    limit: float | None,
    retries: int,
    together: int,
    dry_run: bool,
    executor: str | None,
    no_fit: bool,
    output: str | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train all runs of a ladder that are not in its store yet, and fit the law it names."""
    from similitude.lab import outlook, read_ladder

    made = read_ladder(ladder, store=store)
    page = output or _report(made)
    check_target(page)
    law = _law(made)
    if dry_run:
        found = outlook(made, workers=workers)
        return print_json(found.to_dict()) if as_json else print_text(found.view())
    with _executor(executor) as pool:
        found = _trained(made, pool, as_json, workers=workers, limit=limit, retries=retries, together=together)
    results: dict[str, Any] = {"ladder": found.to_dict()}
    if not as_json:
        print_text(found.view())
    if law is not None and not no_fit:
        results |= _fitted(made, law, page, seed, as_json)
    if as_json:
        print_json({"schema_version": 1, **results})
    return None


def _report(ladder: Ladder) -> str | None:
    """Where the ladder wants its report: beside its store."""
    named = ladder.fit.get("report")
    return str(ladder.store.parent / str(named)) if named else None


def _law(ladder: Ladder) -> Any:
    """The law the ladder is to be fitted with; refused before anything is trained where there is none of that name."""
    from similitude.laws import get

    return get(str(ladder.fit["law"])) if "law" in ladder.fit else None


@contextmanager
def _executor(name: str | None) -> Iterator[Executor | None]:
    """The executor that a package adds, shut down in the end; its workers are not waited for where something failed."""
    if name is None:
        yield None
        return
    from similitude._plugins import load

    made = load("similitude.executors", name)
    if made is None:
        raise ArgumentError(f"--executor {name}: no package adds it; 'similitude plugins' lists those there are")
    pool: Executor = made()
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False)
        raise
    pool.shutdown()


def _trained(ladder: Ladder, executor: Executor | None, quiet: bool, **options: Any) -> Outlook:
    from similitude.lab import run
    from similitude.lab._outlook import time_text

    with counted(f"training {ladder.name}", len(ladder)) as bar:

        def told(sentence: str) -> None:
            bar.begin(sentence)
            if not sys.stderr.isatty() and not quiet:
                note(sentence)

        def tick(found: Outlook) -> None:
            bar.within(f"{found.done} of {len(found.rows)} runs, about {time_text(found.left)} left")

        return run(
            ladder,
            executor=executor,
            told=told,
            tick=tick if sys.stderr.isatty() else None,
            **options,
        )


def _fitted(ladder: Ladder, law: Any, page: str | None, seed: int, quiet: bool) -> dict[str, Any]:
    """The law through the ladder's runs, shown and written."""
    from similitude.fitting import fit
    from similitude.lab import runs_of

    runs = runs_of(ladder, loss=str(ladder.fit.get("loss", "val/loss")))
    with working(f"fitting {law.name}"):
        found = fit(law, runs, seed=seed)
    if not quiet:
        print_text(found)
    write_page([found], page)
    return {"fit": found.to_dict(runs=False), **({"report": page} if page else {})}


@command.command("status")
@click.argument("ladder", metavar="LADDER.toml")
@_store
@_workers
@json_option
def status(ladder: str, store: str | None, workers: int | None, as_json: bool) -> None:
    """How far a ladder is: each run, its time and what is left."""
    from similitude.lab import outlook, read_ladder

    found = outlook(read_ladder(ladder, store=store), workers=workers)
    print_json(found.to_dict()) if as_json else print_text(found.view())


@command.command("show")
@click.argument("run", metavar="RUN")
@click.option("--store", metavar="FILE", default="similitude.db", show_default=True, help="The store of runs.")
@page_option
@json_option
def show(run: str, store: str, page: str | None, as_json: bool) -> None:
    """One run: its settings, what was measured, its curves.

    RUN is its name or its id, or the beginning of either.
    """
    from similitude.lab import card

    check_target(page)
    logged = _found(run, store)
    found, noise = card(logged, store=store), _noise(logged)
    write_page([found, *noise], page)
    if as_json:
        return print_json({**found.to_dict(), **({"noise_scale": noise[0].to_dict()} if noise else {})})
    for result in (found, *noise):
        print_text(result.view())
    return None


def _noise(run: LoggedRun) -> list[Any]:
    """The gradient noise scale in sequences, where it was measured often enough."""
    from similitude.planning import noise_scale
    from similitude.planning._noise_scale import LEAST
    from similitude.runs import curve_of

    if not run.config.get("train.noise"):
        return []
    names = set(run.curves()["metric"])
    if "noise/one" not in names:
        return []
    one, whole = (curve_of(run, name) for name in ("noise/one", "noise/batch"))
    batch = float(str(run.config["train.batch"]))
    if len(one) < LEAST or batch < 2:
        return []
    return [noise_scale(one.value, whole.value, batch_big=batch, windows=len(one) // LEAST, at=one.step)]


def _found(name: str, path: str) -> LoggedRun:
    """The one run of a store whose name or id begins so."""
    from similitude._errors import DataError
    from similitude.runs.store import Store

    if not Path(path).is_file():
        raise DataError(f"{path}: there is no such store; name the one that the ladder was trained into with --store")
    with Store(path, create=False) as store:
        runs = [r for r in store.logged(unfinished=True) if r.kind == "lab"]
        same = [r for r in runs if name in (r.name, r.config.get("id"))]
        found = same or [r for r in runs if r.name.startswith(name) or str(r.config.get("id", "")).startswith(name)]
        if len(found) != 1:
            many = ", ".join(r.name for r in (found or runs)[:8]) + (" ..." if len(found or runs) > 8 else "")
            said = f"{len(found)} runs begin with '{name}'" if found else f"{path} has no run of the lab '{name}'"
            raise ArgumentError(f"{said}: {many}" if many else said)
        from dataclasses import replace

        from similitude.runs._logged import points_of

        rows = found[0].curves()
        return replace(found[0], points=points_of(rows.iter_rows()) if rows.height else None)
