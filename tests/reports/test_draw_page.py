"""A whole report as one HTML file."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from reports.sample_report import MATHML, demo_report, isoflop_valleys, loss_against_compute, published_runs
from similitude._view import Axis, Figure, Line, Points, Report, Section, Table, Text
from similitude.reports import draw_html, draw_notebook, page

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)> & </script>'


class _Page(HTMLParser):
    """Collects tags, attributes and words; fails on tags that do not balance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id" and v]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id" and v]

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(t == tag for t, _ in self.tags)


@pytest.fixture(scope="module")
def report() -> Report:
    return demo_report()


@pytest.fixture(scope="module")
def text(report) -> str:
    return page(report)


@pytest.fixture(scope="module")
def parsed(text) -> _Page:
    return _Page(text)


def test_tags_balance_and_ids_are_unique(parsed):
    assert parsed.count("figure") == 4
    assert parsed.count("html") == parsed.count("main") == parsed.count("h1") == 1
    assert len(parsed.ids) == len(set(parsed.ids))


def test_a_report_of_some_hundred_runs_is_small(text):
    assert len(text.encode()) < 400_000


def test_nothing_is_loaded_from_anywhere(text, parsed):
    loads = [
        v for _, attrs in parsed.tags for k, v in attrs.items() if k in ("src", "srcset", "action", "poster") and v
    ]
    links = [v for tag, attrs in parsed.tags for k, v in attrs.items() if k == "href" and v]
    assert loads == []
    assert links
    assert all(v.startswith(("#", "data:text/csv")) for v in links)
    outside = re.sub(r"http://www\.w3\.org/\d+/(svg|Math/MathML)", "", text)
    assert not re.search(r"https?:|@import|url\(", outside)
    assert "default-src 'none'" in text


def test_hostile_names_stay_words():
    text = page(demo_report(hostile=HOSTILE))
    parsed = _Page(text)
    assert parsed.count("img") == 0
    assert parsed.count("script") == 2  # the document and the page's own
    assert "alert(1)" in "".join(parsed.words)
    document = re.search(r'id="report-document">(.*?)</script>', text, re.DOTALL)
    assert document is not None
    assert json.loads(document[1])["name"] == HOSTILE


def test_hostile_names_in_figures_stay_words():
    points = Points(HOSTILE, [1, 2], [1, 2], labels=[HOSTILE, "'"], values={HOSTILE: [HOSTILE, "x"]})
    figure = Figure(HOSTILE, Axis(HOSTILE, HOSTILE), Axis("y"), [points, Line(HOSTILE, [1, 2], [1, 2], label=HOSTILE)])
    parsed = _Page(f"<div>{draw_html(figure)}</div>")
    assert parsed.count("script") == parsed.count("img") == 0


def test_only_mathml_passes_unescaped():
    assert "<mfrac>" in draw_html(Text("", [MATHML], markup="mathml"))
    for bad in ("<script>alert(1)</script>", "<math><mi onclick='x'>E</mi></math>", "<math><mi>E</math>", "a<b"):
        drawn = draw_html(Text("", [bad], markup="mathml"))
        assert bad not in drawn
        assert "&lt;" in drawn


def test_simulated_is_said_in_title_banner_and_on_each_printed_page():
    text = page(demo_report(simulated=True))
    assert "<title>SIMULATED · " in text
    assert '<div class="simulated" role="note">SIMULATED' in text
    assert '<div class="every-page" aria-hidden="true">SIMULATED</div>' in text
    assert '@page{@top-right{content:"SIMULATED"' in text
    rule = re.search(r"& \.every-page \{ display: block;[^}]*\}", text[text.index("@media print") :])
    assert rule is not None
    assert "position: fixed" in rule[0]  # what browsers repeat on every page


def test_measured_reports_do_not_say_simulated(text):
    assert "SIMULATED" not in text


def test_the_first_screen_comes_first_and_in_order(text):
    asked = [
        "What should we run",
        "What will we get",
        "How sure are we",
        "What would change the answer",
        "Loss against compute",
    ]
    places = [text.index(a) for a in asked] + [text.index(">Provenance</h2>"), text.index('id="report-document"')]
    assert places == sorted(places)


def test_the_document_reads_back(report, text):
    found = re.search(r'id="report-document">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == report.document


def test_the_csv_behind_a_figure_equals_its_data():
    runs = published_runs()
    figure = loss_against_compute(runs)
    link = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', draw_html(figure))
    assert link is not None
    rows = list(csv.DictReader(io.StringIO(unquote(link[1]))))
    measured = [r for r in rows if r["series"] == "runs"]
    points = next(s for s in figure.series if s.name == "runs")
    assert isinstance(points, Points)
    assert [float(r["x"]) for r in measured] == pytest.approx(points.x, rel=1e-9)
    assert [float(r["params"]) for r in measured] == pytest.approx(points.values["params"], rel=1e-9)
    band = [r for r in rows if r["role"] == "band"]
    assert np.allclose([float(r["high"]) for r in band], figure.series[0].high, rtol=1e-6)  # type: ignore[union-attr]
    assert len(rows) == sum(1 if not hasattr(s.x, "__len__") else len(s.x) for s in figure.series)  # type: ignore[union-attr]


def test_marks_and_csv_rows_count_alike():
    """The tooltip finds a mark's row by counting, so a point without a place must keep its mark."""
    figure = Figure(
        "f", Axis("x"), Axis("y"), [Line("l", [1, 2, 3], [1, 2, 3]), Points("p", [1, 0, 10], [1, 2, float("nan")])]
    )
    drawn = draw_html(figure)
    group = re.search(r'<g class="points measured k1" data-row="3">(.*?)</g>', drawn)
    assert group is not None
    assert group[1].count("<use") == 3


def test_spreadsheets_do_not_run_names_as_formulas():
    figure = Figure("f", Axis("x"), Axis("y"), [Points("=1+1", [1.0], [2.0], labels=["@cmd"])])
    from similitude.reports._csv import write_csv

    assert write_csv(figure) == "series,role,label,x,y\n'=1+1,measured,'@cmd,1,2\n"


def test_figures_are_described_and_tables_have_headers(parsed):
    plots = [a for t, a in parsed.tags if t == "svg" and a.get("class") == "plot"]
    assert len(plots) == 4
    assert all(a.get("role") == "img" and a.get("aria-label") for a in plots)
    assert parsed.count("figcaption") == 4
    assert all(a.get("scope") in ("col", "row") for t, a in parsed.tags if t == "th")


def test_fitted_and_extrapolated_are_drawn_apart():
    drawn = draw_html(loss_against_compute(published_runs()))
    assert 'class="line frontier' in drawn
    assert 'class="line extrapolated' in drawn
    assert "extrapolated (dashed)" in drawn or "(dashed)" in drawn
    assert "stroke-dasharray" in re.search(r"& \.line\.extrapolated path[^}]*\}", draw_notebook(Text("x")))[0]  # type: ignore[index]


def test_budgets_are_told_apart_without_colour():
    drawn = draw_html(isoflop_valleys(published_runs()))
    marks = set(re.findall(r'class="points measured s\d k\d+"[^>]*><use href="#mk-(\w+)"', drawn))
    assert marks >= {"circle", "square", "triangle", "diamond", "down"}
    assert "3×10²⁰</text>" in drawn  # and named at the end of each valley


def test_very_many_points_become_counts(monkeypatch):
    rng = np.random.default_rng(0)
    x = 10 ** rng.uniform(18, 22, 50_000)
    figure = Figure("f", Axis("Compute", "FLOP"), Axis("Loss"), [Points("runs", x, 2 + 1e3 * x**-0.2)])
    drawn = draw_html(figure)
    assert len(drawn) < 400_000
    assert "50,000 points are shown as counts" in drawn
    link = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', drawn)
    assert link is not None
    assert sum(int(r["count"]) for r in csv.DictReader(io.StringIO(unquote(link[1])))) == 50_000


def test_of_very_many_grouped_points_each_group_keeps_its_share():
    x = np.geomspace(1, 100, 3000)
    figure = Figure("f", Axis("x"), Axis("y"), [Points("runs", x, x, group=1.0), Points("runs", x, 2 * x, group=2.0)])
    drawn = draw_html(figure)
    assert drawn.count("<use") == 2 * 500 + 1  # every sixth, and the legend's sample
    assert "One in 6 of 6,000 points" in drawn


def test_a_notebook_shows_a_view_with_its_style():
    drawn = draw_notebook(Table("t", ("a",), [(1,)]))
    _Page(drawn)
    assert drawn.startswith("<style>")
    assert "<table>" in drawn
    framed = draw_notebook(Report("r", sections=[Section("s", [Text("t", "x")])]))
    assert framed.startswith("<iframe srcdoc=")
