"""The repository as a whole: what may be committed, what is public, that examples run and that imports stay cheap."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import similitude

ROOT = Path(__file__).resolve().parent.parent
BIGGEST = 500_000  # bytes a committed file

# written with a character class, so that this file does not match itself
MACHINE_PATHS = re.compile(r"(?<![\w.\-/])(?:/[w]ork/|/[t]mp/|/[r]oot/|/[h]ome/[a-z]|/[U]sers/[A-Za-z]|[C]:\\+Users)")
REGISTRIES = re.compile(
    r"\b(?:[p]ypi\.org|files\.[p]ythonhosted|[p]ypi\.python|registry\.[n]pmjs|[n]pmjs\.(?:com|org)"
    r"|[c]rates\.io|[a]naconda\.org|deb\.[d]ebian|proxy\.[g]olang)"
)
HEAVY = ("numpy", "polars", "pandas", "scipy", "matplotlib", "sympy", "rich", "pooch")


def _tracked() -> list[Path]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [p for name in listed.split("\0") if name and (p := ROOT / name).is_file()]


def _texts() -> dict[str, str]:
    texts = {}
    for path in _tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            texts[str(path.relative_to(ROOT))] = content.decode("utf-8")
    return texts


def _lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def _modules() -> list[str]:
    found = pkgutil.walk_packages(similitude.__path__, "similitude.")
    return ["similitude", *sorted(m.name for m in found if not m.name.endswith("__main__"))]


def _python(code: str) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_patterns_find_what_they_are_for():
    bad = {"a": "open('/" + "work/x')\nsee https://" + "py" + "pi.org/simple\nC:" + "\\Users\\me\n"}
    assert len(_lines_with(MACHINE_PATHS, bad)) == 2
    assert len(_lines_with(REGISTRIES, bad)) == 1
    good = {"a": "https://example.org/work/here\nsrc/work/x\nthe registry of runs\n"}
    assert not _lines_with(MACHINE_PATHS, good)
    assert not _lines_with(REGISTRIES, good)


def test_no_machine_paths():
    assert _lines_with(MACHINE_PATHS, _texts()) == []


def test_no_package_registry_hosts():
    assert _lines_with(REGISTRIES, _texts()) == []


def test_no_big_files():
    assert {str(p.relative_to(ROOT)): p.stat().st_size for p in _tracked() if p.stat().st_size > BIGGEST} == {}


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = re.search(r'^version: "?([^"\n]+)"?$', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)
    assert project["version"] == similitude.__version__
    assert citation is not None
    assert citation[1] == similitude.__version__


def test_public_names_are_sorted_and_unique():
    assert list(similitude.__all__) == sorted(set(similitude.__all__))
    assert set(similitude.__all__) <= set(dir(similitude))


@pytest.mark.parametrize("name", similitude.__all__)
def test_public_name_resolves_and_explains_itself(name):
    value = getattr(similitude, name)
    doc = inspect.getdoc(value) or ""
    assert doc.strip(), f"similitude.{name} has no docstring"
    is_error = inspect.isclass(value) and issubclass(value, BaseException)
    if not is_error and (inspect.isclass(value) or inspect.isroutine(value)):
        assert ">>>" in doc, f"the docstring of similitude.{name} has no example"


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = similitude.no_such_name


@pytest.mark.parametrize("name", _modules())
def test_module_says_what_it_is_and_lists_what_exists(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
    assert missing == []


@pytest.mark.parametrize("name", _modules())
def test_examples_of_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    failures = [report for test in _examples(module) if (report := _run(test))]
    assert not failures, "\n".join(failures)


def _examples(module: ModuleType) -> list[doctest.DocTest]:
    tests = [t for t in doctest.DocTestFinder(exclude_empty=True).find(module) if t.examples]
    if os.environ.get("SIMILITUDE_DATA"):
        return tests
    return [t for t in tests if not any("datasets" in example.source for example in t.examples)]


def _run(test: doctest.DocTest) -> str:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    return "".join(said)


def test_importing_similitude_loads_nothing_heavy():
    loaded = json.loads(_python("import json, sys, similitude; print(json.dumps(sorted(sys.modules)))"))
    assert [m for m in HEAVY if m in loaded] == []


def test_help_loads_nothing_heavy():
    if not hasattr(importlib.import_module("similitude.cli"), "main"):
        pytest.skip("there is no command line yet")
    said = _python(
        "import json, sys\n"
        "from similitude.cli import main\n"
        "sys.argv = ['similitude', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(said.splitlines()[-1])
    assert "Usage" in said
    assert [m for m in HEAVY if m in loaded] == []
