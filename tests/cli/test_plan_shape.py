"""`similitude plan shape` as people type it."""

from __future__ import annotations

import pytest


def test_shapes_near_a_number(run):
    ended = run("plan", "shape", "--params", "7B", "--tokens", "1.4T", "--limit", "3")
    assert ended.code == 0
    assert "Shapes near 7B parameters" in ended.out
    assert "390,625" in ended.out
    document = run("plan", "shape", "--params", "7B", "--limit", "2", "--json").document
    assert len(document["choices"]) == 2
    assert document["choices"][0]["shape"]["layers"] > 0


def test_a_public_model_and_a_shape_of_ones_own(run):
    document = run("plan", "shape", "--model", "llama-2-7b", "--tokens", "2T", "--json").document
    assert document["parameters"]["total"] == 6738415616
    changed = run("plan", "shape", "--model", "llama-2-7b", "--size", "kv-heads=8", "--json").document
    assert changed["parameters"]["total"] < 6738415616
    own = (
        "--size",
        "layers=12,width=768,heads=12,vocabulary=50257,context=1024,biases=yes",
        "--size",
        "learned-positions=yes",
    )
    assert "124,439,808" in run("plan", "shape", *own).out
    net = run("plan", "shape", "--kind", "convolution", "--size", "depths=3/4/6/3", "--batch", "256")
    assert "25,557,032" in net.out


def test_compound_scaling(run):
    assert "efficientnet" in run("plan", "shape", "--scale", "2").out
    document = run("plan", "shape", "--model", "resnet-50", "--scale", "4", "--alpha", "0.8", "--json").document
    assert document["rules"][0]["net"]["depths"] == [3, 5, 7, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "name a shape: --model llama-2-7b"),
        (("--model", "llama2"), 2, "no model 'llama2'"),
        (("--model", "gpt-2", "--params", "7B"), 2, "give one of them"),
        (("--params", "seven"), 2, "seven"),
        (("--params", "1M", "--tolerance", "0.001"), 3, "no shape within 0.1%"),
        (("--size", "layers=1.5"), 2, "--size layers=1.5: expected a whole number"),
        (("--size", "layers=2,width=64"), 2, "a shape needs heads, vocabulary, context"),
    ],
)
def test_refused(run, arguments, code, said):
    ended = run("plan", "shape", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert "Traceback" not in ended.err
