"""What one can do with Runs: look, choose, derive, count, join, save."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._quantity import FLOP, PARAMETERS, TOKENS, Unit
from similitude.runs import Runs, read_runs


@pytest.fixture
def runs() -> Runs:
    table = {
        "params": [1e8, 2e8, 4e8, 8e8],
        "C": [1e18, 4e18, 1.6e19, 6.4e19],
        "loss": [3.2, 2.9, 2.7, 2.6],
        "group": ["main", "main", "ablation", "main"],
        "seed": [1, 2, 1, 2],
    }
    return read_runs(table, counts="total", name="sweep.csv")


def test_columns(runs):
    assert runs.names == ("N", "C", "loss", "group", "seed")
    assert len(runs) == 4
    assert list(runs) == list(runs.names)
    assert "N" in runs
    assert "params" in runs
    assert "D" not in runs
    np.testing.assert_array_equal(runs.column("params"), runs.column("N"))
    assert runs.column("seed").dtype == float
    assert runs.labels("seed").tolist() == ["1", "2", "1", "2"]
    assert runs.labels("group").tolist() == ["main", "main", "ablation", "main"]
    with pytest.raises(DataError, match=r"sweep\.csv, column 'group', row 1: 'main' is not a number"):
        runs.column("group")
    with pytest.raises(DataError, match=r"no column 'los' *; the columns are: .*; did you mean 'loss'\?"):
        runs.column("los")


def test_immutable(runs):
    with pytest.raises(dataclasses.FrozenInstanceError):
        runs.counts = "active"
    for array in (runs.outliers, runs.censored, runs.row_numbers):
        with pytest.raises(ValueError):
            array[0] = 1
    frame = runs.to_frame()
    frame[0, "N"] = 5.0
    runs.column("N")[:] = 0
    assert runs.column("N")[0] == 1e8


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("C < 5e18", [1, 2]),
        ("flops < 5e18 and group == 'main'", [1, 2]),
        ("not group == 'main'", [3]),
        ("group in ['ablation', 'other'] or N >= '0.8B'", [3, 4]),
        ("group not in ('ablation',)", [1, 2, 4]),
        ("1e8 < N <= 4e8", [2, 3]),
        ("C / (6 * N) > '5B'", [3, 4]),
        ("-loss < -3", [1]),
        ("`loss` ** 2 > 9", [1]),
        ("C < '2 PF-days'", [1, 2, 3, 4]),
        (pl.col("N") > 3e8, [3, 4]),
        (np.array([True, False, False, True]), [1, 4]),
        ([False, True, False, False], [2]),
        (pl.Series([None, True, False, False]), [2]),
    ],
)
def test_where(runs, condition, rows):
    chosen = runs.where(condition)
    assert chosen.row_numbers.tolist() == rows
    assert runs.drop(condition).row_numbers.tolist() == [r for r in (1, 2, 3, 4) if r not in rows]
    assert chosen.provenance[-1].startswith(f"kept {len(rows)} of 4 runs where ")


def test_where_by_value(runs):
    assert runs.where(group="main").row_numbers.tolist() == [1, 2, 4]
    assert runs.where(group="main", seed=2).row_numbers.tolist() == [2, 4]
    assert runs.where(seed="2").row_numbers.tolist() == [2, 4]
    assert runs.where(N=[1e8, 4e8]).row_numbers.tolist() == [1, 3]
    assert runs.where("N > 1e8", group="main").provenance[-1] == "kept 2 of 4 runs where N > 1e8 and group = 'main'"
    assert len(runs.where(group="none")) == 0


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')",
        "N.real > 1",
        "(lambda: N)() > 1",
        "[N for N in (1,)]",
        "N > 1 if loss else 2",
        "N := 3",
        "N[0] > 1",
        "N > 1; loss",
        "f'{N}' == 'a'",
        "N is 3",
        "N",
        "3",
        "N + 1",
        "",
        "N >",
        "N in 3",
        "`N > 3",
        "N > 1j",
        "N > b'a'",
        "unknown > 3",
        "N > '3 apples'",
        "N < " + "(" * 300 + "1" + ")" * 300,
        "N < 1" + " + 1" * 2000,
        "N < 9**9**9**9",
    ],
)
def test_a_condition_is_only_a_condition(runs, condition):
    if condition in ("N", "N < 9**9**9**9"):
        assert len(runs.where(condition)) == 4
        return
    with pytest.raises(ArgumentError) as caught:
        runs.where(condition)
    assert caught.value.exit_code == 2


def test_masks_of_the_wrong_shape(runs):
    with pytest.raises(ArgumentError, match="expected 4, got"):
        runs.where([True])
    with pytest.raises(ArgumentError, match="the condition cannot be computed"):
        runs.where(pl.col("x") > 1)
    with pytest.raises(ArgumentError, match="the condition cannot be computed"):
        runs.where("group > 3")


def test_missing_values_meet_no_condition():
    runs = read_runs({"N": [1e8, 2e8], "x": [1.0, None], "loss": [3.0, 2.9]})
    assert len(runs.where("x < 2")) == 1
    assert len(runs.where("x >= 2")) == 0
    assert len(runs.drop("x < 2")) == 1
    assert len(runs.drop(missing="x")) == 1


def test_drop_and_outliers(runs):
    assert runs.drop(rows=[2, 3]).row_numbers.tolist() == [1, 4]
    with pytest.raises(ArgumentError, match=r"sweep\.csv has no row 9 here"):
        runs.drop(rows=[9])
    marked = runs.mark_outliers([4], reason="restarted").mark_outliers("loss > 3")
    assert marked.outliers.tolist() == [True, False, False, True]
    assert marked.kept.row_numbers.tolist() == [2, 3]
    assert marked.provenance[-2:] == ("marked 1 runs as outliers: restarted", "marked 1 runs as outliers (loss > 3)")
    assert runs.kept is runs
    assert marked.where(group="main").outliers.tolist() == [True, False, True]


def test_groups(runs):
    groups = runs.groups("group")
    assert list(groups) == ["main", "ablation"]
    assert [len(g) for g in groups.values()] == [3, 1]


def test_derived_inputs(runs):
    full = runs.with_inputs(["N", "D", "M"])
    np.testing.assert_allclose(full.column("D"), runs.column("C") / (6 * runs.column("N")))
    np.testing.assert_allclose(full.column("M"), full.column("D") / full.column("N"))
    assert full.units["D"] == TOKENS
    assert "D = C/(6N) derived for 4 runs (6ND rule)" in full.provenance
    assert full.derived == ("D", "M")
    assert runs.with_inputs(["N"]) is runs
    with pytest.raises(DataError, match=r"no column 'U' \(unique tokens\)"):
        runs.with_inputs(["U"])
    inference = runs.declare(flop_rule="2ND").with_inputs(["D"])
    np.testing.assert_allclose(inference.column("D"), 3 * full.column("D"))


@given(
    n=st.floats(1e5, 1e13),
    d=st.floats(1e5, 1e15),
    pair=st.sampled_from([("N", "D"), ("N", "C"), ("D", "C"), ("M", "N"), ("M", "D"), ("M", "C")]),
)
def test_any_two_of_four_give_the_others(n, d, pair):
    truth = {"N": n, "D": d, "C": 6 * n * d, "M": d / n}
    runs = read_runs({k: [truth[k]] for k in pair} | {"loss": [3.0]}, check=False).with_inputs("NDCM")
    for name, value in truth.items():
        np.testing.assert_allclose(runs.column(name), value, rtol=1e-12)


def test_missing_cells_are_derived_where_they_can_be():
    runs = read_runs({"N": [1e8, 2e8, 3e8], "D": [2e9, None, None], "C": [None, 4.8e18, None], "loss": [3, 2.9, 2.8]})
    full = runs.with_inputs(["D"])
    np.testing.assert_allclose(full.column("D"), [2e9, 4e9, np.nan])
    assert "derived for 1 runs" in full.provenance[-1]
    with pytest.raises(DataError, match=r"column 'D', row 3: no value; .* drop\(missing='D'\)"):
        full.require("N", "D")
    assert len(full.drop(missing="D").require("N", "D")) == 2


def test_columns_added_and_renamed(runs):
    more = runs.with_column("lr", [1e-3] * 4, "steps").rename(group="family", params="size")
    assert more.column("lr")[0] == 1e-3
    assert more.units["lr"].name == "steps"
    assert "size" in more
    np.testing.assert_array_equal(more.column("params"), runs.column("N"))
    assert more.provenance[-1] == "renamed group to family, N to size"
    with pytest.raises(ArgumentError, match="two columns the name 'loss'"):
        runs.rename(seed="loss")
    with pytest.raises(ArgumentError, match="column 'x' has 2 values; expected 4"):
        runs.with_column("x", [1, 2])
    other = runs.with_output("seed", Unit("seeds", "count"))
    assert other.output == "seed"
    assert other.unit("seed").name == "seeds"


def shaped(tied: bool, counts: str = "total", **columns) -> Runs:
    table = {"N": [20e6], "loss": [3.0], "d_model": [256], "vocab_size": [50_000], "tied": [tied], **columns}
    return read_runs(table, counts=counts)


def test_counting_from_the_architecture():
    table = 256 * 50_000
    untied, tied = shaped(False, N=[40e6]), shaped(True)
    assert untied.count("N", embeddings=False).column("N")[0] == 40e6 - table
    assert untied.count("N", embeddings=False, head=False).column("N")[0] == 40e6 - 2 * table
    assert tied.count("N", embeddings=False).column("N")[0] == 20e6 - table
    assert tied.count("N", embeddings=False, head=False).column("N")[0] == 20e6 - table
    positions = shaped(True, n_positions=[1024])
    assert positions.count("N", embeddings=False).column("N")[0] == 20e6 - table - 1024 * 256
    narrow = untied.count("N", embeddings=False, head=False)
    assert narrow.counts == "without embeddings and head"
    assert narrow.units["N"] == PARAMETERS
    np.testing.assert_allclose(narrow.count("N").column("N"), 40e6)
    np.testing.assert_allclose(narrow.count("N", embeddings=False).column("N"), 40e6 - table)
    assert untied.count("N") is untied
    assert "before: total" in narrow.provenance[-1]


def test_counting_from_a_column():
    runs = read_runs({"params": [2e8], "params_non_embedding": [1e8], "active": [3e7], "D": [4e9], "loss": [3.0]})
    ratio = runs.with_inputs("M")
    narrow = ratio.count("N", embeddings=False)
    assert narrow.column("N")[0] == 1e8
    assert narrow.counts == "without embeddings"
    assert narrow.with_inputs("M").column("M")[0] == 40
    assert runs.count("N", active=True, column="active").column("N")[0] == 3e7


def test_counting_takes_out_what_was_derived():
    runs = read_runs({"params": [2e8], "params_non_embedding": [1e8], "D": [4e9], "loss": [3.0]}).with_inputs("CM")
    narrow = runs.count("N", embeddings=False)
    assert "C" not in narrow
    assert narrow.with_inputs("C").column("C")[0] == 6 * 1e8 * 4e9


def test_counting_that_cannot_be_known(runs):
    with pytest.raises(QuestionError, match="cannot be counted 'without embeddings' without the architecture; add the"):
        runs.count("N", embeddings=False)
    undeclared = read_runs({"N": [1e8], "loss": [3.0]})
    with pytest.raises(QuestionError, match=r"is not declared, .* declare it with read_runs"):
        undeclared.count("N", embeddings=False)
    with pytest.raises(QuestionError, match="cannot be counted 'active'"):
        runs.count("N", active=True)
    with pytest.raises(ArgumentError, match="count converts N"):
        runs.count("D")
    with pytest.raises(DataError, match=r"row 1: N counted without embeddings would be -2.8e\+06; expected a positive"):
        shaped(True, N=[1e7]).count("N", embeddings=False)
    assert runs.declare(counts="active").counts == "active"


def test_joining(runs):
    other = read_runs({"N": [1e9], "C": [1e21], "loss": [2.5], "lr": [1e-3]}, name="more.csv")
    both = Runs.concat([runs, other])
    assert len(both) == 5
    assert both.counts == "total"
    assert both.labels("table").tolist() == ["sweep.csv"] * 4 + ["more.csv"]
    assert np.isnan(both.column("lr")).tolist() == [True] * 4 + [False]
    assert both.source == "sweep.csv + more.csv"
    for options, said in (
        ({"counts": "active"}, "counts N 'total' and b.csv counts it 'active'; expected one convention: convert one"),
        ({"flop_rule": "2ND"}, "has flop_rule '6ND' and b.csv '2ND'; expected the same"),
        ({"units": {"loss": "bits/byte"}}, "column 'loss' is in nats/token in sweep.csv and in bits/byte in b.csv"),
        ({"loss": "C"}, "has output 'loss' and b.csv 'C'"),
    ):
        table = read_runs({"N": [1e9], "C": [1e21], "loss": [2.5]}, name="b.csv", **options)
        with pytest.raises(DataError, match=said):
            Runs.concat([runs, table])
    with pytest.raises(ArgumentError, match="nothing to join"):
        Runs.concat([])


def test_saved_and_restored(runs):
    marked = runs.mark_outliers([2]).with_inputs(["D"]).with_column("gap", [1.0, None, 2.0, 3.0])
    saved = json.loads(json.dumps(marked.to_dict()))
    restored = Runs.from_dict(saved)
    assert restored == marked
    assert restored.to_dict() == marked.to_dict()
    assert np.isnan(restored.column("gap")).tolist() == [False, True, False, False]
    with pytest.raises(DataError, match="schema_version 9; expected 1"):
        Runs.from_dict(saved | {"schema_version": 9})


def test_fingerprint_sees_what_matters(runs):
    prints = {
        runs.fingerprint,
        runs.mark_outliers([1]).fingerprint,
        runs.declare(counts="active").fingerprint,
        runs.with_column("seed", [1, 1, 1, 1]).fingerprint,
        runs.with_output("seed").fingerprint,
    }
    assert len(prints) == 5
    assert runs.fingerprint == Runs.from_dict(runs.to_dict()).fingerprint
    assert hash(runs) == hash(Runs.from_dict(runs.to_dict()))


def test_frames(runs):
    assert runs.to_frame().columns == list(runs.names)
    assert runs.to_frame("pandas").shape == (4, 5)
    assert runs.to_frame("pyarrow").num_rows == 4
    with pytest.raises(ArgumentError, match="kind = 'excel'; expected polars, pandas or pyarrow"):
        runs.to_frame("excel")


def test_shows_itself(runs):
    assert repr(runs) == "Runs(4 runs: N 100M to 800M, C 1e18 to 6.4e19, loss 2.6 to 3.2)"
    text = str(runs.mark_outliers([1], reason="<why>"))
    assert "sweep.csv: 4 runs, 1 marked as outliers; N counts total" in text
    assert "N (parameters)" in text
    assert "done: marked 1 runs as outliers: <why>" in text
    html = runs.mark_outliers([1], reason="<why>")._repr_html_()
    assert "&lt;why&gt;" in html
    assert html.count("<tr>") == 5
    assert repr(runs.where("N > 1e12")) == "Runs(0 runs: N none, C none, loss none)"
    assert "..." in str(read_runs({"N": np.arange(1e6, 1e6 + 50), "loss": np.ones(50)}))


def test_a_table_cannot_be_made_inconsistent(runs):
    with pytest.raises(ArgumentError, match="counts = 'all'; expected one of"):
        runs.declare(counts="all")
    with pytest.raises(ArgumentError, match="outliers has 2 entries; expected 4"):
        dataclasses.replace(runs, outliers=np.ones(2, bool))
    assert runs.unit("C") == FLOP
