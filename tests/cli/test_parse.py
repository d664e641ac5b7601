"""What people type behind options."""

from __future__ import annotations

import pytest

from similitude._errors import ArgumentError
from similitude._quantity import PARAMETERS, TOKENS
from similitude.cli import _parse
from similitude.cli._compare import split_laws


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("N=70B,D=1.4T", {"N": 70e9, "D": 1.4e12}),
        (" N = 70B , D = 1.4T tokens ", {"N": 70e9, "D": 1.4e12}),
        ("N=1,000,000,D=5e6", {"N": 1e6, "D": 5e6}),
        ("N=7e9", {"N": 7e9}),
    ],
)
def test_points(text, read):
    assert _parse.points([text], {"N": PARAMETERS, "D": TOKENS}) == [read]


@pytest.mark.parametrize("text", ["", ",", "N", "=1", "N=", "N=1,,D=2", "N=1;D=2", "N=1,N=2", "N=1B flop", "N=0x10"])
def test_points_that_are_none(text):
    with pytest.raises(ArgumentError, match="--at"):
        _parse.points([text], {"N": PARAMETERS, "D": TOKENS})


def test_values_of_parameters():
    assert _parse.numbers("--fix", ["E=1.69", "alpha=.3,beta=0.4"]) == {"E": 1.69, "alpha": 0.3, "beta": 0.4}
    assert _parse.starts(["alpha=.2,.6,beta=.3"]) == {"alpha": [0.2, 0.6], "beta": [0.3]}
    assert _parse.ties(["alpha=beta", "a=b=c"]) == [("alpha", "beta"), ("a", "b", "c")]
    assert _parse.bounds(["a=0.1:1", "b=:2,c=-3:"]) == {"a": (0.1, 1.0), "b": (None, 2.0), "c": (-3.0, None)}
    assert _parse.priors(["E=1.7:0.1"]) == {"E": (1.7, 0.1)}


def test_commas_inside_formulas_do_not_separate():
    assert split_laws("kaplan, E + A/min(N, D)^c,power") == ["kaplan", "E + A/min(N, D)^c", "power"]
