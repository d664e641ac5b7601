"""Bad input, end to end: one sentence that names what and where, the exit code, and nothing written."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import polars as pl
import pytest

from fuzz.readers import part_of, thrift, thrift_of


def _refused(ended, code: int, *words: str) -> None:
    assert ended.code == code, ended
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("similitude: ")
    assert "Traceback" not in ended.err
    missing = [word for word in words if word not in lines[0]]
    assert not missing, (missing, lines[0])


def _changed(rows, row: int, column: int, value: str):
    return [[value if (i, j) == (row - 1, column) else v for j, v in enumerate(r)] for i, r in enumerate(rows)]


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (17, 1, "-3", ("row 17", "tokens", "-3", "positive")),
        (17, 1, "0", ("row 17", "tokens", "positive")),
        (5, 0, "big", ("row 5", "params", "'big'", "number")),
        (8, 2, "nan", ("row 8", "val_loss", "finite", "--not-finite drop")),
        (3, 2, "3000", ("row 3", "val_loss", "3000", "--units loss=perplexity")),
        (2, 0, "7", ("row 2", "params", "7", "7 B", "--no-check")),
    ],
)
def test_a_bad_value(write, rows, run, row, column, value, words):
    bad = write("bad.csv", _changed(rows, row, column, value))
    _refused(run("fit", bad, "--law", "chinchilla", "-o", "fit.json"), 3, "bad.csv", *words)
    assert not Path("fit.json").exists()


def test_a_missing_column_with_the_one_meant(write, rows, run):
    bad = write("bad.csv", rows, "params,tokns,val_loss")
    _refused(run("fit", bad, "--law", "chinchilla"), 3, "bad.csv", "'D'", "did you mean 'tokns'", "--D ")


def test_a_named_column_that_is_not_there(sweep, run):
    _refused(run("fit", sweep, "--law", "chinchilla", "--N", "parms"), 3, "'parms'", "did you mean 'params'")


def test_all_runs_at_one_size(write, rows, run):
    bad = write("bad.csv", [["2e7", f"{float(d) * (1 + i / 9):g}", loss] for i, (_, d, loss) in enumerate(rows)])
    _refused(run("fit", bad, "--law", "chinchilla"), 3, "bad.csv", "N = 2e+07 in every run", "add runs that vary N")


def test_fewer_runs_than_parameters(write, rows, run):
    bad = write("bad.csv", rows[:4])
    _refused(run("fit", bad, "--law", "chinchilla"), 3, "bad.csv", "4 runs", "5 free parameters", "at least 6")


def test_a_group_that_cannot_be_fitted_is_named(write, rows, run):
    table = write("bad.csv", [[*r, "big" if i < 3 else "small"] for i, r in enumerate(rows)], "params,tokens,loss,kind")
    _refused(run("fit", table, "--law", "chinchilla", "--by", "kind"), 3, "bad.csv, kind = big", "3 runs")


def test_mixed_counting_conventions(write, rows, run):
    write("one.csv", rows, "total_params,tokens,loss")
    write("two.csv", rows, "params_non_embedding,tokens,loss")
    _refused(run("fit", "one.csv", "two.csv", "--law", "chinchilla"), 3, "one.csv", "two.csv", "total", "convention")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", ("empty",)),
        ("header.csv", b"params,tokens,loss\n", ("no rows",)),
        ("cut.parquet", b"PAR1" + bytes(100), ("not a complete Parquet",)),
        ("long.csv", b"params,tokens,loss\n" + b"1" * 2_000_000, ("line 2", "longer than 1 MB")),
        ("runs.pkl", b"\x80\x04", ("pickle",)),
    ],
)
def test_a_file_that_is_no_table(tmp_path, monkeypatch, run, name, content, words):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    _refused(run("fit", name, "--law", "chinchilla", "-o", "fit.json"), 3, name, *words)
    assert not Path("fit.json").exists()


def test_a_parquet_file_that_lies_about_its_size(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    file = io.BytesIO()
    columns = {"params": [1e8] * 9, "tokens": [1e9] * 9, "loss": [3.0] * 9, "trial": [1] * 9}
    pl.DataFrame(columns).write_parquet(file)
    data = file.getvalue()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = thrift(data[:-8], start)[0]
    group = part_of(footer, 4)[2][1][0]
    for said in (
        part_of(footer, 3),
        part_of(group, 3),
        *(part_of(part_of(c, 3)[2], 5) for c in part_of(group, 1)[2][1]),
    ):
        said[2] = 1 << 60
    last = thrift_of(footer)
    Path("lies.parquet").write_bytes(data[:start] + last + struct.pack("<I", len(last)) + b"PAR1")
    words = ("lies.parquet is not a complete Parquet file",)
    _refused(run("fit", "lies.parquet", "--law", "chinchilla"), 3, *words)
    _refused(run("plan", "batch", "lies.parquet", "--reach", "2", "--by", "params"), 3, *words)


def test_a_file_that_is_not_there(run):
    _refused(run("fit", "nosuch.csv", "--law", "chinchilla"), 3, "nosuch.csv", "no such file")
    _refused(run("fit", "chinchilla-epok", "--law", "chinchilla"), 3, "did you mean 'chinchilla-epoch'")
    _refused(run("predict", "nosuch.json", "--at", "N=1B,D=20B"), 3, "nosuch.json", "no such file")


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('touch pwned') + N",
        "E + A/N^alpha; import os",
        "(lambda: N)()",
        "[x for x in (N, D)] + E",
        "N.__class__ + E",
        "E + exec(N)",
        "E + open(N)",
        "A*N if N else D - E",
        "E + 'text' * N",
        "E + A/N^^2",
        "E + A/(N^alpha",
        "2 * 3",
        "E + A/N^alpha # D",
        "E + 9^9^9^9 * N",
        "E+" * 3000 + "N",
        "(" * 500 + "N" + ")" * 500,
    ],
)
def test_a_formula_that_is_more_than_arithmetic(sweep, run, formula):
    _refused(run("fit", sweep, "--law", formula, "-o", "fit.json"), 2)
    assert sorted(p.name for p in Path().iterdir()) == ["sweep.csv"]


def test_an_unknown_law(sweep, run):
    _refused(run("fit", sweep, "--law", "chinchila"), 2, "'chinchila'", "did you mean 'chinchilla'")
    _refused(run("compare", sweep, "--laws", "chinchilla,nosuch"), 2, "'nosuch'")
    _refused(run("predict", "chinchilla:besiroglu", "--at", "N=1B,D=1B"), 2, "did you mean 'besiroglu2024'")
    _refused(run("predict", "chinchilla", "--at", "N=1B,D=1B"), 2, "chinchilla:hoffmann2022")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fix", "E"), ("--fix 'E'", "NAME=VALUE")),
        (("--fix", "E=one"), ("--fix E", "'one'")),
        (("--fix", "F=1"), ("'F'", "E, A, alpha, B, beta")),
        (("--fix", "E=1", "--fix", "E=2"), ("E is given twice",)),
        (("--tie", "alpha"), ("alpha=beta",)),
        (("--tie", "alpha=gamma"), ("'gamma'",)),
        (("--bound", "alpha=2:1"), ("below",)),
        (("--bound", "alpha=2"), ("LOW:HIGH",)),
        (("--prior", "E=1"), ("CENTRE:SPREAD",)),
        (("--prior", "E=1:0"), ("spread must be positive",)),
        (("--start", "alpha=a,b"), ("--start alpha",)),
        (("--level", "90"), ("between 0 and 1",)),
        (("--delta", "-1"), ("positive",)),
        (("--resamples", "100"), ("--method case",)),
        (("--method", "case", "--resamples", "5"), ("fewer than 20",)),
        (("--objective", "mean"), ("huber_log",)),
        (("--objective", "squares", "--delta", "1e-3"), ("Huber",)),
        (("--seed", "-1"), ("--seed",)),
        (("--input", "z=D"), ("'z'",)),
        (("--where", "los < 3"), ("did you mean 'loss'",)),
        (("--where", "__import__('os')"), ("__import__",)),
        (("--drop-outliers", "loss >"), ("condition",)),
        (("--flop-rule", "7ND"), ("7ND", "6ND")),
        (("-o", "no/such/fit.json"), ("no directory", "create it first")),
        (("-o", "."), ("directory",)),
        (("-o", "-", "--json"), ("standard output",)),
        (("--nosuch",), ("--nosuch", "similitude fit --help")),
    ],
)
def test_bad_options_of_fit(sweep, run, options, words):
    _refused(run("fit", sweep, "--law", "chinchilla", *options), 2, *words)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("predict", "FIT"), 2, ("--at", "--points")),
        (("predict", "FIT", "--at", "N=1B"), 2, ("needs D",)),
        (("predict", "FIT", "--at", "N=1B,D=1B,U=1B"), 2, ("no input 'U'",)),
        (("predict", "FIT", "--at", "N=-1,D=1B"), 2, ("N = -1", "positive")),
        (("predict", "FIT", "--at", "N=1B tokens,D=1B"), 2, ("tokens", "expected parameters")),
        (("predict", "FIT", "--at", "N 1B"), 2, ("N=70B",)),
        (("predict", "FIT", "--at", "N=1B,N=2B"), 2, ("given twice",)),
        (("predict", "FIT", "--at", "N=1B,D=nan"), 2, ("--at D",)),
        (("predict", "FIT", "--at", "N=1B,D=1B", "--level", "1"), 2, ("between 0 and 1",)),
        (("predict", "FIT", "--points", "nosuch.csv"), 3, ("nosuch.csv",)),
        (("predict", "-", "--points", "-"), 2, ("standard input",)),
        (("predict", "FIT", "--at", "N=1B,D=1B", "--group", "a"), 2, ("one fit",)),
        (("predict", "chinchilla:hoffmann2022", "--at", "N=1B,D=1B", "--level", "0.9"), 2, ("no runs",)),
        (("plan", "FIT"), 2, ("--flop",)),
        (
            ("plan", "FIT", "--flop", "1e20", "--loss", "2.1"),
            3,
            ("takes at least", "budget allows 1e20 FLOP", "at best"),
        ),
        (("plan", "FIT", "--flop", "1e22", "--unique-tokens", "300B"), 3, ("unique tokens U", "data_constrained")),
        (("plan", "FIT", "--flop", "1e22", "--memory", "80"), 2, ("80GB",)),
        (("plan", "FIT", "--loss", "2.0", "--memory", "2GB"), 3, ("1B parameters (2 GB", "the closest needs")),
        (("plan", "FIT", "--gpu-hours", "500"), 2, ("'500 H100'",)),
        (("plan", "FIT", "--gpu-hours", "500 A100", "--precision", "fp8"), 2, ("no 8-bit", "--precision bf16")),
        (("plan", "FIT", "--flop", "1e22", "--limit", "N=8B:7B"), 2, ("contradict", "8B", "7B")),
        (("plan", "FIT", "--flop", "1e22", "--limit", "N=8B"), 2, ("LOW:HIGH",)),
        (("plan", "FIT", "--flop", "1e12", "--limit", "N=8B:", "--limit", "D=1T:"), 3, ("cheapest", "4.8e22 FLOP")),
        (("plan", "FIT", "--loss", "1.0", "--limit", "N=:8B"), 3, ("out of reach",)),
        (("plan", "FIT", "--flop", "1e22", "--cost", "6*N*Q"), 2, ("names Q", "--at Q=")),
        (("plan", "FIT", "--flop", "1e22", "--cost", "6*N*D", "--unique-tokens", "1T"), 2, ("--unique-tokens",)),
        (("plan", "FIT", "--flop", "2T tokens"), 2, ("tokens", "compute")),
        (("plan", "FIT", "--loss", "0.5"), 3, ("floor", "higher loss")),
        (("plan", "FIT", "--days", "14"), 2, ("--gpus 64xH100",)),
        (("plan", "FIT", "--gpus", "64xH1000", "--days", "14"), 2, ("H1000",)),
        (("plan", "FIT", "--flop", "1e24", "--require", "perplexity < 3"), 2, ("perplexity", "tokens_per_parameter")),
        (("plan", "FIT", "--flop", "1e24", "--require", "loss"), 2, ("comparison",)),
        (("plan", "FIT", "--tokens-per-parameter", "20"), 2, ("--flop",)),
        (("plan", "FIT", "--flop", "1e24", "--at", "U=1T"), 2, ("'U'",)),
        (("report", "FIT"), 2, ("--output",)),
        (("report", "FIT", "-o", "no/r.html"), 2, ("no directory",)),
        (("report", "chinchilla:hoffmann2022", "-o", "r.html"), 2, ("no runs", "--flop")),
        (("laws", "nosuch"), 2, ("nosuch",)),
        (("data", "nosuch"), 2, ("nosuch",)),
        (("data", "-o", "x.csv"), 2, ("name the data set",)),
        (("cite", "nosuch"), 2, ("nosuch",)),
        (("reproduce", "nosuch"), 2, ("nosuch",)),
        (("compare", "sweep.csv", "--laws", ","), 2, ("--laws",)),
        (("compare", "sweep.csv", "--laws", "chinchilla,chinchilla"), 2, ("twice",)),
        (("compare", "sweep.csv", "--laws", "chinchilla", "--hold-out", "much"), 2, ("largest 20%",)),
        (("completion", "tcsh"), 2, ("bash",)),
        (("ft",), 2, ("did you mean 'fit'",)),
    ],
)
def test_bad_arguments(fitted, run, arguments, code, words):
    _refused(run(*(fitted if a == "FIT" else a for a in arguments)), code, *words)
    assert sorted(p.name for p in Path().iterdir()) == ["fit.json", "sweep.csv"]


@pytest.mark.parametrize("text", ["", "not json", "[]", "{}", '{"schema": "similitude/fit"}', "[" * 5000, "\x00\xff"])
def test_a_file_that_is_no_fit(tmp_path, monkeypatch, run, text):
    monkeypatch.chdir(tmp_path)
    Path("fit.json").write_text(text, encoding="latin-1")
    _refused(run("predict", "fit.json", "--at", "N=1B,D=20B"), 3)


def test_a_damaged_fit(fitted, run):
    text = Path(fitted).read_text(encoding="utf-8")
    Path("cut.json").write_text(text[: len(text) // 2], encoding="utf-8")
    _refused(run("predict", "cut.json", "--at", "N=1B,D=20B"), 3, "cut.json", "not a fit")
    Path("odd.json").write_text(text.replace('"evidence"', '"evidenz"'), encoding="utf-8")
    _refused(run("plan", "odd.json", "--flop", "1e24"), 3, "odd.json", "damaged")
    Path("none.json").write_text('{"schema": "other"}', encoding="utf-8")
    _refused(run("predict", "none.json", "--at", "N=1B,D=20B"), 3, "none.json", "not a fit")


def test_characters_that_are_not_seen_are_written_as_escapes(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("fit", "a\u202egnp.csv\u200b", "--law", "chinchilla")
    _refused(ended, 3, r"a\u202egnp.csv\u200b")
    assert "\u202e" not in ended.err


def test_points_with_a_hole(fitted, write, run):
    points = write("points.csv", [["1e9", "2e10"], ["", "4e10"]], "N,D")
    _refused(run("predict", fitted, "--points", points), 3, "points.csv", "'N'", "row 2")
