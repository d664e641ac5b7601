"""Tables as people have them become Runs."""

from __future__ import annotations

import gzip
import io
import json
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from similitude._errors import ArgumentError, DataError
from similitude._quantity import BITS_PER_BYTE, FLOP, NATS_PER_TOKEN, PARAMETERS, TOKENS, Unit
from similitude.runs import Runs, read_runs

TABLE = {"n_params": [1e8, 2e8, 4e8], "tokens": [2e9, 4e9, 8e9], "val_loss": [3.2, 2.9, 2.7]}


def csv_text(separator: str = ",") -> str:
    rows = zip(*TABLE.values())
    return "\n".join([separator.join(TABLE), *(separator.join(map(str, row)) for row in rows)]) + "\n"


def check_table(runs: Runs) -> None:
    assert len(runs) == 3
    assert set(runs.names) >= {"N", "D", "loss"}
    np.testing.assert_array_equal(runs.column("N"), TABLE["n_params"])
    np.testing.assert_array_equal(runs.column("D"), TABLE["tokens"])
    np.testing.assert_array_equal(runs.column("loss"), TABLE["val_loss"])
    assert runs.units["N"] == PARAMETERS
    assert runs.units["D"] == TOKENS
    assert runs.units["loss"] == NATS_PER_TOKEN
    assert runs.counts == "undeclared"
    assert any("n_params" in a for a in runs.assumed)


@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t"), ("csv", ";"), ("txt", "|")])
def test_text_tables(tmp_path, suffix, separator):
    path = tmp_path / f"sweep.{suffix}"
    path.write_text(csv_text(separator))
    check_table(read_runs(path))
    assert read_runs(str(path)).source == f"sweep.{suffix}"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("\n\nN,loss\n1e8,3\n", [1]),
        ("N,loss\n\n1e8,3\n\n\n", [2]),
        ("N,loss\r1e8,3\r2e8,2.9", [1, 2]),
        (",N,loss\n0,1e8,3\n", [1]),
        ('"N","loss"\n"1e8","3"\n', [1]),
        ('N,loss,note\n1e8,3,"two\nlines"\n2e8,2.9,x\n', [1, 2]),
        (" N , loss \n 1e8 , 3 \n", [1]),
    ],
)
def test_odd_but_honest_text(tmp_path, text, rows):
    (tmp_path / "a.csv").write_bytes(text.encode())
    runs = read_runs(tmp_path / "a.csv")
    assert runs.row_numbers.tolist() == rows
    assert runs.column("N")[0] == 1e8
    assert runs.column("loss")[0] == 3


def test_binary_and_json_tables(tmp_path):
    frame = pl.DataFrame(TABLE)
    records = frame.to_dicts()
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "a.arrow")
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    (tmp_path / "a.json").write_text(json.dumps(records, indent=1))
    (tmp_path / "columns.json").write_text(json.dumps(TABLE))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv_text().encode()))
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + csv_text().replace("\n", "\r\n").encode())
    for name in ("a.parquet", "a.arrow", "a.jsonl", "a.json", "columns.json", "a.csv.gz", "bom.csv"):
        check_table(read_runs(tmp_path / name))


@pytest.mark.parametrize(
    "make",
    [
        dict,
        pl.DataFrame,
        pl.LazyFrame,
        pd.DataFrame,
        pa.table,
        lambda t: duckdb.from_arrow(pa.table(t)),
        lambda t: pl.DataFrame(t).to_dicts(),
        lambda t: {k: np.array(v) for k, v in t.items()},
        read_runs,
    ],
)
def test_tables_in_memory(make):
    runs = read_runs(make(TABLE))
    np.testing.assert_array_equal(runs.column("N"), TABLE["n_params"])
    np.testing.assert_array_equal(runs.column("loss"), TABLE["val_loss"])


@pytest.mark.parametrize("text", [csv_text(), "\n".join(map(json.dumps, pl.DataFrame(TABLE).to_dicts()))])
def test_standard_input(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    runs = read_runs("-")
    check_table(runs)
    assert runs.source == "standard input"


def test_values_as_people_write_them():
    text = {
        "Model Size": ["1.3B", "70M", '"x'.replace('"x', "1,000,000")],
        "Training Tokens": ["20T tokens", "1e9", " 3B "],
        "loss": ["2.5", "3", "3.1"],
    }
    runs = read_runs(text)
    np.testing.assert_array_equal(runs.column("N"), [1.3e9, 7e7, 1e6])
    np.testing.assert_array_equal(runs.column("D"), [2e13, 1e9, 3e9])
    assert not any("written as text" in a for a in runs.assumed)


def test_quoted_numbers_and_missing_cells(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('N,D,loss,note\n"1,000,000",2e7,3.0,ok\n2e6,,2.9,\n3e6,6e7,,-\n4e6,-,2.7,null\n')
    runs = read_runs(path)
    np.testing.assert_array_equal(runs.column("N"), [1e6, 2e6, 4e6])
    np.testing.assert_array_equal(runs.column("D"), [2e7, np.nan, np.nan])
    np.testing.assert_array_equal(runs.row_numbers, [1, 2, 4])
    assert any("left out 1 runs without loss (row 3)" in a for a in runs.assumed)
    assert runs.labels("note").tolist() == ["ok", "", ""]


def test_units_scale_and_convert():
    table = {"size": [0.07, 1.3], "tokens": [1.4, 26], "ppl": [20.0, 12.0], "pf": [1.0, 2.0]}
    units = {"N": "B", "tokens": "B tokens", "C": "PF-days", "loss": "perplexity"}
    runs = read_runs(table, C="pf", loss="ppl", units=units)
    np.testing.assert_allclose(runs.column("N"), [7e7, 1.3e9])
    np.testing.assert_allclose(runs.column("D"), [1.4e9, 2.6e10])
    np.testing.assert_allclose(runs.column("C"), [8.64e19, 1.728e20])
    np.testing.assert_allclose(runs.column("loss"), np.log([20.0, 12.0]))
    assert runs.units["loss"] == NATS_PER_TOKEN
    assert runs.units["C"] == FLOP
    own = read_runs({"D": [1.0, 2.0], "loss": [0.3, 0.2]}, units={"D": "images", "loss": "bits/byte"})
    assert own.units == {"D": Unit("images", "images"), "loss": BITS_PER_BYTE}


def test_units_in_the_header():
    runs = read_runs({"Params (M)": [70, 1300], "Tokens (B)": [1.4, 26], "loss": [3.4, 2.6]})
    np.testing.assert_array_equal(runs.column("N"), [7e7, 1.3e9])
    np.testing.assert_array_equal(runs.column("D"), [1.4e9, 2.6e10])


def test_an_output_that_is_no_loss_keeps_its_name():
    runs = read_runs({"images": [100, 200], "error_rate": [0.3, 0.2]}, D="images", loss="error_rate")
    assert runs.output == "error_rate"
    assert runs.unit("error_rate").name == ""
    np.testing.assert_array_equal(runs.column("error_rate"), [0.3, 0.2])


def test_a_table_without_roles_is_kept_as_it_is():
    runs = read_runs({"x": [1.0, 2.0], "y": ["1,000", "2K"]}, loss="y")
    assert runs.names == ("x", "y")
    np.testing.assert_array_equal(runs.column("y"), [1000, 2000])


def test_cells_that_hold_more_than_a_value(tmp_path):
    frame = pd.DataFrame(
        {"N": [1e8, "2e8"], "loss": [3.0, np.nan], "note": [3, "x"], "kind": pd.Categorical(["a", "b"])}
    )
    runs = read_runs(frame)
    assert runs.column("N").tolist() == [1e8]
    assert read_runs(pd.DataFrame({"N": [1e8, 2e8], "loss": [3.0, np.nan]})).row_numbers.tolist() == [1]
    assert runs.labels("kind").tolist() == ["a"]
    nested = read_runs([{"N": 1e8, "loss": 3, "config": {"lr": 0.1, "layers": [1, 2]}}])
    assert nested.column("config.lr")[0] == 0.1
    assert nested.labels("config.layers")[0] == "[1, 2]"
    pl.DataFrame({"N": [1e8], "loss": [3.0], "x": [[1, 2]], "y": [{"a": 1}], "z": [b"q"]}).write_parquet(
        tmp_path / "a.parquet"
    )
    odd = read_runs(tmp_path / "a.parquet")
    assert odd.labels("x")[0] == "[1, 2]"
    with pytest.raises(DataError, match=r"column 'y', row 1: .* is not a number"):
        odd.column("y")


def test_choice_of_columns():
    both = {"train_loss": [3.0], "val_loss": [3.1], "N": [1e8], "params": [2e8], "D": [1e9]}
    runs = read_runs(both)
    assert runs.column("loss")[0] == 3.1
    assert runs.column("N")[0] == 1e8
    assert read_runs(both, N="params").column("N")[0] == 2e8
    with pytest.raises(DataError, match=r"columns 'val_loss' and 'eval_loss' could both be loss; choose one"):
        read_runs({"val_loss": [3.0], "eval_loss": [2.0]})


@pytest.mark.parametrize(
    "names",
    [
        ("Params", "TOKENS", "Loss"),
        ("n_params", "n_tokens", "val_loss"),
        ("Model Size", "Training Tokens", "C4 Eval Loss"),
        ("model.params", "throughput/total_tokens", "train/loss"),
        ("num-parameters", "train_tokens", "Final Loss"),
        ("parameter_count", "Tokens_Seen", "eval/loss"),
    ],
)
def test_names_people_use(names):
    runs = read_runs(dict(zip(names, [[1e8], [2e9], [3.0]])))
    assert runs.names == ("N", "D", "loss")
    assert len(runs.assumed) == 4  # three roles, and the unit of the loss


@pytest.mark.parametrize("name", ["Training FLOP", "flops", "FLOPs", "compute", "train_flops", "C"])
def test_names_of_compute(name):
    assert read_runs({name: [1e18], "loss": [3.0]}).names == ("C", "loss")


@pytest.mark.parametrize("name", ["n", "d", "c", "l", "lossy", "tokenizer", "params_ratio"])
def test_names_that_mean_something_else(name):
    assert read_runs({name: [1.0], "y": [3.0]}).names == (name, "y")


def test_column_named_for_the_count_declares_it():
    runs = read_runs({"params_non_embedding": [1e7], "tokens": [1e9], "loss": [3.0]})
    assert runs.counts == "without embeddings"
    assert read_runs({"N": [1e7], "loss": [3.0]}, counts="total").counts == "total"
    with pytest.raises(ArgumentError, match="expected one of: undeclared, total"):
        read_runs({"N": [1e7], "loss": [3.0]}, counts="all")


def test_crashed_runs_are_censored_not_missing():
    table = {"N": [1e8, 2e8, 3e8], "D": [1e9] * 3, "loss": [3.0, None, float("nan")], "diverged": ["no", "yes", "TRUE"]}
    runs = read_runs(table)
    assert runs.censored.tolist() == [False, True, True]
    assert np.isnan(runs.column("loss")).tolist() == [False, True, True]
    dropped = read_runs({k: v for k, v in table.items() if k != "diverged"}, not_finite="drop")
    assert len(dropped) == 1
    kept = read_runs({k: v for k, v in table.items() if k != "diverged"}, not_finite="censored")
    assert kept.censored.tolist() == [False, True]


def test_where_on_reading_spares_the_other_rows_their_checks(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,params,tokens,loss\n0,1e8,0,10.9\n100,1e8,2e9,3.2\n")
    with pytest.raises(DataError, match=r"log.csv, column 'tokens', row 1: 0; expected tokens that are positive"):
        read_runs(path)
    runs = read_runs(path, where="tokens > '1B'")
    assert runs.row_numbers.tolist() == [2]


def test_same_bytes_same_hash(tmp_path):
    (tmp_path / "a.csv").write_text(csv_text())
    (tmp_path / "b.csv").write_text(csv_text())
    a, b = read_runs(tmp_path / "a.csv"), read_runs(tmp_path / "b.csv")
    assert a.sha256 == b.sha256
    assert a == b
    assert a != read_runs(TABLE, counts="total")


def test_a_million_rows(tmp_path):
    n = 1_000_000
    rng = np.random.default_rng(0)
    pl.DataFrame({"N": rng.uniform(1e6, 1e9, n).round(), "loss": rng.uniform(2, 4, n)}).write_csv(tmp_path / "a.csv")
    runs = read_runs(tmp_path / "a.csv")
    assert len(runs) == n
    assert len(runs.where("N < '500M'").mark_outliers("loss > 3.9").kept) < n / 2


@pytest.mark.parametrize(
    ("column", "unit", "values"),
    [
        ("bpb", BITS_PER_BYTE, [0.9, 0.8]),
        ("val_bits_per_byte", BITS_PER_BYTE, [0.9, 0.8]),
        ("bits_per_token_loss", NATS_PER_TOKEN, [0.9 * np.log(2), 0.8 * np.log(2)]),
        ("C4 ppl", NATS_PER_TOKEN, [np.log(0.9), np.log(0.8)]),
    ],
)
def test_a_loss_column_states_its_unit_in_its_name(column, unit, values):
    runs = read_runs({"n_params": [1e8, 2e8], "tokens": [1e9, 2e9], column: [0.9, 0.8]}, loss=column, check=False)
    assert runs.units["loss"] == unit
    np.testing.assert_allclose(runs.column("loss"), values)
    assert any(column in a and "as its name says" in a for a in runs.assumed)


def test_a_loss_in_bits_must_say_per_what():
    table = {"loss_bits": [0.9, 0.8]}
    with pytest.raises(DataError, match=r"'loss_bits'.*bits/byte.*bits/token"):
        read_runs(table, loss="loss_bits")
    assert read_runs(table, loss="loss_bits", units={"loss": "bits/byte"}).units["loss"] == BITS_PER_BYTE


def test_a_unit_that_nobody_stated_is_noted():
    assert any("nats/token" in a for a in read_runs(TABLE).assumed)
    assert not any("taken to be" in a for a in read_runs(TABLE, units={"loss": "nats/token"}).assumed)


def test_compute_that_contradicts_parameters_and_tokens_is_noted():
    n, d = np.array([1e8, 2e8, 4e8, 8e8]), np.array([2e9, 4e9, 8e9, 16e9])
    even = {"N": n, "D": d, "flops": 6.4 * n * d, "loss": [3.2, 3.0, 2.8, 2.6]}
    assert not any("disagrees" in a for a in read_runs(even).assumed)
    odd = even | {"flops": 6 * n * d * np.array([1, 1, 3000, 1])}
    notes = [a for a in read_runs(odd).assumed if "disagrees" in a]
    assert len(notes) == 1
    assert "'flops'" in notes[0]
    assert "3e+03 times in row 3" in notes[0]


def test_a_column_says_how_parameters_are_counted():
    runs = read_runs(TABLE | {"counting": ["Total", "total", None]})
    assert runs.counts == "total"
    assert any("'counting'" in a for a in runs.assumed)
    assert read_runs(TABLE | {"counts": [3, 4, 5]}).counts == "undeclared"


def test_two_ways_of_counting_parameters_in_one_column_are_refused():
    table = TABLE | {"counts": ["total", "non-embedding", "total"]}
    with pytest.raises(DataError, match="'counts': row 1 counts N 'total' and row 2 counts N 'without embeddings'"):
        read_runs(table)
    assert read_runs(table, where="counts == 'total'").counts == "total"
    assert read_runs(table, counts="active").counts == "active"
    with pytest.raises(DataError, match="'total_params' says 'total'"):
        read_runs({"total_params": [1e8], "tokens": [2e9], "loss": [3.0], "counts": ["active"]})
