"""Studies of procedures compared: crossings, routed models, trends."""

from __future__ import annotations

import pytest

from similitude._errors import DataError
from similitude.runs import datasets
from similitude.studies import catalogue, reproduce


def ours(name):
    try:
        for data in catalogue()[name].data:
            datasets.show(data).path()
    except DataError:
        pytest.skip("published data not reachable")
    return reproduce(name)


def test_dense_models_meet_routed_ones_where_the_paper_says():
    found = {c.sentence.split(" by ")[1].split(" stops")[0]: c.ours for c in ours("clark2022-dense").claims}
    assert found["RL-R"].value == pytest.approx(85e9, rel=0.1)
    assert found["Hash"].value == pytest.approx(83e9, rel=0.1)
    assert found["S-Base"].low < 937e9 < found["S-Base"].high


def test_trends_of_pilot_tasks():
    study = ours("inverse-scaling")
    table = next(t for t in study.tables if t.title == "Trend by task")
    kinds = {row[0]: row[2] for row in table.rows}
    assert kinds["dice-0shot-gpt3"] == "U"  # losses .719 .677 .692 .843
    assert kinds["boolq-0shot-gpt3"] == "falling"
    assert kinds["fat-vs-thin-gpt3"] == "falling"  # -0.465 -1.253 -2.002 -2.492
    assert kinds["QA-v2-gpt3"] == "rising"  # .070 .138 .340 .746
    assert kinds["lambada_gpt3"] == "falling"
    false = next(c for c in study.claims if c.sentence.startswith("largest share of false U"))
    assert false.ours.value < 0.05
