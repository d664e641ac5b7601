"""`similitude plan parallel` and `similitude plan serve` as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_layouts(run):
    asked = ("plan", "parallel", "--model", "llama-2-70b", "--gpus", "512xA100", "--tokens", "2T")
    ended = run(*asked)
    assert ended.code == 0
    assert "layouts fit 80 GB" in ended.out
    assert "accelerator hours" in ended.out
    held = run(*asked, "--hold", "pipeline=8,zero=0/1,recompute=selective", "--memory", "80GB", "--json").document
    assert {x["pipeline"] for x in held["layouts"]} == {8}
    assert held["layouts"][0]["seconds"]["compute"] > 0


def test_scaling(run):
    document = run(
        "plan", "parallel", "--model", "llama-2-7b", "--gpus", "32xH100", "--scaling", "4", "--json"
    ).document
    assert document["strong"]["accelerators"] == [32, 64, 128]
    assert document["strong"]["efficiency"][0] == document["weak"]["efficiency"][0] == 1
    assert document["strong"]["efficiency"][-1] < 1.0001


def test_serving_and_a_lifetime(run):
    assert "requests at once" in run("plan", "serve", "--model", "llama-3-70b", "--gpus", "4xH100").out
    asked = ("plan", "serve", "--params", "7B", "--gpus", "A100", "--tokens", "1T", "--output-tokens", "1T")
    document = run(*asked, "--json").document
    assert document["hours"] == pytest.approx(document["training_hours"] + document["serving_hours"])


def test_a_profile(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("requests.csv").write_text("prompt,output,seconds\n1,1,0.084\n512,1,0.178\n512,100,8.197\n", encoding="utf-8")
    document = run("plan", "serve", "--profile", "requests.csv", "--json").document
    assert document["token"]["value"] == pytest.approx(0.081, abs=1e-4)
    Path("other.csv").write_text("prompt,seconds\n1,0.084\n", encoding="utf-8")
    refused = run("plan", "serve", "--profile", "other.csv")
    assert refused.code == 3
    assert "no column 'output'" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ("parallel", "--model", "llama-3-405b", "--gpus", "16xH100", "--batch", "1M"),
            3,
            "no configuration fits 80 GB",
        ),
        (("parallel", "--model", "gpt-2", "--gpus", "8xH1000"), 2, "H100"),
        (("parallel", "--model", "gpt-2", "--gpus", "8xH100", "--hold", "zero=9"), 2, "zero = 9"),
        (("parallel", "--model", "gpt-2", "--gpus", "8xH100", "--memory", "lots"), 2, "--memory"),
        (("parallel", "--model", "gpt-2", "--gpus", "8xH100", "--scaling", "1"), 2, "at least 2"),
        (("parallel", "--model", "gpt-2"), 2, "--gpus"),
        (("serve", "--model", "gpt-2"), 2, "--gpus: name the accelerators"),
        (("serve", "--model", "llama-3-405b", "--gpus", "4xH100"), 3, "does not fit"),
        (("serve", "--model", "gpt-2", "--gpus", "H100", "--tokens", "1T"), 2, "a lifetime needs both"),
        (("serve", "--model", "gpt-2", "--profile", "x.csv"), 2, "a model has no place beside it"),
    ],
)
def test_refused(run, arguments, code, said):
    ended = run("plan", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
