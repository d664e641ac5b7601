"""The papers the project starts from: all of them, with a derived status, and searchable."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

import similitude as sim
from similitude._errors import ArgumentError
from similitude.studies import catalogue

LISTED = 195


def test_all_papers_are_there_with_a_sentence_and_a_link():
    found = sim.papers()
    assert [p.id for p in found] == list(range(1, LISTED + 1))
    assert all(40 <= len(p.about) <= 220 and p.about.endswith(".") for p in found)
    assert len({p.about for p in found}) == LISTED
    assert all(p.link.startswith("https://") for p in found)
    assert sum(found.counts.values()) == LISTED


def test_titles_and_rooms_are_those_of_the_list():
    path = Path(os.environ.get("SIMILITUDE_DATA", "missing")).parent / "mission.tsv"
    if not path.exists():
        pytest.skip("the list is not reachable")
    with path.open(encoding="utf-8", newline="") as file:
        rows = {int(r["id"]): (r["paper title"], r["room"]) for r in csv.DictReader(file, delimiter="\t")}
    assert {p.id: (p.title, p.room) for p in sim.papers()} == rows


def test_status_follows_from_what_cites_the_paper():
    by_key = {p.key: p for p in sim.papers() if p.key}
    studies = {s.paper for s in catalogue().values() if not s.fixture}
    for key, paper in by_key.items():
        assert (paper.status == "reproduced") == (key in studies), key
    assert by_key["kaplan2020"].status == "checked"
    assert by_key["tissue2024"].laws
    assert sim.papers("oscillation-free")[0].status == "planned"


def test_search_takes_all_words_and_both_filters():
    assert {p.id for p in sim.papers("batch noise scale")} == {47}
    assert not sim.papers("batch nonsense-word")
    planned = sim.papers(room="lab", status="planned")
    assert planned
    assert all(p.room == "lab" and p.status == "planned" for p in planned)
    assert sim.papers("CHINCHILLA replication")[0].key == "besiroglu2024"


def test_unknown_room_and_status_are_one_sentence():
    with pytest.raises(ArgumentError, match="did you mean 'laws'"):
        sim.papers(room="lawz")
    with pytest.raises(ArgumentError, match="reproduced, checked, law, planned"):
        sim.papers(status="done")


def test_as_a_table_and_a_slice():
    shown = str(sim.papers("inverse scaling"))
    assert "what it found" in shown
    assert "papers:" in shown
    assert repr(sim.papers()[:3]) == "Papers(3)"
    assert "No paper fits" in str(sim.papers("nonsense-word"))
