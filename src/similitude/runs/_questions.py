"""What a table of logged runs leaves open, as questions that one answer in similitude.toml settles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Open", "Question", "questions"]

FEW = 6  # runs whose parameters are asked for one by one


@dataclass(frozen=True, slots=True)
class Open:
    """What is not known of one run: any of "counts", "N", "batch", "length"; `number` is the setting that is N."""

    run: str
    kind: str
    missing: tuple[str, ...]
    number: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to know of the runs that fit `match`: the name of the answer, the runs, and a sentence that asks.

    `much` says whether the runs are of no use without it; what N counts matters to some laws only.
    """

    match: str
    answer: str
    runs: tuple[str, ...]
    says: str
    much: bool = True


def questions(opened: Iterable[Open]) -> tuple[Question, ...]:
    """The questions of a table, those of one kind of log together, N where few runs lack it.

    >>> [q.says for q in questions([Open("a", "console", ("length",)), Open("b", "console", ("length",))])]
    ['tokens in a sequence of the 2 console runs']
    """
    groups: dict[tuple[str, str], list[Open]] = {}
    for one in opened:
        for what in one.missing:
            groups.setdefault((one.kind, what), []).append(one)
    found: list[Question] = []
    for (kind, what), held in groups.items():
        if what == "N":
            found.extend(Question(o.run, "N", (o.run,), f"parameters of the run {o.run}") for o in held[:FEW])
            continue
        names = tuple(o.run for o in held)
        about = f"the {len(names)} {kind} runs" if len(names) > 1 else f"the {kind} run {held[0].run}"
        number = next((o.number for o in held if o.number), "N")
        asked: Mapping[str, str] = {
            "counts": f"what '{number}' of {about} counts",
            "batch": f"sequences in a step of {about}, over all devices",
            "length": f"tokens in a sequence of {about}",
        }
        found.append(Question(kind, what, names, asked[what], what != "counts"))
    return tuple(sorted(found, key=lambda q: not q.much))
