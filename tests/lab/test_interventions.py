"""Interventions: each trains, each counts exactly what it makes and multiplies, and each does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from itertools import product
from math import ceil, log
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("optax")

import jax
import jax.numpy as jnp
import ml_dtypes
import msgspec

import similitude as sim
from lab.products import products_of
from similitude._errors import DataError
from similitude.lab import interventions
from similitude.lab._attention import attend
from similitude.lab._leaf import first_values, is_matrix
from similitude.lab._outlook import bytes_of
from similitude.lab._step import Compiled, compiled
from similitude.lab._text import Corpus
from similitude.lab._train import described, training_flop
from similitude.lab._training import Training
from similitude.lab.interventions import chosen, flop_of_token, stages_of
from similitude.lab.interventions import moe as moe_file
from similitude.lab.interventions.diffusion import bound_masks
from similitude.lab.interventions.lora import is_added
from similitude.lab.interventions.mir import masked
from similitude.lab.interventions.pruning import sparsity_at
from similitude.lab.interventions.quantisation import FORMATS, quantised, rounded

STEPS, LENGTH, BATCH = 60, 32, 8
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "growth": {"growth": {"at": 0.4}},
    "moe": {"moe": {"experts": 4, "top_k": 2}},
    "recursion": {"recursion": {"repeats": 2}},
    "parscale": {"parscale": {"streams": 2, "prefix": 3}},
    "lora": {"lora": {"domain": "two", "rank": 2, "lr": 0.03}},
    "pruning": {"pruning": {"sparsity": 0.75, "every": 5}},
    "quantisation": {"quantisation": {"format": "int4", "after": ["int2", "int8"]}},
    "diffusion": {"diffusion": {}},
    "mir": {"mir": {}},
}
# what the validation loss falls by from ln 256 in these steps, at least, in nats a token; about .3 below what it does
FALLS = {"base": 2.0, "growth": 2.0, "moe": 2.0, "recursion": 2.0, "parscale": 2.0, "lora": 1.0, "pruning": 1.5,
         "quantisation": 1.5, "diffusion": 1.5, "mir": 2.0}  # fmt: skip


def config(changes: dict[str, Any] | None = None, **model: Any) -> sim.lab.Config:
    """Two blocks of width 16, about 10 K parameters in all."""
    return sim.lab.config_from({
        "model": {"layers": 2, "width": 16, "heads": 2, "kv_heads": 1, **model},
        "data": {"domains": {"one": 1, "two": 0}, "sequence": LENGTH, "held": 32},
        "train": {"steps": STEPS, "batch": BATCH, "lr": 1e-2, "evaluations": 1},
        "interventions": changes or {},
    })  # fmt: skip


def small(name: str) -> sim.lab.Config:
    """What is trained, of one block, or of two where it grows: half of the time is the compiler's."""
    return config(CASES[name], layers=2 if name == "growth" else 1)


@cache
def texts() -> tuple[Corpus, Corpus]:
    """Two texts of a few words each, of the same ten letters."""
    found = []
    for seed, name in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        words = [rng.integers(97, 107, rng.integers(2, 6)).tolist() for _ in range(12)]
        tokens = [t for i in rng.integers(0, 12, 8000) for t in [*words[i], 32]]
        train, held = np.array(tokens[:-6000], np.uint8), np.array(tokens[-6000:], np.uint8)
        found.append(Corpus(name, "bytes", 256, train, held, 1.0, (1, 1), f"{seed + 1:064x}", "", ""))
    return found[0], found[1]


def training(made: sim.lab.Config) -> tuple[Training, list[tuple[int, dict[str, float]]]]:
    rows: list[tuple[int, dict[str, float]]] = []
    return Training(made, lambda step, values: rows.append((step, dict(values))), corpora=texts()), rows


@cache
def trained(name: str) -> tuple[Training, dict[str, float]]:
    """A finished training and its last validation losses."""
    made, rows = training(small(name))
    for _ in made.advance():
        pass
    return made, next(values for _, values in reversed(rows) if "val/loss" in values)


def measured(name: str) -> dict[str, float]:
    made = trained(name)[0]
    found: dict[str, float] = {}
    for hook, settings in made.hooks:
        found |= hook.measure(made, made.config, settings) if hook.measure is not None else {}
    return found


def functions(changes: dict[str, Any] | None = None, **model: Any) -> tuple[Compiled, dict[str, jax.Array]]:
    """The last stage's functions, and parameters of which none is constant."""
    stage = stages_of(config(changes, **model))[-1]
    made = compiled(stage.config, stage.trains)
    values = {k: v + 0.3 * np.random.default_rng(len(k)).standard_normal(v.shape).astype(np.float32)
              for k, v in first_values(made.leaves, 1).items()}  # fmt: skip
    return made, {k: jnp.asarray(v) for k, v in values.items()}


def extra_of(made: Compiled) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for hook, settings in chosen(made.decoder.config):
        found |= hook.extra(made.leaves, made.decoder.config, settings) if hook.extra is not None else {}
    return found


def windows(count: int = BATCH, length: int = LENGTH, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, length + 1)).astype(np.int32)


def logits(made: Compiled, params: Any, tokens: np.ndarray) -> np.ndarray:
    return np.asarray(jax.jit(made.decoder.logits)(params, tokens)[0])


def program(changes: dict[str, Any]) -> str:
    """What is computed, as text, of a training loss and its gradient."""
    made, params = functions(changes)
    key = jax.random.key(0)
    return str(jax.make_jaxpr(jax.value_and_grad(lambda p: made.loss(p, {}, 0, windows(), key)[0]))(params))


# -- all of them --------------------------------------------------------------------------------------------------


def test_every_intervention_is_in_the_table():
    assert set(CASES) == {"base", *interventions.catalogue()}
    for made in interventions.catalogue().values():
        assert made.changes.endswith(".")
        assert made.source
        assert set(made.limits) <= set(made.settings)
        assert {k for k, v in made.settings.items() if not isinstance(v, bool | None)} - {"domain"} <= set(made.limits)


def test_what_runs_cost_is_said_without_jax():
    code = (
        "import sys; from similitude.lab._ladder import ladder_from; from similitude.lab._train import training_flop;"
        "from similitude.lab.interventions import catalogue;"
        "runs = ladder_from({'runs': [{'interventions': {name: {}}} for name in catalogue() if name != 'lora']}).runs;"
        "assert all(training_flop(run) > 0 for run in runs); sys.exit('jax' in sys.modules)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


@pytest.mark.parametrize("name", CASES)
def test_it_trains(name):
    made, last = trained(name)
    assert made.config.shape.parameters("total") <= 30_000
    assert not made.diverged
    assert last["val/loss"] < log(256) - FALLS[name]


@pytest.mark.parametrize("name", CASES)
def test_parameters_and_flop_are_those_of_the_arrays_and_products(name):
    """At a length of one block of attention, where every score is computed. Padded rows of experts are not declared."""
    run = config(CASES[name])
    for stage in stages_of(run):
        made = compiled(stage.config, stage.trains)
        params = {k: jnp.zeros(leaf.shape) for k, leaf in made.leaves.items()}
        shape, extra = stage.config.shape, extra_of(made)
        assert sum(p.size for p in params.values()) == shape.parameters("total")
        padding = padded_flop(made, 1) if name == "moe" else 0
        tokens = np.zeros((BATCH, LENGTH), np.int32)
        done = products_of(lambda p, t=tokens, d=made.decoder: d.logits(p, t)[0], params)
        assert done == shape.flop(LENGTH).forward * tokens.size + padding
        trains = stage.trains or (lambda name: True)
        tuned = {k: v for k, v in params.items() if trains(k)}

        def loss(p, params=params, extra=extra, made=made):
            return made.loss({**params, **p}, extra, 0, windows(), jax.random.key(0))[0]

        skipped = 0  # gradients of the first block's input, which nothing that is trained needs
        if tuned.keys() != params.keys():
            skipped = 2 * params["block0/qkv"].size + 2 * params["block0/qkv/lora_a"].size
        whole = products_of(jax.grad(loss), tuned)
        assert whole == (flop_of_token(stage.config) - skipped) * tokens.size + 3 * padding


def test_counts_hold_for_several_at_once():
    changes = {name: CASES[name][name] for name in ("recursion", "parscale", "lora", "pruning", "quantisation", "mir")}
    stage = stages_of(config(changes))[-1]
    made, tokens = compiled(stage.config, stage.trains), np.zeros((BATCH, LENGTH), np.int32)
    params = {k: jnp.zeros(leaf.shape) for k, leaf in made.leaves.items()}
    assert sum(p.size for p in params.values()) == stage.config.shape.parameters("total")
    done = products_of(lambda p: made.decoder.logits(p, tokens)[0], params)
    assert done == stage.config.shape.flop(LENGTH).forward * tokens.size


def padded_flop(made: Compiled, passes: int) -> int:
    """Of the rows that blocks of experts have beyond the assignments there are."""
    rows, count = moe_file.blocks_of(BATCH * LENGTH * 2, 4)
    shape = made.decoder.config.shape
    return (rows * count - BATCH * LENGTH * 2) * 2 * shape.expert_matrices * shape.layers * passes


def test_the_flop_of_a_run_are_those_of_its_stages():
    run = config(CASES["growth"])
    shallow, deep = (config(layers=layers).shape.flop(LENGTH).training for layers in (1, 2))
    tokens = BATCH * LENGTH
    assert training_flop(run) == (24 * shallow + 36 * deep) * tokens == described(run).config["C"]
    assert training_flop(config(CASES["mir"])) == 2 * training_flop(config())
    assert training_flop(config()) < training_flop(config(CASES["parscale"])) < 2.1 * training_flop(config())
    assert bytes_of(config(CASES["parscale"])) > bytes_of(config(CASES["quantisation"])) == bytes_of(config())


@pytest.mark.parametrize("name", ["base", "moe", "parscale", "lora", "diffusion", "mir"])
def test_what_comes_later_is_seen_by_diffusion_alone(name):
    made, params = functions(CASES[name], layers=1)
    tokens = np.repeat(windows(1)[:, :-1], 2, axis=0)
    tokens[1, 20] ^= 1
    before, after = logits(made, params, tokens).reshape(2, LENGTH, -1)[:, :20]
    assert np.allclose(before, after, atol=1e-5) is (name != "diffusion")


def test_settings_are_filled_in_before_they_make_an_id():
    short, long = config({"moe": {}}), config({"moe": {"experts": 4, "top_k": 1}})
    assert short.id == long.id != config({"moe": {"experts": 8}}).id
    first, second = {"pruning": {}, "recursion": {}}, {"recursion": {}, "pruning": {}}
    assert config(first).id == config(second).id
    assert [made.name for made, _ in chosen(config(first))] == ["recursion", "pruning"]
    assert short.resolved().resolved() == short.resolved()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mo": {}}, "there is no 'mo'; did you mean 'moe'"),
        ({"moe": {"expert": 3}}, "there is no setting 'expert'; did you mean 'experts'"),
        ({"moe": {"experts": "four"}}, "experts = 'four'; expected a whole number"),
        ({"moe": {"experts": 0}}, "experts = 0; expected from 1 to 4096"),
        ({"moe": {"top_k": 5}}, "top_k = 5; there are 4 experts"),
        ({"quantisation": {"during": 1}}, "during = 1; expected true or false"),
        ({"quantisation": {"format": "int5"}}, "format = 'int5'; the possible words are: int8"),
        ({"quantisation": {"after": ["int5"]}}, "the possible words are: int8"),
        ({"lora": {}}, "domain = ''; expected one of the domains of data.domains"),
        ({"lora": {"domain": "two", "at": 1.0}}, "leaves none for pre-training or for tuning"),
        ({"lora": {"domain": "two"}, "moe": {}}, "experts have no low-rank additions"),
        ({"growth": {"factor": 3}}, "factor = 3; expected a divisor of the 2 layers"),
        ({"growth": {"at": 0.001}}, "of 60 steps that leaves none"),
        ({"pruning": {"begin": 0.5, "end": 0.2}}, "end = 0.2; expected 0.5 or more"),
        ({"mir": {"least": 0.6}}, "most = 0.5; expected 0.6 or more"),
        ({"mir": {}, "diffusion": {}}, "'diffusion' and 'mir' cannot be in one run: each has its own objective"),
        ({"lora": {"domain": "two"}, "growth": {}}, "cannot be in one run: each has its own stages"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(changes, says):
    with pytest.raises(DataError, match=says.replace("(", r"\(")):
        config(changes)


@pytest.mark.parametrize("name", ["growth", "lora", "pruning"])
def test_a_run_goes_on_from_a_state_in_its_last_stage(name, tmp_path):
    whole, last = trained(name)
    first, _ = training(whole.config)
    for _ in first.advance(45):
        pass
    first.save(tmp_path / "state")
    second, rows = training(whole.config)
    second.load(tmp_path / "state")
    for _ in second.advance():
        pass
    assert rows[-1][1] == last
    assert second.ends == whole.ends
    for k, v in whole.state["params"].items():
        np.testing.assert_array_equal(v, second.state["params"][k])


# -- mixture of experts -----------------------------------------------------------------------------------------------


def test_one_expert_is_the_dense_layer():
    (dense, params), (made, _) = functions(layers=1), functions({"moe": {"experts": 1}}, layers=1)
    more = {k: v[None] if k.endswith(("up", "down")) else v for k, v in params.items()}
    more |= {"block0/router": jnp.ones((16, 1))}
    tokens = windows()[:, :-1]
    np.testing.assert_array_equal(logits(dense, params, tokens), logits(made, more, tokens))
    first = first_values(made.leaves, 3)
    for name, values in first_values(dense.leaves, 3).items():
        np.testing.assert_array_equal(first[name].reshape(values.shape), values)


@pytest.mark.parametrize(("experts", "k"), [(4, 1), (5, 3)])
def test_sparse_dispatch_is_what_each_token_computed_by_itself_is(experts, k):
    made, params = functions({"moe": {"experts": experts, "top_k": k, "width": 24}})
    block = {name.partition("/")[2]: np.asarray(v, np.float64) for name, v in params.items() if "block0/" in name}
    x = np.random.default_rng(0).standard_normal((70, 16))
    arrays = {n: jnp.asarray(v, jnp.float32) for n, v in block.items()}
    y, _ = jax.jit(made.decoder.feed_forward)(arrays, jnp.float32(x))
    expected = np.zeros_like(x)
    for row, out in zip(x, expected, strict=True):
        scores = np.exp(row @ block["router"])
        best = np.argsort(-scores)[:k]
        share = scores[best] / (scores[best] if k > 1 else scores).sum()
        for e, s in zip(best, share, strict=True):
            gate, value = np.split(row @ block["up"][e], 2)
            out += s * ((gate / (1 + np.exp(-gate)) * value) @ block["down"][e])
    np.testing.assert_allclose(y, expected, rtol=2e-4, atol=2e-4)


def test_the_balance_loss_is_one_when_even_and_the_number_of_experts_when_not():
    made, params = functions({"moe": {"experts": 4, "balance": 1.0, "z": 1.0}})
    block = {name.partition("/")[2]: v for name, v in params.items() if "block0/" in name}
    x = jnp.ones((64, 16))
    layer = jax.jit(made.decoder.feed_forward)
    for router, balance, z in ((0.0, 1.0, log(4) ** 2), (np.eye(16, 4) * 90, 4.0, 8100.0)):
        block["router"] = jnp.zeros((16, 4)) + jnp.asarray(np.broadcast_to(router, (16, 4)), jnp.float32)
        rows = x if balance == 1 else jnp.eye(16)[jnp.zeros(64, int)]
        losses = layer(block, rows)[1]
        assert float(losses["balance"]) == pytest.approx(balance, rel=1e-5)
        assert float(losses["router_z"]) == pytest.approx(z, rel=1e-4)


@pytest.mark.parametrize("experts", [2, 8, 64])
def test_blocks_hold_every_routing_and_waste_little(experts):
    for assignments in (1, 7, 1024, 4096):
        rows, count = moe_file.blocks_of(assignments, experts)
        worst = [1] * min(experts - 1, assignments - 1)
        loads = np.array([*worst, assignments - sum(worst)])
        assert sum(ceil(n / rows) for n in loads) <= count
        assert rows * count <= 1.25 * assignments + experts


# -- parallel streams -------------------------------------------------------------------------------------------------


def test_one_stream_is_the_plain_decoder():
    assert program({"parscale": {"streams": 1}}) == program({})


def test_streams_without_prefixes_are_all_the_plain_decoder():
    (plain, params), (made, more) = functions(layers=1), functions({"parscale": {"streams": 3, "prefix": 0}}, layers=1)
    tokens = windows()[:, :-1]
    np.testing.assert_allclose(logits(plain, params, tokens), logits(made, {**more, **params}, tokens), atol=2e-4)


def test_weights_of_streams_are_smoothed():
    """Should the two layers choose one stream, the others keep smooth / streams."""
    made, params = functions({"parscale": {"streams": 2, "smooth": 0.5}}, layers=1)
    params |= {"streams/out": jnp.zeros((16, 2)), "streams/out_bias": jnp.asarray([60.0, 0.0])}
    tokens = windows()[:, :-1]
    rows = jnp.tile(made.decoder.embed(params, tokens), (2, 1))
    apart = np.asarray(jax.jit(lambda p: made.decoder.body(p, rows, LENGTH)[0])(params)).reshape(2, -1, 16)
    whole = (0.75 * apart[0] + 0.25 * apart[1]) @ np.asarray(params["embed"]).T
    np.testing.assert_allclose(logits(made, params, tokens), whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("length", "causal"), [(128, True), (20, True), (20, False)])
def test_attention_with_keys_before_the_text(length, causal):
    rng = np.random.default_rng(0)
    q, k, v, g = (jnp.float32(rng.standard_normal((2, n, 4))) for n in (length, length + 5, length + 5, length))

    def plain(q, k, v):
        scores = jnp.einsum("nqd,nkd->nqk", q, k) / 2
        seen = (jnp.arange(length + 5) <= jnp.arange(length)[:, None] + 5) | (not causal)
        return jnp.einsum("nqk,nkd->nqd", jax.nn.softmax(jnp.where(seen, scores, -1e30), -1), v)

    def passes(q, k, v, g):
        for function in (lambda *a: attend(*a, 0.5, causal), plain):
            y, back = jax.vjp(function, q, k, v)
            yield (y, *back(g))

    for ours, theirs in zip(*jax.jit(lambda *a: tuple(passes(*a)))(q, k, v, g), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


# -- pruning ------------------------------------------------------------------------------------------------------


def test_sparsity_rises_along_the_cubic():
    run = msgspec.structs.replace(config(), train=msgspec.structs.replace(config().train, steps=10_000))
    settings = {"sparsity": 0.5, "begin": 0.25, "end": 0.75, "every": 1}
    shares = [sparsity_at(t, run, settings) for t in range(10_000)]
    assert shares[2500] == shares[0] == 0
    assert shares[5000] == 0.5 * 7 / 8
    assert shares[7500] == shares[-1] == 0.5
    assert 1 - np.mean(shares) == pytest.approx(0.6875, abs=1e-3)  # .5 of the ramp's mean 3/4 and of all after it


def test_sparsity_is_reached_exactly_and_counted():
    made, found = trained("pruning")[0], measured("pruning")
    zeros = 0
    for name, leaf in made.functions.leaves.items():
        values = np.asarray(made.state["params"][name]) * np.asarray(made.state["extra"].get(f"mask/{name}", 1.0))
        wanted = round(0.75 * leaf.size) if is_matrix(name) else 0
        assert np.count_nonzero(values == 0) == wanted
        zeros += wanted
    total = made.config.shape.parameters("total")
    assert found["pruned/parameters"] == total - zeros
    assert found["pruned/sparsity"] == 0.75
    assert total - zeros < found["pruned/mean_parameters"] < total


# -- growth -------------------------------------------------------------------------------------------------------


def test_the_deep_model_is_the_shallow_one_stacked():
    made, _ = training(config({"growth": {"factor": 2, "at": 0.4}}, layers=4))
    before = {k: np.asarray(v) for k, v in made.state["params"].items()}
    made._enter(1)
    after = made.state["params"]
    assert {k for k in before if k.startswith("block")} < set(after)
    for name, values in after.items():
        part = f"block{int(name[5]) % 2}{name[6:]}" if name.startswith("block") else name
        np.testing.assert_array_equal(values, before[part])
    assert not np.array_equal(after["block0/qkv"], after["block1/qkv"])


# -- masked diffusion ---------------------------------------------------------------------------------------------


def test_masks_of_the_bound_are_fixed_spread_and_exact():
    tokens = windows(400, 12)[:, :-1]
    masks, weights = jax.jit(bound_masks, static_argnums=1)(tokens, 4)
    counts = np.asarray(masks.sum(1))
    np.testing.assert_allclose(np.asarray(weights) * counts, 12, rtol=1e-6)
    assert (np.ceil(counts.reshape(-1, 4) / 3) == [1, 2, 3, 4]).all()  # one in each quarter of the numbers there are
    assert (np.bincount(counts, minlength=13)[1:] > 90).all()  # 133 each expected, of deviation 9
    alone, _ = jax.jit(bound_masks, static_argnums=1)(tokens[7:8], 4)
    np.testing.assert_array_equal(alone, masks[28:32])


def test_a_model_that_knows_nothing_has_a_bound_of_ln_256():
    made, params = functions(CASES["diffusion"], layers=1)
    nothing = {k: jnp.zeros_like(v) for k, v in params.items()}
    assert float(made.evaluate(nothing, {}, 0, windows(32))) == pytest.approx(log(256), rel=1e-6)


def test_the_bound_is_the_mean_over_all_orders_of_revealing():
    """Of three tokens: the exact expectation over the seven sets that can be hidden, against many draws."""
    made, params = functions({"diffusion": {"draws": 4096}}, layers=1)
    window = windows(1, 3)
    tokens = window[0, 1:]
    hide = np.array(list(product((False, True), repeat=3))[1:])
    rows = logits(made, params, np.where(hide, 256, tokens)).reshape(7, 3, 256).astype(float)
    each = np.log(np.exp(rows).sum(-1)) - rows[:, np.arange(3), tokens]
    chance = np.array([1 / 9, 1 / 9, 1 / 3])[hide.sum(1) - 1]  # one, two or three hidden, as likely
    exact = (chance * (each * hide).sum(1) / hide.sum(1)).sum()
    found, losses = jax.jit(lambda w: made.loss(params, {}, 0, w, None))(window)
    assert float(found) == pytest.approx(exact, rel=0.01)
    assert losses == {}


# -- recursion ----------------------------------------------------------------------------------------------------


def test_one_pass_is_the_plain_decoder():
    assert program({"recursion": {"repeats": 1}}) == program({})


@pytest.mark.parametrize(("order", "blocks"), [("each", (0, 0, 1, 1)), ("cycle", (0, 1, 0, 1))])
def test_passes_are_those_of_a_deeper_model_with_equal_blocks(order, blocks):
    (made, params), (deep, more) = functions({"recursion": {"order": order}}), functions(layers=4)
    copies = {k: params[f"block{blocks[int(k[5])]}{k[6:]}"] if k.startswith("block") else params[k] for k in more}
    tokens = windows()[:, :-1]
    np.testing.assert_array_equal(logits(made, params, tokens), logits(deep, copies, tokens))
    assert made.decoder.config.shape.parameters("total") == config().shape.parameters("total")
    assert made.decoder.config.shape.flop(LENGTH) == config(layers=4).shape.flop(LENGTH)


# -- fine-tuning --------------------------------------------------------------------------------------------------


def test_low_rank_additions_change_nothing_at_first_and_are_all_that_is_tuned():
    made, rows = training(small("lora"))
    for _ in made.advance(STEPS // 2):
        pass
    before = {k: np.array(v) for k, v in made.state["params"].items()}
    loss = rows[-1][1]
    made._enter(1)
    assert made.evaluate()["val/one/loss"] == loss["val/one/loss"]
    assert made.evaluate()["val/loss"] == loss["val/two/loss"]
    assert made._batches.tokens(10) == {"one": 0, "two": 10 * BATCH * LENGTH}
    after = trained("lora")[0].state["params"]
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    assert {k for k in after if k not in before} == {k for k in after if is_added(k)}
    assert all(np.abs(v).max() > 0 for k, v in after.items() if is_added(k))


def test_tuning_is_counted_and_what_it_forgot_measured():
    made, last = trained("lora")
    found = measured("lora")
    sides = {"qkv": 16 + 32, "out": 16 + 16, "up": 16 + 96, "down": 48 + 16}
    assert found["tuned/parameters"] == 2 * sum(sides.values())
    assert found["tuned/tokens"] == 30 * BATCH * LENGTH
    assert found["tuned/gained"] == made.ends[0]["val/two/loss"] - last["val/two/loss"] > 0.05
    assert found["tuned/forgot"] == last["val/one/loss"] - made.ends[0]["val/one/loss"] > 0


def test_each_stretch_has_the_whole_schedule():
    made, _ = training(config(CASES["lora"]))
    first, second = made.rates[:30], made.rates[30:]
    assert first.max() == pytest.approx(0.01)
    assert second.max() == pytest.approx(0.03)
    np.testing.assert_allclose(second / 3, first)
    assert first[-1] < 0.25 * first.max()


def test_full_tuning_is_two_runs_without_additions():
    full = config({"lora": {"domain": "two", "full": True}})
    assert full.shape == config().shape
    assert training_flop(full) == training_flop(config())
    assert all(stage.trains is None and not stage.config.interventions for stage in stages_of(full))


# -- quantisation -------------------------------------------------------------------------------------------------

CASTS = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "e2m1": ml_dtypes.float4_e2m1fn}


@pytest.mark.parametrize("name", CASTS)
def test_floating_point_formats_are_those_of_the_cast(name):
    """All numbers of the format, the middles between them, what lies a little beside, and random ones."""
    form = FORMATS[name]
    grid = np.unique(np.arange(2**form.bits, dtype=np.uint8).view(CASTS[name]).astype(np.float32)) if form.bits == 8 \
        else np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)  # fmt: skip
    grid = np.unique(np.abs(grid[np.isfinite(grid)]))
    assert grid[-1] == form.largest
    assert grid[1] == form.smallest
    middle = (grid[1:] + grid[:-1]) / 2
    rng = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * np.float32(form.largest / 6)
    x = np.concatenate([grid, middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(1e9)),
                        rng.clip(-form.largest, form.largest), 1e-3 * rng])  # fmt: skip
    x = np.concatenate([x, -x])
    np.testing.assert_array_equal(rounded(jnp.asarray(x), name), x.astype(CASTS[name]).astype(np.float32))
    assert rounded(jnp.float32(1e9), name) == form.largest


def test_whole_numbers_round_to_even_and_saturate():
    x = jnp.asarray([0.5, 1.5, 2.5, -0.5, -1.5, 200.0, -200.0])
    np.testing.assert_array_equal(rounded(x, "int8"), [0, 2, 2, 0, -2, 127, -127])
    np.testing.assert_array_equal(rounded(x, "int2"), [0, 1, 1, 0, -1, 1, -1])
    assert [FORMATS[f"int{b}"].largest for b in (8, 4, 3, 2)] == [127, 7, 3, 1]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("per", ["channel", "tensor"])
def test_scales_reach_the_largest_weight_and_no_more_levels_than_bits_are_used(name, per):
    w = np.random.default_rng(0).standard_normal((3, 40, 5)).astype(np.float32)
    q = np.asarray(quantised(jnp.asarray(w), name, per))
    columns = q.transpose(0, 2, 1).reshape(-1, 40) if per == "channel" else q.reshape(3, -1)
    assert all(len(np.unique(c)) < 2 ** FORMATS[name].bits for c in columns)
    axis = 1 if per == "channel" else (1, 2)
    np.testing.assert_allclose(np.abs(q).max(axis), np.abs(w).max(axis), rtol=1e-6)
    np.testing.assert_allclose(quantised(jnp.asarray(q), name, per), q, rtol=1e-6)


def test_the_forward_pass_sees_rounded_weights_and_the_gradient_passes_through():
    settings = {**interventions.catalogue()["quantisation"].settings, "format": "int2"}
    weights = interventions.catalogue()["quantisation"].weights
    params = {"block0/up": jax.random.normal(jax.random.key(0), (6, 4)), "norm": jnp.ones(3)}
    c = jnp.arange(24.0).reshape(6, 4)

    def seen(p: Any) -> Any:
        return weights(p, {}, 0, None, settings)

    np.testing.assert_array_equal(seen(params)["block0/up"], quantised(params["block0/up"], "int2", "channel"))
    np.testing.assert_array_equal(seen(params)["norm"], params["norm"])
    np.testing.assert_array_equal(jax.grad(lambda p: jnp.sum(seen(p)["block0/up"] * c))(params)["block0/up"], c)


def test_losses_and_bytes_after_training_are_measured_in_every_format():
    made, last = trained("quantisation")
    found = measured("quantisation")
    assert found["quantised/int4/loss"] == pytest.approx(last["val/loss"], rel=1e-5)
    plain, params = trained("base")[0].functions, made.state["params"]
    for name in ("int2", "int8"):
        rounds = {k: quantised(v, name, "channel") if is_matrix(k) else v for k, v in params.items()}
        expected = float(plain.evaluate(rounds, {}, 0, made._held["one"]))
        assert found[f"quantised/{name}/loss"] == pytest.approx(expected, rel=1e-5) != last["val/loss"]
    total, matrices, channels = made.config.shape.parameters("total"), 16 * (32 + 16 + 96 + 48), 32 + 16 + 96 + 16
    assert found["weight_bytes"] == 4 * total
    for name, bits in (("int8", 8), ("int4", 4), ("int2", 2)):
        assert found[f"quantised/{name}/weight_bytes"] == 4 * (total - matrices) + matrices * bits / 8 + 4 * channels


def test_after_training_alone_nothing_in_training_changes():
    assert program({"quantisation": {"during": False}}) == program({})


# -- masked inputs ------------------------------------------------------------------------------------------------


def test_inputs_are_hidden_by_a_ratio_of_each_sequence_but_not_the_first():
    settings = {"least": 0.1, "most": 0.5, "kept": 8}
    tokens = jnp.asarray(windows(300, 400)[:, :-1])
    hidden = np.asarray(masked(tokens, jax.random.key(1), 256, settings)) == 256
    assert not hidden[:, :8].any()
    ratio = hidden[:, 8:].mean(1)
    assert ratio.mean() == pytest.approx(0.3, abs=0.03)
    assert ratio.std() == pytest.approx(0.4 / 12**0.5, abs=0.02)  # of a uniform number, and a little noise
    assert ((ratio > 0.03) & (ratio < 0.57)).all()


def test_the_validation_loss_is_the_plain_one_and_training_adds_the_masked():
    made, plain, both = trained("mir")[0].functions, trained("base")[0].functions, trained("mir")[0].state["params"]
    params = {k: v for k, v in both.items() if k != "mask"}
    batch, key = windows(32), jax.random.key(0)
    value, others = jax.jit(lambda p: made.loss(p, {}, 0, batch, key))(both)
    expected = float(plain.evaluate(params, {}, 0, batch))
    assert float(made.evaluate(both, {}, 0, batch)) == pytest.approx(expected, rel=1e-6)
    assert float(others["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(value) == pytest.approx(expected + float(others["mir"]), rel=1e-6)
    hidden = masked(jnp.asarray(batch[:, :-1]), key, 256, {"least": 0.0, "most": 0.5, "kept": 8})
    rows = logits(made, both, np.asarray(hidden))
    picked = np.take_along_axis(rows, batch[:, 1:].reshape(-1, 1), 1)[:, 0]
    assert float(others["mir"]) == pytest.approx(0.4 * float((jax.nn.logsumexp(rows, -1) - picked).mean()), rel=1e-5)
