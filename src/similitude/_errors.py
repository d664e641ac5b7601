"""Every way Similitude can fail, each a sentence with its remedy and an exit code for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["ArgumentError", "ConvergenceError", "DataError", "QuestionError", "SimilitudeError"]


class SimilitudeError(Exception):
    """The base of every error raised on purpose; its text is one sentence that says what to do."""

    exit_code = 1


class ArgumentError(SimilitudeError, ValueError):
    """An argument, option or formula is not of the form it must have."""

    exit_code = 2


class DataError(SimilitudeError, ValueError):
    """The data cannot be used as they are: names file, column, row, value and what was expected."""

    exit_code = 3


class QuestionError(SimilitudeError, ValueError):
    """The data are in order but cannot answer this question, e.g. an optimum from runs at one ratio D/N."""

    exit_code = 3


class ConvergenceError(SimilitudeError, RuntimeError):
    """The best optimum found fails its gradient test, so there is no fit to speak of."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'tokens'?"`` when a known name is close, else an empty string.

    >>> did_you_mean("tokns", ["tokens", "loss"])
    "; did you mean 'tokens'?"
    """
    folded = {k.casefold(): k for k in known}
    close = get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return f"; did you mean '{folded[close[0]]}'?" if close else ""
