"""From the shape of a model of images to parameters, FLOP and activations: transformer, convolutions, perceptron."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ._architecture import RECOMPUTE, attention_activations, feed_forward_activations
from ._counted import Counted, Flop, chosen, positive
from ._errors import ArgumentError

__all__ = ["ConvolutionNet", "Perceptron", "PlainConvolutionNet", "VisionTransformer"]


class OfImages(Counted):
    """The shared face of shapes whose FLOP are of an image."""

    __slots__ = ()

    def flop(self) -> Flop:
        """FLOP of the matrix products of one image; half as many multiply-and-add operations."""
        raise NotImplementedError

    def training_flop(self, images: float) -> float:
        """FLOP to train on so many images, forward and backward."""
        return self.flop().training * images


@dataclass(frozen=True, slots=True)
class VisionTransformer(OfImages):
    """The shape of a vision transformer: patches, a class token, learned positions, biases, a linear head.

    `width`, `layers`, `heads` and `feed_forward` (by default ``4 * width``) as in `Transformer`; `patch` and `image`
    are sides in pixels. Embeddings are the projection of patches, the positions where they are learned, and the class
    token.
    Raises ArgumentError where patches do not tile the image or heads do not divide the width.
    """

    layers: int
    width: int
    heads: int
    patch: int
    image: int = 224
    feed_forward: int | None = None
    classes: int = 1000
    class_token: bool = True
    channels: int = 3
    learned_positions: bool = True

    def __post_init__(self) -> None:
        positive(self, "layers", "width", "heads", "patch", "image", "feed_forward", "classes", "channels")
        if self.image % self.patch:
            raise ArgumentError(f"patches of {self.patch} pixels do not tile an image of {self.image}")
        if self.width % self.heads:
            raise ArgumentError(f"width {self.width} does not divide into {self.heads} heads")

    @property
    def tokens(self) -> int:
        """Patches of an image, and the class token."""
        return (self.image // self.patch) ** 2 + self.class_token

    @property
    def attention_width(self) -> int:
        """The width, which heads share."""
        return self.width

    @property
    def kv_width(self) -> int:
        """Width of the keys, and of the values, of one token."""
        return self.width

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward layer."""
        return self.feed_forward or 4 * self.width

    @property
    def _patches(self) -> int:
        return self.channels * self.patch**2 * self.width

    @property
    def _matrices(self) -> int:
        return self.layers * (4 * self.width**2 + 2 * self.width * self.inner)

    @property
    def embeddings(self) -> int:
        """Weights of the projection of patches, of learned positions and of the class token."""
        return self._patches + self.width + (self.tokens * self.learned_positions + self.class_token) * self.width

    @property
    def head(self) -> int:
        """Weights of the classifier."""
        return (self.width + 1) * self.classes

    def _parts(self) -> tuple[int, int, int, int]:
        biases = self.layers * (5 * self.width + self.inner)
        norms = 2 * (2 * self.layers + 1) * self.width
        return self._matrices + biases + norms, self.embeddings, self.head, 0

    def flop(self) -> Flop:
        """FLOP of the matrix products of one image; half as many multiply-and-add operations."""
        attention = 4.0 * self.layers * self.tokens**2 * self.width
        patches = (self.tokens - self.class_token) * self._patches
        products = self.tokens * self._matrices + patches + self.width * self.classes
        return Flop(2.0 * products + attention, attention, "image", given=2.0 * patches)

    def activations(self, batch: float = 1, *, recompute: str = "none", dropout: bool = True) -> float:
        """Bytes kept for the backward pass of `batch` images on one accelerator, itemised as for `Transformer`."""
        chosen("recomputation", recompute, RECOMPUTE)
        if recompute == "full":
            return float(batch * self.tokens * self.layers * 2.0 * self.width)
        context = 0 if recompute == "selective" else self.tokens
        layer = sum(attention_activations(self, context, dropout)) + 4.0 * self.width
        layer += sum(feed_forward_activations(self.width, self.inner, 1, False, dropout))
        return float(batch * self.tokens * self.layers * layer)


class Convolution(NamedTuple):
    """One convolution: sides of kernel and output, channels in and out."""

    kernel: int
    channels: int
    filters: int
    side: int

    @property
    def weights(self) -> int:
        """Weights of the kernel, without the norm behind it."""
        return self.kernel**2 * self.channels * self.filters


class OfConvolutions(OfImages):
    """The shared face of convolution nets: convolutions with a norm of scale and offset behind each, and a head."""

    __slots__ = ()

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, in order."""
        raise NotImplementedError

    @property
    def features(self) -> int:
        """Channels that the classifier reads."""
        raise NotImplementedError

    @property
    def head(self) -> int:
        """Weights of the classifier."""
        return (self.features + 1) * self.classes  # type: ignore[attr-defined]

    @property
    def outputs(self) -> int:
        """Numbers that all convolutions put out for one image: what Dollár et al. (2021) call activations."""
        return sum(c.filters * c.side**2 for c in self.convolutions())

    def _parts(self) -> tuple[int, int, int, int]:
        return sum(c.weights + 2 * c.filters for c in self.convolutions()), 0, self.head, 0

    def flop(self) -> Flop:
        """FLOP of the convolutions and the head on one image; half as many multiply-and-add operations."""
        products = [c.weights * c.side**2 for c in self.convolutions()]
        whole = sum(products) + self.head - self.classes  # type: ignore[attr-defined]
        return Flop(2.0 * whole, 0.0, "image", given=2.0 * products[0])


@dataclass(frozen=True, slots=True)
class ConvolutionNet(OfConvolutions):
    """The shape of a residual convolution net (He et al. 2016): a stem, stages of blocks, a linear head.

    Parameters
    ----------
    depths, widths
        Blocks of each stage, and their inner channels; from the second stage on, the first block halves the image.
    bottleneck, expansion
        Blocks of 1x1, 3x3 and 1x1 convolutions that put out `expansion` times the inner channels; else of two 3x3.
    stem, image, classes, channels
        Channels of the 7x7 stem, pixels of a side, classes, channels of an image.
    halve_first
        A bottleneck halves the image in its first convolution, as in the paper, not in the 3x3 one, as is now usual.

    Every convolution is followed by a norm with scale and offset; their running averages are no parameters. There is
    no table of embeddings. Raises ArgumentError for sizes that are not positive.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512)
    bottleneck: bool = True
    expansion: int = 4
    stem: int = 64
    image: int = 224
    classes: int = 1000
    channels: int = 3
    halve_first: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "depths", tuple(self.depths))
        object.__setattr__(self, "widths", tuple(self.widths))
        positive(self, "expansion", "stem", "image", "classes", "channels")
        if len(self.depths) != len(self.widths) or min(*self.depths, *self.widths, 1) < 1:
            raise ArgumentError(
                f"depths {self.depths} and widths {self.widths}; expected a positive pair for each stage"
            )

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, in order; those of a shortcut after its block's."""
        side = _half(self.image)
        yield Convolution(7, self.channels, self.stem, side)
        side, channels = _half(side), self.stem  # a pooling of stride two
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            for block in range(depth):
                halve = stage > 0 and block == 0
                yield from self._block(channels, width, side, halve)
                side = _half(side) if halve else side
                channels = self._out(width)

    def _out(self, width: int) -> int:
        return width * self.expansion if self.bottleneck else width

    def _block(self, channels: int, width: int, side: int, halve: bool) -> Iterator[Convolution]:
        after, out = _half(side) if halve else side, self._out(width)
        if self.bottleneck:
            yield Convolution(1, channels, width, after if self.halve_first else side)
            yield Convolution(3, width, width, after)
            yield Convolution(1, width, out, after)
        else:
            yield Convolution(3, channels, width, after)
            yield Convolution(3, width, width, after)
        if halve or channels != out:
            yield Convolution(1, channels, out, after)

    @property
    def features(self) -> int:
        """Channels of the last stage."""
        return self._out(self.widths[-1])

    def activations(self, batch: float = 1, *, recompute: str = "none") -> float:
        """Bytes kept for the backward pass of images: 16 bits before and after each norm, or inputs of blocks."""
        chosen("recomputation", recompute, ("none", "full"))
        if recompute == "none":
            return float(4.0 * batch * self.outputs)
        side, kept = _half(_half(self.image)), 0
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            side = _half(side) if stage else side
            kept += depth * self._out(width) * side**2
        return 2.0 * batch * kept

    def scaled(self, *, depth: float = 1, width: float = 1, resolution: float = 1, divisor: int = 8) -> ConvolutionNet:
        """The net with its depths, widths and image multiplied: whole blocks, channels a multiple of `divisor`."""
        return replace(
            self,
            depths=tuple(max(1, round(d * depth)) for d in self.depths),
            widths=tuple(max(1, round(w * width / divisor)) * divisor for w in self.widths),
            stem=max(1, round(self.stem * width / divisor)) * divisor,
            image=max(1, round(self.image * resolution)),
        )


@dataclass(frozen=True, slots=True)
class PlainConvolutionNet(OfConvolutions):
    """The shape of a convolution net without shortcuts: stages of 3x3 convolutions, the mean over places, a head.

    There is one stage for each of `strides`, which its first convolution has; each has `layers` convolutions, the first
    `width` channels and each later one twice as many. Every convolution is followed by a norm with scale and offset.
    `image` is a side in pixels, padded so that a stride of one keeps it. Raises ArgumentError for sizes that are not
    positive.
    """

    layers: int
    width: int
    image: int
    strides: tuple[int, ...] = (1, 2)
    classes: int = 1000
    channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "strides", tuple(self.strides))
        positive(self, "layers", "width", "image", "classes", "channels")
        if not self.strides or min(self.strides) < 1:
            raise ArgumentError(f"strides {self.strides}; expected a positive one for each stage")

    def convolutions(self) -> Iterator[Convolution]:
        """Every convolution, in order."""
        side, channels = self.image, self.channels
        for stage, stride in enumerate(self.strides):
            for i in range(self.layers):
                side = side if i else (side - 1) // stride + 1
                yield Convolution(3, channels, self.width << stage, side)
                channels = self.width << stage

    @property
    def features(self) -> int:
        """Channels of the last stage."""
        return self.width << (len(self.strides) - 1)

    def activations(self, batch: float = 1) -> float:
        """Bytes kept for the backward pass of images: 16 bits before and after each norm."""
        return 4.0 * batch * self.outputs


@dataclass(frozen=True, slots=True)
class Perceptron(OfImages):
    """The shape of a multilayer perceptron: `layers` hidden layers of `width` on `inputs` numbers, then `classes`.

    Every layer has a bias; there is no table of embeddings. Raises ArgumentError for sizes that are not positive.

    >>> Perceptron(layers=2, width=32, inputs=64, classes=10).parameters()
    3466
    """

    layers: int
    width: int
    inputs: int
    classes: int

    def __post_init__(self) -> None:
        positive(self, "layers", "width", "inputs", "classes")

    @property
    def head(self) -> int:
        """Weights of the classifier."""
        return (self.width + 1) * self.classes

    @property
    def _matrices(self) -> int:
        return self.inputs * self.width + (self.layers - 1) * self.width**2

    def _parts(self) -> tuple[int, int, int, int]:
        return self._matrices + self.layers * self.width, 0, self.head, 0

    def flop(self) -> Flop:
        """FLOP of the matrix products of one image."""
        products = self._matrices + self.width * self.classes
        return Flop(2.0 * products, 0.0, "image", given=2.0 * self.inputs * self.width)

    def activations(self, batch: float = 1) -> float:
        """Bytes kept for the backward pass of images: 16 bits of the input and of what each layer gives."""
        return 2.0 * batch * (self.inputs + self.layers * self.width)


def _half(side: int) -> int:
    """The side after a stride of two, padded."""
    return (side - 1) // 2 + 1
