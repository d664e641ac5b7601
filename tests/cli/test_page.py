"""-o writes any answer as a page."""

from __future__ import annotations

import pytest

ASKED = (
    ("plan", "chinchilla:besiroglu2024", "--flop", "1e23"),
    ("plan", "fine_grained_moe:krajewski2024", "--flop", "1e21"),
    ("plan", "shape", "--params", "7B"),
    ("plan", "serve", "--model", "llama-2-7b", "--gpus", "1xH100"),
    ("plan", "parallel", "--model", "llama-2-7b", "--gpus", "64xH100"),
    ("plan", "tuning", "--at", "N=1B,D=20B"),
    ("compare", "SWEEP", "--laws", "kaplan,chinchilla"),
    ("compare", "SWEEP", "--trend", "loss", "--x", "C"),
)


@pytest.mark.parametrize("asked", ASKED, ids=lambda a: " ".join(a[:2]))
def test_any_answer_becomes_a_page(asked, run, sweep, tmp_path):
    page = tmp_path / "answer.html"
    ended = run(*(sweep if a == "SWEEP" else a for a in asked), "-o", str(page))
    assert ended.code == 0
    assert f"wrote {page}" in ended.err
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") or text.lower().startswith("<!doctype html>")
    assert "<table" in text


def test_a_page_that_cannot_be_written_is_refused_before_the_work(run):
    ended = run("plan", "chinchilla:besiroglu2024", "--flop", "1e23", "-o", "/nowhere/x.html")
    assert ended.code == 2
    assert "no directory" in ended.err
    assert ended.out == ""
