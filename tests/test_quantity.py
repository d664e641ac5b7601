"""Numbers as people write them, read and written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from similitude._errors import ArgumentError
from similitude._quantity import (
    BITS_PER_BYTE,
    DOLLARS,
    FLOP,
    NATS_PER_TOKEN,
    PARAMETERS,
    PERPLEXITY,
    SECONDS,
    TOKENS,
    Quantity,
    Unit,
    format_quantity,
    parse_quantity,
    parse_unit,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.3B", 1.3e9),
        ("1.1B", 1.1e9),
        ("7b", 7e9),
        ("70 M", 7e7),
        ("12K", 12e3),
        ("2G", 2e9),
        ("1.4T", 1.4e12),
        ("1.4 trillion", 1.4e12),
        ("6e21", 6e21),
        ("6E+21", 6e21),
        ("6x10^21", 6e21),
        ("6 × 10^21", 6e21),
        ("1,000,000", 1e6),
        ("1,234,567.5", 1234567.5),
        ("1_000_000", 1e6),
        (" -.5 ", -0.5),
        ("5.", 5.0),
        ("5%", 0.05),
        ("0", 0.0),
        (3, 3.0),
        (2.5, 2.5),
    ],
)
def test_plain_numbers(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("20T tokens", 2e13, TOKENS),
        ("1e9 tokens", 1e9, TOKENS),
        ("7M params", 7e6, PARAMETERS),
        ("7M parameters", 7e6, PARAMETERS),
        ("3 PF-days", 2.592e20, FLOP),
        ("1 PF-day", 8.64e19, FLOP),
        ("1 petaflop/s-day", 8.64e19, FLOP),
        ("2 EFLOP", 2e18, FLOP),
        ("5.76e23 FLOPs", 5.76e23, FLOP),
        ("$2M", 2e6, DOLLARS),
        ("$200k", 2e5, DOLLARS),
        ("2M dollars", 2e6, DOLLARS),
        ("500 H100-hours", 500, Unit("H100-hours", "device time")),
        ("10 A100-days", 240, Unit("A100-hours", "device time")),
        ("2 weeks", 1209600, SECONDS),
        ("14 days", 1209600, SECONDS),
        ("36 hours", 129600, SECONDS),
        ("2.1 nats/token", 2.1, NATS_PER_TOKEN),
        ("1 bits/byte", 1, BITS_PER_BYTE),
        ("3 bits/token", 3 * math.log(2), NATS_PER_TOKEN),
    ],
)
def test_quantities(text, value, unit):
    read = parse_quantity(text)
    assert isinstance(read, Quantity)
    assert read.value == pytest.approx(value, rel=1e-15)
    assert read.unit == unit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("many", "'many' is not a number such as 6e21, 1.3B, '20T tokens' or '3 PF-days'"),
        ("", "'' is not a number"),
        ("3,5", "a comma may only separate thousands, as in 1,000,000"),
        ("1,00,000", "a comma may only separate thousands"),
        ("1.3Q", "the unit 'Q' is not known"),
        ("5 apples", "the unit 'apples' is not known"),
        ("1.3B B", "the unit 'B B' is not known"),
        ("5 d", "the unit 'd' is not known"),
        ("1.2.3", "is not a number"),
        ("--3", "is not a number"),
        ("nan", "is not a number"),
        ("inf", "is not a number"),
        ("1e999", "is not a finite number"),
        ("1e99999999999999999999999", "is not a finite number"),
        ("9e999999999999999999 B", "is not a finite number"),
        ("2x10^99999999999999999999", "is not a finite number"),
        (math.inf, "is not a finite number"),
        ("1__0,0", "a comma may only separate thousands"),
        ("٣", "is not a number"),
    ],
)
def test_refused(text, said):
    with pytest.raises(ArgumentError) as caught:
        parse_quantity(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "factor", "unit"),
    [
        ("B", 1e9, None),
        ("millions", 1e6, None),
        ("B tokens", 1e9, TOKENS),
        ("PF-days", 8.64e19, FLOP),
        ("perplexity", 1, PERPLEXITY),
        ("bits/byte", 1, BITS_PER_BYTE),
        ("images", 1, Unit("images", "images")),
    ],
)
def test_units(text, factor, unit):
    assert parse_unit(text) == (factor, unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.3e9, None, "1.3B"),
        (1.4e12, TOKENS, "1.4T tokens"),
        (5.76e23, FLOP, "5.76e23 FLOP"),
        (8.64e19, FLOP, "8.64e19 FLOP"),
        (999_999, None, "1M"),
        (999.9999e9, TOKENS, "1T tokens"),
        (1000, None, "1K"),
        (999, None, "999"),
        (999.7, None, "1K"),
        (1e15, None, "1e15"),
        (0, TOKENS, "0 tokens"),
        (-3000, None, "-3K"),
        (1.98765, NATS_PER_TOKEN, "1.99 nats/token"),
        (0.0123, None, "0.0123"),
        (1e-7, None, "1e-7"),
        (2e6, DOLLARS, "$2M"),
        (1209600, SECONDS, "14 days"),
        (5400, SECONDS, "90 minutes"),
        (30, SECONDS, "30 seconds"),
        (500, Unit("H100-hours", "device time"), "500 H100-hours"),
        (math.nan, TOKENS, "unknown"),
        (math.inf, None, "∞"),
    ],
)
def test_written(value, unit, text):
    assert format_quantity(value, unit) == text


def test_digits():
    assert format_quantity(1.23456e9, TOKENS, digits=5) == "1.2346B tokens"
    assert format_quantity(123456, digits=2) == "120K"
    assert str(Quantity(1.3e9, TOKENS)) == "1.3B tokens"


UNITS = [None, TOKENS, PARAMETERS, FLOP, NATS_PER_TOKEN, SECONDS, DOLLARS, Unit("H100-hours", "device time")]


@given(
    value=st.floats(1e-6, 1e30) | st.floats(-1e30, -1e-6),
    unit=st.sampled_from(UNITS),
    digits=st.integers(2, 8),
)
def test_what_is_written_is_read_back(value, unit, digits):
    read = parse_quantity(format_quantity(value, unit, digits))
    if unit is None:
        assert isinstance(read, float)
        number = read
    else:
        assert isinstance(read, Quantity)
        assert read.unit == unit
        number = read.value
    assert number == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_every_digit(value):
    assert parse_quantity(repr(value)) == value


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        read = parse_quantity(text)
    except ArgumentError:
        return
    assert math.isfinite(read if isinstance(read, float) else read.value)
