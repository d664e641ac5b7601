"""Text as tokens: bytes, or pairs of them merged by frequency (byte-level BPE). Token 0 ends a document in both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, DataError
from similitude._files import replace_whole
from similitude.runs._provider import cache_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library

    from ._text import Corpus

__all__ = ["BYTES", "Tokenizer", "train_tokenizer"]

LETTERS = 256  # tokens below are the bytes themselves; byte 0 is in no text and serves as the separator
LARGEST = 1 << 16  # tokens are kept as uint16
PORTION = 10_000_000  # bytes of each text that merges are learnt from: its first, which are a fair sample of documents
RULE = 1  # raise it when merges would come out otherwise: those kept under an older rule are learnt anew


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """Bytes, and merges of two earlier tokens each: token 256 + i stands for the texts of both tokens of merge i.

    `merges` is (merges, 2) uint16, without any for plain bytes; `trained_on` names the texts they were learnt from.
    Equal names mean equal tokens.

    >>> BYTES.encode("Grüße".encode())
    array([ 71, 114, 195, 188, 195, 159, 101], dtype=uint16)
    >>> pair = Tokenizer(np.array([[195, 188], [114, 256]], np.uint16))
    >>> pair.decode([71, 257, 195, 159, 101]).decode()
    'Grüße'
    """

    merges: np.ndarray = field(repr=False)
    trained_on: tuple[str, ...] = ()

    @cached_property
    def name(self) -> str:
        """``bytes``, or ``bpe-`` with the vocabulary and a hash of the merges."""
        if not len(self.merges):
            return "bytes"
        digest = hashlib.sha256(np.ascontiguousarray(self.merges, "<u2").tobytes()).hexdigest()
        return f"bpe-{self.vocabulary}-{digest[:12]}"

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return LETTERS + len(self.merges)

    @cached_property
    def texts(self) -> tuple[bytes, ...]:
        """What each token stands for."""
        texts = [bytes([value]) for value in range(LETTERS)]
        for first, second in self.merges.tolist():
            texts.append(texts[first] + texts[second])
        return tuple(texts)

    def encode(self, text: bytes) -> np.ndarray:
        """The tokens of one document, (tokens,) uint16, without a separator at its end.

        Raises DataError for text that is not UTF-8 (bytes excepted), ArgumentError without the package tokenizers.
        """
        return self.encode_all([text])[0]

    def encode_all(self, documents: Sequence[bytes]) -> list[np.ndarray]:
        """As `encode`, for many documents at once: several times as fast."""
        if not len(self.merges):
            return [np.frombuffer(text, np.uint8).astype(np.uint16) for text in documents]
        try:
            texts = [text.decode("utf-8") for text in documents]
        except UnicodeDecodeError as error:
            raise DataError(f"byte {error.start} of a text is not UTF-8; convert it, or use bytes as tokens") from None
        return [np.array(found.ids, np.uint16) for found in self._library.encode_batch_fast(texts)]

    def decode(self, tokens: Any) -> bytes:
        """The text of tokens (tokens,); it may end within a character. Raises ArgumentError for a token unknown."""
        given = np.asarray(tokens, int)
        if given.size and (given.min() < 0 or given.max() >= self.vocabulary):
            raise ArgumentError(
                f"tokens run from {given.min()} to {given.max()}; {self.name} has 0 to {self.vocabulary - 1}"
            )
        return b"".join(self.texts[token] for token in given.tolist())

    @cached_property
    def _library(self) -> Library:
        return _library(self.merges)


BYTES = Tokenizer(np.zeros((0, 2), np.uint16))


def train_tokenizer(corpora: Sequence[Corpus], vocabulary: int, *, folder: str | Path | None = None) -> Tokenizer:
    """Merges learnt from the training parts of texts, as many as make up the vocabulary; kept for the next time.

    Words are cut as GPT-2 does, ties between pairs fall the same way each time. Every text counts by its first
    `PORTION` bytes. `corpora` are read with bytes as tokens; `folder` is the user's cache by default.

    Raises ArgumentError for a vocabulary out of range and without the package tokenizers, DataError when the texts
    have too few different pairs.

    >>> from similitude.lab._text import corpus
    >>> train_tokenizer([corpus("english"), corpus("python")], 1024).name  # doctest: +SKIP
    'bpe-1024-436bb37301f2'
    """
    if not LETTERS < vocabulary <= LARGEST:
        raise ArgumentError(
            f"vocabulary = {vocabulary}; expected {LETTERS + 1} to {LARGEST}, or bytes, which are {LETTERS}"
        )
    if not corpora or any(text.tokenizer != "bytes" for text in corpora):
        raise ArgumentError("merges are learnt from one text or more, read with bytes as tokens: corpus(name)")
    path = _path(corpora, vocabulary, folder)
    merges = _load(path, vocabulary)
    if merges is None:
        merges = _learn(corpora, vocabulary)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(str(path), json.dumps({"merges": merges.tolist()}).encode())
    return Tokenizer(merges, tuple(text.name for text in corpora))


def _path(corpora: Sequence[Corpus], vocabulary: int, folder: str | Path | None) -> Path:
    """Where the merges are kept: a name for whatever they depend on."""
    home = Path(folder) if folder is not None else cache_folder() / "lab"
    content = " ".join([str(RULE), str(PORTION), str(vocabulary), *sorted(text.sha256 for text in corpora)])
    return home / f"bpe-{vocabulary}-from-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"


def _load(path: Path, vocabulary: int) -> np.ndarray | None:
    """The merges kept, None when there are none or the file is damaged."""
    try:
        merges = np.array(json.loads(path.read_text("utf-8"))["merges"], np.uint16)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return merges if merges.shape == (vocabulary - LETTERS, 2) else None


# -- the library ------------------------------------------------------------------------------------------------------


def _learn(corpora: Sequence[Corpus], vocabulary: int) -> np.ndarray:
    from_library = _import()
    library = from_library.Tokenizer(from_library.models.BPE())
    library.pre_tokenizer = from_library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = from_library.trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=_letters(), min_frequency=2, show_progress=False
    )
    library.train_from_iterator(_documents(corpora), trainer)
    pairs = json.loads(library.to_str())["model"]["merges"]
    merges = _numbered([tuple(pair) for pair in pairs])
    if len(merges) < vocabulary - LETTERS:
        raise DataError(
            f"{', '.join(text.name for text in corpora)}: only {LETTERS + len(merges)} tokens can be learnt from so "
            f"little text, not {vocabulary}; ask for fewer or give more text"
        )
    return merges


def _numbered(pairs: list[tuple[str, str]]) -> np.ndarray:
    """Merges as pairs of tokens in our numbering, (merges, 2): bytes first, then the merges in their order."""
    numbers = {letter: value for value, letter in enumerate(_letters())}
    rows = []
    for first, second in pairs:
        if first + second not in numbers:  # two merges may give one text: it is a token once, by the earlier
            rows.append((numbers[first], numbers[second]))
            numbers[first + second] = LETTERS + len(rows) - 1
    return np.array(rows, np.uint16)


def _library(merges: np.ndarray) -> Library:
    """The library's tokenizer with our numbers."""
    from_library = _import()
    texts = _letters()
    pairs = []
    for first, second in merges.tolist():
        pairs.append((texts[first], texts[second]))
        texts.append(texts[first] + texts[second])
    model = from_library.models.BPE({text: number for number, text in enumerate(texts)}, pairs)
    library = from_library.Tokenizer(model)
    library.pre_tokenizer = from_library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return library


def _letters() -> list[str]:
    """The visible character by which the library writes each byte: itself where it is one, else one from 256 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = iter(range(LETTERS, 2 * LETTERS))
    return [chr(value) if value in seen else chr(next(others)) for value in range(LETTERS)]


def _documents(corpora: Sequence[Corpus]) -> Iterator[str]:
    for text in corpora:
        portion = text.train[:PORTION].tobytes()
        documents = portion.split(b"\0")
        yield from (document.decode("utf-8") for document in (documents[:-1] or documents))


def _import() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ArgumentError(
            "tokens other than bytes need the package tokenizers: pip install 'similitude[lab]'"
        ) from None
    return tokenizers
