"""`similitude runs`: read logs into a store, look at what is there, take it out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from similitude.cli._options import json_option, output_option
from similitude.cli._output import check_target, note, print_json, print_text
from similitude.cli._progress import counted

if TYPE_CHECKING:
    from similitude.runs import Runs
    from similitude.runs._logged import LoggedRun
    from similitude.runs._logs import Logs
    from similitude.runs._rows import Rows
    from similitude.runs.store import Store

_EPILOG = """\b
Examples:
  similitude runs import wandb/ outputs/ mlruns/
  similitude runs list
  similitude runs show tiny-llama --metric eval_loss
  similitude runs export backup/ --as csv
  similitude fit similitude.db --law chinchilla
"""
_IMPORT = """\b
Examples:
  similitude runs import logs/
  similitude runs import logs/ --dry-run --json
  similitude runs import runs/*.csv --store sweep.db --kind table
  similitude runs import logs/ --no-ask
"""

store_option = click.option(
    "--store", "path", metavar="FILE", default="similitude.db", show_default=True, help="The store of runs."
)


@click.group("runs", epilog=_EPILOG)
def command() -> None:
    """Read logs into a store of runs, and look at what is there."""


@command.command("import", epilog=_IMPORT)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@store_option
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only logs of this kind; may be given many times.")
@click.option("--dry-run", is_flag=True, help="Read and tell, without keeping anything.")
@click.option(
    "--ask/--no-ask",
    default=None,
    help="Ask for what the logs leave open, and keep the answers in similitude.toml beside the store. [default: where "
    "a terminal is there to answer]",
)
@json_option
def import_(
    paths: tuple[str, ...], path: str, kinds: tuple[str, ...], dry_run: bool, ask: bool | None, as_json: bool
) -> None:
    """Read logs of any kind, and keep their runs.

    Folders are walked; each kind of log is recognised by itself ('similitude plugins' lists the kinds). What cannot be
    read is left out and said. Importing again changes nothing but what has grown since.

    What logs leave open (what N counts, tokens in a step) is asked once and kept in similitude.toml; entries there
    can be written by hand as well.
    """
    from similitude.cli._ask import answers_for, asked, kept_answers
    from similitude.runs import read_logs
    from similitude.runs.store import Store

    answers_for(path, paths)  # what is wrong with them is said before anything is kept
    with counted("looking for logs", 1) as bar:
        logs = read_logs(*paths, kinds=kinds or None, progress=bar.within)
    added = None
    if logs.runs and not dry_run:
        with counted("keeping runs", len(logs)) as bar, Store(path) as store:
            added = store.add(logs, progress=bar.begin)
    rows = _rows(logs.runs, path, paths)
    if not dry_run and asked(rows.questions, path, ask, as_json):
        rows = _rows(logs.runs, path, paths)
    if added is not None:
        kept_answers(paths, path)
    if as_json:
        print_json(_document(logs, rows, added, path))
    else:
        print_text(_told(logs, rows, added, path))
    if not logs.runs:
        from similitude._errors import DataError

        raise DataError(f"no runs were found in {', '.join(paths)}{': ' + logs.left_out[0] if logs.left_out else ''}")


def _rows(runs: Any, store: str, paths: Any = ()) -> Rows:
    from similitude.cli._ask import answers_for
    from similitude.runs._rows import rows_of

    return rows_of(runs, answers_for(store, paths))


def _document(logs: Logs, rows: Rows, added: Any, path: str) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "store": None if added is None else path,
        "added": None if added is None else {k: list(getattr(added, k)) for k in ("new", "grown", "same")},
        "runs": [_entry(r) for r in logs.runs],
        "table": None if rows.runs is None else _columns(rows.runs),
        "assumed": [*logs.assumed, *(rows.runs.assumed if rows.runs is not None else ())],
        "left_out": [*logs.left_out, *rows.left_out],
        "open": [{"match": q.match, "answer": q.answer, "runs": list(q.runs), "says": q.says} for q in rows.questions],
    }


def _entry(run: LoggedRun) -> dict[str, Any]:
    metrics = _metrics(run)
    return {
        "kind": run.kind,
        "name": run.name,
        "source": run.source,
        "state": run.state,
        "started": run.started,
        "ended": run.ended,
        "tags": list(run.tags),
        "config": dict(run.config),
        "final": dict(run.final),
        "metrics": metrics,
    }


def _metrics(run: LoggedRun) -> dict[str, Any]:
    """Points and last value of each metric."""
    import polars as pl

    found: dict[str, Any] = {}
    for chunk in run.points() if run.points is not None else ():
        last = pl.col("step").last(), pl.col("value").last()
        told = chunk.group_by("metric", maintain_order=True).agg(pl.len(), *last)
        for name, count, step, value in told.iter_rows():
            found[name] = {"points": found.get(name, {}).get("points", 0) + count, "last_step": step, "last": value}
    return found


def _columns(runs: Runs) -> dict[str, Any]:
    return {"counts": runs.counts, "columns": {n: runs.frame[n].to_list() for n in runs.names}}


def _told(logs: Logs, rows: Rows, added: Any, path: str) -> Any:
    from similitude._view import Column, Section, Table, Text

    kinds: dict[str, list[LoggedRun]] = {}
    for run in logs.runs:
        kinds.setdefault(run.kind, []).append(run)
    listed = [(k, len(v), sum(m["points"] for r in v for m in _metrics(r).values())) for k, v in kinds.items()]
    heads = Column("kind"), Column("runs", align="right"), Column("points", align="right")
    items: list[Any] = []
    if added is not None:
        items.append(Text("", [f"{added} in {path}."]))
    if listed:
        items.append(Table("Read", heads, [(k, n, f"{p:,}") for k, n, p in listed]))
    if rows.runs is not None:
        items.append(Text("The table they make", [repr(rows.runs)], points=rows.runs.assumed))
    if logs.assumed:
        items.append(Text("Assumed in reading", points=_shortened(logs.assumed)))
    if gone := (*logs.left_out, *rows.left_out):
        items.append(Text("Left out", points=_shortened(gone), tone="warning"))
    if rows.questions:
        from similitude.cli._ask import to_write

        items.append(to_write(rows.questions))
    return Section("Import", tuple(items))


def _shortened(sentences: Any, most: int = 20) -> tuple[str, ...]:
    more = len(sentences) - most
    return (*sentences[:most], f"and {more} more (all of them with --json)") if more > 0 else tuple(sentences)


@command.command("list")
@store_option
@output_option('Write the table to this file, CSV or .parquet ("-": CSV on standard output).')
@json_option
def list_(path: str, output: str | None, as_json: bool) -> None:
    """List the runs of a store, as the table that laws are fitted to."""
    check_target(output)
    with _opened(path) as store:
        listing, rows = store.listing(), _rows(store.logged(), path)
        if output is not None:
            from similitude.cli._data import write_runs
            from similitude.runs._rows import table_or_error

            table = table_or_error(rows, path)
            if write_runs(table, output, as_json):
                said = {"schema_version": 1, "file": output, "rows": len(table)}
                print_json(said) if as_json else note(f"wrote {len(table)} runs to {output}")
            return None
        if as_json:
            table = None if rows.runs is None else _columns(rows.runs)
            return print_json({"schema_version": 1, "runs": listing.to_dicts(), "table": table})
        print_text(_listed(listing, rows, path))
    return None


def _opened(path: str) -> Store:
    from similitude.runs.store import Store

    return Store(path, create=False)


def _listed(listing: Any, rows: Rows, path: str) -> Any:
    from similitude._view import Column, Section, Table, Text

    columns = ("id", "name", "kind", "state", "points", "last_step")
    body = [tuple("" if v is None else str(v) for v in row) for row in listing.select(columns).rows()]
    heads = [Column(c.replace("_", " "), align="left" if c in ("name", "kind", "state") else "right") for c in columns]
    items: list[Any] = [Table(f"{len(body)} runs", tuple(heads), body)]
    if rows.runs is not None:
        items.append(Text("The table they make", [repr(rows.runs)], points=rows.runs.assumed))
    if rows.left_out:
        items.append(Text("Not in the table", points=_shortened(rows.left_out), tone="warning"))
    return Section(path, tuple(items))


@command.command("show")
@click.argument("run")
@store_option
@click.option("--metric", metavar="NAME", help="Show this curve.")
@json_option
def show(run: str, path: str, metric: str | None, as_json: bool) -> None:
    """Show one run: its settings, what it ended with, its curves."""
    with _opened(path) as store:
        found = store[int(run) if run.isdigit() else run]
        if metric is not None:
            from similitude.runs import curve_of

            curve = curve_of(found, metric)
            if as_json:
                points = {k: getattr(curve, k) for k in ("step", "value", "time", "tokens")}
                return print_json({"schema_version": 1, "run": found.name, "metric": metric, **points})
            return print_text(_drawn(curve))
        if as_json:
            return print_json({"schema_version": 1, **_entry(found), "history": store.history(run)})
        print_text(_shown(found, store.history(run)))
    return None


def _drawn(curve: Any) -> Any:
    from similitude._view import Axis, Figure, Line

    axes = Axis("Step", scale="linear"), Axis(curve.metric, curve.unit, scale="linear")
    return Figure(f"{curve.metric} of {curve.run}", *axes, [Line(curve.metric, curve.step, curve.value)], name="curve")


def _shown(run: LoggedRun, history: Any) -> Any:
    from similitude._view import Column, Section, Table, Text

    metrics = [(k, f"{m['points']:,}", str(m["last_step"]), f"{m['last']:.6g}") for k, m in _metrics(run).items()]
    heads = (Column("metric"), *(Column(h, align="right") for h in ("points", "last step", "last value")))
    pairs = Column("name"), Column("value")
    items: list[Any] = [Text("", [f"{run.kind}, {run.state}, from {run.source}"], points=(*run.assumed, *run.left_out))]
    if metrics:
        items.append(Table("Curves", heads, metrics))
    if run.final:
        items.append(Table("Final values", pairs, [(k, f"{v:.6g}") for k, v in run.final.items()]))
    if run.config:
        items.append(Table("Settings", pairs, [(k, str(v)) for k, v in run.config.items()]))
    items.append(Text("History", points=[h["says"] for h in history]))
    return Section(run.name, tuple(items))


@command.command("export")
@click.argument("folder")
@store_option
@click.option("--as", "kind", type=click.Choice(["parquet", "csv", "jsonl"]), default="parquet", show_default=True)
@json_option
def export(folder: str, path: str, kind: str, as_json: bool) -> None:
    """Write all runs and curves of a store as plain files."""
    with _opened(path) as store:
        files = store.export(folder, kind)
    print_json({"schema_version": 1, "files": files}) if as_json else note(f"wrote {', '.join(files)} in {folder}")


@command.command("remove")
@click.argument("runs", nargs=-1, required=True)
@store_option
@json_option
def remove(runs: tuple[str, ...], path: str, as_json: bool) -> None:
    """Take runs out of a store, by name or number."""
    with _opened(path) as store:
        for run in runs:
            store.remove(run)
    print_json({"schema_version": 1, "removed": list(runs)}) if as_json else note(f"removed {', '.join(runs)}")


@command.command("check")
@store_option
@click.option("--tidy", is_flag=True, help="Remove files that interrupted imports left behind.")
@json_option
def check(path: str, tidy: bool, as_json: bool) -> int:
    """Check a store: every curve there and unchanged. Exit code 1 where something is wrong."""
    with _opened(path) as store:
        said = store.check(tidy=tidy)
    if as_json:
        print_json({"schema_version": 1, "wrong": list(said)})
    else:
        print_text("\n".join(said) if said else "all runs and curves are there and unchanged")
    return 1 if said else 0
