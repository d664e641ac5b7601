"""The rules of the verdicts, at and beyond their edges; what a study shows and counts."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files

import pytest

from similitude._errors import ArgumentError
from similitude._view import Interval, Section, Table
from similitude.studies import RULES, Claim, Declaration, Study, catalogue, reproduce
from similitude.studies import _reproduce as running
from similitude.studies._claim import (
    ABOUT,
    AT_MOST,
    PRINTED,
    RESAMPLED,
    STANDARD_ERROR,
    checked,
    last_unit,
    measured,
    simulated,
)


@pytest.mark.parametrize(
    ("printed", "unit"),
    [
        ("0.513", 1e-3),
        ("84.00", 1e-2),
        ("12530", 1.0),
        ("1.018274e-3", 1e-9),
        ("3e3", 1e3),
        ("-0.33", 1e-2),
        ("8.812e5", 100),
    ],
)
def test_the_unit_of_the_last_printed_digit(printed, unit):
    assert last_unit(printed) == pytest.approx(unit, rel=1e-12)


@pytest.mark.parametrize(
    ("rule", "printed", "ours", "spread", "verdict"),
    [
        (PRINTED, "0.513", 0.5135, None, "reproduced"),
        (PRINTED, "0.513", 0.5125, None, "reproduced"),
        (PRINTED, "0.513", 0.51351, None, "close"),
        (PRINTED, "0.513", 0.5232, None, "close"),  # 2 % of the value
        (PRINTED, "0.513", 0.5234, None, "differs"),
        (PRINTED, "4", 4.9, None, "close"),  # one unit of the last digit
        (PRINTED, "4", 5.1, None, "differs"),
        (PRINTED, "-5.10", -5.1049, None, "reproduced"),
        (PRINTED, "-5.10", 5.10, None, "differs"),
        (PRINTED, "0.00", 1e-12, None, "reproduced"),
        (STANDARD_ERROR, "0.513", 0.523, 0.020, "reproduced"),
        (STANDARD_ERROR, "0.513", 0.550, 0.020, "close"),
        (STANDARD_ERROR, "0.513", 0.470, 0.020, "differs"),
        (RESAMPLED, "100", 104, 100, "reproduced"),
        (RESAMPLED, "100", 124, 100, "close"),
        (RESAMPLED, "100", 70, 100, "differs"),
        (AT_MOST, "0.0158259", 0.0158, None, "reproduced"),  # lower is at least as good
        (AT_MOST, "0.0158259", 0.01582594, None, "reproduced"),
        (AT_MOST, "0.0158259", 0.0159, None, "close"),
        (AT_MOST, "0.0158259", 0.0161, None, "differs"),
        (ABOUT, "20", 18.1, None, "reproduced"),
        (ABOUT, "20", 24.9, None, "close"),
        (ABOUT, "20", 14.9, None, "differs"),
    ],
)
def test_a_rule_grades_by_its_own_sentence(rule, printed, ours, spread, verdict):
    assert measured("x", printed, "table 1", ours, rule, spread=spread).verdict == verdict


def test_rules_are_few_named_and_said():
    assert len({r.name for r in RULES}) == len(RULES) == 5
    for rule in RULES:
        assert "reproduced:" in rule.sentence
        assert "close:" in rule.sentence


def test_a_rule_that_needs_a_spread_says_so():
    with pytest.raises(ValueError, match="needs the published spread: width"):
        _ = measured("width", "1", "table", 1.0, RESAMPLED).verdict


def _study() -> Study:
    claims = (
        measured("a", "0.51", "table 1", Interval(0.512, 0.49, None), interval="90 % profile", remark="a remark"),
        simulated("b", "2.0", "figure 2", 3.0),
        checked("c", "1.0", "text", 2.0),
    )
    return Study("paper", "A paper", "key", claims, notes=("a note",), citations=("Someone (2024)",))


def test_counts_leave_out_arithmetic_on_printed_constants():
    study = _study()
    assert dict(study.counts) == {"reproduced": 1, "close": 0, "differs": 1}
    assert [c.sentence for c in study.differing] == ["b", "c"]
    assert study.summary() == "1 reproduced, 0 close, 1 differs; 0 of 1 prints follow from their own constants"


def test_a_study_is_plain_data():
    told = json.loads(json.dumps(_study().to_dict(), allow_nan=False))
    assert told["study"] == "paper"
    assert told["counts"] == {"reproduced": 1, "close": 0, "differs": 1}
    assert told["claims"][0] == {
        "claim": "a",
        "published": 0.51,
        "printed": "0.51",
        "where": "table 1",
        "ours": {"value": 0.512, "low": 0.49, "high": None},
        "unit": "",
        "interval": "90 % profile",
        "evidence": "data",
        "verdict": "reproduced",
        "rule": "printed digits",
        "remark": "a remark",
        "why": "a remark",
    }
    assert told["rules"]["printed digits"] == PRINTED.sentence


def test_a_study_shows_claims_rules_remarks_and_sources():
    study = _study()
    table = study.view()
    assert isinstance(table, Table)
    assert len(table.rows) == 3
    assert PRINTED.sentence in table.note
    assert ABOUT.sentence not in table.note  # only the rules in use
    assert isinstance(study.section(), Section)
    text = str(study)
    for part in (
        "0.512",
        "reproduced ¹, data",
        "differs ¹, simulation",
        "0.51",
        "[0.490, …] 90 % profile",
        "a: a remark",
        "a note",
        "Someone (2024)",
    ):
        assert part in text
    assert "<table" in study._repr_html_()


def test_our_value_prints_one_digit_more_than_the_published():
    cells = [row[2] for row in Study("p", "P", "k", (
        measured("x", "1.018274e-3", "t", 1.0182740178e-3),
        measured("y", "12530", "t", 12529.46),
        measured("z", "0.3478", "t", 0.347813),
    )).view().rows]  # fmt: skip
    assert cells == ["1.0182740e-3", "12529.5", "0.34781"]


def test_the_catalogue_begins_with_the_studies_of_the_main_job():
    known = catalogue()
    assert list(known)[:6] == [
        "besiroglu2024",
        "czech2026",
        "porian2024",
        "li2025",
        "gadre2024",
        "muennighoff2023",
    ]
    assert all(isinstance(d, Declaration) and d.name == name for name, d in known.items())


def test_every_paper_stands_in_the_bibliography():
    papers = tomllib.loads(files("similitude").joinpath("_papers.toml").read_text("utf-8"))
    assert {d.paper for d in catalogue().values()} <= set(papers)


def test_an_unknown_study_is_refused_with_the_names():
    with pytest.raises(ArgumentError, match=r"no study 'besiroglu24'.*besiroglu2024.*the studies are: .*gadre2024"):
        reproduce("besiroglu24")


def test_progress_hears_of_every_claim():
    def claims(seed):
        yield measured("first", "1", "t", 1.0)
        yield "a note"
        yield measured(f"seed {seed}", "1", "t", 9.0)

    heard: list[str] = []
    declared = Declaration("x", "X", "k", ("chinchilla-epoch",), claims)
    study = running._run(declared, 7, heard.append)
    assert heard == ["x: first: reproduced", "x: seed 7: differs"]
    assert study.seed == 7
    assert study.notes == ("a note",)
    assert "2404.10102" in study.citations[0]


def test_claims_are_frozen():
    claim = measured("x", "1", "t", 1.0)
    assert isinstance(claim, Claim)
    with pytest.raises(AttributeError):
        claim.printed = "2"  # pyright: ignore[reportAttributeAccessIssue]
