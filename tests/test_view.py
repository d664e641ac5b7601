"""The values results show themselves with, and the digits numbers are printed with."""

from __future__ import annotations

import json

import numpy as np
import pytest

from similitude._digits import format_interval, format_number, in_powers
from similitude._errors import ArgumentError
from similitude._view import (
    Axis,
    Band,
    Column,
    Figure,
    Interval,
    Line,
    Marker,
    Points,
    Report,
    Ruler,
    Section,
    Table,
    Text,
)

GOLDEN = [
    # value, low, high, unit, printed: two figures of the shorter arm, the value and both ends to match
    (0.34781, 0.3174, 0.3732, "", "0.348 [0.317, 0.373]"),
    (1.8172, 1.7692, 1.8712, "nats/token", "1.817 [1.769, 1.871] nats/token"),
    (2085.43, 1042.0, 5810.0, "", "2100 [1000, 5800]"),
    (482.01, 285.2, 743.6, "", "480 [290, 740]"),
    (70.31e9, 65.2e9, 81.4e9, "parameters", "70.3B [65.2B, 81.4B] parameters"),
    (5.76e23, 5.1e23, 6.42e23, "FLOP", "5.76e23 [5.10e23, 6.42e23] FLOP"),
    (1.93, None, 1.96, "", "1.930 […, 1.960]"),
    (1.93, 1.90, None, "", "1.930 [1.900, …]"),
    (1.93, 1.90, float("inf"), "", "1.930 [1.900, ∞]"),
    (0.5, None, None, "", "0.5 […, …]"),
    (0.5, 0.5, 0.5, "", "0.5 [0.5, 0.5]"),
    (0.0, 0.0, 5.0, "", "0.0 [0.0, 5.0]"),
    (-0.0004, -0.31, 0.29, "", "0.00 [-0.31, 0.29]"),
    (7e10, 5e7, 9e11, "parameters", "70B [0.050B, 900B] parameters"),
    (61173.9, 44.0, 1.38e10, "", "61000 [44, 1.4e10]"),
    (3.2, None, 900.0, "", "3.2 […, 900.0]"),
    (2e6, 1.5e6, None, "$", "$2.00M [$1.50M, …]"),
    (float("nan"), 1.0, 2.0, "", "…"),
]


@pytest.mark.parametrize(("value", "low", "high", "unit", "printed"), GOLDEN)
def test_digits_follow_the_error(value, low, high, unit, printed):
    assert format_interval(value, low, high, unit) == printed
    assert str(Interval(value, low, high, unit)) == printed


@pytest.mark.parametrize(
    ("value", "unit", "printed"),
    [
        (6.8e9, "parameters", "6.8B parameters"),
        (999_999.9, "tokens", "1M tokens"),
        (1.4e12, "tokens", "1.4T tokens"),
        (5.76e23, "FLOP", "5.76e23 FLOP"),
        (0, "", "0"),
        (1.2345678e-5, "", "1.235e-5"),
        (123456, "", "123500"),
        (-2.5, "", "-2.5"),
        (float("inf"), "", "∞"),
        (None, "", "…"),
    ],
)
def test_bare_numbers_have_significant_digits(value, unit, printed):
    assert format_number(value, unit) == printed


def test_only_numbers_become_powers_of_ten():
    assert in_powers("6e18 to 5.8e23 FLOP, 1e-4") == "6×10¹⁸ to 5.8×10²³ FLOP, 10⁻⁴"
    assert in_powers("5.76e+23, 4.3e-06") == "5.76×10²³, 4.3×10⁻⁶"
    assert in_powers("hash 3e45ab, name_2e4, v1.2e3x") == "hash 3e45ab, name_2e4, v1.2e3x"


def test_values_are_plain_data_and_missing_stays_missing():
    figure = Figure(
        "A",
        Axis("Compute", "FLOP"),
        Axis("Loss"),
        [
            Points("runs", np.array([1.0, 2.0]), [3.0, float("nan")], values={"seed": np.array([1, 2])}),
            Band("b", [1], [2], [3]),
        ],
    )
    document = json.loads(json.dumps(figure.to_dict(), allow_nan=False))
    assert document["series"][0]["y"] == [3.0, None]
    assert document["series"][0]["values"]["seed"] == [1, 2]
    assert (document["view"], document["schema_version"], document["x"]["ticks"]) == ("Figure", 1, "power")


def test_a_report_is_plain_data():
    report = Report(
        "r", first=None, sections=[Section("s", [Text("t", "one"), Table("u", ("a",), [(Interval(1, 0, 2),)])])]
    )
    assert json.loads(json.dumps(report.to_dict()))["sections"][0]["items"][1]["rows"][0][0]["high"] == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table("t", ("a", "b"), [(1,)]),
        lambda: Points("p", [1, 2], [1]),
        lambda: Points("p", [1], [1], labels=["a", "b"]),
        lambda: Points("p", [1], [1], values={"v": [1, 2]}),
        lambda: Line("l", [1], [1], role="nice"),
        lambda: Marker("m", 1, 1, role="nice"),
        lambda: Axis("x", scale="cubic"),  # pyright: ignore[reportArgumentType]
        lambda: Text("t", tone="loud"),  # pyright: ignore[reportArgumentType]
        lambda: Ruler("r", 2, 1, 3),
    ],
)
def test_values_that_cannot_be_drawn_are_refused(make):
    with pytest.raises(ArgumentError, match="expected"):
        make()


def test_one_paragraph_is_not_taken_apart_into_letters():
    assert Text("t", "words").paragraphs == ("words",)


def test_an_axis_does_not_say_its_unit_twice():
    assert Axis("Parameters", "parameters").title == "Parameters"
    assert Axis("Loss", "nats/token").title == "Loss [nats/token]"


def test_columns_keep_their_options():
    table = Table("t", (Column("a", "tokens", "left", 2), "b"), [(1.23456e9, 2)])
    assert "1.2B" in str(table)
    assert "a [tokens]" in str(table)
