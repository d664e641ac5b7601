"""What leaves the program: one JSON document, text, notes on standard error, files that are whole or not there."""

from __future__ import annotations

import json
import math
import os
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from similitude._errors import ArgumentError
from similitude._files import replace_whole
from similitude.cli._remedies import text_as_options

__all__ = ["check_target", "clean", "note", "print_json", "print_text", "to_json", "write_file", "write_page"]


def plain(value: Any) -> Any:
    """Values that JSON can hold; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(document: Any, *, compact: bool = False) -> str:
    """The document as JSON text, with no NaN or Infinity in it; `compact`, on one line, is quick for a million rows."""
    if not compact:
        return json.dumps(plain(document), allow_nan=False, ensure_ascii=False, indent=2)
    import msgspec

    return msgspec.json.encode(document, enc_hook=lambda value: value.tolist()).decode()


def print_json(document: Any, *, compact: bool = False) -> None:
    """The one document on standard output."""
    _print(to_json(document, compact=compact), sys.stdout)


def print_text(text: Any, *, error: bool = False) -> None:
    """A result's own text; a view is drawn as wide as the terminal is, and in its colours.

    Remedies in a result are told as options; a string is printed as it is.
    """
    from similitude._view import View

    stream = sys.stderr if error else sys.stdout
    result = not isinstance(text, str)
    if isinstance(text, View):
        from similitude.reports import draw_text, wants_color

        text = draw_text(text, width=_width(stream), color=wants_color(stream))
    _print(clean(text_as_options(str(text)), "Cf") if result else text, stream)


def _width(stream: Any) -> int:
    """The terminal's columns, within what reads well."""
    import shutil

    return min(max(shutil.get_terminal_size().columns, 80), 120) if stream.isatty() else 80


def note(sentence: str) -> None:
    """Something worth knowing, on standard error."""
    _print(f"similitude: {clean(text_as_options(sentence))}", sys.stderr)


def clean(text: str, kinds: str = "Cc Cf") -> str:
    """The text with characters that draw nothing or turn the line's direction, Cf, or control it, Cc, as escapes.

    >>> clean("a\\u202eb.csv\\u200b")
    'a\\\\u202eb.csv\\\\u200b'
    """
    odd = {c for c in text if unicodedata.category(c) in kinds and c not in "\n\t"}
    return text.translate({ord(c): ascii(c)[1:-1] for c in odd}) if odd else text


def _print(text: str, stream: Any) -> None:
    """Characters the terminal has no code for are replaced, not raised."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding), file=stream)


def check_target(path: str | None, option: str = "-o") -> None:
    """ArgumentError, before any work is done, when a file cannot be written at `path`."""
    if path is None or path == "-":
        return
    target, folder = Path(path), Path(path).parent
    if target.is_dir():
        raise ArgumentError(f"{option} {path}: that is a directory; name a file in it")
    if not folder.is_dir():
        raise ArgumentError(f"{option} {path}: there is no directory '{folder}'; create it first")
    if not os.access(folder, os.W_OK) and not (target.exists() and os.access(target, os.W_OK)):
        raise ArgumentError(f"{option} {path}: no permission to write there")


def write_page(results: list[Any], path: str | None) -> None:
    """One HTML page of results, at `path` if there is one; said on standard error."""
    if path is None:
        return
    from similitude.reports import page, report

    write_file(path, page(report(results)))
    note(f"wrote {path}")


def write_file(path: str, content: str | bytes, option: str = "-o") -> None:
    """Write under a temporary name, sync and rename: the file is whole, or as it was before."""
    check_target(path, option)
    data = content.encode() if isinstance(content, str) else content
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a pipe or a device has no name to take over
            Path(path).write_bytes(data)
        else:
            replace_whole(os.path.realpath(path), data)
    except OSError as error:
        raise ArgumentError(f"{option} {path}: cannot be written ({error.strerror or error})") from None
