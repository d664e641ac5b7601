"""From documents to a training and a validation part that share none: normalise, de-duplicate, split, order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from similitude._errors import DataError

from ._documents import Document
from ._overlap import shares_text

__all__ = ["FEWEST", "RULE", "SEPARATOR", "Split", "normalise", "split_documents"]

RULE = 2  # raise it when a change here or in _documents changes tokens: those of an older rule are made anew
SEPARATOR = 0  # the byte, and the token of every tokenizer, that ends each document
HELD = 0.05  # of the documents, and so about as much of the bytes
FEWEST = 4  # validation documents


@dataclass(frozen=True, slots=True)
class Split:
    """The documents of both parts in their order, as normalised bytes, and how many were left out for which reason."""

    train: tuple[bytes, ...]
    held: tuple[bytes, ...]
    removed: dict[str, int]


def normalise(text: bytes) -> bytes:
    """UTF-8 without a byte order mark, lines that end in a line feed, no NUL. Raises UnicodeDecodeError.

    >>> normalise(b"one\\r\\ntwo\\x00")
    b'one\\ntwo'
    """
    text.decode("utf-8")
    return text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\0", b"")


def split_documents(documents: Iterable[Document], name: str) -> Split:
    """Both parts of the documents, each in an order that its documents' contents decide.

    A document's place depends on the SHA-256 of its text with white space made equal, so that documents added later
    move none from one part to the other: the twentieth of the range with the lowest hashes is validation (or the
    `FEWEST` lowest, where that is more), and the order is that of the hashes. Of documents with the same hash the
    first stays. Left out are documents that are not UTF-8 or empty, and validation documents that share text with
    the training part (see `shares_text`).

    Raises DataError when fewer than twice `FEWEST` documents are left, or no validation document is.
    """
    unique, removed = _unique(documents)
    if len(unique) < 2 * FEWEST:
        raise DataError(f"{name} has {len(unique)} different documents; at least {2 * FEWEST} are needed to split it")
    digests = sorted(unique)
    count = max(FEWEST, sum(_in_range(digest) for digest in digests))
    held, train = [unique[d] for d in digests[:count]], [unique[d] for d in digests[count:]]
    shared = shares_text([_evened(text) for text in held], (_evened(text) for text in train))
    kept = tuple(text for text, out in zip(held, shared) if not out)
    if not kept:
        raise DataError(f"{name}: every validation document repeats text of the training part; give more varied text")
    return Split(tuple(train), kept, {**removed, "held, but sharing text with train": int(shared.sum())})


def _unique(documents: Iterable[Document]) -> tuple[dict[bytes, bytes], dict[str, int]]:
    """Normalised text by digest, and how many documents were left out."""
    unique: dict[bytes, bytes] = {}
    removed = {"not UTF-8": 0, "empty": 0, "duplicate": 0}
    for document in documents:
        try:
            text = normalise(document.text)
        except UnicodeDecodeError:
            removed["not UTF-8"] += 1
            continue
        evened = _evened(text)
        digest = hashlib.sha256(evened).digest()
        if not evened or digest in unique:
            removed["duplicate" if evened else "empty"] += 1
            continue
        unique[digest] = text
    return unique, removed


def _evened(text: bytes) -> bytes:
    """The text with each run of white space as one space: what two documents are compared by."""
    return b" ".join(text.split())


def _in_range(digest: bytes) -> bool:
    return int.from_bytes(digest[:8], "big") < HELD * 2**64
