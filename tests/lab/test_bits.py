"""Bits a byte of validation losses, with bytes counted by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

import similitude as sim
from similitude.lab import _training, config_from
from similitude.lab._text import Corpus
from similitude.lab._tokenizer import Tokenizer
from similitude.lab._train import described
from similitude.lab._training import Training, corpora_of, tokenizer_of
from similitude.runs.store._live import LiveWriter

PAIRS = Tokenizer(np.array([[97, 98], [256, 99]], np.uint16))  # 256 is "ab", 257 "abc"


def _corpus(name, held, tokenizer):
    train = np.arange(4000, dtype=np.uint16) % 258
    return Corpus(name, tokenizer, 258, train, np.array(held, np.uint16), 9.9, (1, 1), name[0] * 64, "", "")


def _config(**data):
    return config_from({
        "model": {"layers": 1, "width": 8, "heads": 1}, "train": {"steps": 2, "batch": 2, "ema": 0.5},
        "data": {"sequence": 3, "tokenizer": "bpe-258", **data},
    })  # fmt: skip


def test_bytes_are_those_of_the_tokens_that_are_predicted(monkeypatch):
    monkeypatch.setattr(_training, "tokenizer_of", lambda config: PAIRS)
    texts = [
        _corpus("one", [257, 97, 256, 0, 257, 257, 98], PAIRS.name),  # predicted: a, ab, \0; abc, abc, b: 11 bytes in 6
        _corpus("two", [97, 98, 99, 0, 100, 101, 102], PAIRS.name),  # 6 bytes in 6
    ]
    config = _config(domains={"one": 3.0, "two": 1.0}, held=2)
    found = Training(config, lambda *_: None, texts).evaluate()
    assert found["val/one/bits_per_byte"] == pytest.approx(found["val/one/loss"] / log(2) * 6 / 11, rel=1e-12)
    assert found["val/two/bits_per_byte"] == pytest.approx(found["val/two/loss"] / log(2), rel=1e-12)
    nats = 3 * 6 * found["val/one/loss"] + 6 * found["val/two/loss"]
    assert found["val/bits_per_byte"] == pytest.approx(nats / log(2) / (3 * 11 + 6), rel=1e-12)
    assert found["val/ema/bits_per_byte"] == pytest.approx(found["val/bits_per_byte"], rel=1e-6)  # nothing is trained


def test_a_run_on_learnt_pairs_counts_the_bytes_of_what_they_decode_to(text):
    config = _config(domains={text: 1.0}, held=8, tokenizer="bpe-300")
    (words,) = corpora_of(config)
    training = Training(config, lambda *_: None)
    found = training.evaluate()
    there = (len(words.held) - 1) // 3
    starts = [i * there // 8 * 3 for i in range(8)]
    decoded = [tokenizer_of(config).decode(words.held[s + 1 : s + 4]) for s in starts]
    assert sum(map(len, decoded)) > 24  # pairs are longer than bytes
    assert found["val/bits_per_byte"] == pytest.approx(
        found["val/loss"] * 24 / log(2) / sum(map(len, decoded)), rel=1e-9
    )


def test_of_bytes_it_is_the_loss_over_the_logarithm_of_two(text):
    found = Training(_config(domains={text: 1.0}, held=8, tokenizer="bytes"), lambda *_: None).evaluate()
    assert found["val/bits_per_byte"] == pytest.approx(found["val/loss"] / log(2), rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "value", "unit"), [("val/loss", 2.0, "nats/token"), ("val/one/bits_per_byte", 1.5, "bits/byte")]
)
def test_a_ladder_s_runs_are_read_with_the_unit_of_the_loss_that_is_asked_for(tmp_path, loss, value, unit):
    ladder = sim.lab.ladder_from({"run": {"train": {"steps": 2}}}, store=tmp_path / "runs.db")
    writer = LiveWriter(tmp_path / "runs.db")
    number = writer.claim(described(ladder.runs[0]))[1]
    writer.append(number, [("val/loss", 2, None, 2.0), ("val/one/bits_per_byte", 2, None, 1.5)])
    writer.finish(number, "finished", {"val/loss": 2.0, "val/one/bits_per_byte": 1.5})
    writer.close()
    runs = sim.lab.runs_of(ladder, loss=loss)
    assert runs.column("loss")[0] == value
    assert runs.units["loss"].name == unit
