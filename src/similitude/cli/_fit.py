"""`similitude fit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from similitude._errors import ArgumentError, ConvergenceError
from similitude.cli import _parse
from similitude.cli._options import json_option, law_names, level_option, output_option, reading_options, seed_option
from similitude.cli._output import check_target, note, print_json, print_text, to_json, write_file
from similitude.cli._progress import working
from similitude.cli._sources import SCHEMA_OF_GROUPS, find_law, is_formula, read_tables, tell

if TYPE_CHECKING:
    from similitude.laws import Law
    from similitude.runs import Runs

MANY = 2_000  # runs beyond which the FIT file is on one line

# options that mean nothing without a law
OF_A_LAW = ("objective", "delta", "asymmetry", "weights", "method", "resamples", "cluster", "noise")
_EPILOG = """\b
Examples:
  similitude fit sweep.csv --law chinchilla -o fit.json
  similitude fit sweep.csv --law "E + A/N^alpha + B/D^beta" --start alpha=.2,.6
  similitude fit data:chinchilla-epoch --law chinchilla --delta 1e-3
  similitude fit curve.csv --law power_floor --loss error_rate --input x=images
  similitude fit curve.csv --law auto --loss error_rate --input x=images
"""


@click.command("fit", epilog=_EPILOG)
@click.argument("runs", nargs=-1, required=True)
@click.option(
    "--law",
    "law",
    metavar="NAME|FORMULA",
    required=True,
    shell_complete=law_names,
    help="A law of the catalogue, a formula, or auto.",
)
@output_option('Write the fit to this file ("-": standard output).')
@click.option(
    "--input", "inputs", metavar="INPUT=COLUMN", multiple=True, help="Column of an input of the law, e.g. x=D."
)
@click.option("--fix", metavar="NAME=VALUE", multiple=True, help="Hold a parameter, e.g. E=1.69.")
@click.option("--tie", metavar="NAME=NAME", multiple=True, help="Make parameters equal, e.g. alpha=beta.")
@click.option("--bound", metavar="NAME=LOW:HIGH", multiple=True, help="Keep a parameter within, e.g. alpha=0.1:1.")
@click.option("--prior", metavar="NAME=CENTRE:SPREAD", multiple=True, help="Pull a parameter, e.g. E=1.7:0.1 (normal).")
@click.option("--start", metavar="NAME=VALUE,...", multiple=True, help="Starting values, e.g. alpha=.2,.6.")
@click.option("--by", metavar="COLUMN", help="One fit for each value of this column.")
@click.option(
    "--objective",
    type=click.Choice(["huber_log", "squares_log", "huber", "squares"]),
    default="huber_log",
    show_default=True,
    help="What is summed: Huber's function or squares, of log or raw residuals.",
)
@click.option("--delta", type=float, help="Huber's threshold.  [default: tied to the noise; papers: 1e-3]")
@click.option(
    "--asymmetry", type=float, default=0.5, show_default=True, help="Share of the penalty on runs above the law."
)
@click.option("--weights", metavar="COLUMN", help="Column of weights (inverse variances).")
@level_option
@click.option(
    "--method",
    type=click.Choice(["profile", "delta", "case", "residual", "wild", "parametric"]),
    default="profile",
    show_default=True,
    help="How intervals are made: profile likelihood, delta method, or a bootstrap.",
)
@click.option("--resamples", type=int, help="Resamples of a bootstrap.  [default: 400]")
@click.option(
    "--cluster",
    metavar="COLUMN|none",
    default="auto",
    help="Rows with equal values here share an error.  [default: run ids]",
)
@click.option(
    "--noise",
    type=click.Choice(["constant", "scale"]),
    default="constant",
    show_default=True,
    help="Whether noise changes with compute.",
)
@reading_options
@seed_option
@json_option
def command(runs: tuple[str, ...], law: str, output: str | None, as_json: bool, **options: Any) -> None:
    """Fit a law to a table of runs.

    RUNS is a CSV, TSV, JSON, JSONL, Parquet or Arrow file, "-" for standard input, or a published data set
    (data:NAME); several are put under each other. LAW is a name from 'similitude laws', or a formula with + - * / ^
    and functions such as exp and log, in which the names of columns are inputs and all others parameters. --law auto
    carries one learning curve on to twice its length without choosing a law: one input column, one score that falls.
    """
    if output == "-" and as_json:
        raise ArgumentError("-o - and --json both want standard output; the FIT document holds all that --json prints")
    check_target(output)
    keywords = _keywords(options)
    table = read_tables(runs, options)
    if law == "auto":
        with working("averaging over curves"):
            result = _carried_on(table, keywords, options)
        tell(table)
    else:
        chosen, keywords["inputs"] = _bound(law, table, options["inputs"], keywords["start"])
        with working(f"fitting {chosen.name}"):
            result = _fitted(chosen, table, keywords, as_json)
        _tell(law, chosen, table)
    _show(result, output, as_json)


def _carried_on(table: Runs, keywords: dict[str, Any], options: dict[str, Any]) -> Any:
    """A learning curve carried on without a law; what belongs to laws is refused."""
    from similitude.fitting import fit

    # an option without a default has None, or a mark of click's own
    usual = {p.name: p.default if isinstance(p.default, (str, float)) else None for p in command.params}
    given = [k for k in ("fix", "tie", "bound", "prior", "start") if options[k]]
    given += [k for k in OF_A_LAW if options[k] != usual[k]]
    if given:
        raise ArgumentError(f"--{given[0]} belongs to a law with parameters; --law auto averages over curves instead")
    columns = _parse.merged("--input", options["inputs"], "x=D") or None
    return fit("auto", table, inputs=columns, by=keywords["by"], intervals=keywords["intervals"])


def _tell(text: str, law: Law, runs: Runs) -> None:
    tell(runs)
    if is_formula(text):
        note(f"formula: inputs {', '.join(law.inputs)}; parameters {', '.join(law.params)}")


def _keywords(options: dict[str, Any]) -> dict[str, Any]:
    """The keywords of `similitude.fit`, read from the options."""
    from similitude.fitting import Intervals, Objective

    objective = Objective.named(
        options["objective"], delta=options["delta"], asymmetry=options["asymmetry"], weights=options["weights"]
    )
    if options["resamples"] is not None and options["method"] in ("profile", "delta"):
        raise ArgumentError(
            f"--resamples belongs to a bootstrap, such as --method case; {options['method']} makes none"
        )
    cluster = None if options["cluster"] == "none" else options["cluster"]
    return {
        "objective": objective,
        "fix": _parse.numbers("--fix", options["fix"]),
        "tie": _parse.ties(options["tie"]),
        "bound": _parse.bounds(options["bound"]),
        "prior": _parse.priors(options["prior"]),
        "start": _parse.starts(options["start"]),
        "by": options["by"],
        "intervals": Intervals(options["method"], options["level"], cluster, options["noise"], options["resamples"]),
        "seed": options["seed"],
    }


def _bound(text: str, runs: Runs, inputs: Any, start: dict[str, list[float]]) -> tuple[Law, dict[str, str] | None]:
    """The law, and which column each of its inputs is."""
    columns = _parse.merged("--input", inputs, "x=D")
    law = find_law(text, runs, tuple(columns), start)
    return law, columns or None


def _fitted(law: Law, runs: Runs, keywords: dict[str, Any], as_json: bool) -> Any:
    from similitude.fitting import fit

    try:
        return fit(law, runs, **keywords)
    except ConvergenceError as error:
        if as_json:
            print_json(_unsolved(error, law, keywords["intervals"]))
        raise


def _unsolved(error: ConvergenceError, law: Law, intervals: Any) -> dict[str, Any]:
    """What is known of a fit whose optimum is none."""
    solution = getattr(error, "solution", None)
    values = {} if solution is None else solution.problem.coordinates.point(solution.u)
    return {
        "law": law.name,
        "converged": False,
        "objective": None if solution is None else solution.objective,
        "parameters": {
            k: {"value": values.get(k), "low": None, "high": None, "unit": p.unit} for k, p in law.params.items()
        },
        "interval": {"level": intervals.level, "method": intervals.method, "resamples": 0},
        "runs": None if solution is None else int(solution.problem.runs),
        "warnings": [str(error)],
    }


def _show(result: Any, output: str | None, as_json: bool) -> None:
    if output == "-":
        print_text(to_json(_document(result, runs=True), compact=True))
        print_text(result, error=True)
        return
    if output is not None:
        write_file(output, to_json(_document(result, runs=True), compact=_size(result) > MANY) + "\n")
    if as_json:
        print_json(_document(result, runs=False))
        return
    print_text(result)
    if sys.stderr.isatty():
        note(_next_step(result, output))


def _size(result: Any) -> int:
    from similitude.fitting import Grouped

    return sum(map(_size, result.values())) if isinstance(result, Grouped) else len(result.runs)


def _document(result: Any, *, runs: bool) -> dict[str, Any]:
    from similitude.fitting import Grouped

    if not isinstance(result, Grouped):
        return result.to_dict(runs=runs)
    return {
        "schema": SCHEMA_OF_GROUPS,
        "schema_version": 1,
        "by": result.by,
        "fits": {k: f.to_dict(runs=runs) for k, f in result.items()},
    }


def _next_step(result: Any, output: str | None) -> str:
    if output is None:
        return "to predict and plan with this fit, keep it: add -o fit.json"
    from similitude.fitting import Fit, Grouped

    fit = next(iter(result.values())) if isinstance(result, Grouped) else result
    ahead = 10 if isinstance(fit, Fit) else 2
    at = ",".join(f"{name}={ahead * high:.{0 if ahead == 10 else 3}e}" for name, (_, high) in fit.within.items())
    group = f" --group {next(iter(result))}" if isinstance(result, Grouped) else ""
    return f"next: similitude predict {output}{group} --at {at.replace('e+', 'e')}"
