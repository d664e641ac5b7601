"""What logs leave open, answered once: the file similitude.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from similitude._errors import ArgumentError, DataError, did_you_mean

from ._logged import LoggedRun
from ._roles import COUNTS

__all__ = ["FILE", "Answer", "answer_of", "answers_in", "read_answers", "write_answers"]

FILE = "similitude.toml"
_HEAD = "# What the logs leave open. match: source or kind of the runs, * for any; the last entry that fits counts.\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """For runs whose source or kind fits `match`: what N counts, N itself, the loss's name, sequences a step, tokens a
    sequence."""

    match: str = "*"
    counts: str | None = None
    N: float | None = None
    loss: str | None = None
    batch: float | None = None
    length: float | None = None


def answer_of(run: LoggedRun, answers: Sequence[Answer]) -> Answer:
    """All answers that fit a run in one; later ones go before."""
    found: dict[str, Any] = {}
    for answer in answers:
        if fnmatch(run.source, answer.match) or fnmatch(run.kind, answer.match) or fnmatch(run.name, answer.match):
            found |= {
                f.name: v for f in fields(Answer) if f.name != "match" and (v := getattr(answer, f.name)) is not None
            }
    return Answer(**found)


def read_answers(path: Path) -> tuple[Answer, ...]:
    """The answers of a file, none where it is not there; DataError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    entries = document.get("logs", [])
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
        raise DataError(f"{path}: expected entries headed [[logs]]")
    return tuple(_answer(e, f"{path}, entry {i}") for i, e in enumerate(entries, 1))


def answers_in(folders: Iterable[Path]) -> tuple[Answer, ...]:
    """The answers in these folders and in the working directory, each file once; later ones go before earlier."""
    places: dict[Path, Path] = {}
    for folder in (*folders, Path()):
        places.setdefault(folder.resolve(), folder / FILE)
    return tuple(a for place in places.values() for a in read_answers(place))


def _answer(entry: Mapping[str, Any], where: str) -> Answer:
    known = {f.name for f in fields(Answer)}
    for name, value in entry.items():
        if name not in known:
            raise DataError(f"{where}: no such answer '{name}'{did_you_mean(name, known)}")
        text = name in ("match", "counts", "loss")
        right = isinstance(value, str) if text else isinstance(value, (int, float)) and not isinstance(value, bool)
        if not right or (not text and not value > 0):
            raise DataError(f"{where}: {name} = {value!r}; expected {'text' if text else 'a positive number'}")
    if entry.get("counts") is not None and entry["counts"] not in COUNTS:
        raise DataError(f"{where}: counts = {entry['counts']!r}; expected one of: {', '.join(COUNTS)}")
    return Answer(**entry)


def write_answers(path: Path, answers: Sequence[Answer]) -> None:
    """Write the file whole; what else stood in it must be none of ours, so a file with other tables is refused."""
    from similitude._files import replace_whole

    if path.is_file() and set(tomllib.loads(path.read_text(encoding="utf-8"))) - {"logs"}:
        raise ArgumentError(f"{path} holds more than [[logs]]; add the answer there by hand")
    lines = [_HEAD]
    for answer in answers:
        lines.append("[[logs]]\n")
        for f in fields(Answer):
            value = getattr(answer, f.name)
            if value is not None:
                lines.append(f"{f.name} = {_quoted(value) if isinstance(value, str) else f'{value:.17g}'}\n")
        lines.append("\n")
    replace_whole(str(path), "".join(lines).encode())


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
