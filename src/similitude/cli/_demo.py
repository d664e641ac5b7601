"""`similitude demo`: the whole way from runs to a report, on published runs or, without them, on simulated ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, DataError
from similitude.cli import _parse
from similitude.cli._options import json_option, seed_option
from similitude.cli._output import note, print_json, print_text, to_json, write_file
from similitude.cli._progress import working
from similitude.cli._remedies import text_as_options

if TYPE_CHECKING:
    from similitude.runs import Runs

DATA = "chinchilla-epoch"
TRUTH = "chinchilla:besiroglu2024"
OURS = "ladder"  # comes with the package
LAWS = ("chinchilla", "chinchilla_tied", "kaplan")


@dataclass(frozen=True)
class _Case:
    """Runs with the question that is put to them."""

    runs: Runs
    budget: float
    target: str


@click.command("demo")
@click.option("-o", "--output", metavar="DIRECTORY", default="out", show_default=True, help="Where to write.")
@click.option("--simulated", is_flag=True, help="Use simulated runs even where published ones can be had.")
@seed_option
@json_option
def command(output: str, simulated: bool, seed: int, as_json: bool) -> None:
    """Fit, predict, plan, compare and report on real runs.

    The runs are the 245 published ones behind Chinchilla's law, from the folder SIMILITUDE_DATA or downloaded; without
    either they are those of a ladder of small models that comes with the package, and everything says so.
    """
    from similitude.fitting import compare_laws, fit
    from similitude.laws import get
    from similitude.planning import plan

    folder = _folder(output)
    case = _published(_simulated(seed)) if simulated else _case()
    runs = case.runs
    show = _silent if as_json else _step
    show(f"The runs: {runs.source}", _about(runs))
    with working("fitting"):
        fitted = fit(get("chinchilla"), runs, seed=seed)
    show("Fit a law: similitude fit ... --law chinchilla", fitted)
    target = _parse.assignments("--at", case.target, "N=70B,D=1.4T")
    predicted = fitted.predict(**{name: _parse.number("--at", text) for name, text in target.items()})
    show(f"Predict a run: similitude predict ... --at {case.target}", f"loss {predicted!r}")
    with working("planning"):
        best = plan(fitted, flop=case.budget, seed=seed)
    with working("comparing laws"):
        compared = compare_laws([get(name) for name in LAWS], runs, seed=seed)
    show(f"Compare laws: similitude compare ... --laws {','.join(LAWS)}", "\n\n".join(str(v) for v in compared.view()))
    paths = _write(folder, [fitted, best, compared])
    if as_json:
        print_json({
            "runs": runs.source,
            "fit": fitted.to_dict(runs=False),
            "predictions": [predicted.to_dict()],
            "plan": {k: v for k, v in best.to_dict().items() if k != "curves"},
            "comparison": compared.to_dict(),
            **paths,
        })  # fmt: skip
        return
    show(f"Plan for a budget: similitude plan {paths['fit_file']} --flop {case.budget:g}", best)
    said = " (SIMULATED runs, not training)" if simulated else ""
    print_text(f"Report: {paths['report']}{said}")
    print_text(repr(best))


def _folder(output: str) -> Path:
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"-o {output}: cannot be made a directory ({error.strerror})") from None
    return Path(output)


def _published(runs: Runs) -> _Case:
    """The budget Chinchilla itself was trained with, and its size and tokens."""
    return _Case(runs, 5.76e23, "N=70B,D=1.4T")


def _case() -> _Case:
    """The published runs; our own ladder's where they cannot be had."""
    from similitude.runs import datasets

    beside = Path(__file__).resolve().parents[4] / "shared" / "data"  # next to a checkout
    if "SIMILITUDE_DATA" not in os.environ and (beside / DATA).is_dir():
        os.environ["SIMILITUDE_DATA"] = str(beside)
    try:
        with working(f"loading {DATA}"):
            return _published(datasets.load(DATA))
    except DataError as error:
        note(f"{error}. A ladder of small runs that comes with the package is used instead")
        return _Case(datasets.load(OURS, group="ladder", domain="python"), 1e15, "N=1.2M,D=12M")


def _about(runs: Runs) -> Any:
    from similitude._view import Text

    origin = [f"Cite: {runs.citation}.", f"Licence: {runs.licence}."] if runs.citation else []
    return Text("", [repr(runs), *origin])


def _simulated(seed: int) -> Runs:
    from similitude.fitting import simulate
    from similitude.laws import resolve

    return simulate(resolve(TRUTH), design="isoflop", seed=seed)


def _write(folder: Path, results: list[Any]) -> dict[str, str]:
    from similitude.reports import page, report

    paths = {"fit_file": str(folder / "fit.json"), "report": str(folder / "report.html")}
    with working("writing the report"):
        write_file(paths["fit_file"], to_json(results[0].to_dict()) + "\n")
        write_file(paths["report"], page(report(results)))
    return paths


def _step(title: str, result: Any) -> None:
    print_text(text_as_options(f"{title}\n{'=' * len(title)}\n{result}\n"))


def _silent(title: str, result: Any) -> None:
    """Under --json only the document is printed."""
