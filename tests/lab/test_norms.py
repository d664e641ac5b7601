"""Sizes of activations and gradients against a pass in NumPy, and where they are kept and shown."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import similitude as sim
from similitude._errors import DataError
from similitude.lab import config_from
from similitude.lab._leaf import first_values, gain, hidden
from similitude.lab._norms import gradient_norms
from similitude.lab._step import compiled

LENGTH, BATCH = 6, 3
MODEL = {"layers": 1, "width": 8, "heads": 2, "tied": False}


def _rms(x):
    return np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)


def _turned(x):
    """Rotary positions on (length, width), one pair of numbers at a time."""
    half, out = x.shape[1] // 2, x.copy()
    for t in range(len(x)):
        for j in range(half):
            angle = t * 10_000.0 ** (-2 * j / x.shape[1])
            a, b = x[t, j], x[t, j + half]
            out[t, j], out[t, j + half] = a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)
    return out


def _plain(params, windows, layers, heads):
    """Norms of a decoder, sequence by sequence and head by head, in double precision."""
    p = {k: np.asarray(v, float) for k, v in params.items()}
    streams, largest, logits, slope = [[] for _ in range(layers)], [-np.inf] * layers, [], 0.0
    for window in windows:
        h = p["embed"][window[:-1]]
        width = h.shape[1] // heads
        for i in range(layers):
            q, k, v = np.split(h / _rms(h) * p[f"block{i}/norm1"] @ p[f"block{i}/qkv"], 3, axis=1)
            outs = []
            for n in range(heads):
                part = slice(n * width, (n + 1) * width)
                scores = _turned(q[:, part]) @ _turned(k[:, part]).T / np.sqrt(width)
                scores[np.triu_indices(len(scores), 1)] = -np.inf
                largest[i] = max(largest[i], scores.max())
                weights = np.exp(scores)
                outs.append(weights / weights.sum(1, keepdims=True) @ v[:, part])
            h = h + np.concatenate(outs, 1) @ p[f"block{i}/out"]
            gate, value = np.split(h / _rms(h) * p[f"block{i}/norm2"] @ p[f"block{i}/up"], 2, axis=1)
            h = h + gate / (1 + np.exp(-gate)) * value @ p[f"block{i}/down"]
            streams[i].append(h)
        h = h / _rms(h) * p["norm"]
        logits.append(h @ p["head"])
        chances = np.exp(logits[-1]) / np.exp(logits[-1]).sum(1, keepdims=True)
        chances[np.arange(len(chances)), window[1:]] -= 1
        slope = slope + h.T @ chances / windows[:, 1:].size
    found = {f"residual/{i}": np.sqrt(np.square(s).mean()) for i, s in enumerate(streams)}
    found |= {f"attention_max/{i}": s for i, s in enumerate(largest)}
    return {**found, "logits": np.sqrt(np.square(logits).mean()), "gradient/head": np.linalg.norm(slope)}


def _model(model, **more):
    config = config_from({"model": model, "data": {"sequence": LENGTH}, "train": {"steps": 1, "batch": BATCH}, **more})
    made = compiled(config)
    params = {k: (v + 0.3 * np.random.default_rng(2).standard_normal(v.shape)).astype(np.float32)
              for k, v in first_values(made.leaves, 0).items()}  # fmt: skip
    return made, params, np.random.default_rng(1).integers(0, 256, (BATCH, LENGTH + 1)).astype(np.int32)


def test_norms_are_those_of_a_pass_in_numpy():
    made, params, windows = _model(MODEL)
    found = {k: float(v) for k, v in made.norms(params, {}, 0, windows).items()}
    expected = _plain(params, windows, MODEL["layers"], MODEL["heads"])
    kinds = {f"gradient/{k}" for k in ("embed", "qkv", "out", "up", "down", "head")}
    assert found.keys() == expected.keys() | kinds
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_gradients_of_a_kind_are_one_vector_and_gains_are_none():
    sizes = {"embed": 2.0, "block0/up": 3.0, "block1/up": 4.0, "block0/norm1": 9.0}
    leaves = {k: gain(4) if "norm" in k else hidden(1, 1) for k in sizes}
    found = gradient_norms({k: np.full((1, 1), v) for k, v in sizes.items()}, leaves)
    assert {k: float(v) for k, v in found.items()} == {"embed": 2.0, "up": 5.0}


def test_an_lstm_s_and_a_weight_shared_decoder_s_are_named_by_the_layers_passed():
    made, params, windows = _model({"kind": "lstm", "layers": 2, "width": 5})
    found, (first, last) = jax.jit(lambda p, t: (made.decoder.norms(p, t), made.decoder.body(p, t)))(
        params, windows[:, :-1]
    )
    assert found.keys() == {"output/0", "output/1", "logits"}
    for name, rows in (("output/0", first), ("output/1", last), ("logits", last @ params["embed"].T)):
        assert float(found[name]) == pytest.approx(float(np.sqrt(np.square(rows).mean())), rel=1e-5)
    made, params, windows = _model(MODEL, interventions={"recursion": {"repeats": 2}})
    twice = jax.jit(made.decoder.norms)(params, windows[:, :-1])
    again = {k.replace("block0", f"block{i}"): v for k, v in params.items() for i in range(2)}
    expected = _plain(again, windows, 2, MODEL["heads"])
    assert float(twice["residual/1"]) == pytest.approx(expected["residual/1"], rel=1e-4)
    assert float(twice["attention_max/1"]) == pytest.approx(expected["attention_max/1"], rel=1e-4)


def test_they_are_kept_shown_and_change_nothing(small, tmp_path):
    settings, plain = small(norms=3), small()
    settings["model"] = plain["model"] = {"layers": 1, "width": 16, "heads": 2}
    run = sim.lab.train(settings, store=tmp_path / "runs.db")
    found = {m: s for m, s in run.curves().group_by("metric").agg("step").iter_rows() if m.startswith("norms/")}
    assert set(map(tuple, found.values())) == {(4, 8, 12)}
    assert len(found) == 2 + 1 + 5
    assert run.final["val/loss"] == sim.lab.train(plain).final["val/loss"]
    shown = str(sim.lab.card(run))
    assert "residual/0" in shown
    assert "gradient/qkv" in shown
    titles = [getattr(item, "title", "") for item in sim.lab.card(run).view().items]
    assert titles[2:6] == ["Norms", "Activations", "Attention logits", "Gradients"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"train": {"norms": -1}}, "train.norms = -1; expected 0 or more"),
        ({"train": {"norms": 2}, "interventions": {"diffusion": {}}}, "train.norms = 2 with 'diffusion'"),
    ],
)
def test_norms_that_cannot_be_measured_are_refused(settings, sentence):
    with pytest.raises(DataError) as error:
        config_from(settings)
    assert sentence in str(error.value)
