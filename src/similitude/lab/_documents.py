"""How documents are found in the files of a package: a file each, chapters, dictionary entries, manual pages."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from similitude._errors import DataError

from ._lzw import decode_lzw

__all__ = ["FINDERS", "Document", "plain_manual", "sections"]

Members = Iterable[tuple[str, bytes]]


class Document(NamedTuple):
    """A document as found: its name within the source and its text as bytes, not yet normalised."""

    name: str
    text: bytes


def whole_files(members: Members) -> Iterator[Document]:
    """Every file is a document."""
    for name, content in members:
        yield Document(name, content)


SECTION = 4096  # bytes: a section ends at the first blank line after so many, or, failing that, the first line end


def cut_files(members: Members) -> Iterator[Document]:
    """Every section of a file is a document."""
    for document in whole_files(members):
        yield from sections(document)


def sections(document: Document) -> Iterator[Document]:
    """A document cut at the first blank line after every `SECTION` bytes, or at a line end after twice as many."""
    text, start = document.text, 0
    while start < len(text):
        end = _cut(text, start)
        yield Document(f"{document.name}, byte {start}", text[start:end])
        start = end


def _cut(text: bytes, start: int) -> int:
    blank = text.find(b"\n\n", start + SECTION, start + 2 * SECTION)
    if blank >= 0:
        return blank + 2
    line = text.find(b"\n", start + 2 * SECTION)
    return line + 1 if line >= 0 else len(text)


# -- the King James Bible ---------------------------------------------------------------------------------------------

MAGIC = b"EC02"
LZW = b"\x1f\x9d\x90"  # compress's header: up to 16 bits, block mode; it stands once, before the first window
WINDOWS_AT = 84  # big-endian integers: size of a window, windows, then where each begins and where the last ends
VERSE = re.compile(rb"^(\d?[A-Z][A-Za-z]*\d+):\d+ (.+)$", re.MULTILINE)


def chapters(members: Members) -> Iterator[Document]:
    """Every chapter is a document: its verses, a line each, without their references.

    The file is a run of LZW-compressed windows of equal size, with a table of their offsets in front; a line of the
    text is a verse that begins with its reference, as in ``Ge1:1 In the beginning ...``.
    """
    for _, content in members:
        verses: dict[bytes, list[bytes]] = {}
        for reference, verse in VERSE.findall(_windows(content)):
            verses.setdefault(reference, []).append(verse.rstrip())
        for reference, lines in verses.items():
            yield Document(reference.decode("ascii"), b"\n".join(lines) + b"\n")


def _windows(content: bytes) -> bytes:
    try:
        size, count = struct.unpack_from(">2I", content, WINDOWS_AT)
        ends = struct.unpack_from(f">{count + 1}I", content, WINDOWS_AT + 8)
    except struct.error:
        ends, size = (0,), 0
    if content[: len(MAGIC)] != MAGIC or content[ends[0] - len(LZW) : ends[0]] != LZW or ends[-1] != len(content):
        raise DataError("bible.data is not of the form known (EC02, with windows written by compress)")
    texts = [decode_lzw(content[begin:end]) for begin, end in pairwise(ends)]
    if any(len(text) != size for text in texts[:-1]):
        raise DataError("bible.data is damaged: a window is not of the size its header says")
    return b"".join(texts)


# -- a dictionary for dictd -------------------------------------------------------------------------------------------

DIGITS = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}


def entries(members: Members) -> Iterator[Document]:
    """Every entry is a document; head words that share one definition give it once.

    The index has a line a head word: the word, offset and length of its definition, in digits of base 64. Entries
    named ``00-...`` are about the dictionary itself and are left out.
    """
    files = {name.rsplit(".", 1)[-1]: content for name, content in members}
    if set(files) != {"index", "dz"}:
        raise DataError("the dictionary's package does not hold an .index and a .dict.dz file")
    text = gzip.decompress(files["dz"])  # dictzip is gzip with an index of its own in the header
    places: dict[tuple[int, int], str] = {}
    for line in files["index"].decode("utf-8").splitlines():
        word, offset, length = line.split("\t")[:3]
        if not word.startswith("00-"):
            places.setdefault((_number(offset), _number(length)), word)
    for (offset, length), word in sorted(places.items()):
        yield Document(word, text[offset : offset + length])


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + DIGITS[digit]
    return value


# -- manual pages -----------------------------------------------------------------------------------------------------

TRANSLATORS = {"ÜBERSETZUNG", "TRADUCTION"}
REQUEST = re.compile(r"^[.'][ \t]*(\S*)[ \t]*(.*)$")
SPOKEN = {"SH", "SS", "B", "I", "BR", "BI", "IB", "IR", "RB", "RI", "SM", "SB", "IP", "UR", "MT", "Nm",
          "Nd", "Sh", "Ss", "Fl", "Ar", "Pa", "Em", "Sy", "It", "Xr", "Cm", "Op"}  # fmt: skip
ESCAPES = re.compile(r"\\(?:f(?:\[[^]]*\]|\(..|.)|s[+-]?\d+|\*?\((..)|\*?\[([^]]*)\]|m\[[^]]*\]|([-e'`~ ])|.)")
NAMED = {"aq": "'", "dq": '"', "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "Fo": "«", "Fc": "»", "bu": "•", "co": "©",
         "em": "—", "en": "–", "hy": "-", "ha": "^", "ti": "~", "rs": "\\", "bv": "|", "mu": "×", "<=": "≤",
         ">=": "≥", "->": "→", "<-": "←", "at": "@", "sh": "#", "ga": "`", "aa": "´"}  # fmt: skip
SIGNS = {"-": "-", "e": "\\", "'": "´", "`": "`", "~": " ", " ": " "}


def pages(members: Members) -> Iterator[Document]:
    """Every manual page is a document, as plain text (see `plain_manual`)."""
    for name, content in members:
        yield Document(name, plain_manual(gzip.decompress(content).decode("utf-8")).encode())


def plain_manual(source: str) -> str:
    r"""A manual page without its roff markup, by a rule on single lines that loses layout and keeps the words.

    Comments go; a line that is a request (``.PP``) goes, but for those whose arguments are words of the text
    (``.SH``, ``.B`` ...), which leave these; within lines, fonts and sizes go and characters given by name become
    themselves. Plain text, because the markup is the same in every language and would make two of them look alike.
    The section that names the translators goes too: it is the same on most pages, so that hardly any validation page
    would be free of text from the training part.

    >>> plain_manual('.SH NAME\n.\\" a comment\n\\fBls\\fP \\- list\n')
    'NAME\nls - list\n'
    """
    lines, skipping = [], False
    for line in source.splitlines():
        plain = _plain_line(line)
        if line.startswith((".SH", ".Sh")):
            skipping = plain in TRANSLATORS
        if plain and not skipping:
            lines.append(plain)
    return "\n".join(lines) + "\n"


def _plain_line(line: str) -> str:
    line = re.sub(r'\\["#].*$', "", line)  # a comment runs to the end of its line
    request = REQUEST.match(line)
    if request is None:
        return ESCAPES.sub(_character, line).rstrip()
    name, words = request.groups()
    if name == "IP":  # a mark and an indentation
        words = re.sub(r'^("[^"]*"|\S*).*', r"\1", words)
    return ESCAPES.sub(_character, words.replace('"', "")).strip() if name in SPOKEN else ""


def _character(escape: re.Match[str]) -> str:
    two, long, sign = escape.groups()
    if long and re.fullmatch("u[0-9A-F]{4,5}", long):
        return chr(int(long[1:], 16))
    return SIGNS[sign] if sign else NAMED.get(two or long or "", "")


FINDERS: dict[str, Callable[[Members], Iterator[Document]]] = {
    "files": whole_files,
    "sections": cut_files,
    "chapters": chapters,
    "entries": entries,
    "pages": pages,
}
