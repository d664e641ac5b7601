"""Shapes near a number of parameters, batches and steps, sheets of a shape, compound scaling."""

from __future__ import annotations

import json
import math

import pytest

import similitude as sim
from similitude._errors import ArgumentError, QuestionError
from similitude.planning._steps import steps_for


@pytest.mark.parametrize("target", ["50M", "410M", "1.4B", "7B", "13B", "70B", "405B", "1T"])
def test_shapes_are_near_and_can_be_trained(target):
    found = sim.shapes_for(target)
    assert found.choices
    for c in found.choices:
        s = c.shape
        assert abs(c.difference) <= 0.05
        assert c.parameters == s.parameters() == round(found.target * (1 + c.difference))
        assert (s.width % 128, s.inner % 256, s.width % s.heads, s.one_head in (64, 128)) == (0, 0, 0, True)
        assert 64 <= c.aspect <= 160
        assert s.layers % c.splits[0] == s.heads % c.splits[1] == 0


def test_the_known_shapes_are_found_from_their_size():
    """Llama-2 7B among shapes near its label, GPT-2 first near its own."""
    llama = sim.shapes_for("7B").choices
    assert any(c.shape == sim.shape("llama-2-7b") for c in llama)
    gpt2 = {"vocabulary": 50257, "context": 1024, "gated": False, "tied": True, "biases": True}
    best = sim.shapes_for("124M", multiple=64, learned_positions=True, **gpt2).best
    assert best.shape.parameters() == 124_439_808
    assert (best.shape.layers, best.shape.width, best.shape.heads) == (12, 768, 12)


def test_conventions_change_the_shape():
    plain, bare = (
        sim.shapes_for("1.5B", vocabulary=256000, counts=c).best for c in ("total", "without embeddings and head")
    )
    assert plain.shape.matrices < bare.shape.matrices
    assert bare.parameters == bare.shape.parameters("without embeddings and head")
    active = sim.shapes_for("13B", counts="active", experts=8, experts_per_token=2).best
    assert active.shape.parameters("active") == pytest.approx(13e9, rel=0.05)
    assert active.shape.parameters() > 35e9


def test_no_shape_near_is_said_with_the_closest():
    with pytest.raises(QuestionError, match=r"no shape within 0.1% of 1M parameters.*lower multiple"):
        sim.shapes_for("1M", tolerance=0.001)
    with pytest.raises(QuestionError, match="widen aspect"):
        sim.shapes_for("7B", aspect=(3000, 3001))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": 3}, "layers: these are what is looked for"),
        ({"tolerance": 2}, "tolerance = 2; expected a share"),
        ({"multiple": 0.5}, "multiple = 0.5; expected a whole number"),
        ({"aspect": (10, 2)}, "expected width over layers"),
        ({"counts": "all"}, "no convention 'all'"),
        ({"limit": 0}, "limit = 0"),
        ({"tokens": "3 days"}, "expected tokens"),
    ],
)
def test_refused(change, said):
    with pytest.raises(ArgumentError, match=said):
        sim.shapes_for("7B", **change)


@pytest.mark.parametrize(
    ("tokens", "context", "batch"), [(1.4e12, 4096, 4e6), (3e11, 2048, 0.5e6), (1e9 + 7, 512, 1e5)]
)
def test_batches_and_steps_make_up_the_tokens(tokens, context, batch):
    found = steps_for(tokens, context=context, batch=batch)
    assert math.log2(found[0].batch) == int(math.log2(found[0].batch))
    for s in found:
        assert 0.5 <= s.batch_tokens / batch <= 2
        assert s.difference == pytest.approx(s.tokens / tokens - 1, abs=1e-15)
        assert abs(s.tokens - tokens) <= s.batch_tokens / 2
    assert all(s.tokens == tokens for s in found[1:])
    assert (len(found) > 1) == (tokens % context == 0)


def test_batches_are_shared_evenly():
    assert all(s.batch % 24 == 0 for s in steps_for(1.2e12, context=4096, batch=4e6, share=24))
    with pytest.raises(ArgumentError, match="longer than"):
        steps_for(1e6, context=4096, batch=4e6)


def test_a_sheet_holds_what_the_shape_says():
    sheet = sim.shape_sheet("llama-2-70b", amount="2T tokens", batch=2)
    shape = sim.shape("llama-2-70b")
    assert sheet.name == sim.shape_sheet(shape).name == "llama-2-70b"
    assert sheet.training["6ND"] == 6 * 68_976_648_192 * 2e12
    assert sheet.training["matrix products"] == pytest.approx(shape.flop().training * 2e12)
    assert sheet.state.total == 16 * 68_976_648_192
    assert sheet.activations["none"] == shape.activations(2)
    assert sheet.cache == 2 * 80 * 8 * 128 * 2
    text = str(sheet)
    assert "68,976,648,192" in text
    assert "1.1 TB" in text
    assert json.loads(json.dumps(sheet.to_dict()))["parameters"]["total"] == 68_976_648_192


@pytest.mark.parametrize("name", ["mixtral-8x7b", "t5-11b", "vit-l-16", "resnet-50"])
def test_every_kind_has_a_sheet_and_a_report(name):
    sheet = sim.shape_sheet(name, amount=1e9)
    assert sheet.training["matrix products" if name != "t5-11b" else "products"] > 0
    made = sim.report([sheet])
    assert made.sections[0].title == f"Shape of {name}"


def test_fast_compound_scaling_is_the_papers():
    """s = 2 and alpha = 0.8: 1.07177, 1.31951, 1.03526; activations s^(1 - alpha/2)."""
    fast = sim.compound_scaling(2)["fast"]
    assert (fast.depth, fast.width, fast.resolution) == pytest.approx((1.07177, 1.31951, 1.03526), abs=1e-5)
    assert fast.activations == pytest.approx(2**0.6)
    made = sim.compound_scaling(16)
    assert all(s.flop == pytest.approx(16) for s in made.rules)
    grown = {s.rule: s.activations for s in made.rules}
    assert grown["uniform"] == pytest.approx(16 ** (5 / 6))
    assert grown["width"] == pytest.approx(4)
    assert grown["depth"] == grown["resolution"] == pytest.approx(16)
    one = made["efficientnet"]
    power = math.log(one.depth) / math.log(1.2)
    assert (one.width, one.resolution) == pytest.approx((1.1**power, 1.15**power))


def test_a_scaled_net_grows_as_its_multipliers_say():
    made = sim.compound_scaling(4, "resnet-50")
    for s in made.rules:
        assert s.net_flop == pytest.approx(4, rel=0.12)
        assert s.net_activations == pytest.approx(s.activations, rel=0.2)
    assert sim.compound_scaling(1, "resnet-50")["fast"].net == sim.shape("resnet-50")


def test_compound_scaling_refuses():
    with pytest.raises(ArgumentError, match="factor = 0"):
        sim.compound_scaling(0)
    with pytest.raises(ArgumentError, match="alpha = 2"):
        sim.compound_scaling(2, alpha=2)
    with pytest.raises(ArgumentError, match="gpt-2 is no convolution net"):
        sim.compound_scaling(2, "gpt-2")
    with pytest.raises(ArgumentError, match="no rule 'slow'"):
        sim.compound_scaling(2)["slow"]
