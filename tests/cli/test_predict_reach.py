"""How far `predict` says a point lies from the runs."""

from __future__ import annotations


def test_a_forgotten_unit_is_not_within_the_runs(run, fitted):
    shown = run("predict", fitted, "--at", "N=7,D=1", "--at", "N=1B,D=20B").out
    assert "outside in N, D" in shown
    assert "N = 7 is " in shown
    assert "of the smallest among the runs" in shown
    assert "within" not in shown


def test_a_table_of_points_notes_each_row_its_own(run, fitted, tmp_path):
    table = tmp_path / "points.csv"
    table.write_text("N,D\n7,20B\n1e8,4e9\n")
    first, second = run("predict", fitted, "--points", str(table), "--json").document["predictions"]
    assert [n[:5] for n in first["notes"]] == ["N = 7"]
    assert second["notes"] == []


def test_the_tokens_that_reach_a_loss(run, fitted):
    found = run("predict", fitted, "--reach", "2.4", "--at", "N=1B", "--json").document["solved"]
    assert found["input"] == "D"
    assert found["low"] < found["value"] < found["high"]
    told = run("predict", fitted, "--at", f"N=1B,D={found['value']:.10g}", "--json").document["predictions"][0]
    assert abs(told["value"] - 2.4) < 1e-6
    assert "reaches 2.4" in run("predict", fitted, "--reach", "2.4", "--at", "N=1B").out
    assert run("predict", fitted, "--reach", "1.0", "--at", "N=1B").code == 3
    assert run("predict", fitted, "--reach", "2.4", "--at", "N=1B", "--at", "N=2B").code == 2
