"""What logs leave open: asked once on a terminal and kept in similitude.toml beside the store."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from similitude.cli._output import note

if TYPE_CHECKING:
    from similitude.runs._answers import Answer
    from similitude.runs._questions import Question

__all__ = ["answers_for", "asked", "kept_answers", "to_write"]

_KINDS = ("tokens", "parameters", "sequences")
_SAMPLES = {"counts": '"total"', "N": "124e6", "batch": "512", "length": "2048"}


def answers_for(store: str, paths: Sequence[str] = ()) -> tuple[Answer, ...]:
    """The answers beside the logs, beside the store and in the working directory."""
    from similitude.runs._answers import answers_in

    return answers_in([*_folders(paths), Path(store).parent])


def _folders(paths: Sequence[str]) -> list[Path]:
    return [folder for folder in map(Path, paths) if folder.is_dir()]


def kept_answers(paths: Sequence[str], store: str) -> None:
    """Put the answers that lie beside imported logs beside the store, where later commands look for them."""
    from similitude.runs._answers import FILE, read_answers

    beside = Path(store).parent / FILE
    known = read_answers(beside)
    if new := [a for folder in _folders(paths) for a in read_answers(folder / FILE) if a not in known]:
        _keep(beside, new)


def asked(questions: Sequence[Question], store: str, ask: bool | None, as_json: bool) -> bool:
    """Ask, where somebody can answer, and keep what was said; whether anything was."""
    if not questions or ask is False or (ask is None and (as_json or not (sys.stdin.isatty() and sys.stderr.isatty()))):
        return False
    from similitude.runs._answers import FILE, Answer

    note("The logs leave open what follows. An empty answer leaves it so.")
    found: dict[str, dict[str, Any]] = {}
    try:
        for question in questions:
            value = _answer(question)
            if value is not None:
                found.setdefault(question.match, {})[question.answer] = value
    finally:  # what was answered is kept, though the rest was broken off
        if found:
            _keep(Path(store).parent / FILE, [Answer(match, **values) for match, values in found.items()])
    return bool(found)


def _answer(question: Question) -> Any:
    """A valid answer, None for an empty one; asked again until it is one of them."""
    from similitude._errors import ArgumentError
    from similitude._quantity import parse_quantity
    from similitude.runs._roles import COUNTS

    known = [c for c in COUNTS if c != "undeclared"]
    more = f" ({', '.join(known)})" if question.answer == "counts" else ""
    while True:
        text = click.prompt(f"{question.says}{more}", default="", show_default=False, err=True).strip()
        if not text:
            return None
        if question.answer == "counts":
            fitting = [c for c in known if c == text] or [c for c in known if c.startswith(text)]
            if len(fitting) == 1:
                return fitting[0]
            note(f"'{text}' is none of them")
            continue
        try:
            value = parse_quantity(text)
        except ArgumentError as error:
            note(str(error))
            continue
        number = value if isinstance(value, (int, float)) else value.value if value.unit.kind in _KINDS else 0.0
        if number > 0:
            return number
        note(f"'{text}': expected a positive number")


def _keep(path: Path, new: Sequence[Answer]) -> None:
    from similitude.runs._answers import read_answers, write_answers

    write_answers(path, (*read_answers(path), *new))
    note(f"kept in {path}: {len(new)} {'answer' if len(new) == 1 else 'answers'}")


def to_write(questions: Sequence[Question]) -> Any:
    """The questions as a passage that shows what to write into similitude.toml."""
    from similitude._view import Text

    first = questions[0]
    entry = f'[[logs]], match = "{first.match}", {first.answer} = {_SAMPLES[first.answer]}'
    said = [q.says if q.much else f"{q.says} (some laws need to know)" for q in questions]
    how = f"Answer with --ask, or by entries of similitude.toml, such as: {entry}"
    return Text("Left open by the logs", [how], points=said, tone="warning" if first.much else "plain")
