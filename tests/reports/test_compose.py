"""Reports composed of real results: a fit, its plan and a comparison of laws."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError
from similitude._view import Figure, Line, Points, Table, Text
from similitude.fitting._checklist import checklist
from similitude.fitting._compare import compare_laws
from similitude.fitting._figures import contour_figure, frontier, isoflop_figure, law_figure, residual_figure
from similitude.planning import plan
from similitude.reports import draw_text, page, report, save_figures

TRUTH = sim.laws.chinchilla.published["besiroglu2024"]


@pytest.fixture(scope="module")
def fit():
    return sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, design="isoflop", noise=0.004, seed=1))


@pytest.fixture(scope="module")
def best(fit):
    return plan(fit, flop=1e23)


@pytest.fixture(scope="module")
def made(fit, best):
    return report([fit, best])


def section(made, title):
    return next(s for s in made.sections if s.title == title)


def test_the_first_screen_says_what_the_plan_says(made, best):
    assert made.first is not None
    assert made.first.score is not None
    assert f"{best.N.value / 1e9:.3g}B" in made.first.run
    assert "1e23 FLOP" in made.first.run
    assert made.first.score.value == pytest.approx(best.loss.value)
    assert made.first.score.low < best.loss.low  # a new run's interval is wider than the law's
    assert made.first.ruler is not None
    assert made.first.ruler.target / made.first.ruler.largest == pytest.approx(best.extrapolation)
    assert 1 <= len(made.first.change) <= 3


def test_sections_come_in_the_readers_order(made):
    assert [s.title for s in made.sections] == ["The law", "Plan", "Diagnostics", "Checklist"]
    figures = [v.title for s in made.sections for v in s.items if isinstance(v, Figure)]
    assert figures[:2] == ["Loss against compute", "IsoFLOP valleys"]
    assert "Residuals" in figures


def test_simulated_runs_are_found_out_and_said(made):
    assert made.simulated
    assert page(made).count("SIMULATED") >= 4
    assert not report(made_of_measured()).simulated


def made_of_measured():
    runs = sim.read_runs({"D": [1e8, 1e9, 1e10, 1e11, 3e11], "loss": [4.1, 3.3, 2.81, 2.5, 2.41]})
    return sim.fit(sim.laws.power_floor, runs)


def test_a_law_of_one_input_has_its_curve_and_first_screen():
    made = report(made_of_measured())
    curve = section(made, "The law").items[1]
    assert isinstance(curve, Figure)
    assert {s.role for s in curve.series} >= {"fitted", "extrapolated", "measured"}
    assert curve.x.unit == "tokens"
    assert made.first is not None
    assert "ten times beyond" in made.first.get


def test_a_report_without_runs_shows_none_of_them(fit, best):
    made = report([fit, best], runs=False)
    figures = [v for s in made.sections for v in s.items if isinstance(v, Figure)]
    assert figures
    assert not any(isinstance(s, Points) for f in figures for s in f.series)
    text = page(made)
    losses = {f"{y:.10g}" for y in fit.observed.y}
    assert not any(y in text for y in losses)
    assert any(f"{y:.10g}" in page(report(fit)) for y in fit.observed.y)


def test_the_document_gives_the_fit_back(made, fit):
    found = re.search(r'id="report-document">(.*?)</script>', page(made), re.DOTALL)
    assert found is not None
    document = json.loads(found[1])
    assert document["schema"] == "similitude/report"
    again = sim.Fit.from_dict(document["results"][0])
    assert again.values == pytest.approx(fit.values)


def test_a_plan_alone_brings_its_fit(best):
    assert next(s.title for s in report(best).sections) == "The law"


def test_published_coefficients_alone_make_a_plan_report():
    made = report(plan(TRUTH, flop=5.76e23))
    assert made.first is not None
    assert "no interval" in made.first.get
    assert "No back-test" not in made.first.sure
    assert [s.title for s in made.sections] == ["Plan"]
    assert "72.2B" in draw_text(made)


def test_fits_by_group_are_told_apart_and_have_places_of_their_own():
    d = np.tile(np.geomspace(1e8, 1e11, 6), 3)
    table = {"D": d, "loss": 2 + 50 * d**-0.2 * np.repeat([1.0, 1.1, 1.2], 6), "data": np.repeat(["a", "b", "<c>"], 6)}
    made = report(sim.fit(sim.laws.power, sim.read_runs(table), by="data"))
    assert {s.title for s in made.sections if s.title.startswith("The law")} == {
        "The law (data a)",
        "The law (data b)",
        "The law (data <c>)",
    }
    ids = re.findall(r'<section id="([^"]+)"', page(made))
    assert len(ids) == len(set(ids))


def test_comparisons_feed_the_first_screen(fit, best):
    comparison = compare_laws([sim.laws.chinchilla], fit.runs)
    made = report([fit, best, comparison])
    assert made.first is not None
    assert "median of" in made.first.sure
    assert made.first.ruler is not None
    assert made.first.ruler.tested == max(c[3] for c in comparison.cuts)
    assert section(made, "Laws compared").items[0].title == "Laws by held-out error"


def test_nothing_and_nonsense_are_refused():
    with pytest.raises(ArgumentError, match="nothing to report"):
        report([])
    with pytest.raises(ArgumentError, match="cannot show int"):
        report([3])


def counted(as_: str):
    runs = sim.simulate(TRUTH, design="isoflop", noise=0.004, seed=1)
    columns = {k: runs.column(k) for k in ("N", "D", "loss")}
    return sim.fit(sim.laws.chinchilla, sim.read_runs(columns, counts=as_))


def test_two_countings_of_parameters_do_not_share_a_report(tmp_path):
    total, without = counted("total"), counted("without embeddings")
    path = tmp_path / "r.html"
    with pytest.raises(ArgumentError, match=r"different conventions \(total in .*; without embeddings in .*\)"):
        report([total, plan(without, flop=1e23)], path)
    with pytest.raises(ArgumentError, match="different conventions"):
        report([without, plan(TRUTH, flop=1e23)])  # published in total
    assert not path.exists()
    assert report([total, plan(TRUTH, flop=1e23)]).sections
    assert report([counted("undeclared"), plan(total, flop=1e23)]).sections


def test_the_file_is_written_whole(fit, tmp_path):
    path = tmp_path / "r.html"
    path.write_text("before")
    report(fit, path)
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_a_report_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("before")
    with pytest.raises(ArgumentError):
        report([object()], path)
    assert path.read_text() == "before"


def test_figures_are_saved_by_name(tmp_path):
    saved = save_figures(report(made_of_measured()), tmp_path / "figures", kind="svg")
    assert [p.name for p in saved] == ["loss-against-training-tokens.svg", "residuals.svg"]
    assert all(p.stat().st_size > 1000 for p in saved)
    with pytest.raises(ArgumentError, match="svg, pdf or png"):
        save_figures(report(made_of_measured()), tmp_path, kind="gif")


def test_the_frontier_is_the_closed_form(fit):
    """N* = G (C/6)^(beta / (alpha + beta)), G^(alpha + beta) = alpha A / (beta B); Hoffmann et al. 2022, eq. 4."""
    c = np.geomspace(1e18, 1e24, 5)
    _, n, d = frontier(fit, c)
    a, b = fit.values["alpha"], fit.values["beta"]
    g = (a * fit.values["A"] / (b * fit.values["B"])) ** (1 / (a + b))
    assert n == pytest.approx(g * (c / 6) ** (b / (a + b)), rel=1e-4)
    assert 6 * n * d == pytest.approx(c)


def test_the_frontier_lies_under_every_run_of_a_nearly_noise_free_sweep():
    exact = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, design="isoflop", noise=1e-4, seed=0))
    figure = law_figure(exact)
    line = next(s for s in figure.series if s.role == "frontier")
    points = next(s for s in figure.series if isinstance(s, Points))
    assert isinstance(line, Line)
    under = np.exp(np.interp(np.log(points.x), np.log(line.x), np.log(line.y)))
    assert np.all(np.array(points.y) >= under * (1 - 1e-3))


def test_valleys_stand_at_the_budgets_of_an_isoflop_sweep(fit):
    figure = isoflop_figure(fit)
    assert figure is not None
    groups = sorted({s.group for s in figure.series if isinstance(s, Points)})
    assert groups == pytest.approx(np.geomspace(1e18, 1e21, 6))
    assert sum(len(s.x) for s in figure.series if isinstance(s, Points)) == 42


def test_a_sweep_without_isoflop_budgets_shows_no_valleys():
    n = np.repeat(np.geomspace(2e7, 4e8, 5), 5)
    d = n * np.tile((5, 10, 20, 40, 80), 5)
    spread = sim.fit(sim.laws.chinchilla, sim.simulate(TRUTH, points={"N": n, "D": d}, noise=0.003, seed=2))
    assert spread.identified
    assert isoflop_figure(spread) is None
    names = [v.title for v in section(report(spread), "The law").items if isinstance(v, Figure)]
    assert names[0] == "Loss against compute"
    assert "IsoFLOP valleys" not in names


def test_contours_are_lines_of_equal_loss(fit):
    figure = contour_figure(fit)
    assert figure is not None
    lines = [s for s in figure.series if isinstance(s, Line) and s.role == "contour"]
    assert len(lines) >= 4
    for line in lines:
        loss = np.asarray(fit.law.evaluate({"N": np.array(line.x), "D": np.array(line.y)}, fit.values))
        assert loss == pytest.approx(line.group, rel=2e-4)


def test_residuals_are_measured_over_fitted(fit):
    points = next(s for s in residual_figure(fit).series if isinstance(s, Points))
    assert points.y == pytest.approx(100 * (fit.observed.y / fit.fitted() - 1))


def test_runs_on_one_ray_show_no_frontier():
    n = np.geomspace(1e8, 1e10, 12)
    runs = sim.simulate(TRUTH, points={"N": n, "D": 20 * n}, noise=0.003, seed=1)
    fit = sim.fit(sim.laws.chinchilla, runs)
    assert not fit.identified
    made = report(fit)
    assert isoflop_figure(fit) is None
    assert not any(s.role in ("frontier", "extrapolated") for s in law_figure(fit).series)
    assert made.first is not None
    assert "do not say" in made.first.get


def test_the_checklist_answers_from_the_fit(fit):
    answers = {question: answer for _, question, answer in checklist(fit).rows}
    assert "42 runs of" in answers["How many models, how large, on how much data?"]
    assert answers["Which parameters are fitted?"].split(", ") == list(fit.free)
    assert answers["Which architecture, data, tokenizer and schedule?"] == "not recorded with these runs"
    held = sim.fit(sim.laws.chinchilla, fit.runs, fix={"E": 1.8172})
    assert "held: E = 1.8172" in checklist(held).rows[2][2]


def test_every_view_of_a_plan_is_plain_data(best, made):
    assert json.dumps(made.to_dict(), allow_nan=False)
    screen = best.first_screen()
    assert "No back-test" in made.first.sure
    assert "back-test" not in screen.sure
    assert all(isinstance(v, (Table, Text, Figure)) for v in section(made, "Plan").items)
