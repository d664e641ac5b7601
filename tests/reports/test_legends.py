"""Legends: each thing once, in the colour that the figure draws it in; pages are named in words."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._view import Axis, Figure, Line
from similitude.reports._csv import write_csv
from similitude.reports._html import draw_html


def _legend(html: str) -> str:
    return html.split('<ul class="legend">')[1].split("</ul>")[0]


def test_procedures_do_not_repeat_in_the_legend():
    rng = np.random.default_rng(0)
    c = np.geomspace(1e18, 1e21, 6)
    table = {
        "C": [*c, *c],
        "loss": [*(3 * (c / 1e19) ** -0.06 * np.exp(0.002 * rng.standard_normal(6))), *(3.1 * (c / 1e19) ** -0.05)],
        "model": ["a"] * 6 + ["b"] * 6,
    }
    found = sim.compare(sim.read_runs(table), by="model", law="power")
    figure = next(v for v in found.view().items if isinstance(v, Figure))
    html = draw_html(figure)
    assert _legend(html).count("<span>fitted<") == 1
    assert "<span>a</span>" in html.split('class="key"')[1]
    assert "fitted,fitted,b," in write_csv(figure)


def test_a_decision_has_one_line_in_its_legend():
    made = sim.decide(sim.laws.fine_grained_moe.published["krajewski2024"], 1e21)
    figure = next(v for v in made.view().items if isinstance(v, Figure))
    assert _legend(draw_html(figure)).count("<span>best value<") == 1


def test_lines_named_by_group_are_sampled_in_their_colours_and_need_no_key():
    lines = [Line(name, [1, 2], [i, i + 1], group=float(i)) for i, name in enumerate(("cosine", "linear"))]
    figure = Figure("t", Axis("x", scale="linear"), Axis("y", scale="linear"), lines, Axis("rank", scale="linear"))
    html = draw_html(figure)
    samples = [item.split('<g class="')[1].split('"')[0] for item in _legend(html).split("</li>")[:2]]
    assert samples[0] != samples[1]
    assert 'class="key"' not in html


@pytest.mark.parametrize(("steps", "title"), [([7250, 4130, 2560, 1790], "Critical batch")])
def test_a_page_is_titled_in_words(steps, title):
    found = sim.critical_batch(sim.read_runs({"B": [64, 128, 256, 512], "steps": steps}, loss="steps"))
    assert sim.report([found]).title == title
