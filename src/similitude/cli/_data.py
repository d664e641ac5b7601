"""`similitude data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError
from similitude.cli._options import json_option, output_option
from similitude.cli._output import check_target, note, print_json, print_text, write_file

if TYPE_CHECKING:
    from similitude.runs import Runs
    from similitude.runs.datasets import DataSet

_EPILOG = """\b
Examples:
  similitude data
  similitude data chinchilla-epoch
  similitude data porian-resolving -o porian.csv
  similitude data overtraining-gadre --table evaluations -o -
"""


@click.command("data", epilog=_EPILOG)
@click.argument("name", required=False)
@click.option("--table", metavar="TABLE", help="Which of its tables.  [default: the first]")
@output_option('Write the runs to this file, CSV or .parquet ("-": CSV on standard output).')
@json_option
def command(name: str | None, table: str | None, output: str | None, as_json: bool) -> None:
    """List the published data sets, show or export one.

    Data sets are used by name wherever RUNS are expected: similitude fit data:chinchilla-epoch --law chinchilla.
    """
    from similitude.runs import datasets

    check_target(output)
    if name is None:
        if output is not None or table is not None:
            raise ArgumentError("name the data set, as in: similitude data chinchilla-epoch -o runs.csv")
        entries = datasets.list()
        print_json({"data": [_entry(e) for e in entries]}) if as_json else print_text(_listing(entries))
        return
    name, _, inside = name.removeprefix("data:").partition("/")
    entry = datasets.show(name)
    if output is None:
        print_json(_entry(entry)) if as_json else print_text(entry)
        return
    _export(datasets.load(name, table or inside or None), output, as_json)


def _entry(entry: DataSet) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "about": entry.about,
        "citation": entry.citation,
        "licence": entry.licence,
        "provider": entry.provider,
        "not_downloadable": entry.not_downloadable or None,
        "tables": {t.name: {"about": t.about, "file": t.file, "sha256": t.sha256} for t in entry.tables.values()},
    }


def _listing(entries: tuple[DataSet, ...]) -> Any:
    from similitude._view import Table

    rows = [
        (e.name, e.title, {"original": "download", "local": "local table", "packaged": "comes with it"}[e.provider])
        for e in entries
    ]
    return Table("Published data sets", ("name", "what it is", "from"), rows, note="similitude data NAME shows one.")


def _export(runs: Runs, output: str, as_json: bool) -> None:
    if not write_runs(runs, output, as_json):
        return
    if as_json:
        print_json({"file": output, "rows": len(runs), "citation": runs.citation, "licence": runs.licence})
    else:
        note(f"{len(runs)} runs in {output}; cite {runs.citation}; licence: {runs.licence}")
        if runs.outliers.any():
            note(
                f"its authors leave out {int(runs.outliers.sum())} runs: fit {output} --outliers outlier does the same"
            )


def write_runs(runs: Runs, output: str, as_json: bool) -> bool:
    """The table to a file, or as CSV on standard output; whether a file was written."""
    import io

    frame = runs.to_frame()
    frame = frame.with_columns(outlier=runs.outliers) if runs.outliers.any() else frame
    if output == "-":
        if as_json:
            raise ArgumentError("-o - and --json both want standard output")
        print_text(frame.write_csv().removesuffix("\n"))
        return False
    buffer = io.BytesIO()
    frame.write_parquet(buffer) if output.endswith(".parquet") else frame.write_csv(buffer)
    write_file(output, buffer.getvalue())
    return True
