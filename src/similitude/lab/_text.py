"""Text as tokens: a domain's or a user's own, split into training and validation by document, kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from similitude._errors import ArgumentError, did_you_mean
from similitude.runs._provider import cache_folder

from ._domains import domain, domain_names, read_documents
from ._kept import kept_arrays
from ._own_text import read_own_text
from ._split import RULE, SEPARATOR, Split, split_documents
from ._tokenizer import Tokenizer

__all__ = ["Corpus", "corpus"]

TOGETHER = 256  # documents given to a tokenizer at once


@dataclass(frozen=True, eq=False)
class Corpus:
    """Text as tokens, in a training and a validation part that share no document.

    `train` and `held` are the tokens (tokens,) of either part, uint8 for bytes and uint16 else, read-only and mapped
    from a file; every document ends with token 0. `bytes_per_token` is measured on `held`, a separator being a byte.
    `documents` are those of train and held, `removed` those left out, by reason. `sha256` is that of the tokens,
    train then held, in little-endian order.
    """

    name: str
    tokenizer: str
    vocabulary: int
    train: np.ndarray = field(repr=False)
    held: np.ndarray = field(repr=False)
    bytes_per_token: float
    documents: tuple[int, int]
    sha256: str
    source: str
    licence: str
    removed: Mapping[str, int] = field(default_factory=dict)


def corpus(
    name: str | Path, *, tokenizer: Tokenizer | None = None, folder: str | Path | None = None, download: bool = True
) -> Corpus:
    """A text by name, as tokens.

    Parameters
    ----------
    name
        A domain (english, french, gcide, german, kernel, python, shakespeare) or the path of a file or folder of
        UTF-8 text.
    tokenizer
        Bytes by default, 256 tokens; else one made by `train_tokenizer`.
    folder
        Where tokens are kept; the user's cache by default.
    download
        Whether a domain's packages may be fetched.

    The first time takes seconds, later ones milliseconds. Raises ArgumentError for a name that is neither, DataError
    when a file cannot be had or read.

    >>> corpus("english")  # doctest: +SKIP
    Corpus(name='english', tokenizer='bytes', vocabulary=256, ...)
    """
    home = Path(folder) if folder is not None else cache_folder() / "lab"
    text = _bytes_of(name, home, download)
    return text if tokenizer is None or tokenizer.name == "bytes" else _encoded(text, tokenizer, home)


def _bytes_of(name: str | Path, home: Path, download: bool) -> Corpus:
    """The text with bytes as tokens; the key is what the text is made of, so that a change is never missed."""
    if str(name) in domain_names():
        entry = domain(str(name))
        documents, content = read_documents(entry, download=download), entry.content
        about = _About(entry.name, entry.title, entry.licence)
    else:
        path = _existing(name)
        documents, content = read_own_text(path)
        about = _About(path.resolve().name, f"a text of your own, SHA-256 {content[:12]}", "not stated")
    key = _key(about.name, "bytes", content)
    return _kept(home / key, lambda: _byte_tokens(split_documents(documents, str(name)), about))


def _existing(name: str | Path) -> Path:
    path = Path(name)
    if not path.exists():
        known = domain_names()
        raise ArgumentError(
            f"'{name}' is neither a text domain nor a path; the domains are: {', '.join(known)}"
            f"{did_you_mean(str(name), known)}"
        )
    return path


class _About(NamedTuple):
    name: str
    source: str
    licence: str


def _byte_tokens(parts: Split, about: _About) -> Corpus:
    train, held = (_joined(part) for part in (parts.train, parts.held))
    return Corpus(
        name=about.name,
        tokenizer="bytes",
        vocabulary=256,
        train=train,
        held=held,
        bytes_per_token=1.0,
        documents=(len(parts.train), len(parts.held)),
        sha256=_hash(train, held),
        source=about.source,
        licence=about.licence,
        removed=parts.removed,
    )


def _joined(documents: tuple[bytes, ...]) -> np.ndarray:
    return np.frombuffer(b"".join(text + bytes([SEPARATOR]) for text in documents), np.uint8)


def _encoded(text: Corpus, tokenizer: Tokenizer, home: Path) -> Corpus:
    """The same documents as tokens of another kind."""

    def make() -> Corpus:
        train, held = (_encode_documents(part, tokenizer) for part in (text.train, text.held))
        return replace(
            text, tokenizer=tokenizer.name, vocabulary=tokenizer.vocabulary, train=train, held=held,
            bytes_per_token=len(text.held) / len(held), sha256=_hash(train, held),
        )  # fmt: skip

    return _kept(home / _key(text.name, tokenizer.name, text.sha256), make)


def _encode_documents(tokens: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    documents = tokens.tobytes().split(bytes([SEPARATOR]))[:-1]
    end = np.array([SEPARATOR], np.uint16)
    parts: list[np.ndarray] = []
    for first in range(0, len(documents), TOGETHER):
        for part in tokenizer.encode_all(documents[first : first + TOGETHER]):
            parts += [part, end]
    return np.concatenate(parts)


def _hash(train: np.ndarray, held: np.ndarray) -> str:
    digest = hashlib.sha256()
    for part in (train, held):
        digest.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


# -- the cache --------------------------------------------------------------------------------------------------------


def _key(name: str, tokenizer: str, content: str) -> str:
    """The name of a folder: readable, and another one whenever anything differs that the tokens depend on."""
    digest = hashlib.sha256(f"{RULE}\0{tokenizer}\0{content}".encode()).hexdigest()
    readable = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    return f"{readable[:40]}-{tokenizer}-{digest[:16]}"


def _kept(folder: Path, make: Callable[[], Corpus]) -> Corpus:
    """The corpus kept in the folder, made and kept first when it is not there or not whole."""
    arrays, facts = kept_arrays(folder, lambda: _parts(make()))
    facts["documents"] = tuple(facts["documents"])
    return Corpus(**arrays, **facts)


def _parts(made: Corpus) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    facts = {name: value for name, value in vars(made).items() if name not in ("train", "held")}
    return {"train": made.train, "held": made.held}, {**facts, "removed": dict(made.removed)}
