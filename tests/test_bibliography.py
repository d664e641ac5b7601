"""The bibliography."""

from __future__ import annotations

import re

import pytest

from similitude import _bibliography
from similitude._errors import ArgumentError

NEEDED = {"besiroglu2024", "czech2026", "porian2024", "li2025", "gadre2024", "hoffmann2022", "kaplan2020"}


def test_studies_and_data_sets_find_their_papers():
    assert {*NEEDED, "muennighoff2023"} <= set(_bibliography.keys())


OWN = "similitude2026"  # our own data, which stands in no journal


@pytest.mark.parametrize("key", sorted({*_bibliography.keys()} - {OWN}))
def test_every_entry_is_complete(key):
    entry = _bibliography.entry(key)
    plain = f"{re.sub('[^a-z]', '', entry.authors[0].rpartition(' ')[2].lower())}{entry.year}"
    assert re.fullmatch(plain + "[a-z]*", key)  # a word of the title tells two papers of one name and year apart
    assert entry.authors
    assert entry.title
    if not entry.arxiv:
        assert re.fullmatch(r"10\.\d{4}/\S+", entry.doi)
        return
    assert re.fullmatch(r"\d{4}\.\d{5}", entry.arxiv)
    # arXiv numbers begin with the year and month; papers appear in print in the same year or the next two
    assert 0 <= entry.year - (2000 + int(entry.arxiv[:2])) <= 2
    assert entry.link == f"https://arxiv.org/abs/{entry.arxiv}"
    text = entry.bibtex()
    assert text.startswith(("@misc{" + key, "@inproceedings{" + key))
    assert text.count("{") == text.count("}")
    assert f"year = {{{entry.year}}}" in text


@pytest.mark.parametrize(
    ("key", "short"),
    [
        ("hoffmann2022", "Hoffmann et al. 2022"),
        ("pearce2024", "Pearce and Song 2024"),
        ("li2025", "Li et al. 2025"),
        ("gadre2024", "Gadre et al. 2024"),
        (OWN, "The Similitude developers 2026"),
    ],
)
def test_short_names(key, short):
    assert _bibliography.short(key) == short


def test_each_paper_is_printed_once_in_order():
    text = _bibliography.bibtex(["kaplan2020", "gadre2024", "kaplan2020"])
    assert re.findall(r"@misc\{(\w+)", text) == ["kaplan2020", "gadre2024"]


def test_the_name_of_a_group_is_not_taken_apart():
    assert "  author = {{The Similitude developers}}," in _bibliography.bibtex([OWN])  # as BibTeX wants it


def test_special_characters_are_escaped():
    entry = _bibliography.Entry("x2020", ("A & B",), "50% of #1_2", 2020, url="https://a.b/c_d")
    assert r"50\% of \#1\_2" in entry.bibtex()
    assert "https://a.b/c_d" in entry.bibtex()


def test_an_unknown_key_is_met_with_the_closest():
    with pytest.raises(ArgumentError, match="did you mean 'hoffmann2022'"):
        _bibliography.entry("hofmann2022")
