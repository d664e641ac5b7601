"""`similitude plan serve`."""

from __future__ import annotations

from typing import Any

import click

from similitude._errors import ArgumentError
from similitude.cli import _parse
from similitude.cli._options import json_option, page_option
from similitude.cli._output import check_target, print_json, print_text, write_page
from similitude.cli._shape_options import read_shape, shape_options

__all__ = ["command"]

_EPILOG = """\b
Examples:
  similitude plan serve --model llama-3-70b --gpus 4xH100 --prompt 2000 --output 300
  similitude plan serve --params 7B --gpus A100 --weight-bytes 1 --limit 0.03
  similitude plan serve --model llama-3-8b --gpus H100 --tokens 15T --output-tokens 10T
  similitude plan serve --profile requests.csv
"""


@click.command("serve", epilog=_EPILOG)
@shape_options
@click.option("--gpus", metavar="[N x]KIND", help="One replica, e.g. 4xH100; a kind alone takes the fewest that fit.")
@click.option("--prompt", type=int, default=1024, show_default=True, help="Prompt tokens of a request.")
@click.option("--output", type=int, default=256, show_default=True, help="Output tokens of a request.")
@click.option("--limit", type=float, metavar="SECONDS", help="The most between two tokens of a request.")
@click.option("--precision", type=click.Choice(["bf16", "fp16", "fp8"]), default="bf16", show_default=True)
@click.option("--weight-bytes", type=float, default=2, show_default=True, help="Bytes of a weight.")
@click.option("--cache-bytes", type=float, default=2, show_default=True, help="Bytes of a number of the cache.")
@click.option("--efficiency", type=float, default=0.6, show_default=True, help="Share of the peak products reach.")
@click.option(
    "--bandwidth", type=float, default=0.8, show_default=True, help="Share of the memory's bandwidth reached."
)
@click.option("--headroom", type=float, default=0.1, show_default=True, help="Share of the memory to leave free.")
@click.option("--price", metavar="$", help="Dollars for an accelerator and hour.")
@click.option("--tokens", metavar="N", help="With --output-tokens: tokens of training, for the cost of a lifetime.")
@click.option("--output-tokens", metavar="N", help="Output tokens served over the model's life.")
@click.option("--mfu", type=float, default=0.4, show_default=True, help="Share of the peak that training reaches.")
@click.option(
    "--profile", metavar="CSV", help="Profiled requests: columns prompt, output, seconds; no model is needed."
)
@page_option
@json_option
def command(as_json: bool, page: str | None, **options: Any) -> None:
    """Find what serving takes: latency, throughput, cache and cost, or a lifetime.

    A roofline for a model on accelerators, batch by batch; with --tokens and --output-tokens, training and serving
    together; with --profile, the idealised runtime fitted to requests that were timed.
    """
    check_target(page)
    found = _runtime(options) if options["profile"] is not None else _served(options)
    write_page([found], page)
    print_json(found.to_dict()) if as_json else print_text(found)


def _served(options: dict[str, Any]) -> Any:
    from similitude.planning import lifetime_cost, serve

    if options["gpus"] is None:
        raise ArgumentError("--gpus: name the accelerators of a replica, such as 4xH100")
    shape = read_shape(options)
    names = ("prompt", "output", "limit", "weight_bytes", "cache_bytes", "efficiency", "bandwidth", "headroom")
    served = {k: options[k] for k in names}
    price = None if options["price"] is None else _parse.number("--price", options["price"])
    made = serve(shape, options["gpus"], precision=options["precision"], price=price, **served)
    if options["tokens"] is None and options["output_tokens"] is None:
        return made
    if options["tokens"] is None or options["output_tokens"] is None:
        raise ArgumentError(
            "--tokens and --output-tokens: a lifetime needs both, what is trained on and what is served"
        )
    whole = {"tokens": options["tokens"], "output_tokens": options["output_tokens"], "mfu": options["mfu"]}
    kind = options["gpus"]
    return lifetime_cost(shape, kind, price=price, precision=options["precision"], serving=made, **whole)


def _runtime(options: dict[str, Any]) -> Any:
    from similitude.planning import fit_runtime
    from similitude.runs._open import open_source

    if options["model"] or options["params"] or options["sizes"]:
        raise ArgumentError("--profile holds times that were measured; a model has no place beside it")
    frame = open_source(options["profile"]).frame
    if missing := [c for c in ("prompt", "output", "seconds") if c not in frame.columns]:
        from similitude._errors import DataError

        raise DataError(
            f"{options['profile']} has no column '{missing[0]}'; expected prompt, output (tokens) and seconds"
        )
    return fit_runtime(*(frame[c].cast(float).to_list() for c in ("prompt", "output", "seconds")))
