"""JSON lines, which are parsed many at a time: the same values as line by line, wherever something odd stands."""

from __future__ import annotations

import json
import math
import random

import pytest

import similitude as sim

ODD = {
    "NaN": '{{"step": {i}, "loss": NaN}}',
    "a blank line": '\n{{"step": {i}, "loss": 2.5}}',
    "words": '{{"step": {i}, "loss": "2.25"}}',
    "more digits than 64 bits hold": '{{"step": {i}, "loss": 36893488147419103232}}',
    "names within": '{{"step": {i}, "loss": 2.0, "time": {{"data": 0.5}}}}',
    "spaces and a carriage return": '{{ "step" : {i} , "loss" : 3 }}\r',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("place", [0, 5_000, 19_999])
def test_values_are_those_of_json_line_by_line(tmp_path, odd, place):
    draw = random.Random(0)
    lines = [json.dumps({"step": i, "loss": draw.uniform(2, 4)}) for i in range(20_000)]  # some 900 KB
    lines[place] = odd.format(i=place)
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n", newline="")
    (run,) = sim.read_logs(tmp_path)
    points = run.curves().filter(metric="loss").sort("step")
    expected = [float(json.loads(line)["loss"]) for line in lines]
    found = points["value"].to_list()
    assert points["step"].to_list() == list(range(20_000))
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(found, expected, strict=True))
    held = run.curves().filter(metric="time.data")
    assert held["value"].to_list() == ([0.5] if "data" in odd else [])


@pytest.mark.parametrize("bad", ['{"step": 1, "loss": x}', '{"step": 1,\n"loss": 2}', '{"step": 1}{"step": 2}', "[1]"])
@pytest.mark.parametrize("before", [0, 20_000])
def test_a_line_that_is_no_record_is_named(tmp_path, bad, before):
    good = '{"step": 0, "loss": 3.5}\n'
    (tmp_path / "metrics.jsonl").write_text(good * before + bad + "\n" + good * 3)
    logs = sim.read_logs(tmp_path)
    (said,) = logs.left_out
    assert not list(logs)
    assert f"line {before + 1}" in said if bad != "[1]" else "object a line" in said


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "loss": 3.5}\n' * 20_000 + '{"step": 1, "lo')
    (run,) = sim.read_logs(tmp_path)
    assert run.curves().height == 20_000
