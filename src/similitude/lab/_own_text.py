"""A user's own text: a folder of files, or one file cut into sections."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from similitude._errors import DataError

from ._documents import Document, sections
from ._split import normalise

__all__ = ["read_own_text"]

MANY_FILES = 20  # with fewer, files are cut into sections, else a validation part could be one file or none


def read_own_text(path: Path) -> tuple[list[Document], str]:
    """The documents of a file or folder and the SHA-256 of names and contents.

    Every file that is not hidden is a document, in the order of names, whatever its ending; of fewer than
    `MANY_FILES`, every section. Raises DataError for no such path, no file, a file not readable or not UTF-8.
    """
    files = list(_files(path))
    if not files:
        raise DataError(f"{path} is no file of text and no folder with one; expected UTF-8 text such as .txt, .md, .py")
    documents = [Document(name, _read(file)) for name, file in files]
    digest = hashlib.sha256()
    for name, text in documents:
        digest.update(f"{name}\0{len(text)}\0".encode())
        digest.update(text)
    if len(documents) < MANY_FILES:
        documents = [section for document in documents for section in sections(document)]
    return documents, digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield file.relative_to(path).as_posix(), file


def _read(path: Path) -> bytes:
    try:
        return normalise(path.read_bytes())
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, byte {error.start}: not UTF-8 text; convert the file or take it out of the folder"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable or take it away") from None
