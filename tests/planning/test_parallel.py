"""Layouts of training: memory and time against closed forms, constraints, refusals, scaling."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import similitude as sim
from similitude._counted import OPTIMIZERS, State
from similitude._errors import ArgumentError, QuestionError
from similitude.planning._layout_cost import Machine, bubble, memory, time

SMALL = sim.shape(layers=8, width=1024, heads=16, vocabulary=32000, context=2048, tied=False, norms=False)
MACHINE = Machine(flops=1e14, bandwidth=None, link=2e11, network=2e10, node=8)


def layout(**degrees: int) -> dict[str, np.ndarray]:
    usual = {"data": 1, "tensor": 1, "pipeline": 1, "expert": 1, "zero": 0, "recompute": 0, "microbatch": 1,
             "microbatches": 4, "interleave": 1}  # fmt: skip
    return {k: np.array([v]) for k, v in {**usual, **degrees}.items()}


@pytest.mark.parametrize(("zero", "bytes_each"), [(0, 16), (1, 4 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)])
def test_zero_stages_keep_what_their_paper_says(zero, bytes_each):
    """Rajbhandari et al. 2020, figure 1: 16, 4 + 12/N, 2 + 14/N and 16/N bytes a parameter."""
    held = memory(SMALL, layout(data=64, zero=zero), OPTIMIZERS["adam"], 2048)
    state = sum(float(held[k][0]) for k in ("weights", "gradients", "optimizer"))
    assert state == pytest.approx(bytes_each * SMALL.parameters())


def test_tensor_and_pipeline_divide_the_weights():
    one = State(1, 0, 0)
    whole = memory(SMALL, layout(), one, 2048)["weights"][0]
    assert whole == SMALL.parameters()
    assert memory(SMALL, layout(tensor=4), one, 2048)["weights"][0] == whole / 4
    split = memory(SMALL, layout(pipeline=4), one, 2048)["weights"][0]
    assert split == SMALL.matrices / 4 + SMALL.vocabulary * SMALL.width  # a stage has a table or the head


def test_experts_are_split_and_their_replicas_are_fewer():
    moe = sim.shape(
        layers=2, width=64, heads=4, vocabulary=100, context=32, experts=8, experts_per_token=2, norms=False
    )
    routed = 2 * 8 * 2 * 64 * 256
    dense = moe.parameters() - routed
    held = memory(moe, layout(data=8, expert=4, zero=1), State(0, 0, 1), 32)
    assert held["optimizer"][0] == pytest.approx(dense / 8 + routed / 4 / 2)


@pytest.mark.parametrize(("pipeline", "interleave", "factor"), [(1, 1, 1), (4, 1, 1), (4, 2, 1 + 3 / 8), (8, 1, 1)])
def test_a_pipeline_holds_a_models_worth_of_activations(pipeline, interleave, factor):
    """Korthikanti et al. 2022, section 4.2.3: L layers in flight whatever p, 1 + (p-1)/(pv) times that interleaved."""
    held = memory(SMALL, layout(pipeline=pipeline, interleave=interleave, microbatches=32), State(9, 9, 9), 2048)
    layers = SMALL.layers * SMALL.layer_activations(dropout=False)
    head = SMALL.head_activations if pipeline == 1 else 0
    assert held["activations"][0] == pytest.approx(2048 * (layers * factor + head))


def test_time_of_computing_is_flop_over_speed():
    spent = time(SMALL, layout(), MACHINE, OPTIMIZERS["adam"], 2048)
    assert {k for k, v in spent.items() if v[0] > 0} == {"compute"}
    assert spent["compute"][0] == pytest.approx(4 * 2048 * SMALL.flop().training / 1e14)
    full = time(SMALL, layout(recompute=2), MACHINE, OPTIMIZERS["adam"], 2048)["compute"][0]
    head = 3 * 4 * 2048 * 2 * 32000 * 1024 / 1e14
    assert full - head == pytest.approx((spent["compute"][0] - head) * 4 / 3)


def test_the_pipeline_idles_as_its_closed_form():
    for p, m, v in itertools.product((2, 4), (4, 16), (1, 2)):
        spent = time(SMALL, layout(pipeline=p, microbatches=m, interleave=v), MACHINE, OPTIMIZERS["adam"], 2048)
        assert spent["bubble"][0] == pytest.approx((p - 1) / (v * m) * (spent["compute"][0] + spent["pipeline"][0]))
    assert bubble(8, 32) == 7 / 32


def test_transfers_are_rings_over_the_right_links():
    h, s = 1024, 2048
    spent = time(SMALL, layout(tensor=8), MACHINE, OPTIMIZERS["adam"], s)
    assert spent["tensor"][0] == pytest.approx(4 * 8 * 4 * 2 * 7 / 8 * 2 * s * h / 2e11)
    slow = Machine(flops=1e30, bandwidth=None, link=2e11, network=2e10, node=8)  # nothing hides behind computing
    within = time(SMALL, layout(data=8), slow, OPTIMIZERS["adam"], s)["data"][0]
    assert within == pytest.approx(2 * 7 / 8 * 2 * SMALL.parameters() / 2e11)
    across = time(SMALL, layout(data=16), slow, OPTIMIZERS["adam"], s)["data"][0]
    assert across == pytest.approx(2 * 15 / 16 * 2 * SMALL.parameters() / 2e10)
    gathered = time(SMALL, layout(data=16, zero=3), slow, OPTIMIZERS["adam"], s)["data"][0]
    assert gathered == pytest.approx((1 + 2 * 4) * 15 / 16 * 2 * SMALL.parameters() / 2e10)


def test_layouts_divide_everything_and_are_ranked():
    found = sim.parallel_layouts("llama-2-70b", "512xA100", tokens="2T", limit=50)
    assert [x.step for x in found.layouts] == sorted(x.step for x in found.layouts)
    for x in found.layouts:
        assert x.data * x.tensor * x.pipeline == 512
        assert x.data * x.microbatch * x.microbatches == found.batch
        assert x.memory <= 80e9 * 0.9
        assert 8 % x.tensor == 0
        assert 0 < x.mfu < 0.6
    need = found.needed
    assert need["hours"] == pytest.approx(need["steps"] * found.best.step / 3600 * 512)
    assert need["tokens"] == 2e12
    assert json.loads(json.dumps(found.to_dict()))["layouts"][0]["memory"] == found.best.memory
    assert sim.report([found]).sections[0].title.startswith("Training llama-2-70b")


def test_degrees_are_held():
    found = sim.parallel_layouts("llama-2-7b", "64xH100", zero=[0, 1], recompute="full", microbatch=2, pipeline=2)
    assert {(x.pipeline, x.recompute, x.microbatch) for x in found.layouts} == {(2, "full", 2)}
    assert {x.zero for x in found.layouts} <= {0, 1}


def test_what_fits_grows_with_memory_and_the_closest_is_told():
    small = {"batch": "1M", "pipeline": 1, "tensor": 1, "zero": 0}
    with pytest.raises(QuestionError, match=r"no configuration fits 80 GB.*the closest needs (\d+) GB") as refused:
        sim.parallel_layouts("llama-2-7b", "8xH100", **small)
    closest = float(str(refused.value).partition("the closest needs ")[2].partition(" GB")[0])
    assert 16 * 6.74 < closest < 250
    assert sim.parallel_layouts("llama-2-7b", "8xH100", memory_gb=closest, **small).fitting >= 1
    with pytest.raises(QuestionError):
        sim.parallel_layouts("llama-2-7b", "8xH100", memory_gb=closest - 1, **small)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("llama-2-7b", "H100"), ArgumentError, "how many\\? Give a number and a kind, such as '64xH100'"),
        (("t5-base", "8xH100"), ArgumentError, "t5-base is no decoder-only transformer"),
        (("llama-2-7b", "8xH100", {"efficiency": 1.5}), ArgumentError, "efficiency = 1.5"),
        (("llama-2-7b", "8xH100", {"links": {"lnk": 3}}), ArgumentError, "links: no 'lnk'"),
        (("llama-2-7b", "8xH100", {"zero": 4}), ArgumentError, "zero = 4; expected a whole number from 0 to 3"),
        (("llama-2-7b", "8xH100", {"stages": 4}), ArgumentError, "no degree 'stages'"),
        (("llama-2-7b", "8xH100", {"batch": 1000}), ArgumentError, "shorter than a sequence"),
        (("llama-2-7b", "8xH100", {"tensor": 5}), QuestionError, "no layout divides 32 heads"),
        (("llama-2-7b", "8xH100", {"recompute": "all"}), ArgumentError, "no recomputation 'all'"),
    ],
)
def test_refused(arguments, error, said):
    model, gpus, *more = arguments
    with pytest.raises(error, match=said):
        sim.parallel_layouts(model, gpus, **(more[0] if more else {}))


def test_a_batch_is_rounded_little():
    for count, batch in ((1024, 3.2e6), (96, 1e6), (24, 5e5), (7, 1e6)):
        found = sim.parallel_layouts("gpt-2", f"{count}xA100", batch=batch)
        assert found.batch * found.sequence == pytest.approx(batch, rel=0.07)


def test_efficiency_of_measured_times():
    """Strong: T1 n1 / (Tn n). Weak: T1 / Tn. Amdahl's share comes back from times made with it."""
    f = 0.03
    times = {n: 10 * (f + (1 - f) * 64 / n) for n in (64, 128, 256, 512)}
    made = sim.scaling_efficiency(times)
    assert made.serial == pytest.approx(f)
    assert made.efficiency[-1] == pytest.approx(times[64] * 64 / (times[512] * 512))
    weak = sim.scaling_efficiency({1024: 20.0, 3072: 20.0}, kind="weak")
    assert weak.efficiency == (1.0, 1.0)
    assert weak.serial is None
    assert sim.report([made]).sections[0].title == "Strong scaling"
    with pytest.raises(ArgumentError, match="expected 'strong'"):
        sim.scaling_efficiency(times, kind="both")
    with pytest.raises(QuestionError, match="at least two"):
        sim.scaling_efficiency({8: 1.0})
    with pytest.raises(ArgumentError, match="expected positive numbers"):
        sim.scaling_efficiency({8: 1.0, 16: 0.0})


@pytest.mark.parametrize("name", ["dash2023", "dollar2021", "narayanan2023"])
def test_prints_of_the_papers_follow(name):
    assert not [c for c in sim.reproduce(name).claims if c.verdict == "differs"]
