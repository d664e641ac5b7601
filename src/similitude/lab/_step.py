"""One step of training and one evaluation, compiled once a shape: rate, decay, seed and step number are traced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import import_module
from math import sqrt
from typing import Any

import jax
import jax.numpy as jnp
import msgspec
import optax

from similitude._errors import ArgumentError

from ._decoder import Decoder, Parts
from ._families import family_of
from ._leaf import Leaf, count
from ._model import Model
from ._norms import gradient_norms as norms_by_kind
from ._optimizer import apply, direction_of, global_norm, rates_of
from ._settings import Config
from ._unit import UnitDecoder
from .interventions import chosen

__all__ = ["Compiled", "compiled"]

Array = jax.Array


@dataclass(frozen=True)
class Compiled:
    """The functions of a shape. A state is {"params", "optimizer", "ema", "extra"}, each a dictionary of arrays.

    `step(state, batch, lr, decay, ema, number, key)` gives the next state and (loss, gradient norm, other losses);
    `together` is a step of several states at once, stacked along a first axis as are batch, lr, decay and key;
    `evaluate(params, extra, step, batch)` the mean loss of a batch, of windows (count, sequence + 1) or of images and
    their classes, `norms`, of the same arguments, the sizes of activations and gradients by name, and `residuals` the
    rows (layers, count x sequence, width) that each block leaves of windows. `judge(params, images, classes)` is of
    each image the loss, and whether it is taken for another class.
    """

    model: Model
    leaves: Mapping[str, Leaf]
    direction: optax.GradientTransformation
    step: Callable[..., Any]
    together: Callable[..., Any]
    evaluate: Callable[..., Any]
    gradient_norms: Callable[..., Any]
    norms: Callable[..., Any]
    loss: Callable[..., Any]
    residuals: Callable[..., Any]
    judge: Callable[..., Any]

    @property
    def decoder(self) -> Any:
        """The model of a run on text."""
        return self.model


def compiled(config: Config, trains: Callable[[str], bool] | None = None) -> Compiled:
    """The functions for a run; runs that differ in rates, length, data or seed share them."""
    r = config.resolved()
    train = msgspec.structs.replace(
        r.train, steps=1, lr=1.0, schedule="constant", warm_up=0.0, cooldown=0.0, end=0.0, weight_decay=0.0,
        ema=float(r.train.ema > 0), ema_batch=None, evaluations=0, noise=0, norms=0, spectra=False, activations=False,
        keep=0,
    )  # fmt: skip
    data = msgspec.structs.replace(r.data, domains={}, unique=None, held=1)
    key = msgspec.structs.replace(r, train=train, data=data, seed=0, start=None)
    return _compiled(_Key(msgspec.json.encode(key, order="deterministic"), key, trains))


class _Key:
    """A Config that is hashable by what it says."""

    def __init__(self, text: bytes, config: Config, trains: Callable[[str], bool] | None) -> None:
        self.text, self.config, self.trains = text, config, trains

    def __hash__(self) -> int:
        return hash((self.text, self.trains))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and (self.text, self.trains) == (other.text, other.trains)


@lru_cache(maxsize=32)
def _compiled(key: _Key) -> Compiled:
    config = key.config
    hooks = tuple(chosen(config))
    model = model_of(config)
    leaves = leaves_of(model)
    trains = key.trains or (lambda name: True)
    direction = direction_of(config, {k: v for k, v in leaves.items() if trains(k)})
    rates = rates_of(config, leaves)
    loss = _loss_of(config, model, hooks)
    most = config.train.clip  # of the gradient's norm; of unit gradients, of their root mean square
    if config.parameterisation == "unit":
        most *= sqrt(count({k: v for k, v in leaves.items() if trains(k)}))

    def step(state: Any, batch: Any, lr: Array, decay: Array, ema: Array, number: Array, key: Array) -> Any:
        key = jax.random.fold_in(key, number)
        ours = {k: v for k, v in state["params"].items() if trains(k)}
        rest = {k: v for k, v in state["params"].items() if not trains(k)}

        def objective(p: Mapping[str, Array]) -> Any:
            return loss({**p, **rest}, state["extra"], number, batch, key)

        (value, others), gradients = jax.value_and_grad(objective, has_aux=True)(ours)
        norm = global_norm(gradients)
        if most:
            shrink = jnp.minimum(1.0, most / (norm + 1e-12))
            gradients = {k: g * shrink for k, g in gradients.items()}
        towards, optimizer = direction.update(gradients, state["optimizer"], ours)
        params = {**apply(ours, towards, rates, lr, decay), **rest}  # type: ignore[arg-type]
        mean = {k: ema * m + (1 - ema) * params[k] for k, m in state["ema"].items()}
        return {**state, "params": params, "optimizer": optimizer, "ema": mean}, (value, norm, others)

    def evaluate(params: Any, extra: Any, number: Array, batch: Any) -> Array:
        return loss(params, extra, number, batch, None)[0]

    def judge(params: Any, images: Array, classes: Array) -> tuple[Array, Array]:
        logits, _ = model.logits(_seen(config, hooks, params, {}, jnp.zeros(())), images)
        losses = jax.vmap(lambda row, target: cross_entropy(row[None], target[None])[0])(logits, classes)
        return losses, logits.argmax(-1) != classes

    def gradient_norms(params: Any, extra: Any, number: Array, batch: Any) -> tuple[Array, Array]:
        """Mean of the squared norms of the gradient of each window or image, and the squared norm of their mean."""

        def one(total: Any, item: Any) -> Any:
            alone = jax.tree.map(lambda a: a[None], item)
            g = jax.grad(lambda p: loss(p, extra, number, alone, None)[0])(params)
            square = sum(jnp.sum(x * x) for x in g.values())
            return {k: total[k] + g[k] for k in g}, square

        zero = {k: jnp.zeros_like(v) for k, v in params.items()}
        total, squares = jax.lax.scan(one, zero, batch)
        count = squares.shape[0]
        return squares.mean(), sum(jnp.sum(jnp.square(x / count)) for x in total.values())  # type: ignore[return-value]

    def norms(params: Any, extra: Any, number: Array, batch: Any) -> dict[str, Array]:
        gradients = jax.grad(lambda p: loss(p, extra, number, batch, None)[0])(params)
        seen = model.norms(_seen(config, hooks, params, extra, number), model.split(batch)[0])
        return {**seen, **{f"gradient/{k}": v for k, v in norms_by_kind(gradients, leaves).items()}}

    def residuals(params: Any, extra: Any, number: Array, windows: Array) -> Array:
        params, tokens = _seen(config, hooks, params, extra, number), windows[:, :-1]
        decoder: Any = model
        if config.model.kind == "lstm":
            return jnp.stack(decoder.body(params, tokens)).astype(jnp.float32)
        rows: list[Array] = []
        decoder.body(params, decoder.embed(params, tokens), tokens.shape[1], rows.append)
        return jnp.stack(rows).astype(jnp.float32)

    return Compiled(
        model,
        leaves,
        direction,
        jax.jit(step, donate_argnums=(0,)),
        jax.jit(jax.vmap(step, (0, 0, 0, 0, None, None, 0)), donate_argnums=(0,)),
        jax.jit(evaluate),
        jax.jit(gradient_norms),
        jax.jit(norms),
        loss,
        jax.jit(residuals),
        jax.jit(judge),
    )


def model_of(config: Config) -> Model:
    """The model of a run, a decoder with the parts that its interventions put in."""
    kind = config.model.kind
    if kind == "transformer":
        return decoder_of(config)
    return import_module(f"{__package__}.{family_of(config).module}").model(config)


def decoder_of(config: Config) -> Decoder:
    """The decoder with the parts that the interventions of a run put in; ArgumentError where two put in the same."""
    parts, owner = Parts(), {}
    for made, settings in chosen(config):
        if made.parts is not None:
            after = made.parts(parts, config, settings)
            for name in (f.name for f in fields(Parts) if getattr(after, f.name) is not getattr(parts, f.name)):
                if name in owner:
                    raise ArgumentError(f"'{owner[name]}' and '{made.name}' cannot be in one run: both set '{name}'")
                owner[name] = made.name
            parts = after
    return (UnitDecoder if config.parameterisation == "unit" else Decoder)(config, parts)


def leaves_of(model: Model) -> dict[str, Leaf]:
    """The arrays of a model by name, with those of interventions."""
    leaves = model.leaves()
    for made, settings in chosen(model.config):
        if made.leaves is not None:
            leaves = made.leaves(leaves, model.config, settings)
    return leaves


def _seen(config: Config, hooks: Any, params: Any, extra: Any, number: Array) -> Any:
    """The weights as the forward pass sees them: as interventions leave them, in its number format."""
    for made, settings in hooks:
        if made.weights is not None:
            params = made.weights(params, extra, number, config, settings)
    if config.train.dtype == "bfloat16":
        params = {k: v.astype(jnp.bfloat16) for k, v in params.items()}
    return params


def _loss_of(config: Config, model: Model, hooks: Any) -> Callable[..., Any]:
    """loss(params, extra, step, batch, key) -> (loss trained on, others); without a key the validation loss."""

    def loss(params: Any, extra: Any, number: Array, batch: Any, key: Array | None) -> Any:
        params = _seen(config, hooks, params, extra, number)
        for made, settings in hooks:
            if made.objective is not None:
                value, losses = made.objective(model, params, batch, key, config, settings)
                return (value, {}) if key is None else (value + sum(losses.values()), {"loss": value, **losses})
        inputs, targets = model.split(batch)
        if key is not None:
            for place, (made, settings) in enumerate(hooks):
                if made.inputs is not None:
                    inputs = made.inputs(inputs, jax.random.fold_in(key, place), config, settings)
        logits, losses = model.logits(params, inputs)
        value, squared = cross_entropy(logits, targets)
        if key is None:
            return value, {}
        others = {"loss": value, **losses}
        if config.train.z_loss:
            others["z"] = squared
        return value + sum(losses.values()) + config.train.z_loss * squared, others

    return loss


def cross_entropy(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Mean cross-entropy in nats of (rows, vocabulary) logits, and the mean of ln^2 of their partition sums."""
    logits = logits.astype(jnp.float32)
    normaliser = jax.nn.logsumexp(logits, -1)
    picked = jnp.take_along_axis(logits, targets[:, None], 1)[:, 0]
    return (normaliser - picked).mean(), jnp.square(normaliser).mean()
