"""What the pages tell readers to type does run: Python blocks, and every `similitude ...` line of shell blocks."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIRST = "howto/fit-my-sweep.md"  # writes the sweep and the fit that the other pages use
_HOWTO = sorted(f"howto/{p.name}" for p in (DOCS / "howto").glob("*.md"))
OTHERS = ("index.md", "choose.md", "ladder.md", *(name for name in _HOWTO if name != FIRST))
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.M | re.S)

pytestmark = pytest.mark.skipif(
    not hasattr(importlib.import_module("similitude.cli"), "main"), reason="there is no command line yet"
)


def _run_page(name: str) -> int:
    scope: dict[str, object] = {}
    blocks = BLOCK.findall((DOCS / name).read_text(encoding="utf-8"))
    for language, body in blocks:
        if language == "python":
            exec(compile(body, name, "exec"), scope)
        else:
            for line in body.replace("\\\n", " ").splitlines():
                _run_command(line)
    return len(blocks)


def _run_command(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True) or [""]
    if program != "similitude":
        return
    main = importlib.import_module("similitude.cli").main
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert not code, f"`{line}` ended with {code}"


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A folder in which a reader has followed the first page."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert _run_page(FIRST) >= 3
    assert {"sweep.csv", "fit.json", "report.html"} <= {p.name for p in folder.iterdir()}
    return folder


def test_first_page(followed):
    assert (followed / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("name", OTHERS)
def test_page(name, followed, tmp_path, monkeypatch):
    for made in ("sweep.csv", "fit.json"):
        shutil.copy(followed / made, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert _run_page(name) >= 1


def test_every_page_is_run():
    written = {str(p.relative_to(DOCS)) for p in [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md")]}
    generated = {"papers.md", "api.md", "cli.md"}
    without_code = {"decisions.md"}
    assert written - generated - without_code == {FIRST, *OTHERS}


def test_the_page_of_logs_names_every_reader_and_what_it_was_tested_on():
    from similitude.runs.readers import READERS

    page = (DOCS / "howto" / "logs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([^|]+) \|$", page, re.M))
    assert rows == {r.name: r.tested_on for r in READERS}
