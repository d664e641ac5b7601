"""`similitude papers`."""

from __future__ import annotations


def test_search_and_json(run):
    shown = run("papers", "replication", "chinchilla").out
    assert "reproduced" in shown
    assert "https://arxiv.org/abs/2404.10102" in shown
    document = run("papers", "--status", "reproduced", "--json").document
    assert {p["status"] for p in document["papers"]} == {"reproduced"}
    assert set(document["papers"][0]) == {"id", "title", "room", "status", "about", "link", "key", "laws", "studies"}


def test_a_room_that_is_none(run):
    ended = run("papers", "--room", "lawz")
    assert ended.code == 2
    assert "did you mean 'laws'" in ended.err
