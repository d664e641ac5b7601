"""Axes, ticks and the figures saved for paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reports.sample_report import contours, isoflop_valleys, loss_against_compute, published_runs, residuals
from similitude._errors import ArgumentError
from similitude._view import Axis, Band, Figure, Line, Marker, Points
from similitude.reports import draw_axes, save_figure
from similitude.reports._palette import RAMP_DARK, RAMP_LIGHT
from similitude.reports._scale import Scale, scales_of


def labels(scale: Scale) -> list[str]:
    return [t.label for t in scale.ticks() if t.label]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(1e18, 1e24, True, "power"), ["10¹⁸", "10¹⁹", "10²⁰", "10²¹", "10²²", "10²³", "10²⁴"]),
        (Scale(5e7, 3e10, True, "count"), ["100M", "1B", "10B"]),
        (Scale(8e8, 4e10, True, "count"), ["1B", "3B", "10B", "30B"]),
        (Scale(8e8, 9e9, True, "count"), ["1B", "2B", "5B"]),
        (Scale(1.9, 5.2, True, "plain"), ["2", "3", "4", "5"]),
        (Scale(2.12, 2.53, True, "plain"), ["2.2", "2.3", "2.4", "2.5"]),
        (Scale(2.13, 2.27, True, "plain"), ["2.150", "2.175", "2.200", "2.225", "2.250"]),
        (Scale(1.93, 2.07, True, "plain"), ["1.950", "1.975", "2.000", "2.025", "2.050"]),
        (Scale(-0.9, 0.9, False, "plain"), ["-0.5", "0.0", "0.5"]),
        (Scale(1e5, 9e5, False, "plain"), ["200000", "400000", "600000", "800000"]),
        (Scale(2.13e9, 2.27e9, True, "count"), ["2.15B", "2.175B", "2.2B", "2.225B", "2.25B"]),
        (Scale(-2.7, 5.1, False, "plain"), ["-2", "0", "2", "4"]),
        (Scale(1e6, 1e30, True, "power"), ["10⁶", "10⁹", "10¹²", "10¹⁵", "10¹⁸", "10²¹", "10²⁴", "10²⁷", "10³⁰"]),
    ],
)
def test_ticks_are_round_and_read_well(scale, expected):
    assert labels(scale) == expected


def test_places_run_along_the_axis():
    assert Scale(1, 100, True, "plain").place([1, 10, 100]).tolist() == pytest.approx([0, 0.5, 1])
    assert np.isnan(Scale(1, 100, True, "plain").place([0.0, -1.0, np.nan])).all()
    assert Scale(0, 10, False, "plain").place([2.5])[0] == 0.25


def test_an_open_band_does_not_squeeze_the_data():
    figure = Figure(
        "f", Axis("x"), Axis("y"), [Points("p", [1, 10], [2, 4]), Band("b", [1, 10], [1e-9, 1e-9], [1e9, 1e9])]
    )
    _, y = scales_of(figure)
    assert 1 < y.low < 2
    assert 4 < y.high < 8


@pytest.mark.parametrize("series", [[], [Points("p", [1], [1])], [Points("p", [0.0], [np.nan])], [Marker("m", 5, 5)]])
def test_empty_and_single_figures_still_have_axes(series):
    for scale in scales_of(Figure("f", Axis("x"), Axis("y"), series)):
        assert np.isfinite([scale.low, scale.high]).all()
        assert scale.low < scale.high
        assert labels(scale)


def test_the_ramp_orders_in_grey():
    def lightness(color: str) -> float:
        return sum(w * int(color[i : i + 2], 16) for w, i in ((0.2126, 1), (0.7152, 3), (0.0722, 5)))

    light, dark = ([lightness(c) for c in ramp] for ramp in (RAMP_LIGHT, RAMP_DARK))
    assert all(a > b for a, b in itertools.pairwise(light))
    assert all(a < b for a, b in itertools.pairwise(dark))


@pytest.mark.parametrize("make", [loss_against_compute, isoflop_valleys, contours, residuals])
def test_figures_are_saved_for_paper(make, tmp_path):
    figure = make(published_runs())
    pdf = save_figure(figure, tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf or b"/Type0" in pdf  # outlines embedded as TrueType
    assert b"/Type3" not in pdf
    assert save_figure(figure, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_saving_twice_gives_the_same_file(tmp_path):
    figure = residuals(published_runs())
    a, b = (save_figure(figure, tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert a == b
    assert b"http://www.w3.org/2000/svg" in a


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"\.svg, \.pdf or \.png"):
        save_figure(residuals(published_runs()), tmp_path / "a.jpeg")


def test_axes_of_ones_own_are_drawn_into():
    from matplotlib.figure import Figure as Sheet

    ax = Sheet().add_subplot()
    figure = Figure(
        "cost of $x$",
        Axis("Compute", "FLOP"),
        Axis("Loss $", "nats"),
        [
            Points("runs", [1e18, 1e20], [3, 2], low=[2.9, 1.9], high=[3.1, 2.1]),
            Line("law", [1e18, 1e22], [3, 1.5], role="extrapolated"),
        ],
    )
    assert draw_axes(figure, ax) is ax
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "Compute [FLOP]"
    assert ax.get_title(loc="left") == r"cost of \$x\$" or ax.get_title() == r"cost of \$x\$"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10¹⁸", "10¹⁹", "10²⁰", "10²¹", "10²²"]
