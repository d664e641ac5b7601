"""Tokens: they give the text back, the separator is token 0, and learning them twice gives them twice."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest

from similitude._errors import ArgumentError, DataError
from similitude.lab import _tokenizer
from similitude.lab._text import Corpus, corpus
from similitude.lab._tokenizer import BYTES, Tokenizer, train_tokenizer

SENTENCES = [
    "the cat sat on the mat, and the dog sat on the log\n\n",
    "def sit(self, mat):\n    return self.cat.sit(mat)  # über “mats”\n",
    "Größere Wörter: Übersetzung, naïveté — 数学 🙂\r\n\t  trailing  \n",
]


def text(name: str, *documents: str) -> Corpus:
    train = np.frombuffer(b"".join(d.encode() + b"\0" for d in documents), np.uint8)
    sha256 = hashlib.sha256(train.tobytes()).hexdigest()
    return Corpus(name, "bytes", 256, train, train, 1.0, (len(documents), 1), sha256, "made up", "none")


@pytest.fixture
def small() -> Corpus:
    pytest.importorskip("tokenizers")
    return text("small", *SENTENCES * 3)


def test_bytes_are_themselves():
    raw = bytes(range(256))
    assert (BYTES.name, BYTES.vocabulary) == ("bytes", 256)
    assert BYTES.encode(raw).dtype == np.uint16
    assert BYTES.encode(raw).tolist() == list(raw)
    assert BYTES.decode(BYTES.encode(raw)) == raw


def test_pairs_are_merged_by_frequency(tmp_path):
    pytest.importorskip("tokenizers")
    learnt = train_tokenizer([text("x", "ab" * 30, "abc" * 20)], 258, folder=tmp_path)
    assert learnt.merges.tolist() == [[97, 98], [256, 256]]  # ab stands 50 times, ab ab 29 (the first text)
    assert learnt.encode(b"abab cab").tolist() == [257, 32, 99, 256]


@pytest.mark.parametrize("sentence", [*SENTENCES, "", " ", "\n", "x" * 1000, "bytes \x01\x7f only"])
def test_text_comes_back(small, tmp_path, sentence):
    learnt = train_tokenizer([small], 300, folder=tmp_path)
    tokens = learnt.encode(sentence.encode())
    assert tokens.dtype == np.uint16
    assert learnt.decode(tokens) == sentence.encode()
    assert 0 not in tokens
    assert len(learnt.texts) == len(set(learnt.texts)) == learnt.vocabulary == 300


def test_learning_is_repeatable_and_kept(small, tmp_path, monkeypatch):
    first, second = (train_tokenizer([small], 320, folder=tmp_path / place) for place in "ab")
    assert first.name == second.name
    assert first.name.startswith("bpe-320-")
    monkeypatch.setattr(_tokenizer, "_learn", None)
    assert train_tokenizer([small], 320, folder=tmp_path / "a").name == first.name


def test_a_damaged_file_is_learnt_anew(small, tmp_path):
    name = train_tokenizer([small], 320, folder=tmp_path).name
    (kept,) = tmp_path.iterdir()
    for content in (b"", b"{}", b'{"merges": [[1, 2]]}', b'{"merges": [[-1, 2]]}', b"[]"):
        kept.write_bytes(content)
        assert train_tokenizer([small], 320, folder=tmp_path).name == name


def test_other_text_or_size_is_another_tokenizer(small, tmp_path):
    other = text("small", *SENTENCES * 3, "quite another text, another text\n")
    names = {train_tokenizer([c], v, folder=tmp_path).name for c, v in ((small, 300), (small, 301), (other, 300))}
    assert len(names) == 3


def test_validation_text_is_not_learnt_from(small, tmp_path):
    from dataclasses import replace

    held = np.frombuffer(b"zqzqzqzqzqzqzq\0" * 100, np.uint8)
    with_held = replace(small, held=held)
    assert (
        train_tokenizer([with_held], 300, folder=tmp_path).name == train_tokenizer([small], 300, folder=tmp_path).name
    )
    assert b"zq" not in train_tokenizer([with_held], 300, folder=tmp_path).texts


def test_a_corpus_in_tokens_has_the_same_documents(small, tmp_path, rng):
    place = tmp_path / "notes"
    place.mkdir()
    for i in range(60):
        (place / f"{i}.txt").write_text(
            f"note {i}: " + " ".join(rng.choice(SENTENCES[0].split(), 40)), encoding="utf-8"
        )
    raw = corpus(place, folder=tmp_path / "home")
    learnt = train_tokenizer([raw], 280, folder=tmp_path / "home")
    coded = corpus(place, tokenizer=learnt, folder=tmp_path / "home")
    assert (coded.tokenizer, coded.vocabulary, coded.documents) == (learnt.name, 280, raw.documents)
    for ours, theirs in ((coded.train, raw.train), (coded.held, raw.held)):
        assert ours.dtype == np.uint16
        assert learnt.decode(ours) == theirs.tobytes()
        assert np.count_nonzero(ours == 0) == np.count_nonzero(theirs == 0)
    assert coded.bytes_per_token == len(raw.held) / len(coded.held) > 1.5
    again = corpus(place, tokenizer=learnt, folder=tmp_path / "home")
    assert again.sha256 == coded.sha256 != raw.sha256
    assert corpus(place, tokenizer=BYTES, folder=tmp_path / "home").sha256 == raw.sha256


def test_what_cannot_be_learnt_is_refused(small, tmp_path):
    for vocabulary in (256, 0, 65537):
        with pytest.raises(ArgumentError, match=f"vocabulary = {vocabulary}"):
            train_tokenizer([small], vocabulary, folder=tmp_path)
    with pytest.raises(DataError, match=r"small: only \d+ tokens can be learnt"):
        train_tokenizer([small], 5000, folder=tmp_path)
    with pytest.raises(ArgumentError, match="bytes as tokens"):
        train_tokenizer([], 300, folder=tmp_path)


def test_what_cannot_be_encoded_or_decoded_is_refused(small, tmp_path):
    learnt = train_tokenizer([small], 300, folder=tmp_path)
    with pytest.raises(DataError, match="byte 1 of a text"):
        learnt.encode(b"a\xff")
    with pytest.raises(ArgumentError, match="tokens run from 5 to 300"):
        learnt.decode([5, 300])


def test_without_the_package_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ArgumentError, match=r"pip install 'similitude\[lab\]'"):
        train_tokenizer([text("x", *SENTENCES)], 300, folder=tmp_path)
    with pytest.raises(ArgumentError, match=r"pip install 'similitude\[lab\]'"):
        Tokenizer(np.array([[97, 98]], np.uint16)).encode(b"ab")
