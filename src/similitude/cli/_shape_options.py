"""Options that name a shape: a public model, sizes of your own, or a number of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse

__all__ = ["model_names", "read_shape", "refuse_other_kinds", "shape_options", "sizes_of"]

F = TypeVar("F", bound=Callable[..., Any])
_KINDS = ("transformer", "encoder-decoder", "vision", "convolution")
_YES = {"yes": True, "true": True, "no": False, "false": False}


def model_names(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completion of the name of a public model."""
    from similitude._known_shapes import architectures

    return [name for name in architectures() if name.startswith(incomplete)]


_SHAPE = (
    click.option("--model", metavar="NAME", shell_complete=model_names, help="A public model, e.g. llama-2-7b."),
    click.option("--params", metavar="N", help="Shapes near so many parameters, e.g. 7B."),
    click.option(
        "--size", "sizes", metavar="NAME=VALUE,...", multiple=True, help="Sizes, e.g. layers=32,width=4096,gated=yes."
    ),
    click.option(
        "--kind", type=click.Choice(_KINDS), default="transformer", show_default=True, help="What --size describes."
    ),
)


def shape_options(function: F) -> F:
    """--model, --params, --size and --kind."""
    for option in reversed(_SHAPE):
        function = option(function)
    return function


def sizes_of(texts: tuple[str, ...]) -> dict[str, Any]:
    """Sizes by name: whole numbers, yes or no, or several numbers as in depths=3/4/6/3."""
    return {k.replace("-", "_"): _size(k, v) for k, v in _parse.merged("--size", texts, "layers=32,width=4096").items()}


def _size(name: str, text: str) -> Any:
    if text.casefold() in _YES:
        return _YES[text.casefold()]
    if "/" in text:
        return tuple(_whole(name, part) for part in text.split("/"))
    return _whole(name, text)


def _whole(name: str, text: str) -> int:
    value = _parse.number(f"--size {name}", text)
    if value != int(value):
        raise ArgumentError(f"--size {name}={text}: expected a whole number")
    return int(value)


def refuse_other_kinds(options: dict[str, Any]) -> None:
    """ArgumentError where shapes near a number of parameters are asked for that are no decoders."""
    if options["kind"] != "transformer":
        raise ArgumentError(f"--params looks for decoders: give a {options['kind']} net by its sizes, --size")


def read_shape(options: dict[str, Any]) -> Any:
    """The shape that --model, --size or --params ask for; of several near a number of parameters, the first."""
    from similitude._known_shapes import shape
    from similitude.planning import shapes_for

    sizes = sizes_of(options["sizes"])
    if options["params"] is not None:
        if options["model"] is not None:
            raise ArgumentError("--model names a shape and --params looks for one: give one of them")
        refuse_other_kinds(options)
        return shapes_for(options["params"], **sizes).best.shape
    if options["model"] is None and not sizes:
        raise ArgumentError("name a shape: --model llama-2-7b, --params 7B, or --size layers=32,width=4096,...")
    return shape(options["model"], **sizes) if options["model"] else shape(kind=options["kind"], **sizes)
