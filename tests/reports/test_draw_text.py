"""Views as terminal text."""

from __future__ import annotations

import io

import pytest

from similitude._view import (
    Axis,
    Column,
    Figure,
    FirstScreen,
    Interval,
    Line,
    Marker,
    Points,
    Report,
    Ruler,
    Table,
    Text,
)
from similitude.reports import draw_text, wants_color

LONG = Table(
    "Parameters",
    ("name", Column("value", "nats/token"), "meaning"),
    [
        (
            "E",
            Interval(1.817, 1.769, 1.871),
            "the loss that is left when parameters and tokens both grow without end, in words",
        ),
        ("β", Interval(0.37, 0.33, None), "short"),
    ],
    note="a note that is long enough to be wrapped when the terminal has forty columns only",
)


@pytest.mark.parametrize("width", [60, 80, 132])
def test_tables_fit_the_width_and_stay_aligned(width):
    lines = draw_text(LONG, width).splitlines()
    assert max(map(len, lines)) <= width
    starts = {line.index(word) for line in lines for word in ("meaning", "the loss", "short") if word in line}
    assert len(starts) == 1


def test_numbers_are_never_cut():
    text = draw_text(LONG, 24)
    assert "1.817 [1.769, 1.871]" in text
    assert "0.370 [0.330, …]" in text


def test_numbers_stand_to_the_right():
    text = draw_text(Table("", ("n", "x"), [("a", 1.5), ("b", 1000)]), 40)
    assert text.splitlines()[-2].endswith(" 1.5")
    assert text.splitlines()[-1].endswith("1000")


def test_names_cannot_drive_the_terminal():
    text = draw_text(Table("t\x1b]0;x\x07", ("a\x1b[2J",), [("evil\x1b[31m\r\u202e",)]))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text


def test_wide_characters_keep_columns_aligned():
    lines = draw_text(Table("", ("name", "n"), [("模型", 1), ("abcd", 2)])).splitlines()
    assert lines[-2] == "模型  1"
    assert lines[-1] == "abcd  2"


def test_colour_only_when_asked():
    view = Text("Careful", ["words"], tone="warning")
    assert "\x1b[" in draw_text(view, color=True)
    assert "\x1b[" not in draw_text(view)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_color_and_pipes_are_respected(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(_Terminal())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(_Terminal())


def test_a_figure_plots_runs_law_and_target_in_order():
    figure = Figure(
        "Loss against compute",
        Axis("Compute", "FLOP"),
        Axis("Loss", "nats/token"),
        [
            Points("runs", [1e18, 1e20], [4, 3]),
            Line("law", [1e18, 1e22], [4, 2]),
            Marker("goal", 1e22, 2, role="target"),
        ],
        note="A note.",
    )
    lines = draw_text(figure, 70).splitlines()
    assert max(map(len, lines)) <= 70
    assert "10¹⁸" in lines[-5] or any("10¹⁸" in line for line in lines)
    goal = next(i for i, line in enumerate(lines) if "@" in line)
    first = next(i for i, line in enumerate(lines) if "o" in line and "│" in line)
    assert first < goal  # the target lies lower, so further down
    assert lines[goal].rindex("@") > lines[first].index("o")


def test_the_ruler_says_how_far():
    text = draw_text(Ruler("Compute", 1e18, 1e21, 1e24, "FLOP"), 60)
    assert "1000x the largest run" in text
    assert text.splitlines()[0].startswith("━")
    assert text.splitlines()[0].endswith("◆")
    assert "within the measured range" in draw_text(Ruler("Compute", 1e18, 1e21, 1e20, "FLOP"), 120)


def test_the_first_screen_answers_in_order():
    text = draw_text(FirstScreen("Run it.", "Get that.", "Fairly.", ["This.", "That."]))
    places = [text.index(w) for w in ("Run it.", "Get that.", "Fairly.", "This.", "That.")]
    assert places == sorted(places)


def test_a_simulated_report_says_so_first():
    assert draw_text(Report("r", simulated=True)).startswith("SIMULATED")
    assert "SIMULATED" not in draw_text(Report("r"))
