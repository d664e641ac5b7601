"""Shapes of models: public ones by name, with the source of each, or your own from its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from ._architecture import Transformer
from ._encoder_decoder import EncoderDecoder
from ._errors import ArgumentError, did_you_mean
from ._vision import ConvolutionNet, VisionTransformer

__all__ = ["KINDS", "KnownShape", "Shape", "architectures", "kind_of", "refuse_unknown", "shape"]

Shape = Transformer | EncoderDecoder | VisionTransformer | ConvolutionNet
KINDS: Mapping[str, type[Shape]] = {
    "transformer": Transformer,
    "encoder-decoder": EncoderDecoder,
    "vision": VisionTransformer,
    "convolution": ConvolutionNet,
}


@dataclass(frozen=True, slots=True)
class KnownShape:
    """A public model's shape, where it was published, and the totals published of it."""

    name: str
    kind: str
    source: str
    shape: Shape
    published: tuple[Mapping[str, Any], ...] = ()


@cache
def _table() -> Mapping[str, KnownShape]:
    import tomllib
    from importlib.resources import files

    entries = tomllib.loads(files("similitude").joinpath("_shapes.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: KnownShape(name, e["kind"], e["source"], KINDS[e["kind"]](**e["sizes"]), tuple(e["published"]))
            for name, e in entries.items()
        }
    )


def architectures() -> Mapping[str, KnownShape]:
    """The public models whose shapes are known by name, each with its source and its published totals.

    >>> known = architectures()
    >>> known["mixtral-8x7b"].shape.parameters("active")
    12879925248
    >>> known["mixtral-8x7b"].source
    'config.json of mistralai/Mixtral-8x7B-v0.1; Jiang et al. 2024, table 1'
    """
    return _table()


def shape(name: str | None = None, /, *, kind: str = "transformer", **sizes: Any) -> Shape:
    """The shape of a public model by name, with any sizes changed, or of your own from its sizes alone.

    `kind` is "transformer" (decoder-only, dense or of experts), "encoder-decoder", "vision" or "convolution", and says
    which sizes there are. Every shape answers `parameters(counts)`, `flop()`, `training_flop(...)`,
    `activations(batch, recompute=...)` and `state(optimizer)`, in FLOP and bytes; decoders also `cache(tokens)`.

    Raises ArgumentError for a name, kind or size that is not known, or sizes that make no model.

    >>> shape("llama-2-7b").parameters()
    6738415616
    >>> shape("llama-3-8b", context=32768).cache(32768) / 2**30
    4.0
    >>> shape(layers=2, width=64, heads=4, vocabulary=1000, context=128).parameters("without embeddings")
    98624
    """
    if name is None:
        return _made(kind, sizes)
    key = str(name).strip().casefold().replace("_", "-").replace(" ", "-")
    known = _table()
    if key not in known:
        raise ArgumentError(f"no model '{name}'{did_you_mean(key, known)} (known: {', '.join(known)})")
    found = known[key]
    refuse_unknown(found.kind, sizes)
    return replace(found.shape, **sizes)


def kind_of(made: Shape) -> str:
    """The kind of a shape, by name."""
    return next(k for k, made_of in KINDS.items() if isinstance(made, made_of))


def _made(kind: str, sizes: Mapping[str, Any]) -> Shape:
    if kind not in KINDS:
        raise ArgumentError(f"no kind '{kind}'{did_you_mean(kind, KINDS)}; the kinds are: {', '.join(KINDS)}")
    refuse_unknown(kind, sizes)
    needed = [f.name for f in fields(KINDS[kind]) if f.default is f.default_factory and f.name not in sizes]
    if needed:
        raise ArgumentError(f"a shape needs {', '.join(needed)}: give them, or the name of a public model")
    return KINDS[kind](**sizes)


def refuse_unknown(kind: str, sizes: Mapping[str, Any]) -> None:
    there = [f.name for f in fields(KINDS[kind])]
    for name in sizes:
        if name not in there:
            raise ArgumentError(f"a {kind} has no size '{name}'{did_you_mean(name, there)} (it has {', '.join(there)})")
