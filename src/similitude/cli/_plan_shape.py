"""`similitude plan shape`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, page_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._shape_options import read_shape, refuse_other_kinds, shape_options, sizes_of

__all__ = ["command"]

_EPILOG = """\b
Examples:
  similitude plan shape --params 7B
  similitude plan shape --params 70B --size vocabulary=128256,kv-heads=8 --tokens 15T
  similitude plan shape --model llama-2-7b --tokens 2T
  similitude plan shape --size layers=24,width=1024,heads=16,vocabulary=50304,context=2048
  similitude plan shape --model resnet-50 --scale 4
"""


@click.command("shape", epilog=_EPILOG)
@shape_options
@click.option(
    "--counts",
    type=click.Choice(["total", "without embeddings", "without embeddings and head", "active"]),
    default="total",
    show_default=True,
    help="What --params counts.",
)
@click.option("--aspect", metavar="RATIO", help="Width over layers, e.g. 128 or 64:160.  [default: 64:160]")
@click.option("--multiple", type=int, default=128, show_default=True, help="Widths are multiples of it.")
@click.option("--tolerance", type=float, default=0.05, show_default=True, help="Largest difference from --params.")
@click.option("--limit", type=int, default=8, show_default=True, help="How many shapes.")
@click.option("--tokens", metavar="N", help="Tokens (or images) to train on, e.g. 1.4T.")
@click.option("--batch", metavar="N", help="With --params, tokens of a batch; else sequences or images held at once.")
@click.option("--optimizer", metavar="NAME", default="adam", show_default=True, help="Whose state is kept in memory.")
@click.option("--scale", metavar="FACTOR", help="Scale a convolution net to so many times its FLOP, by every rule.")
@click.option("--alpha", type=float, default=0.8, show_default=True, help="Share of the FLOP for width in --scale.")
@page_option
@json_option
def command(as_json: bool, page: str | None, **options: Any) -> None:
    """Find layers and widths for a number of parameters, or what a shape costs.

    With --params: shapes near it, in whole multiples, with batches and steps for --tokens. With --model or --size: its
    parameters by every convention, FLOP by every rule, memory. With --scale: depth, width and resolution of a larger
    convolution net.
    """
    check_target(page)
    found = _scaled(options) if options["scale"] is not None else _found(options)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)


def _found(options: dict[str, Any]) -> Any:
    from similitude.planning import shape_sheet, shapes_for

    if options["params"] is None:
        batch = 1.0 if options["batch"] is None else _parse.number("--batch", options["batch"])
        made = read_shape(options)
        return shape_sheet(made, amount=options["tokens"], batch=batch, optimizer=options["optimizer"])
    if options["model"] is not None:
        raise ArgumentError("--model names a shape and --params looks for one: give one of them")
    refuse_other_kinds(options)
    asked = {k: options[k] for k in ("counts", "tokens", "batch", "multiple", "tolerance", "limit")}
    return shapes_for(options["params"], aspect=_aspect(options["aspect"]), **asked, **sizes_of(options["sizes"]))


def _scaled(options: dict[str, Any]) -> Any:
    from similitude.planning import compound_scaling

    factor = _parse.number("--scale", options["scale"])
    net = None if options["model"] is None and not options["sizes"] else read_shape(options)
    return compound_scaling(factor, net, alpha=options["alpha"])


def _aspect(text: str | None) -> float | tuple[float, float] | None:
    if text is None:
        return None
    low, colon, high = text.partition(":")
    ends = [_parse.number("--aspect", end) for end in ((low, high) if colon else (low,))]
    return (ends[0], ends[1]) if colon else ends[0]
