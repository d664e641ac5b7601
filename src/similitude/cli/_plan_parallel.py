"""`similitude plan parallel`."""

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
  similitude plan parallel --model llama-2-70b --gpus 512xA100 --batch 4M --tokens 2T
  similitude plan parallel --params 13B --gpus 64xH100 --hold pipeline=1,recompute=full
  similitude plan parallel --model mixtral-8x7b --gpus 128xH100 --sequence 4096 --memory 64GB
  similitude plan parallel --model llama-2-70b --gpus 128xA100 --scaling 4
"""


@click.command("parallel", epilog=_EPILOG)
@shape_options
@click.option("--gpus", metavar="NxKIND", required=True, help="Accelerators, e.g. 64xH100.")
@click.option("--batch", metavar="TOKENS", default="4M", show_default=True, help="Tokens of a batch.")
@click.option("--tokens", metavar="TOKENS", help="Tokens of the whole training, for its time and cost.")
@click.option("--sequence", metavar="TOKENS", help="Tokens of a sequence.  [default: the model's context]")
@click.option("--memory", metavar="GB", help="Memory of one accelerator, e.g. 80GB.  [default: the table's]")
@click.option("--headroom", type=float, default=0.1, show_default=True, help="Share of the memory to leave free.")
@click.option("--optimizer", metavar="NAME", default="adam", show_default=True, help="Whose state is kept in memory.")
@click.option("--precision", type=click.Choice(["bf16", "fp16", "fp8"]), default="bf16", show_default=True)
@click.option("--efficiency", type=float, default=0.6, show_default=True, help="Share of the peak products reach.")
@click.option("--link", type=float, metavar="GB/s", help="One way within a node.  [default: half the table's figure]")
@click.option("--network", type=float, metavar="GB/s", help="One way between nodes, an accelerator.  [default: 25]")
@click.option("--node", type=int, default=8, show_default=True, help="Accelerators of a node.")
@click.option("--price", metavar="$", help="Dollars for an accelerator and hour.")
@click.option(
    "--hold",
    metavar="DEGREE=VALUE,...",
    multiple=True,
    help="Hold data, tensor, pipeline, expert, zero, recompute, microbatch or interleave; several as zero=1/3.",
)
@click.option("--limit", type=int, default=8, show_default=True, help="How many layouts.")
@click.option("--scaling", type=int, metavar="TIMES", help="Strong and weak scaling up to so many times as many.")
@page_option
@json_option
def command(as_json: bool, page: str | None, scaling: int | None, **options: Any) -> None:
    """Rank the ways to spread training over accelerators that fit their memory.

    Data, tensor, pipeline and expert parallelism with ZeRO stages, recomputation and microbatches: all that divide the
    model, the batch and the accelerators are tried, those that fit are ranked by the time of a step. The model of time
    leaves out latencies; --efficiency, --link and --network are assumptions to replace by what you measured.
    """
    check_target(page)
    found = _scaled(scaling, options) if scaling is not None else [_layouts(options)]
    write_page(list(found), page)
    if as_json:
        print_json(found[0].to_dict() if scaling is None else {f.kind: f.to_dict() for f in found})
    else:
        print_text("\n\n".join(map(str, found)))


def _layouts(options: dict[str, Any], times: int = 1, *, weak: bool = False) -> Any:
    from similitude.planning import parallel_layouts

    gpus, batch = options["gpus"], _parse.number("--batch", options["batch"])
    if times > 1:
        from similitude.planning._parallel import fleet

        count, chip = fleet(gpus)
        gpus = f"{count * times}x{chip.key}"
    named = ("optimizer", "precision", "efficiency", "headroom", "node", "limit")
    return parallel_layouts(
        read_shape(options),
        gpus,
        batch=batch * times if weak else batch,
        tokens=options["tokens"],
        sequence=None if options["sequence"] is None else int(_parse.number("--sequence", options["sequence"])),
        memory_gb=None if options["memory"] is None else _memory(options["memory"]),
        links={k: options[k] for k in ("link", "network") if options[k] is not None},
        price=None if options["price"] is None else _parse.number("--price", options["price"]),
        **{k: options[k] for k in named},
        **_held(options["hold"]),
    )


def _scaled(most: int, options: dict[str, Any]) -> list[Any]:
    """Strong and weak scaling at one, two, four ... times as many accelerators."""
    from similitude.planning import scaling_efficiency

    if most < 2:
        raise ArgumentError(f"--scaling {most}: expected how many times as many accelerators, at least 2")
    steps = [2**k for k in range(most.bit_length())]
    found = []
    for kind in ("strong", "weak"):
        made = [_layouts(options, k, weak=kind == "weak") for k in steps if k <= most]
        per_token = {m.count: m.best.step / (m.batch if kind == "strong" else m.batch / m.count) for m in made}
        # batches are rounded to what can be shared, so that times are compared at equal tokens
        first = made[0].best.step / per_token[made[0].count]
        times = {n: t * first for n, t in per_token.items()}
        found.append(scaling_efficiency(times, kind=kind, source="modelled"))
    return found


def _memory(text: str) -> float:
    stripped = text.strip().casefold().removesuffix("b").removesuffix("g").strip()
    return _parse.number("--memory", stripped)


def _held(texts: tuple[str, ...]) -> dict[str, Any]:
    return {k: _several(k, v) for k, v in _parse.merged("--hold", texts, "pipeline=1,zero=3").items()}


def _several(name: str, text: str) -> Any:
    parts = text.split("/")
    return parts if name == "recompute" else [_parse.number(f"--hold {name}", part) for part in parts]
