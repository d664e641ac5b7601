"""`similitude fit --law auto`: one curve carried on, from the command line."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def curve(tmp_path):
    lines = [f"{2e6 * 1.35**i:.6g},{0.18 + 0.75 * (1 + 1.35**i / 3) ** -0.55:.6g}" for i in range(16)]
    path = tmp_path / "curve.csv"
    path.write_text("images,error\n" + "\n".join(lines) + "\n")
    return path


def test_fit_then_predict_then_report(run, curve, tmp_path):
    kept, page = tmp_path / "f.json", tmp_path / "f.html"
    shown = run("fit", curve, "--law", "auto", "--loss", "error", "-o", kept).out
    assert "beyond the last" in shown
    assert "no score rises" in shown
    document = run("predict", kept, "--at", "images=300M", "--level", "0.8", "--json").document
    (found,) = document["predictions"]
    truth = 0.18 + 0.75 * (1 + 150 / 3) ** -0.55
    assert found["low"] < truth < found["high"]
    assert found["new_run"] == {"low": found["low"], "high": found["high"]}
    assert run("predict", kept, "--at", "x=300M", "--level", "0.8", "--json").document["predictions"][0] == found
    run("report", kept, "-o", page)
    assert "images" in page.read_text()


def test_json_of_the_fit(run, curve):
    document = run("fit", curve, "--law", "auto", "--loss", "error", "--json").document
    assert document["law"] == "auto"
    assert document["runs"] == 16
    assert set(document["parameters"]) == {"slope", "floor", "scatter"}
    assert [p["extrapolation"] for p in document["predictions"]] == pytest.approx([1.25, 1.5, 2.0])


def test_groups(run, curve, tmp_path):
    rows = curve.read_text().splitlines()[1:]
    both = tmp_path / "both.csv"
    both.write_text("images,error,task\n" + "\n".join(f"{r},{t}" for t in "ab" for r in rows) + "\n")
    kept = tmp_path / "f.json"
    run("fit", both, "--law", "auto", "--loss", "error", "--input", "x=images", "--by", "task", "-o", kept)
    assert set(json.loads(kept.read_text())["fits"]) == {"a", "b"}
    run("predict", kept, "--group", "b", "--at", "images=2e8")


@pytest.mark.parametrize(
    ("extra", "said", "code"),
    [
        (["--fix", "a=1"], "--fix belongs to a law with parameters", 2),
        (["--method", "delta"], "--method belongs to a law", 2),
        (["--where", "images < 5e6"], "different values of images", 3),
    ],
)
def test_what_does_not_belong_is_refused(run, curve, extra, said, code):
    result = run("fit", curve, "--law", "auto", "--loss", "error", *extra)
    assert said in result.err
    assert result.code == code


def test_a_forecast_is_not_a_plan(run, curve, tmp_path):
    kept = tmp_path / "f.json"
    run("fit", curve, "--law", "auto", "--loss", "error", "-o", kept)
    plan = run("plan", kept, "--flop", "1e24")
    assert plan.code == 3
    assert "neither N nor D" in plan.err
    report = run("report", kept, "--laws", "m3", "-o", tmp_path / "r.html")
    assert report.code == 2
    assert "no law to compare" in report.err


@pytest.mark.parametrize("law", ["auto", "power_floor"])
def test_a_size_that_never_changes_is_not_the_input(run, curve, tmp_path, law):
    rows = curve.read_text().splitlines()[1:]
    table = tmp_path / "with_params.csv"
    table.write_text("params,images,error\n" + "\n".join(f"73M,{r}" for r in rows) + "\n")
    document = run("fit", table, "--law", law, "--loss", "error", "--json").document
    plain = run("fit", curve, "--law", law, "--loss", "error", "--json").document
    assert document["parameters"] == plain["parameters"]
