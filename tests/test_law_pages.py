"""The generated pages of laws: examples that run, advice that is there, names in the guide that exist."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest

from similitude.laws import catalogue, resolve

DOCS = Path(__file__).resolve().parent.parent / "docs"
LAWS = catalogue()


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("generate_pages", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", LAWS)
def test_the_example_of_each_page_runs(name, pages):
    block = pages.example(LAWS[name])
    assert (block[0], block[-1]) == ("```python", "```")
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile("\n".join(block[1:-1]), name, "exec"), {})
    assert shown.getvalue().startswith("Prediction(")


@pytest.mark.parametrize("name", LAWS)
def test_each_page_says_when_and_when_not(name, pages):
    text = pages.law_page(LAWS[name])
    assert re.search(r"## When to use it\n\n\S.{20}", text)
    assert re.search(r"## When not\n\n\S.{15}", text)


def test_the_guide_names_laws_that_exist_and_every_family():
    guide = (DOCS / "choose.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\(laws/(\w+)\.md\)", guide)) - {"index"}
    assert named <= set(LAWS)
    assert {LAWS[n].family for n in named} == {law.family for law in LAWS.values()}


def test_every_law_can_be_reached_from_the_guide(pages):
    guide = (DOCS / "choose.md").read_text(encoding="utf-8")
    assert "](laws/index.md)" in guide
    table = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", pages.laws_index(dict(LAWS)), re.M)
    assert sorted(table) == sorted((name, name) for name in LAWS)


def test_every_name_of_a_law_in_the_guide_exists():
    guide = (DOCS / "choose.md").read_text(encoding="utf-8")
    for reference in re.findall(r"\b[a-z]\w+:[a-z]+\d{4}[\w.-]*", guide):
        assert resolve(reference).digits, reference
    spoken = re.findall(r"`([a-z]\w*_\w+)`", guide) + re.findall(r"sim\.laws\.(\w+)", guide)
    assert set(spoken) <= set(LAWS)


@pytest.mark.parametrize("name", LAWS)
def test_each_page_ends_with_references_that_can_be_followed(name, pages):
    text = pages.law_page(LAWS[name])
    section = text.partition("## References\n\n")[2].partition("\n\n")[0]
    assert section.count("](https://") == len(section.splitlines()) > 0
