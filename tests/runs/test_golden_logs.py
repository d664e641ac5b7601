"""Every reader on files its library wrote: values read are those the library says it logged, to the last bit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from similitude.runs._logs import read_logs
from similitude.runs.readers import READERS

LOGS = Path(__file__).resolve().parent.parent / "golden" / "logs"
ALL = {p.name: json.loads((p / "values.json").read_text()) for p in sorted(LOGS.iterdir()) if (p / "files").is_dir()}
KEPT = {name: values for name, values in ALL.items() if "reader" in values}


def same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, (int, float)) and math.isnan(a):
        return math.isnan(b)
    return a == b


@pytest.mark.parametrize("name", KEPT)
def test_what_is_read_is_what_was_logged(name):
    kept = KEPT[name]
    found = read_logs(LOGS / name / "files")
    gone = kept.get("left_out", [])  # names that the sentences must have, one list a sentence
    assert len(found.left_out) == len(gone), found.left_out
    assert all(all(name in said for name in names) for said, names in zip(found.left_out, gone, strict=True))
    assert sorted(r.name for r in found.runs) == sorted(r["name"] for r in kept["runs"])
    for run in found.runs:
        told = next(r for r in kept["runs"] if r["name"] == run.name)
        assert run.kind == told.get("reader", kept["reader"])
        assert run.state == told["state"]
        for what, held in (("config", run.config), ("final", run.final)):
            for key, value in told.get(what, {}).items():
                assert same(value, held[key]), (run.name, what, key, value, held[key])
        curves = run.curves()
        assert set(curves["metric"].unique()) == set(told.get("points", {}))
        for metric, points in told.get("points", {}).items():
            read = curves.filter(curves["metric"] == metric)
            assert read["step"].to_list() == [p[0] for p in points], metric
            assert all(same(p[1], v) for p, v in zip(points, read["value"].to_list(), strict=True)), metric


@pytest.mark.parametrize("name", [n for n, kept in KEPT.items() if kept["runs"] and kept["runs"][0].get("samples")])
def test_scores_of_items_are_those_logged(name):
    import polars as pl

    for run in read_logs(LOGS / name / "files").runs:
        told = next(r for r in KEPT[name]["runs"] if r["name"] == run.name)
        assert run.samples is not None
        read = pl.concat(list(run.samples())).select("task", "item", "metric", "score").sort("task", "item", "metric")
        assert [list(row) for row in read.rows()] == sorted(told["samples"])


def test_parameters_that_are_counted_are_as_many_as_the_library_counts():
    from similitude.runs._families import counted

    told = {r["name"]: r["N"] for r in KEPT["maxtext"]["runs"] if "N" in r}
    found = {r.name: counted(r.config) for r in read_logs(LOGS / "maxtext" / "files").runs if r.name in told}
    assert {name: shape and shape.total for name, shape in found.items()} == told


def test_a_reader_is_verified_exactly_where_there_are_files():
    tested = {}
    for kept in KEPT.values():
        libraries = kept.get("libraries") or {kept["library"]: kept["version"]}
        for reader in {kept["reader"], *(r["reader"] for r in kept["runs"] if "reader" in r)}:
            tested.setdefault(reader, set()).update(f"{name} {version}" for name, version in libraries.items())
    for reader in READERS:
        assert set(filter(None, reader.verified.split(", "))) == tested.get(reader.name, set()), reader.name
        assert reader.verified or not reader.unverified, reader.name
        for name in filter(None, reader.unverified.split(", ")):
            assert name.casefold() not in reader.verified.casefold(), (reader.name, name)
