"""Remedies written as arguments in Python, told as the options that they are on the command line."""

from __future__ import annotations

import re

__all__ = ["as_options", "text_as_options"]

_RENAMED = {"max_parameters": "max-params"}
_LIMITS = re.compile(r"\blimits=\{'(\w+)': \(([^)]*)\)\}")
_BOTH = re.compile(r" \(on the command line [^)]*\)")
_ENTRY = re.compile(r"\b(units|inputs?|at|fix|columns?)=\{'(\w+)': '?([^'}]*)'?\}")
_ARGUMENT = re.compile(
    r"(?<![-\w])(not_finite|censored|outliers|flop_rule|counts|method|noise|hold_out|objective|delta|level|seed|where"
    r"|flop|gpus|days|dollars|price|mfu|inference_tokens|max_parameters|gpu_hours|memory|unique_tokens|cost|spend|precision|N|D|C|loss|lr|batch|x)=('[^']*')?(?=[\s,;:)]|$)"
)
# within a result only what is plainly a remedy: a quoted value, or one left open
_IN_TEXT = re.compile(r"(?<![-\w])(counts|method|noise|objective|hold_out|not_finite|flop_rule)=('[\w.-]*'|\.\.\.)")
_START = re.compile(r"(?<![-\w])start=(?=[\s,;:.)]|$)")


def as_options(sentence: str) -> str:
    """A remedy written as an argument in Python, as the option it is here.

    >>> as_options("drop it with not_finite='drop', or units={'loss': 'perplexity'}, else check=False")
    'drop it with --not-finite drop, or --units loss=perplexity, else --no-check'
    """
    sentence = _LIMITS.sub(lambda m: f"--limit {m[1]}={m[2].replace(', ', ':')}", sentence)
    sentence = _BOTH.sub("", sentence.replace("check=False", "--no-check"))
    sentence = _ENTRY.sub(lambda m: f"--{m[1].removesuffix('s') if m[1] != 'units' else m[1]} {m[2]}={m[3]}", sentence)
    return _ARGUMENT.sub(lambda m: f"--{_RENAMED.get(m[1], m[1]).replace('_', '-')}{_value(m[2])}", sentence)


def _value(text: str | None) -> str:
    return "" if text is None else f" {text[1:-1] if ' ' not in text else text}"


def text_as_options(text: str) -> str:
    """The remedies within a result that is printed; its lines keep their lengths where the value is quoted.

    >>> text_as_options("say counts='total' or another; method='case' resamples runs")
    'say --counts total or another; --method case resamples runs'
    """
    text = _IN_TEXT.sub(lambda m: f"--{m[1].replace('_', '-')} {m[2].strip(chr(39))}", text)
    return _START.sub("--start", text)
