"""Parameters and FLOP of shapes whose counts are published."""

from __future__ import annotations

import pytest

from similitude._architecture import FLOP_RULES, Transformer
from similitude._errors import ArgumentError

GPT2 = {"vocabulary": 50257, "context": 1024, "biases": True, "learned_positions": True}
PYTHIA = {"vocabulary": 50304, "context": 2048, "biases": True, "tied": False}


@pytest.mark.parametrize(
    ("layers", "width", "heads", "total"),
    [
        (12, 768, 12, 124_439_808),
        (24, 1024, 16, 354_823_168),
        (36, 1280, 20, 774_030_080),
        (48, 1600, 25, 1_557_611_200),
    ],
)
def test_gpt2(layers, width, heads, total):
    assert Transformer(layers=layers, width=width, heads=heads, **GPT2).parameters() == total


@pytest.mark.parametrize(
    ("layers", "width", "heads", "total", "narrow"),
    [
        (6, 512, 8, 70_426_624, 18_915_328),
        (12, 768, 12, 162_322_944, 85_056_000),
        (24, 1024, 16, 405_334_016, 302_311_424),
    ],
)
def test_pythia(layers, width, heads, total, narrow):
    shape = Transformer(layers=layers, width=width, heads=heads, **PYTHIA)
    assert shape.parameters("total") == total
    assert shape.parameters("active") == total
    assert shape.parameters("without embeddings and head") == narrow
    assert shape.parameters("without embeddings") == narrow + 50304 * width


@pytest.fixture
def small() -> Transformer:
    return Transformer(
        layers=8,
        width=384,
        heads=6,
        head_width=64,
        feed_forward=1024,
        vocabulary=50257,
        context=512,
        gated=True,
        norms=False,
    )


def test_published_counts_of_a_small_gated_model(small):
    assert small.parameters() == 33_454_464
    assert small.training_flop(512, "hoffmann") == 171_834_605_568
    assert small.training_flop(1, "hoffmann") == pytest.approx(3.356e8, rel=1e-4)
    assert small.training_flop(1) == pytest.approx(2.007e8, rel=1e-3)
    assert small.training_flop(1) == 6 * 33_454_464


def test_kaplan_counts_the_matrices_and_attention_over_the_context():
    shape = Transformer(layers=48, width=1600, heads=25, vocabulary=50257, context=1024)
    matrices = 12 * 48 * 1600**2
    assert shape.matrices == matrices
    assert shape.training_flop(1, "kaplan") == 6 * matrices + 6 * 48 * 1024 * 1600


def test_a_shared_table_is_not_counted_without_embeddings():
    shape = {"layers": 2, "width": 64, "heads": 4, "vocabulary": 1000, "context": 128}
    tied, own = Transformer(**shape), Transformer(**shape, tied=False)
    assert own.parameters() - tied.parameters() == 64_000
    assert tied.parameters("without embeddings") == tied.parameters("without embeddings and head")
    assert own.parameters("without embeddings") - own.parameters("without embeddings and head") == 64_000


def test_refused(small):
    with pytest.raises(ArgumentError, match="layers = 0; expected a positive number"):
        Transformer(layers=0, width=64, heads=4, vocabulary=10, context=8)
    with pytest.raises(ArgumentError, match="width 64 does not divide into 5 heads; give head_width"):
        Transformer(layers=1, width=64, heads=5, vocabulary=10, context=8)
    with pytest.raises(ArgumentError, match="no convention 'all'"):
        small.parameters("all")
    with pytest.raises(ArgumentError, match=r"no FLOP rule 'hofmann'.*; did you mean 'hoffmann'\?"):
        small.training_flop(1, "hofmann")
    assert set(FLOP_RULES) == {"6ND", "kaplan", "hoffmann"}
