"""Which validation documents repeat text of the training documents: by shingles, every one of them, no sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

__all__ = ["LARGEST_SHARE", "LONGEST_PASSAGE", "SHINGLE", "shares_text"]

SHINGLE = 64  # bytes
LARGEST_SHARE = 0.2  # of a document's shingles
LONGEST_PASSAGE = 1000  # bytes
CHUNK = 1 << 22  # bytes of training text looked at together
FACTOR = 0x9E3779B97F4A7C15  # odd, hence invertible modulo 2**64
FILTER_BITS = 26


def shares_text(held: Sequence[bytes], train: Iterable[bytes]) -> np.ndarray:
    """Which of the texts `held` share too much with the texts `train`: bool, (texts,).

    Too much is more than `LARGEST_SHARE` of the text's shingles of `SHINGLE` bytes, or a passage of at least
    `LONGEST_PASSAGE` bytes. Shingles are compared by 64-bit hashes: a collision can only find more overlap than there
    is, so that a text not marked is certain to share no such passage. Give texts with white space made equal.
    """
    hashes = [_shingle_hashes(text) for text in held]
    known = np.unique(np.concatenate([np.zeros(0, np.uint64), *hashes]))
    seen = _seen(known, train) if len(known) else np.zeros(0, bool)
    return np.array([_too_much(seen[np.searchsorted(known, own)]) for own in hashes], bool)


def _too_much(hits: np.ndarray) -> bool:
    """Whether shingles found elsewhere, bool (shingles,), are too many or too many in a row."""
    if not hits.any():
        return False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hits, [False]])))
    longest = int((edges[1::2] - edges[::2]).max()) + SHINGLE - 1  # bytes that a row of shingles covers
    return bool(hits.mean() > LARGEST_SHARE or longest >= LONGEST_PASSAGE)


def _seen(known: np.ndarray, texts: Iterable[bytes]) -> np.ndarray:
    """Which of the sorted hashes `known` occur in the texts. A table of their first bits spares most look-ups."""
    shift = np.uint64(64 - FILTER_BITS)
    filled = np.zeros(1 << FILTER_BITS, bool)
    filled[known >> shift] = True
    seen = np.zeros(len(known), bool)
    for chunk in _chunks(texts):
        hashes = _shingle_hashes(chunk)
        likely = hashes[filled[hashes >> shift]]
        at = np.minimum(np.searchsorted(known, likely), len(known) - 1)
        seen[at[known[at] == likely]] = True
    return seen


def _chunks(texts: Iterable[bytes]) -> Iterator[bytes]:
    """The texts joined by NUL, which no text holds, so that no shingle across a joint is found."""
    waiting: list[bytes] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text) + 1
        if size >= CHUNK:
            yield b"\0".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"\0".join(waiting)


def _shingle_hashes(text: bytes) -> np.ndarray:
    """A hash of each run of SHINGLE bytes, uint64, (bytes - SHINGLE + 1,), none for a shorter text.

    A polynomial in FACTOR modulo 2**64 over random numbers that stand for the bytes, made by doubling: the hash of 2m
    bytes is that of the first m times FACTOR**m plus that of the last m.
    """
    if len(text) < SHINGLE:
        return np.zeros(0, np.uint64)
    hashes = _BYTES[np.frombuffer(text, np.uint8)]
    length = 1
    while length < SHINGLE:
        hashes = hashes[:-length] * np.uint64(pow(FACTOR, length, 1 << 64)) + hashes[length:]
        length *= 2
    return hashes


def _byte_numbers() -> np.ndarray:
    """256 numbers that look random (splitmix64), the same on every machine."""
    x = np.arange(1, 257, dtype=np.uint64) * np.uint64(FACTOR)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


_BYTES = _byte_numbers()
