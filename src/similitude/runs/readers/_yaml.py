"""The part of YAML that logging libraries write settings in: mappings and lists in blocks, values of one line.

Nothing else of YAML is understood, nothing is made of it: tags, anchors, texts of several lines are refused; one long
line that is broken is put together.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from similitude._errors import DataError

from ._reader import document

__all__ = ["blocks"]

LARGEST = 16 << 20  # bytes
_DEEPEST = 50
_ENTRY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'#&*!|>%@`\[\]{},?:-](?:[^:#]|:(?=\S)|(?<=\S)#)*?):(?: +(.*))?"""
)
_WORDS: dict[str, Any] = {"null": None, "~": None, "": None, "true": True, "false": False, "[]": [], "{}": {}}
_ODD = {".inf": "inf", "-.inf": "-inf", "+.inf": "inf", ".nan": "nan"}
_WHOLE, _NUMBER = re.compile(r"[-+]?\d{1,4000}"), re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def blocks(path: Path) -> dict[str, Any]:
    """The mapping in a file; DataError, with the line, for anything that is not of this kind."""
    text = document(path, LARGEST).decode("utf-8", "replace")
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip() and line.lstrip()[0] != "#"]
    reading = _Reading(path.name, [(i, len(s) - len(s.lstrip(" ")), s.strip()) for i, s in lines])
    found = reading.block(0, 0)
    if not isinstance(found, dict) or reading.at < len(reading.lines):
        raise reading.refusal()
    return found


class _Reading:
    """Lines as number, indent and words, and which is the next."""

    def __init__(self, name: str, lines: list[tuple[int, int, str]]) -> None:
        self.name, self.lines, self.at = name, lines, 0

    def refusal(self) -> DataError:
        line = self.lines[min(self.at, len(self.lines) - 1)][0] if self.lines else 1
        return DataError(f"{self.name}, line {line}: expected 'name: value' as the library writes settings")

    def block(self, indent: int, depth: int) -> Any:
        """The mapping or the list whose lines have this indent."""
        if self.at >= len(self.lines) or depth > _DEEPEST:
            raise self.refusal()
        if self.lines[self.at][2].startswith("- ") or self.lines[self.at][2] == "-":
            return self._list(indent, depth)
        found: dict[str, Any] = {}
        while self.at < len(self.lines) and self.lines[self.at][1] == indent:
            match = _ENTRY.fullmatch(self.lines[self.at][2])
            if match is None:
                raise self.refusal()
            found[str(self._scalar(match[1], key=True))] = self._value((match[2] or "").strip(), indent, depth)
        return found

    def _list(self, indent: int, depth: int) -> list[Any]:
        found = []
        while self.at < len(self.lines) and self.lines[self.at][1] == indent:
            number, _, words = self.lines[self.at]
            if words != "-" and not words.startswith("- "):
                break
            rest = words[1:].strip()
            if rest.startswith("- ") or _ENTRY.fullmatch(rest):  # a block that begins on the line of its dash
                inner = indent + len(words) - len(rest)
                self.lines[self.at] = (number, inner, rest)
                found.append(self.block(inner, depth + 1))
            else:
                found.append(self._value(rest, indent, depth, within_list=True))
        return found

    def _value(self, words: str, indent: int, depth: int, within_list: bool = False) -> Any:
        """What stands behind a name or a dash, or in the deeper lines below."""
        if words:
            last = self.at + 1
            while last < len(self.lines) and self.lines[last][1] > indent:  # a long text goes on below
                last += 1
            found = self._scalar(" ".join([words, *(line for _, _, line in self.lines[self.at + 1 : last])]))
            self.at = last
            return found
        self.at += 1
        if self.at < len(self.lines):
            deeper, line = self.lines[self.at][1], self.lines[self.at][2]
            if deeper > indent or (deeper == indent and line.startswith("- ") and not within_list):
                return self.block(deeper, depth + 1)
        return None

    def _scalar(self, words: str, key: bool = False) -> Any:
        """A value of one line; words are what is nothing else."""
        if words[0] == '"':
            try:
                return json.loads(re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", words.replace("\\L", "\\u2028")))
            except ValueError:
                raise self.refusal() from None
        if words[0] == "'":
            if len(words) < 2 or words[-1] != "'" or "'" in words[1:-1].replace("''", ""):
                raise self.refusal()
            return words[1:-1].replace("''", "'")
        if key:
            return words
        if words in _WORDS:
            return _WORDS[words]
        if words.casefold() in _ODD:
            return float(_ODD[words.casefold()])
        if _WHOLE.fullmatch(words):
            return int(words)
        if _NUMBER.fullmatch(words):
            return float(words)
        if words[0] in "&*!|>%@`[]{}," or " #" in words or ": " in words:
            raise self.refusal()
        return words
