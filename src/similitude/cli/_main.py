"""Run a command; every way it can fail becomes an exit code and one sentence on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from similitude._errors import SimilitudeError
from similitude.cli._commands import root
from similitude.cli._output import clean
from similitude.cli._remedies import as_options

__all__ = ["main"]

INTERRUPTED = 130
BROKEN_PIPE = 141  # as a program that the signal ended
INTERNAL = 70  # the convention for an error in the program itself
NEW_ISSUE = "please report it with the command and the output of SIMILITUDE_DEBUG=1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (those of the process by default); returns the exit code."""
    for library in ("OPENBLAS", "MKL"):  # matrices here are small: a thread for each core costs more than it gains
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except SimilitudeError as error:
        return _fail(as_options(str(error)), error.exit_code, error)
    except click.UsageError as error:
        return _misused(error)
    except click.ClickException as error:
        return _fail(error.format_message(), 2, error)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except MemoryError as error:
        return _fail("there is not enough memory for this; give fewer runs, points or resamples", 3, error)
    except Exception as error:
        return _fail(f"an error inside similitude ({_where(error)}); {NEW_ISSUE}", INTERNAL, error)


def _run(arguments: list[str]) -> int:
    root._main_shell_completion({}, "similitude", "_SIMILITUDE_COMPLETE")
    try:
        with root.make_context("similitude", arguments) as context:
            result = root.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return result if isinstance(result, int) else 0


def _fail(sentence: str, code: int, error: BaseException) -> int:
    if os.environ.get("SIMILITUDE_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
    return _say(sentence, code)


def _say(sentence: str, code: int) -> int:
    try:
        sys.stdout.flush()
        print(f"similitude: {clean(' '.join(sentence.split()))}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _silence()
    return code


def _misused(error: click.UsageError) -> int:
    context = error.ctx
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(context.get_help() if context else error.format_message(), file=sys.stderr)
        return 2
    text = error.format_message().strip()
    text = text[:1].lower() + text[1:].removesuffix(".")
    return _fail(f"{text} (see '{context.command_path if context else 'similitude'} --help')", 2, error)


def _where(error: BaseException) -> str:
    """The kind of an unexpected error, what it says and the line it rose from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    return f"{type(error).__name__}: {str(error)[:200]}{place}"


def _silence() -> None:
    """Nobody reads any more: what is still buffered goes nowhere, so that Python does not complain at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
