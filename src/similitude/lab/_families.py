"""The kinds of models there are: what each is trained on, which settings it has, and its shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from similitude._architecture import Transformer
from similitude._errors import ArgumentError
from similitude._recurrent import Recurrent
from similitude._vision import Perceptron, PlainConvolutionNet, VisionTransformer

if TYPE_CHECKING:
    from ._settings import Config

__all__ = ["FAMILIES", "Family", "check_family", "family_of", "foreign_settings", "transformer_shape"]

TEXT, IMAGES = "text", "images"
# settings that belong to one of both; all others have a meaning for text and for images
OF_DATA = {
    TEXT: (
        "data.domains",
        "data.tokenizer",
        "data.sequence",
        "data.held",
        "train.tokens",
        "train.tokens_per_parameter",
        "train.activations",
    ),
    IMAGES: ("data.images", "train.images"),
}


@dataclass(frozen=True)
class Family:
    """A kind of model, trained on `data`, "text" or "images".

    `settings` are those of `model` that it has; `shape(config)` its counts, before interventions; `module` the file of
    the lab whose ``model(config)`` makes it, see `_model.Model`: what a run costs can be said without importing JAX.
    `kept(shape)`, of models of images, is how many numbers of one image the lab keeps for the backward pass.
    """

    data: str
    module: str
    settings: tuple[str, ...]
    shape: Callable[[Config], Any]
    kept: Callable[[Any], float] | None = None


def transformer_shape(config: Config) -> Transformer:
    """The decoder's sizes, before interventions."""
    m = config.model
    return Transformer(
        layers=m.layers,
        width=m.width,
        heads=m.heads,
        kv_heads=m.kv_heads,
        vocabulary=config.vocabulary,
        context=config.data.sequence,
        feed_forward=m.inner(),
        gated=m.activation == "swiglu",
        tied=m.tied,
    )


def recurrent_shape(config: Config) -> Recurrent:
    """The sizes of an LSTM."""
    m = config.model
    return Recurrent(layers=m.layers, width=m.width, vocabulary=config.vocabulary, context=config.data.sequence,
                     tied=m.tied)  # fmt: skip


def perceptron_shape(config: Config) -> Perceptron:
    """The sizes of a multilayer perceptron, which sees all pixels at once."""
    size = config.image_size
    inputs = size.height * size.width * size.channels
    return Perceptron(layers=config.model.layers, width=config.model.width, inputs=inputs, classes=size.classes)


def convolution_shape(config: Config) -> PlainConvolutionNet:
    """The sizes of a convolution net."""
    m, size = config.model, config.image_size
    return PlainConvolutionNet(layers=m.layers, width=m.width, image=size.height, strides=m.strides,
                               classes=size.classes, channels=size.channels)  # fmt: skip


def vision_shape(config: Config) -> VisionTransformer:
    """The sizes of a vision transformer, whose classifier reads the mean over patches."""
    m, size = config.model, config.image_size
    return VisionTransformer(
        layers=m.layers,
        width=m.width,
        heads=m.heads,
        patch=m.patch,
        image=size.height,
        feed_forward=m.inner(),
        classes=size.classes,
        class_token=False,
        channels=size.channels,
        learned_positions=m.positions == "learned",
    )


def _kept_by_perceptron(shape: Perceptron) -> float:
    return shape.activations() / 2


def _kept_by_convolutions(shape: PlainConvolutionNet) -> float:
    """Before and after each norm, and the squares of 3x3 pixels that each convolution reads."""
    squares = sum(c.kernel**2 * c.channels * c.side**2 for c in shape.convolutions())
    return shape.activations() / 2 + squares


def _kept_by_vision(shape: VisionTransformer) -> float:
    return shape.activations(dropout=False) / 2


_DECODER = ("layers", "width", "heads", "kv_heads", "feed_forward", "activation", "tied", "qk_norm")
_VISION = ("layers", "width", "heads", "feed_forward", "patch", "positions")
FAMILIES: dict[str, Family] = {
    "transformer": Family(TEXT, "_decoder", _DECODER, transformer_shape),
    "lstm": Family(TEXT, "_lstm", ("layers", "width", "tied"), recurrent_shape),
    "mlp": Family(IMAGES, "_mlp", ("layers", "width"), perceptron_shape, _kept_by_perceptron),
    "cnn": Family(IMAGES, "_cnn", ("layers", "width", "strides"), convolution_shape, _kept_by_convolutions),
    "vit": Family(IMAGES, "_vit", _VISION, vision_shape, _kept_by_vision),
}


def family_of(config: Config) -> Family:
    """The family of a run's model."""
    return FAMILIES[config.model.kind]


def foreign_settings(config: Config) -> list[str]:
    """Dotted names of the settings that a run's model, or what it is trained on, has not."""
    family = family_of(config)
    model = [f"model.{n}" for n in config.model.__struct_fields__ if n not in (*family.settings, "kind")]
    return model + [name for data, names in OF_DATA.items() if data != family.data for name in names]


def check_family(config: Config) -> None:
    """ArgumentError, in a sentence, for settings that the run's model, or what it is trained on, has not."""
    from ._settings import Config

    kind, family, usual = config.model.kind, family_of(config), Config()
    said = f"model.kind = '{kind}'"
    if family.data == TEXT and config.data.images is not None:
        others = ", ".join(k for k, f in FAMILIES.items() if f.data == IMAGES)
        raise ArgumentError(f"data.images = '{config.data.images}', but {said} reads text; on images train {others}")
    if family.data == IMAGES and config.data.images is None:
        raise ArgumentError(f"{said} is trained on images: give data.images, a set's name or the path of an .npz file")
    for name in foreign_settings(config):
        part, _, field = name.partition(".")
        value = getattr(getattr(config, part), field)
        if value != getattr(getattr(usual, part), field):
            what = f"{said}, which has {', '.join(family.settings)}" if part == "model" else f"a run on {family.data}"
            raise ArgumentError(f"{name} = {_told(value)} says nothing of {what}; leave it out{_instead(name)}")
    if kind != "transformer" and config.parameterisation == "unit":
        raise ArgumentError(f"parameterisation = 'unit' with {said}: expected standard or mup")
    if kind != "transformer" and config.interventions:
        name = next(iter(config.interventions))
        raise ArgumentError(f"interventions are changes to the transformer: '{name}' cannot be in a run with {said}")
    if family.data == IMAGES:
        _check_images(config)


def _told(value: object) -> str:
    """A value as a settings file has it."""
    if isinstance(value, tuple):
        return str(list(value))
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def _instead(name: str) -> str:
    if name in ("train.tokens", "train.tokens_per_parameter"):
        return " and give train.images or train.steps"
    return " and give train.tokens or train.steps" if name == "train.images" else ""


def _check_images(config: Config) -> None:
    """What only runs on images can have wrong."""
    m, t, size = config.model, config.train, config.image_size
    if t.steps is None and t.images is None:
        raise ArgumentError("train: give the length of a run on images, steps or images")
    if m.kind != "mlp" and size.height != size.width:
        raise ArgumentError(
            f"data.images = '{config.data.images}' has images of {size.height} x {size.width} pixels; expected square "
            f"ones for model.kind = '{m.kind}'"
        )
    if m.kind == "cnn" and (not m.strides or min(m.strides) < 1):
        raise ArgumentError(f"model.strides = {list(m.strides)}; expected a stride of 1 or more for each stage")
    if m.kind != "vit":
        return
    if m.patch < 1 or size.height % m.patch:
        raise ArgumentError(f"model.patch = {m.patch}; expected a divisor of the {size.height} pixels of a side")
    if m.width % m.heads:
        raise ArgumentError(f"model.width = {m.width} with {m.heads} heads: expected heads of one width")
    if m.positions == "sine" and m.width % 4:
        raise ArgumentError(f"model.width = {m.width}; expected a multiple of 4 for positions of sines")
