"""The command line: parse, call one public function, print. `similitude --help` lists the commands."""

from __future__ import annotations

from similitude.cli._main import main

__all__ = ["main"]
