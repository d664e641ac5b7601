"""From documents to tokens: nothing in both parts, nothing moves, and the cache is never half there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lab.packages import need_packages
from similitude._errors import ArgumentError, DataError
from similitude.lab import _text
from similitude.lab._documents import SECTION, Document, sections
from similitude.lab._kept import keep_arrays
from similitude.lab._overlap import LONGEST_PASSAGE, SHINGLE, shares_text
from similitude.lab._own_text import MANY_FILES
from similitude.lab._split import FEWEST, normalise, split_documents
from similitude.lab._text import corpus


def prose(rng: np.random.Generator, count: int, words: int = 60) -> list[Document]:
    """Documents of random words of eight letters, which share nothing."""
    letters = rng.integers(ord("a"), ord("z") + 1, (count, words, 9), dtype=np.uint8)
    letters[:, :, 8] = ord(" ")
    return [Document(str(i), text.tobytes() + b"\n") for i, text in enumerate(letters)]


@pytest.fixture
def folder(tmp_path, rng) -> Path:
    """A folder of the user's, with 120 files."""
    place = tmp_path / "notes"
    place.mkdir()
    for name, text in prose(rng, 120):
        (place / f"{name}.txt").write_bytes(text)
    return place


def made(folder: Path, home: Path, **options) -> _text.Corpus:
    return corpus(folder, folder=home, **options)


# -- splitting --------------------------------------------------------------------------------------------------------


def test_text_is_normalised_and_otherwise_left_alone():
    assert normalise("\ufeffGrüße\r\n\x00\ttab  two\r\n\n".encode()) == "Grüße\n\ttab  two\n\n".encode()
    with pytest.raises(UnicodeDecodeError):
        normalise("Grüße".encode("latin-1"))


def test_every_document_is_in_one_part(rng):
    documents = prose(rng, 600)
    parts = split_documents(documents, "x")
    assert sorted(parts.train + parts.held) == sorted(d.text for d in documents)
    assert 10 <= len(parts.held) <= 55  # 30 expected, 5 its deviation
    assert set(parts.removed.values()) == {0}


def test_neither_order_nor_names_matter(rng):
    documents = prose(rng, 100)
    other = [Document(d.name * 2, d.text) for d in reversed(documents)]
    assert split_documents(documents, "x") == split_documents(other, "x")


def test_documents_added_later_move_none(rng):
    documents = prose(rng, 900)
    few, many = split_documents(documents[:400], "x"), split_documents(documents, "x")
    assert set(few.train) < set(many.train)
    assert set(few.held) < set(many.held)
    places = [many.train.index(text) for text in few.train]
    assert places == sorted(places)
    assert places != list(range(len(places)))


def test_copies_count_once_whatever_their_white_space(rng):
    documents = prose(rng, 50)
    copies = [Document("copy", b"\r\n ".join(d.text.split(b" "))) for d in documents[:20]]
    extra = [Document("bad", b"\xff"), Document("empty", b"\0 \n")]
    parts = split_documents([*documents, *copies, *extra], "x")
    assert sorted(parts.train + parts.held) == sorted(d.text for d in documents)
    assert parts.removed == {"not UTF-8": 1, "empty": 1, "duplicate": 20, "held, but sharing text with train": 0}


def test_small_texts_keep_a_few_documents_for_validation(rng):
    parts = split_documents(prose(rng, 2 * FEWEST), "x")
    assert len(parts.held) == len(parts.train) == FEWEST
    with pytest.raises(DataError, match=f"notes has {2 * FEWEST - 1} different documents"):
        split_documents(prose(rng, 2 * FEWEST - 1), "notes")


# -- nothing in both parts --------------------------------------------------------------------------------------------


def passages_in_both(train: bytes, held: bytes, length: int) -> int:
    """How many passages of `length` bytes of `held` are in `train`: by aligned blocks of half of it, then in full.

    A common passage of `length` bytes holds a whole block of `train` cut at multiples of half the length.
    """
    half = length // 2
    blocks = {train[i : i + half] for i in range(0, len(train) - half + 1, half)}
    near = [i for i in range(len(held) - half + 1) if held[i : i + half] in blocks]
    starts = {j for i in near for j in range(max(0, i - half), i + 1) if j + length <= len(held)}
    return sum(b"\0" not in held[j : j + length] and held[j : j + length] in train for j in starts)


def evened(tokens: np.ndarray) -> bytes:
    return b"\0".join(b" ".join(text.split()) for text in tokens.tobytes().split(b"\0"))


def test_the_test_finds_a_passage(rng):
    a, b = (d.text for d in prose(rng, 2, words=1000))
    assert passages_in_both(a, b, 200) == 0
    assert passages_in_both(a, b[:777] + a[1313:1513] + b[777:], 200) == 1
    assert passages_in_both(a, b[:777] + a[1313:1512] + b[777:], 200) == 0


def test_validation_documents_with_a_training_passage_are_left_out(rng):
    train, held = ([d.text for d in prose(rng, 40, words=1000)] for _ in range(2))
    held[3] = held[3][:4000] + train[7][500 : 500 + LONGEST_PASSAGE] + held[3][4000:]
    held[4] = held[4][:4000] + train[7][500 : 490 + LONGEST_PASSAGE] + held[4][4000:]
    held[5] = held[5][:2700] + train[9][:900] + train[8][:900]  # no long passage, but two fifths of it
    held[6] = train[0][:SHINGLE]
    held[7] = train[0][: SHINGLE - 1]
    held[8] = b""
    assert np.flatnonzero(shares_text(held, train)).tolist() == [3, 5, 6]
    assert not shares_text(held, []).any()
    assert shares_text([], train).tolist() == []


def test_nothing_is_in_both_parts(rng):
    documents = prose(rng, 400, words=200)
    texts = [d.text for d in documents]
    mixed = [  # every fifth document repeats a passage of another, of 100 to 1,500 bytes
        Document(d.name, d.text + texts[(i * 7 + 3) % 400][: 100 + 7 * (i % 200)]) if i % 5 == 0 else d
        for i, d in enumerate(documents)
    ]
    parts = split_documents(mixed, "x")
    assert parts.removed["held, but sharing text with train"] > 0
    assert not set(parts.train) & set(parts.held)
    train, held = (np.frombuffer(b"\0".join(part), np.uint8) for part in (parts.train, parts.held))
    assert passages_in_both(evened(train), evened(held), LONGEST_PASSAGE) == 0


@pytest.mark.parametrize("name", ["english", "german", "french"])
def test_nothing_is_in_both_parts_of_real_text(name):
    need_packages(name)
    text = corpus(name, download=False)
    train, held = evened(text.train), evened(text.held)
    assert not set(train.split(b"\0")[:-1]) & set(held.split(b"\0")[:-1])
    assert passages_in_both(train, held, LONGEST_PASSAGE) == 0
    assert 0.02 < len(held) / (len(held) + len(train)) < 0.09
    assert (len(train.split(b"\0")) - 1, len(held.split(b"\0")) - 1) == text.documents


# -- a user's own text ------------------------------------------------------------------------------------------------


def test_a_folder_of_files(folder, tmp_path):
    (folder / "deeper").mkdir()
    (folder / "deeper" / "more.py").write_text("print('Grüße')\n" * 9)
    (folder / ".hidden").write_bytes(b"\xff")
    (folder / ".git").mkdir()
    (folder / ".git" / "x").write_bytes(b"\xff")
    text = made(folder, tmp_path / "home")
    assert (text.name, text.tokenizer, text.vocabulary, text.bytes_per_token) == ("notes", "bytes", 256, 1.0)
    assert sum(text.documents) == 121
    documents = (text.train.tobytes() + text.held.tobytes()).split(b"\0")
    assert documents.pop() == b""
    assert sorted(documents) == sorted(p.read_bytes() for p in folder.rglob("[a-z0-9]*.*") if ".git" not in p.parts)


def test_a_file_is_cut_into_sections(tmp_path, rng):
    text = b"\n\n".join(d.text for d in prose(rng, 300))
    (tmp_path / "book.txt").write_bytes(text)
    pieces = list(sections(Document("book", text)))
    assert b"".join(p.text for p in pieces) == text
    assert all(SECTION <= len(p.text) < 2 * SECTION for p in pieces[:-1])
    assert all(p.text.endswith(b"\n\n") for p in pieces[:-1])
    assert sum(made(tmp_path / "book.txt", tmp_path / "home").documents) == len(pieces) >= MANY_FILES


def test_text_without_blank_lines_is_cut_at_line_ends():
    pieces = list(sections(Document("log", b"a line of a log\n" * 3000)))
    assert len(pieces) > 3
    assert all(p.text.endswith(b"\n") for p in pieces)
    assert len(list(sections(Document("one line", b"x" * 50_000)))) == 1


def test_a_bad_file_is_named(folder, tmp_path):
    (folder / "photo.jpg").write_bytes(b"ab\xff\xd8")
    with pytest.raises(DataError, match=r"photo\.jpg, byte 2: not UTF-8 text; convert"):
        made(folder, tmp_path / "home")


def test_no_text_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is no file of text and no folder with one"):
        made(tmp_path / "empty", tmp_path / "home")
    with pytest.raises(ArgumentError, match=r"'pyhton' is neither a text domain nor a path.*did you mean 'python'"):
        corpus("pyhton", folder=tmp_path)


# -- the cache --------------------------------------------------------------------------------------------------------


def test_a_second_reading_makes_nothing(folder, tmp_path, monkeypatch):
    first = made(folder, tmp_path / "home")
    monkeypatch.setattr(_text, "split_documents", None)
    begun = time.perf_counter()
    second = made(folder, tmp_path / "home")
    assert time.perf_counter() - begun < 0.05
    np.testing.assert_array_equal(first.train, second.train)
    assert isinstance(second.train, np.memmap)
    assert not second.train.flags.writeable
    facts = [{k: v for k, v in vars(c).items() if k not in ("train", "held")} for c in (first, second)]
    assert facts[0] == facts[1]


def test_a_changed_file_is_another_text(folder, tmp_path):
    first = made(folder, tmp_path / "home")
    (folder / "7.txt").write_text("something else altogether\n")
    second = made(folder, tmp_path / "home")
    assert first.sha256 != second.sha256
    assert sum(b"something else" in part.tobytes() for part in (second.train, second.held)) == 1


def test_the_hash_is_that_of_the_tokens(folder, tmp_path):
    import hashlib

    text = made(folder, tmp_path / "home")
    assert text.sha256 == hashlib.sha256(text.train.tobytes() + text.held.tobytes()).hexdigest()


@pytest.mark.parametrize("harm", ["no json", "half json", "no tokens", "half tokens", "other length"])
def test_what_is_damaged_is_made_anew(folder, tmp_path, harm):
    whole = made(folder, tmp_path / "home")
    (kept,) = (tmp_path / "home").iterdir()
    about, tokens = kept / "about.json", kept / "train.npy"
    content = tokens.read_bytes()
    if harm == "no json":
        about.unlink()
    elif harm == "half json":
        about.write_bytes(about.read_bytes()[:50])
    elif harm == "no tokens":
        tokens.unlink()
    elif harm == "half tokens":
        tokens.unlink()
        tokens.write_bytes(content[:5000])
    else:
        facts = json.loads(about.read_text())
        about.write_text(json.dumps({**facts, "shapes": {**facts["shapes"], "train": [1]}}))
    again = made(folder, tmp_path / "home")
    assert again.sha256 == whole.sha256
    assert again.train.tobytes() == content[-len(again.train) :]
    assert [p.name for p in (tmp_path / "home").iterdir()] == [kept.name]


def test_two_processes_making_the_same_text(folder, tmp_path):
    code = (
        "import sys; from similitude.lab._text import corpus\n"
        "sys.stdin.readline(); print(corpus(sys.argv[1], folder=sys.argv[2]).sha256)"
    )
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "home")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    out = [process.communicate()[0].strip() for process in both]
    assert out == [made(folder, tmp_path / "home").sha256] * 2
    assert len(list((tmp_path / "home").iterdir())) == 1


def test_who_comes_second_keeps_what_is_there(folder, tmp_path):
    text = made(folder, tmp_path / "home")
    (kept,) = (tmp_path / "home").iterdir()
    before = (kept / "train.npy").stat().st_ino
    keep_arrays(kept, *_text._parts(text))
    assert (kept / "train.npy").stat().st_ino == before
    assert [p.name for p in (tmp_path / "home").iterdir()] == [kept.name]


def test_what_a_killed_process_left_is_removed(folder, tmp_path):
    made(folder, tmp_path / "home")
    (kept,) = (tmp_path / "home").iterdir()
    (kept / "about.json").unlink()
    for name, age in (("old", 7200), ("new", 60)):
        left = tmp_path / "home" / f".{kept.name}.{name}"
        left.mkdir()
        (left / "train.npy").write_bytes(b"half")
        os.utime(left, (time.time() - age,) * 2)
    made(folder, tmp_path / "home")
    assert {p.name for p in (tmp_path / "home").iterdir()} == {kept.name, f".{kept.name}.new"}
