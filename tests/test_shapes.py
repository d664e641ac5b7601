"""Shapes beyond the dense decoder: published totals, closed forms of other counts, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import similitude as sim
from similitude._counted import CONVENTIONS, State
from similitude._errors import ArgumentError
from similitude._known_shapes import kind_of
from similitude._vision import ConvolutionNet
from similitude.studies.architectures import recomputed

KNOWN = sim.architectures()
EXACT = [(n, e) for n, k in KNOWN.items() for e in k.published if "e" not in e["value"] and "why" not in e]
ROUNDED = [(n, e) for n, k in KNOWN.items() for e in k.published if "e" in e["value"] and "why" not in e]


def test_the_ten_public_architectures_are_there():
    names = ("gpt-2", "gpt-3-175b", "llama-2-70b", "llama-3-405b", "pythia-6.9b", "olmo-7b", "mixtral-8x7b")
    assert {*names, "t5-base", "t5-11b", "vit-l-16", "resnet-50"} <= set(KNOWN)
    assert all(known.source for known in KNOWN.values())
    assert len(EXACT) >= 24


@pytest.mark.parametrize(("name", "entry"), EXACT, ids=[f"{n} {e['what']}" for n, e in EXACT])
def test_totals_of_checkpoints_are_exact(name, entry):
    assert recomputed(KNOWN[name], entry) == int(entry["value"])


@pytest.mark.parametrize(("name", "entry"), ROUNDED, ids=[f"{n} {e['what']}" for n, e in ROUNDED])
def test_rounded_totals_agree_to_their_digits(name, entry):
    mantissa, _, power = entry["value"].partition("e")
    half = 0.5 * 10.0 ** (int(power) - len(mantissa.partition(".")[2]))
    assert recomputed(KNOWN[name], entry) == pytest.approx(float(entry["value"]), abs=half)


def test_the_study_explains_every_total_that_differs():
    study = sim.reproduce("architectures")
    assert len(study.claims) >= 40
    off = [c for c in study.claims if c.verdict != "reproduced"]
    assert all(c.remark for c in off)
    assert {c.sentence for c in study.differing} == {
        "t5-11b, training FLOP",
        "gpt-3-175b, FLOP that computing scores again adds, %",
    }
    assert study.counts == {"reproduced": 0, "close": 0, "differs": 0}  # arithmetic on prints reproduces nothing


@pytest.mark.parametrize("name", KNOWN)
def test_every_shape_answers_the_same_questions(name):
    shape = KNOWN[name].shape
    counts = [shape.parameters(c) for c in CONVENTIONS]
    assert all(isinstance(n, int) and n > 0 for n in counts)
    assert counts[0] >= counts[1] >= counts[2]
    assert counts[0] >= counts[3]
    flop = shape.flop()
    assert flop.training == flop.forward + flop.backward
    assert 0 <= flop.attention < flop.forward
    assert shape.activations(2) == pytest.approx(2 * shape.activations())
    assert shape.activations(recompute="full") < shape.activations()
    assert shape.state().total == 16 * counts[0]
    assert shape.state(State(4, 2, 8)).total == 14 * counts[0]


def test_torchvision_counts_of_the_other_depths():
    counts = {18: 11689512, 34: 21797672, 101: 44549160, 152: 60192808}
    depths = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    made = {k: ConvolutionNet(depths=d, bottleneck=k > 34).parameters() for k, d in depths.items()}
    assert made == counts


def test_activations_of_a_plain_block_are_the_papers():
    """Korthikanti et al. 2022, equations 1 and 2 and table 2, at shapes chosen freely."""
    s, h, a = 640, 1024, 16
    shape = sim.shape(layers=3, width=h, heads=a, vocabulary=1000, context=s)
    t = np.array([1, 2, 4, 8])
    scores = 5 * a * s / h
    assert shape.layer_activations() == pytest.approx(h * (34 + scores))
    assert shape.layer_activations(tensor=t) == pytest.approx(h * (10 + (24 + scores) / t))
    assert shape.layer_activations(tensor=t, sequence_parallel=True) == pytest.approx(h / t * (34 + scores))
    selective = shape.layer_activations(tensor=t, sequence_parallel=True, recompute="selective")
    assert selective == pytest.approx(34 * h / t)
    assert shape.layer_activations(tensor=t, recompute="full") == pytest.approx(2 * h)


def test_flop_of_a_token_is_the_closed_form():
    """Korthikanti et al. 2022, appendix A: 72 l h^2 (1 + s/6h + v/12hl)."""
    layers, h, s, v = 96, 12288, 2048, 51200
    shape = sim.shape("gpt-3-175b", vocabulary=v)
    assert shape.flop().training == pytest.approx(72 * layers * h**2 * (1 + s / (6 * h) + v / (12 * h * layers)))


def test_experts():
    mixtral = sim.shape("mixtral-8x7b")
    one = 3 * 4096 * 14336
    assert mixtral.parameters() - mixtral.parameters("active") == 32 * 6 * one
    dense = sim.shape("mixtral-8x7b", experts=0, experts_per_token=0)
    assert mixtral.parameters() - dense.parameters() == 32 * (7 * one + 8 * 4096)  # the router is the rest
    assert mixtral.training_flop(1) == 6 * mixtral.parameters("active")
    shared = sim.shape("mixtral-8x7b", shared_experts=1, dense_layers=2, expert_width=7168)
    half, blocks = 3 * 4096 * 7168, 30
    router = 4096 * 8
    assert shared.matrices == 32 * mixtral.attention_matrices + 2 * one + blocks * (9 * half + router)
    assert shared.parameters() - shared.parameters("active") == blocks * 6 * half


def test_biases_of_idle_experts_are_idle():
    shape = sim.shape(layers=2, width=8, heads=2, vocabulary=10, context=4, biases=True, experts=3, experts_per_token=1)
    one = 2 * 8 * 32 + 32 + 8
    assert shape.parameters() - shape.parameters("active") == 2 * 2 * one


def test_a_cache_of_an_encoder_decoder_holds_both_attentions():
    t5 = sim.shape("t5-base")
    each = 2 * 12 * 768 * 2
    assert t5.cache(10, context=100) == each * 110
    assert kind_of(t5) == "encoder-decoder"


def test_flop_of_an_encoder_decoder_by_hand():
    t5 = sim.shape("t5-base", encoder_layers=1, decoder_layers=1)
    d, f, v, s, t = 768, 3072, 32128, 5, 3
    read = s * 2 * (4 * d * d + 2 * d * f) + 4 * s * s * d
    write = t * 2 * (4 * d * d + 2 * d * f) + 4 * t * t * d + 2 * (t * 2 * d * d + s * 2 * d * d) + 4 * t * s * d
    assert t5.flop(s, t).forward == read + write + 2 * t * v * d


@pytest.mark.parametrize(
    ("arguments", "sizes", "said"),
    [
        (("llama-2-7",), {}, "no model 'llama-2-7'; did you mean 'llama-2-7b'"),
        (("gpt-2",), {"widht": 3}, "a transformer has no size 'widht'; did you mean 'width'"),
        ((), {"kind": "vison"}, "no kind 'vison'; did you mean 'vision'"),
        ((), {"layers": 2, "width": 64}, "a shape needs heads, vocabulary, context"),
        (("llama-3-8b",), {"kv_heads": 3}, "32 heads do not share 3 heads of keys and values evenly"),
        (("gpt-2",), {"experts_per_token": 2}, "need experts"),
        (("mixtral-8x7b",), {"experts_per_token": 9}, "experts_per_token = 9; expected from 1 to the 8 experts"),
        (("vit-l-16",), {"patch": 15}, "patches of 15 pixels do not tile an image of 224"),
        (("resnet-50",), {"depths": (3, 4)}, "expected a positive pair for each stage"),
        (("gpt-2",), {"layers": -1}, "layers = -1; expected a positive number"),
    ],
)
def test_refused(arguments, sizes, said):
    with pytest.raises(ArgumentError, match=said):
        sim.shape(*arguments, **sizes)


def test_unknown_names_of_methods_are_refused():
    shape = sim.shape("gpt-2")
    with pytest.raises(ArgumentError, match="no recomputation 'some'"):
        shape.activations(recompute="some")
    with pytest.raises(ArgumentError, match="no optimizer 'adma'; the optimizers are: adam"):
        shape.state("adma")
