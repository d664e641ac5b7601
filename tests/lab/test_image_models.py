"""Models of images: the arrays and products that are declared, what each sees, and runs from settings to a law."""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import similitude as sim
from lab.products import products_of
from similitude._errors import DataError
from similitude.lab import config_from, ladder_from, outlook
from similitude.lab._cnn import squares_of
from similitude.lab._images import ImageBatches, image_sets, images, size_of
from similitude.lab._jobs import jobs_of
from similitude.lab._leaf import count, first_values
from similitude.lab._optimizer import apply, direction_of, rates_of
from similitude.lab._outlook import bytes_of
from similitude.lab._step import compiled
from similitude.lab._together import Together
from similitude.lab._train import described, run_into
from similitude.lab._training import Training
from similitude.lab._vit import patches_of, sine_positions
from similitude.lab.interventions import flop_of_token
from similitude.runs._rows import rows_of
from similitude.runs.store import Store

KINDS = {
    "mlp": {"kind": "mlp", "layers": 2, "width": 16},
    "one layer": {"kind": "mlp", "layers": 1, "width": 8},
    "cnn": {"kind": "cnn", "layers": 2, "width": 4, "strides": [1, 2, 3]},
    "vit": {"kind": "vit", "layers": 2, "width": 8, "heads": 2, "patch": 3},
    "sines": {"kind": "vit", "layers": 1, "width": 8, "heads": 1, "patch": 2, "positions": "sine", "feed_forward": 12},
}
SMALL = {
    "mlp": KINDS["mlp"],
    "cnn": {"kind": "cnn", "layers": 1, "width": 4, "strides": [2, 2]},
    "vit": {**KINDS["vit"], "layers": 1},
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """An .npz of 300 pictures, 6 x 6, of three classes: bright rows above, in the middle or below, with noise."""
    draw = np.random.default_rng(3)
    y = np.arange(300) % 3
    x = draw.integers(0, 120, (300, 6, 6), dtype=np.uint8)
    for i, kind in enumerate(y):
        x[i, 2 * kind : 2 * kind + 2] += 60
    path = tmp_path_factory.mktemp("lab") / "squares.npz"
    np.savez(path, x=x, y=y)
    return str(path)


@pytest.fixture
def settings(squares):
    """Settings of a run on them that takes a moment."""

    def made(kind="mlp", steps=12, **train):
        return {
            "model": KINDS[kind] if isinstance(kind, str) else kind,
            "data": {"images": squares},
            "train": {"steps": steps, "batch": 8, "lr": 1e-2, "warm_up": 3, "evaluations": 2, **train},
        }

    return made


def made_of(config):
    functions = compiled(config)
    return functions, {k: jnp.asarray(v) for k, v in first_values(functions.leaves, 0).items()}


def batch_of(config, seed=0):
    size, draw = config.image_size, np.random.default_rng(seed)
    pixels = draw.random((config.train.batch, size.height, size.width, size.channels), np.float32)
    return pixels, draw.integers(0, size.classes, config.train.batch).astype(np.int32)


def points_of(run):
    return {(m, s): v for m, s, v in run.curves().select("metric", "step", "value").iter_rows()}


# -- what is declared -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_and_products_are_those_that_the_shape_declares(settings, kind):
    config = config_from(settings(kind))
    functions, params = made_of(config)
    shape, (pixels, classes) = config.shape, batch_of(config)
    assert count(functions.leaves) == shape.parameters("total")
    assert params.keys() == functions.leaves.keys()
    flop = shape.flop()
    forward = products_of(lambda p: functions.model.logits(p, pixels)[0], params)
    assert forward == flop.forward * 8
    whole = products_of(jax.grad(lambda p: functions.loss(p, {}, 0, (pixels, classes), jax.random.key(0))[0]), params)
    assert whole == flop.training * 8 == flop_of_token(config) * 8
    assert whole - forward == flop.backward * 8 < 2 * forward  # of pixels there is no gradient
    assert described(config).config["C"] == whole / 8 * config.tokens


def test_parameters_by_hand(settings):
    def n(kind, counts="total"):
        return config_from(settings(kind)).shape.parameters(counts)

    assert n("mlp") == (36 + 1) * 16 + (16 + 1) * 16 + (16 + 1) * 3
    stages = 9 * (1 * 4 + 4 * 4 + 4 * 8 + 8 * 8 + 8 * 16 + 16 * 16)
    assert n("cnn") == stages + 2 * 2 * (4 + 8 + 16) + (16 + 1) * 3
    block = 4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 2 * 2 * 8
    assert n("vit") == (9 + 1) * 8 + 4 * 8 + 2 * block + 2 * 8 + (8 + 1) * 3
    assert n("vit") - n("vit", "without embeddings") == (9 + 1) * 8 + 4 * 8


# -- what models compute ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_product_with_squares_is_jax_s_convolution(stride):
    draw = np.random.default_rng(0)
    x, w = draw.normal(size=(2, 7, 7, 3)).astype(np.float32), draw.normal(size=(3, 3, 3, 5)).astype(np.float32)
    peer = jax.lax.conv_general_dilated(
        jnp.asarray(x), jnp.asarray(w), (stride, stride), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(squares_of(jnp.asarray(x), stride) @ w.reshape(27, 5), peer, rtol=1e-4, atol=1e-5)


def test_patches_are_cut_row_by_row():
    pixels = np.arange(36).reshape(1, 6, 6, 1)
    cut = np.asarray(patches_of(jnp.asarray(pixels), 3))
    np.testing.assert_array_equal(cut[1], pixels[0, :3, 3:, 0].ravel())
    np.testing.assert_array_equal(cut[2], pixels[0, 3:, :3, 0].ravel())


def test_positions_of_sines_are_those_of_the_formula():
    found = sine_positions(3, 8)  # two frequencies, 1 and 1/100
    row, column = 1, 2
    expected = [math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02), math.sin(1), math.sin(0.01), math.cos(1)]
    np.testing.assert_allclose(found[3 * row + column], [*expected, math.cos(0.01)], rtol=1e-12)


@pytest.mark.parametrize("kind", SMALL)
def test_an_image_s_logits_depend_on_that_image_alone(settings, kind):
    config = config_from(settings(SMALL[kind]))
    functions, params = made_of(config)
    pixels, _ = batch_of(config)
    changed = pixels.copy()
    changed[3] = 0
    logits = jax.jit(lambda x: functions.model.logits(params, x)[0])
    first, second = np.asarray(logits(pixels)), np.asarray(logits(changed))
    others = np.arange(8) != 3
    np.testing.assert_array_equal(first[others], second[others])
    assert np.abs(first[3] - second[3]).max() > 1e-4


@pytest.mark.parametrize("kind", ["vit", "sines"])
def test_where_a_patch_is_matters(settings, kind):
    config = config_from(settings(kind))
    functions, params = made_of(config)
    pixels, _ = batch_of(config)
    patch = config.model.patch
    logits = jax.jit(lambda x: functions.model.logits(params, x)[0])
    turned = np.roll(pixels, patch, axis=2)  # whole patches change their places
    assert np.abs(logits(pixels) - logits(turned)).max() > 1e-4
    sums = [np.sort(np.asarray(patches_of(jnp.asarray(x), patch)).sum(1)) for x in (turned, pixels)]
    np.testing.assert_allclose(*sums, rtol=1e-6)


def test_what_is_judged_is_optax_s_loss_and_the_largest_logit(settings):
    config = config_from(settings("mlp"))
    functions, params = made_of(config)
    pixels, classes = batch_of(config)
    losses, wrong = functions.judge(params, pixels, classes)
    logits = functions.model.logits(params, pixels)[0]
    np.testing.assert_allclose(losses, optax.softmax_cross_entropy_with_integer_labels(logits, classes), rtol=1e-5)
    np.testing.assert_array_equal(wrong, np.argmax(np.asarray(logits), 1) != classes)
    assert float(functions.evaluate(params, {}, 0, (pixels, classes))) == pytest.approx(float(losses.mean()), rel=1e-5)


def gained(squares, optimizer, width, parameterisation):
    """How much one small step lowers the loss of one batch."""
    config = config_from({
        "model": {"kind": "mlp", "layers": 2, "width": width}, "data": {"images": squares},
        "train": {"steps": 1, "batch": 8, "optimizer": optimizer}, "parameterisation": parameterisation,
        "base_width": 32,
    })  # fmt: skip
    functions, params = made_of(config)
    batch = batch_of(config)
    loss = jax.jit(jax.value_and_grad(lambda p: functions.loss(p, {}, 0, batch, None)[0]))
    before, gradient = loss(params)
    direction = direction_of(config, functions.leaves)
    towards, _ = direction.update(gradient, direction.init(params), params)
    rate = 0.0003 if optimizer == "adamw" else 0.01
    moved = apply(params, dict(towards), rates_of(config, functions.leaves), rate, 0.0)  # type: ignore[call-overload]
    return float(before - loss(moved)[0])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_under_mup_a_step_lowers_the_loss_alike_at_every_width(squares, optimizer):
    base = gained(squares, optimizer, 32, "mup")
    assert 0.5 < gained(squares, optimizer, 256, "mup") / base < 2
    assert not 0.5 < gained(squares, optimizer, 256, "standard") / base < 2


# -- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SMALL)
def test_runs_on_images_learn_and_are_the_same_to_the_last_bit(settings, kind):
    config = config_from(settings(SMALL[kind], steps=60))
    points = points_of(sim.lab.train(config))
    assert points == points_of(sim.lab.train(config))
    assert points["train/loss", 1] == pytest.approx(math.log(3), rel=0.05)
    assert points["val/loss", 60] < 0.8
    assert points["val/error", 60] < 0.4  # two of three by chance


def test_passes_over_many_validation_images_overlap_and_count_each_once(settings, squares, monkeypatch):
    monkeypatch.setattr("similitude.lab._training.IMAGES", 16)
    training = Training(config_from(settings("mlp")), lambda *_: None)
    params, read = training.state["params"], images(squares)
    assert len(read.y_held) % 16
    logits = training.functions.model.logits(params, read.x_held)[0]
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, read.y_held).mean()
    found = training.evaluate()
    assert found["val/loss"] == pytest.approx(float(expected), rel=1e-5)
    assert found["val/error"] == pytest.approx(np.mean(np.argmax(logits, 1) != read.y_held))


@pytest.mark.parametrize("more", [{"optimizer": "muon", "ema": 0.9}, {"optimizer": "sgd", "dtype": "bfloat16"}])
def test_a_run_on_images_taken_up_from_a_file_goes_on_as_if_nothing_had_been(settings, tmp_path, more):
    config = config_from(settings("mlp", **more))
    training = Training(config, lambda *_: None)
    list(training.advance(7))
    training.save(tmp_path / "state")
    seen: dict = {}
    resumed = Training(config, lambda step, values: seen.update({(k, step): v for k, v in values.items()}))
    resumed.load(tmp_path / "state")
    list(resumed.advance())
    whole = points_of(sim.lab.train(config))
    assert ("val/error", 12) in seen
    assert all(whole[k] == v for k, v in seen.items())


def test_every_validation_image_counts_once(settings, squares):
    training = Training(config_from(settings("mlp")), lambda *_: None)
    found = training.evaluate()
    read = images(squares)
    assert 128 % len(read.y_held)
    loss = training.functions.evaluate(training.state["params"], {}, 0, (read.x_held, read.y_held))
    assert found["val/loss"] == pytest.approx(float(loss), rel=1e-5)


def test_a_run_on_images_begins_from_a_state_that_another_kept(settings, tmp_path):
    first = config_from(settings("mlp", steps=12, schedule="constant", keep=[8]))
    assert run_into(first, tmp_path / "runs.db").state == "finished"
    later = {**settings("mlp", steps=12, schedule="constant", warm_up=0), "start": {"run": first.id, "step": 8}}
    config = config_from(later)
    assert run_into(config, tmp_path / "runs.db").state == "finished"
    with Store(tmp_path / "runs.db") as store:
        ends = [r.final["val/loss"] for r in store.logged()]
    assert ends[0] == ends[1]


def test_gradients_of_images_one_by_one_add_up_to_the_batch_s(settings):
    config = config_from(settings("mlp", noise=2))
    seen: dict = {}
    training = Training(config, lambda step, values: seen.update({(k, step): v for k, v in values.items()}))
    one, whole = training.functions.gradient_norms(training.state["params"], {}, 0, training._batches[0])
    list(training.advance())
    assert float(whole) == pytest.approx(seen["train/grad_norm", 1] ** 2, rel=1e-4)
    assert float(one) > float(whole)
    assert [s for k, s in seen if k == "noise/one"] == [6, 12]


def test_runs_on_images_that_are_trained_together_are_those_trained_alone(settings):
    configs = [config_from({**settings("mlp"), "seed": seed}) for seed in (0, 1)]
    seen: list[dict] = [{}, {}]
    members = [Training(c, lambda step, v, s=s: s.update(v)) for c, s in zip(configs, seen, strict=True)]
    list(Together(members).advance())
    for config, values in zip(configs, seen, strict=True):
        assert values["val/loss"] == pytest.approx(sim.lab.train(config).final["val/loss"], rel=1e-4)


def test_sizes_of_layers_and_logits_are_those_of_a_pass_in_numpy(settings):
    functions, params = made_of(config := config_from(settings("mlp")))
    batch = batch_of(config)
    p = {k: np.asarray(v, float) for k, v in params.items()}
    x, found = 2 * batch[0].reshape(8, -1) - 1, functions.norms(params, {}, 0, batch)
    for i in range(2):
        x = np.maximum(x @ p[f"layer{i}"] + p[f"layer{i}/bias"], 0)
        assert float(found[f"output/{i}"]) == pytest.approx(np.sqrt((x**2).mean()), rel=1e-5)
    assert float(found["logits"]) == pytest.approx(np.sqrt(((x @ p["head"]) ** 2).mean()), rel=1e-5)
    assert {"gradient/layer0", "gradient/layer1", "gradient/head"} <= found.keys()


def test_what_the_store_and_the_fit_are_told(settings, squares, tmp_path):
    base = settings("mlp", evaluations=1)
    del base["train"]["steps"]
    sizes = [{"kind": "mlp", "layers": 1, "width": w} for w in (2, 8)]
    ladder = ladder_from(
        {"run": {**base, "model": {}}, "sweep": [{"model": sizes, "train": {"images": [160, 320, 640]}}]},
        store=tmp_path / "runs.db",
    )
    assert len(jobs_of(ladder.runs, ladder.names)) == 2  # lengths go on from one another
    assert {(r["D"], r["unit"]) for r in outlook(ladder, workers=1).rows} == {(n, "images") for n in (160, 320, 640)}
    for run in ladder.runs:
        assert run_into(run, ladder.store).state == "finished"
    with Store(ladder.store) as store:
        kept = store.logged()[0]
    assert kept.config["units.D"] == "images"
    assert kept.config["units.loss"] == "nats/image"
    assert not [k for k in kept.config if k.startswith(("data.domains", "data.sequence", "model.heads", "model.patch"))]
    assert "images_per_second" in kept.final
    runs = sim.read_runs(ladder.store)
    assert (len(runs), runs.counts, str(runs.unit("D")), str(runs.unit("loss"))) == (6, "total", "images", "nats/image")
    assert set(runs.column("D")) == {160, 320, 640}
    assert set(runs.column("N")) == {(36 + 1) * w + (w + 1) * 3 for w in (2, 8)}
    assert sim.fit(sim.laws.power, runs, inputs={"x": "D"}).law.inputs["D"].name == "images"
    errors = sim.lab.runs_of(ladder, loss="val/error")
    assert (str(errors.unit("loss")), errors.column("loss").max() <= 1) == ("error rate", True)


def test_runs_on_text_and_on_images_are_not_taken_for_one_table(settings):
    mine = [config_from({**settings("mlp"), "seed": seed}) for seed in (0, 1)]
    runs = [replace(described(c), final={"val/loss": 1.5}) for c in (*mine, config_from({"train": {"steps": 5}}))]
    found = rows_of(runs)
    assert found.runs is not None
    assert len(found.runs) == 2
    assert str(found.runs.unit("D")) == "images"
    assert "'val/loss' is in nats/token, the loss of most in nats/image" in found.left_out[0]


def test_a_run_on_images_that_diverges_is_censored(settings, tmp_path):
    wild = config_from(settings("mlp", steps=40, lr=1e30, clip=0.0, optimizer="sgd"))
    assert run_into(wild, tmp_path / "runs.db").state == "diverged"
    assert sim.read_runs(tmp_path / "runs.db").frame["censored"].to_list() == [True]


def test_one_s_own_images_count_by_what_is_in_them(settings, squares, tmp_path):
    config = config_from(settings("mlp"))
    with np.load(squares) as file:
        arrays = dict(file)
    other = tmp_path / "squares.npz"
    np.savez(other, **{**arrays, "x": 255 - arrays["x"]})
    key = described(config).key
    assert key.startswith(f"lab:{config.id}-")
    assert key.endswith(images(squares).sha256[:8])
    assert not images(other).sha256.startswith(key[-8:])


def test_lengths_in_images_are_those_in_steps(settings):
    by_steps = config_from(settings("mlp", steps=100))
    by_images = config_from({**settings("mlp"), "train": {**settings("mlp")["train"], "steps": None, "images": 800.0}})
    assert by_steps.id == by_images.id
    assert by_steps.tokens == 800


@pytest.mark.parametrize("name", list(image_sets()))
def test_sizes_are_declared_so_that_costs_are_known_before_anything_is_fetched(name, monkeypatch):
    monkeypatch.setattr("similitude.lab._images.read_pictures", None)
    size = size_of(name)
    config = config_from({"model": {"kind": "vit", "patch": 4}, "data": {"images": name}, "train": {"images": 1e4}})
    assert config.shape.tokens == (size.height // 4) ** 2
    assert bytes_of(config) > 2.5e8


def test_declared_sizes_are_those_of_the_images():
    try:
        read = images("digits", download=False)
    except DataError as error:
        pytest.skip(str(error))
    assert (*read.x_train.shape[1:], read.classes) == size_of("digits")
    assert len(ImageBatches(read, batch=4, seed=0)[0][1]) == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"model": {"kind": "transformer"}},
            "but model.kind = 'transformer' reads text; on images train mlp, cnn, vit",
        ),
        ({"data": {}}, "model.kind = 'mlp' is trained on images: give data.images"),
        ({"data": {"images": "digits", "sequence": 64}}, "data.sequence = 64 says nothing of a run on images"),
        ({"data": {"images": "digits", "domains": {"kernel": 1.0}}}, "says nothing of a run on images"),
        ({"train": {"tokens": 1e5}}, "leave it out and give train.images or train.steps"),
        ({"train": {}}, "train: give the length of a run on images, steps or images"),
        ({"train": {"steps": 5, "images": 50.0}}, "train: give one of steps and images, not both"),
        ({"train": {"images": -1.0}}, "train.images = -1; expected a positive number"),
        (
            {"model": {"kind": "mlp", "heads": 2}},
            "model.heads = 2 says nothing of model.kind = 'mlp', which has layers, width",
        ),
        ({"model": {"kind": "cnn", "patch": 2}}, "model.patch = 2 says nothing of model.kind = 'cnn'"),
        ({"model": {"kind": "cnn", "strides": []}}, "model.strides = []; expected a stride of 1 or more"),
        ({"model": {"kind": "vit", "patch": 3}}, "model.patch = 3; expected a divisor of the 8 pixels of a side"),
        ({"model": {"kind": "vit", "width": 10}}, "model.width = 10 with 4 heads: expected heads of one width"),
        ({"model": {"kind": "vit", "width": 6, "heads": 2, "positions": "sine"}}, "expected a multiple of 4"),
        ({"train": {"steps": 5, "activations": True}}, "train.activations = true says nothing of a run on images"),
        ({"parameterisation": "unit"}, "parameterisation = 'unit' with model.kind = 'mlp': expected standard or mup"),
        ({"interventions": {"moe": {}}}, "'moe' cannot be in a run with model.kind = 'mlp'"),
        ({"data": {"images": "digit"}}, "'digit' is neither a set of images nor an .npz file; the sets are: digits"),
    ],
)
def test_settings_that_make_no_run_on_images_are_named(changes, sentence):
    values = {"model": {"kind": "mlp"}, "data": {"images": "digits"}, "train": {"steps": 5}, **changes}
    with pytest.raises(DataError) as error:
        config_from(values, "ladder.toml")
    assert sentence in str(error.value)


def test_settings_of_images_are_refused_for_text_and_oblong_ones_where_squares_are_needed(tmp_path):
    with pytest.raises(DataError, match=r"train\.images = 50\.0 says nothing of a run on text"):
        config_from({"train": {"images": 50.0}})
    with pytest.raises(DataError, match=r"proposed runs become decoders, not model\.kind = 'mlp'"):
        ladder_from({"run": {"model": {"kind": "mlp"}}, "plan": {"file": "next.json"}})
    np.savez(tmp_path / "oblong.npz", x=np.random.default_rng(0).random((50, 4, 6)), y=np.arange(50) % 2)
    values = {"data": {"images": str(tmp_path / "oblong.npz")}, "train": {"steps": 5}}
    assert config_from({"model": {"kind": "mlp"}, **values}).shape.inputs == 24
    with pytest.raises(DataError, match=r"has images of 4 x 6 pixels; expected square ones for model\.kind = 'cnn'"):
        config_from({"model": {"kind": "cnn"}, **values})
