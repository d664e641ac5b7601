"""Serving: rooflines by hand, what fits, idealised runtimes from profiles, fronts, lifetimes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError, QuestionError

LLAMA = sim.shape("llama-3-8b")


def test_the_roofline_by_hand():
    made = sim.serve("llama-3-8b", "1xH100", prompt=1000, output=200, efficiency=1.0, bandwidth=1.0, price=3.6)
    alone = made.served[0]
    table = 128256 * 4096
    read = 2 * (LLAMA.parameters() - table) + 131072 * 1100
    assert alone.step == pytest.approx(read / 3350e9)
    flop = 2 * (LLAMA.matrices * 1000 + table) + 2 * 32 * 4096 * 1000**2
    assert alone.first == pytest.approx(flop / 989.4e12)
    assert alone.request == pytest.approx(alone.first + 199 * alone.step)
    assert alone.throughput == pytest.approx(200 / alone.request)
    assert alone.dollars == pytest.approx(1e6 * 0.001 / alone.throughput)
    assert alone.bound == "memory"


def test_batches_fill_the_memory_and_no_more():
    made = sim.serve("llama-3-8b", "1xH100", prompt=7000, output=1000, headroom=0.0)
    one = 131072 * 8000
    assert made.served[-1].batch == int((80e9 - 2 * LLAMA.parameters()) // one)
    assert [s.step for s in made.served] == sorted(s.step for s in made.served)
    assert [s.throughput for s in made.served] == sorted(s.throughput for s in made.served)
    assert made.best is made.served[-1]
    half = sim.serve("llama-3-8b", "1xH100", prompt=7000, output=1000, headroom=0.0, cache_bytes=1)
    assert half.served[-1].batch // made.served[-1].batch == 2


def test_a_kind_alone_takes_the_fewest_that_hold_the_model():
    assert sim.serve("llama-3-70b", "H100").count == 2
    assert sim.serve("llama-3-70b", "H100", weight_bytes=1).count == 1
    assert sim.serve("llama-3-405b", "H100").count == 16
    with pytest.raises(QuestionError, match=r"llama-3-405b does not fit 8x 80 GB.*812 GB.*take 16 of them"):
        sim.serve("llama-3-405b", "8xH100")


def test_experts_are_read_as_far_as_tokens_meet_them():
    made = sim.serve("mixtral-8x7b", "2xH100", links={"link": 1e9})
    shape = sim.shape("mixtral-8x7b")
    table, each = 32000 * 4096, 32 * 3 * 4096 * 14336
    for s in made.served[:4]:
        met = shape.parameters() - table - 8 * each * 0.75**s.batch
        read = 2 * met + s.batch * 131072 * (1024 + 128)
        assert s.step == pytest.approx(read / (2 * 3350e9 * 0.8), rel=1e-3)


def test_a_limit_on_the_time_of_a_token():
    made = sim.serve("mixtral-8x7b", "2xH100", limit=0.02)
    assert made.best.step <= 0.02 < made.served[-1].step
    with pytest.raises(QuestionError, match="no batch keeps 1 ms a token"):
        sim.serve("mixtral-8x7b", "2xH100", limit=0.001)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": 0}, "prompt = 0"),
        ({"efficiency": 0}, "efficiency = 0"),
        ({"headroom": 1}, "headroom = 1"),
        ({"weight_bytes": 0}, "bytes of a weight"),
    ],
)
def test_refused(change, said):
    with pytest.raises(ArgumentError, match=said):
        sim.serve("llama-3-8b", "H100", **change)
    with pytest.raises(ArgumentError, match="vit-l-16 is no decoder-only"):
        sim.serve("vit-l-16", "H100")


PROMPTS, ENCODING, TOKEN = (1, 512, 1024, 1920), (0.084, 0.178, 0.323, 0.597), 0.081


def test_a_profile_gives_its_runtime_back():
    """Profile of a model of davinci's size: g = .081 s; a request of 512 and 100 tokens takes 8.197 s."""
    p, o = np.meshgrid(PROMPTS, (1, 10, 100), indexing="ij")
    t = np.interp(p, PROMPTS, ENCODING) + (o - 1) * TOKEN
    made = sim.fit_runtime(p.ravel(), o.ravel(), t.ravel())
    assert made.token.value == pytest.approx(TOKEN)
    assert made.r2 == pytest.approx(1)
    assert float(made.predict(512, 100)) == pytest.approx(8.197, abs=5e-4)
    assert float(made.predict(768, 1)) == pytest.approx((0.178 + 0.323) / 2)
    assert float(made.dollars(512, 100, accelerators=8, price=2.0)) == pytest.approx(8.197 * 16 / 3600, rel=1e-4)
    assert float(made.slowdown(512, 100, 16.394)) == pytest.approx(2, rel=1e-3)


def test_the_least_of_repeats_is_free_of_contention():
    rng = np.random.default_rng(3)
    p, o, _ = (a.ravel() for a in np.meshgrid(PROMPTS, (1, 10, 50), range(40), indexing="ij"))
    clean = np.interp(p, PROMPTS, ENCODING) + (o - 1) * TOKEN
    noisy = clean * (1 + rng.exponential(0.2, len(p)))
    least, mean = (sim.fit_runtime(p, o, noisy, denoise=d).token.value for d in (True, False))
    assert least == pytest.approx(TOKEN, rel=0.02)
    assert mean > 1.1 * TOKEN


def test_the_interval_of_a_token_covers():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        o = rng.integers(2, 100, 12)
        t = 0.1 + (o - 1) * TOKEN + 0.05 * rng.standard_normal(12)
        token = sim.fit_runtime([50] * 13, [1, *o], [0.1, *np.maximum(t, 0.01)], denoise=False).token
        held += token.low <= TOKEN <= token.high
    assert 0.92 <= held / 400 <= 0.98


def test_runtimes_refuse_what_they_do_not_know():
    made = sim.fit_runtime([10, 100, 50], [1, 1, 20], [0.1, 0.2, 1.0])
    with pytest.raises(QuestionError, match="profiled from 10 to 100 tokens"):
        made.predict(200, 3)
    with pytest.raises(ArgumentError, match="at least one token"):
        made.predict(50, 0)
    with pytest.raises(DataError, match="2, 1 and 1 rows"):
        sim.fit_runtime([1, 2], [1], [1])
    with pytest.raises(DataError, match="request 2: expected"):
        sim.fit_runtime([1, 2], [1, 2], [1, float("nan")])
    with pytest.raises(QuestionError, match="some requests with one token"):
        sim.fit_runtime([1, 2], [1, 1], [1, 1])
    with pytest.raises(QuestionError, match="within those profiled with one"):
        sim.fit_runtime([10, 50], [1, 5], [1, 2])
    with pytest.raises(QuestionError, match="take no time"):
        sim.fit_runtime([10, 10], [1, 5], [1, 0.5])


def test_the_front_is_what_no_other_beats():
    rng = np.random.default_rng(5)
    models = {f"m{i}": (float(a), float(t)) for i, (a, t) in enumerate(rng.random((60, 2)) + 0.1)}
    found = sim.runtime_front(models)
    for name, on, by in zip(found.names, found.on_front, found.beaten_by, strict=True):
        a, t = models[name]
        better = [k for k, (b, u) in models.items() if b >= a and u <= t and (b > a or u < t)]
        assert on == (not better)
        assert by is None if on else by in better
    assert sim.report([found]).sections[0].title == "Accuracy against runtime"
    with pytest.raises(DataError, match="b: accuracy nan"):
        sim.runtime_front({"a": (0.5, 1.0), "b": (float("nan"), 1.0)})
    with pytest.raises(QuestionError, match="needs models"):
        sim.runtime_front({})


def test_a_lifetime_adds_training_and_serving():
    life = sim.lifetime_cost("llama-3-8b", "H100", tokens="15T", output_tokens="10T", price=2.0)
    flop = LLAMA.flop().training * 15e12
    assert life.training_hours == pytest.approx(flop / (989.4e12 * 0.4 * 3600))
    assert life.serving_hours == pytest.approx(10e12 / life.serving.best.throughput / 3600 * life.serving.count)
    assert life.dollars == pytest.approx(2 * (life.training_hours + life.serving_hours))
    even = sim.lifetime_cost("llama-3-8b", "H100", tokens="15T", output_tokens=life.even, price=2.0)
    assert even.serving_hours == pytest.approx(even.training_hours)
    assert json.loads(json.dumps(life.to_dict()))["dollars"] == life.dollars
    with pytest.raises(ArgumentError, match="hours of two kinds do not add"):
        sim.lifetime_cost("llama-3-8b", "A100", tokens=1e12, output_tokens=1e12, serving=life.serving)
    with pytest.raises(ArgumentError, match="prompt: the serving given has these already"):
        sim.lifetime_cost("llama-3-8b", "H100", tokens=1e12, output_tokens=1e12, serving=life.serving, prompt=3)


def test_every_result_is_drawn_on_a_page(tmp_path):
    results = [
        sim.serve("llama-3-70b", "4xH100"),
        sim.fit_runtime([10, 100, 50], [1, 1, 20], [0.1, 0.2, 1.0]),
        sim.runtime_front({"small": (0.61, 1.2), "large": (0.70, 5.0)}),
        sim.lifetime_cost("llama-3-8b", "H100", tokens=1e12, output_tokens=1e12),
        sim.parallel_layouts("llama-2-70b", "512xA100", tokens="2T"),
        sim.scaling_efficiency({128: 10.0, 256: 5.2, 512: 2.8}),
        sim.shapes_for("7B", tokens="1.4T"),
        sim.shape_sheet("mixtral-8x7b"),
        sim.compound_scaling(4, "resnet-50"),
    ]
    sim.report(results, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 7
    assert page.count("<section") >= len(results)
    for result in results:
        json.dumps(result.to_dict(), allow_nan=False)
        assert "\n" not in repr(result)
