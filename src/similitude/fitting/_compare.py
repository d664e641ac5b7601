"""Which law describes these runs best, judged by what it would have forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, QuestionError, SimilitudeError
from similitude.fitting._fit import Fit, fit
from similitude.fitting._noise import informative
from similitude.fitting._objective import HUBER_K, loss_terms
from similitude.fitting._options import Intervals
from similitude.fitting._prepare import cluster_labels
from similitude.laws import Law
from similitude.runs import Runs

__all__ = ["LawComparison", "LawScore", "compare_laws"]

CUTS = (0.4, 0.5, 0.6, 0.7, 0.8)
LEAST_HELD = 2


@dataclass(frozen=True)
class LawScore:
    """How one law did: held-out error (root mean square of log residuals), signed bias, share of held-out rows inside
    their 90 % interval, the error of each back-test (NaN where the law could not be fitted), AICc on all runs.

    `judged` counts the held-out rows that had an interval to be inside of.
    """

    law: str
    free: int
    held_out: float
    bias: float
    inside: float
    back_tests: tuple[float, ...]
    aicc: float
    fit: Fit | None
    note: str = ""
    judged: int = 0

    @property
    def median_back_test(self) -> float:
        """The median error over the cut-offs that could be fitted; NaN where none could."""
        known = [e for e in self.back_tests if np.isfinite(e)]
        return float(np.median(known)) if known else np.nan


@dataclass(frozen=True)
class LawComparison:
    """Laws on the same runs, best held-out error first.

    `train` and `held` count the runs on each side of the hold-out, `reach` is the largest held-out compute over the
    largest in training; `cuts` are (compute, runs below, runs above, reach) of the back-tests.
    Where a run has several checkpoints, whole runs are kept together, and `rows` counts the rows on each side.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.kaplan.published["kaplan2020"], noise=0.001)
    >>> found = sim.compare_laws([sim.laws.chinchilla, sim.laws.kaplan], runs, intervals="delta")
    >>> found.best.law, found.held
    ('kaplan', 4)
    """

    scores: tuple[LawScore, ...]
    train: int
    held: int
    reach: float
    cuts: tuple[tuple[float, int, int, float], ...]
    source: str
    hold_out: str
    rows: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"LawComparison({', '.join(f'{s.law} {s.held_out:.2%}' for s in self.scores)})"

    def __str__(self) -> str:
        return "\n".join(str(v) for v in self.view())

    @property
    def best(self) -> LawScore:
        """The law with the smallest held-out error."""
        return self.scores[0]

    def view(self) -> tuple[Any, ...]:
        """The comparison as a table, and the back-tests as another."""
        from similitude._view import Column, Table

        rows = [
            (s.law, s.free, _percent(s.held_out), _percent(s.bias, sign=True), _inside(s),
             _percent(s.median_back_test), _plain(s.aicc))
            for s in self.scores
        ]  # fmt: skip
        names = ("law", "free", "held-out error", "bias", "inside 90 %", "median back-test", "AICc")
        main = Table(
            "Laws by held-out error",
            names,
            rows,
            note="\n".join([self._split_sentence(), *(f"{s.law}: {s.note}" for s in self.scores if s.note)]),
        )
        columns = (
            "law",
            *(f"x{reach:.{0 if reach >= 10 else 1}f} ({below}/{above})" for _, below, above, reach in self.cuts),
        )
        tests = [(s.law, *(_percent(e) for e in s.back_tests)) for s in self.scores]
        back = Table(
            "Back-tests: fitted below a cut-off, judged above it",
            tuple(Column(c) for c in columns),
            tests,
            note="Columns: how far the largest run lies beyond the cut-off (runs below / above).",
        )
        return main, back

    def _split_sentence(self) -> str:
        below, above = (f" ({n} rows)" for n in self.rows) if self.rows else ("", "")
        whole = " Whole runs were held out: the rows of a run share its error." if self.rows else ""
        return (
            f"Fitted on {self.train} runs{below}, judged on the {self.held}{above} of the {self.hold_out} by compute, "
            f"up to {self.reach:.3g} times beyond. Errors are root mean squares of log residuals.{whole}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values; unknown numbers are None."""

        def known(x: float) -> float | None:
            return float(x) if np.isfinite(x) else None

        return {
            "laws": [
                {
                    "law": s.law,
                    "free": s.free,
                    "held_out_error": known(s.held_out),
                    "bias": known(s.bias),
                    "inside": known(s.inside),
                    "judged": s.judged,
                    "back_tests": [known(e) for e in s.back_tests],
                    "median_back_test": known(s.median_back_test),
                    "aicc": known(s.aicc),
                    "note": s.note,
                }
                for s in self.scores
            ],
            "runs": {"train": self.train, "held_out": self.held, "hold_out": self.hold_out, "reach": self.reach},
            "rows": None if self.rows is None else {"train": self.rows[0], "held_out": self.rows[1]},
            "cuts": [{"flop": c, "below": b, "above": a, "reach": r} for c, b, a, r in self.cuts],
        }


def _percent(x: float, *, sign: bool = False) -> str:
    return "…" if not np.isfinite(x) else f"{x:+.2%}" if sign else f"{x:.2%}"


def _inside(score: LawScore) -> str:
    """Counted: a share of six runs says less than it seems to."""
    if not np.isfinite(score.inside):
        return "…"
    return f"{round(score.inside * score.judged)} of {score.judged}" if score.judged else f"{score.inside:.0%}"


def _plain(x: float) -> str:
    return "…" if not np.isfinite(x) else f"{x:.1f}"


def compare_laws(
    laws: Sequence[Law], runs: Runs, *, hold_out: str | float = "largest 20%", seed: int = 0, **options: Any
) -> LawComparison:
    """Fit each law to the smaller runs and judge it on the larger ones; back-test it over several cut-offs.

    `hold_out`: "largest 20%" or 0.2, the share of runs, largest by compute, kept out of the fit. The back-tests cut at
    40 to 80 % of the runs by compute. `options` go to `fit`. AICc is of the Huber likelihood on all runs, comparable
    between laws on the same runs only; held-out error ranks first because extrapolation is what a law is for. Where a
    run has several checkpoints, whole runs are held out, a run's compute being that of its last checkpoint.

    Raises ArgumentError for no law or a share outside (0, 1), QuestionError where too few runs are left on either side
    or no law could be judged.

    >>> import similitude as sim
    >>> runs = sim.simulate(sim.laws.chinchilla.published["besiroglu2024"], seed=2)
    >>> sim.compare_laws([sim.laws.chinchilla, sim.laws.chinchilla_tied], runs).train
    16
    """
    if not laws:
        raise ArgumentError("name at least one law to compare")
    share = _held_share(hold_out)
    runs = runs.kept
    for law in laws:
        runs = runs.with_inputs([k for k in law.inputs if k in ("N", "D", "C", "M", "U")])
    compute = _compute(runs)
    runs, compute = _complete(runs, compute)
    labels = _shared_labels(laws, runs, options)
    each = np.arange(len(runs)) if labels is None else np.unique(labels, return_inverse=True)[1]
    sizes = np.full(each.max(initial=-1) + 1, -np.inf)
    np.maximum.at(sizes, each, compute)  # one a run
    count = len(sizes)
    order = np.argsort(sizes, kind="stable")
    held = max(LEAST_HELD, round(share * count))
    below_cuts = _cuts(sizes, order)
    cuts = [(cut, below[each]) for cut, below in below_cuts]
    if count - held < 3:
        raise QuestionError(f"{runs.source}: holding out {held} of {count} runs leaves too few to fit")
    kept = np.zeros(count, bool)
    kept[order[: count - held]] = True
    keep = kept[each]
    scores = [_score(law, runs, keep, cuts, compute, seed, options) for law in laws]
    ranked = tuple(sorted(scores, key=lambda s: (not np.isfinite(s.held_out), s.held_out)))
    if not np.isfinite(ranked[0].held_out):
        reasons = "; ".join(f"{s.law}: {s.note or 'its forecast of the held-out runs is not finite'}" for s in ranked)
        raise QuestionError(f"none of these laws could be judged: {reasons}")
    described = tuple(
        (float(c), int(b.sum()), int((~b).sum()), float(sizes.max() / sizes[b].max())) for c, b in below_cuts
    )
    reach = float(sizes.max() / sizes[kept].max())
    rows = None if labels is None else (int(keep.sum()), int((~keep).sum()))
    return LawComparison(ranked, int(kept.sum()), held, reach, described, runs.source, f"largest {share:.0%}", rows)


def _shared_labels(laws: Sequence[Law], runs: Runs, options: dict[str, Any]) -> np.ndarray | None:
    """The run of each row, where runs have several rows whose errors a fit would take as shared."""
    given = options.get("intervals")
    intervals = given if isinstance(given, Intervals) else Intervals()
    inputs = {k: runs.column(k) for law in laws for k in law.inputs if k in runs}
    return cluster_labels(runs, intervals, inputs)


def _complete(runs: Runs, compute: np.ndarray) -> tuple[Runs, np.ndarray]:
    """The runs whose output and compute are known: an unknown compute is not a large one."""
    known = np.isfinite(compute) & np.isfinite(runs.column(runs.output))
    return (runs, compute) if known.all() else (runs.where(known), compute[known])


def _held_share(hold_out: str | float) -> float:
    if isinstance(hold_out, str):
        text = hold_out.strip().removeprefix("largest").strip()
        try:
            value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            raise ArgumentError(f"hold_out = '{hold_out}': expected such as 'largest 20%'") from None
    else:
        value = float(hold_out)
    if not 0 < value < 1:
        raise ArgumentError(f"hold_out = {hold_out}: the share held out must lie between 0 and 1")
    return value


def _compute(runs: Runs) -> np.ndarray:
    if "C" in runs:
        return runs.with_inputs(["C"]).column("C")
    if "N" in runs and "D" in runs:
        return 6 * runs.column("N") * runs.column("D")
    for name in ("N", "D", "step"):
        if name in runs:
            return runs.column(name)
    numeric = [n for n, t in runs.frame.schema.items() if t.is_numeric() and n != runs.output]
    if len(numeric) == 1:
        return runs.column(numeric[0])
    raise QuestionError(f"{runs.source}: to hold out the largest runs their compute must be known: give C, or N and D")


def _cuts(compute: np.ndarray, order: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Back-test cut-offs: (compute, mask of the runs below), each with runs on both sides, no two alike."""
    out: list[tuple[float, np.ndarray]] = []
    for share in CUTS:
        cut = float(compute[order[min(int(share * len(order)), len(order) - 1)]])
        below = compute < cut * (1 - 1e-9)
        if below.sum() >= 3 and (~below).sum() >= LEAST_HELD and not any(np.array_equal(below, b) for _, b in out):
            out.append((cut, below))
    return out


def _score(law: Law, runs: Runs, keep: np.ndarray, cuts, compute, seed: int, options: dict[str, Any]) -> LawScore:
    error, bias, inside, judged, note = np.nan, np.nan, np.nan, 0, ""
    try:
        trained = fit(law, runs.where(keep), seed=seed, **options)
        error, bias, inside, judged = _judge(trained, runs.where(~keep))
    except SimilitudeError as problem:
        note = f"not fitted below the hold-out: {problem}"
    tests = []
    for _, below in cuts:
        try:
            trained = fit(law, runs.where(below), seed=seed, **{**options, "intervals": _no_intervals(options)})
            tests.append(_judge(trained, runs.where(~below), coverage=False)[0])
        except SimilitudeError:
            tests.append(np.nan)
    whole, aicc, free = None, np.nan, len(law.params)
    try:
        whole = fit(law, runs, seed=seed, **options)
        free = len(whole.free)
        aicc = akaike(whole)
    except SimilitudeError as problem:
        note = note or f"not fitted to all runs: {problem}"
    return LawScore(law.name, free, error, bias, inside, tuple(tests), aicc, whole, note, judged)


def _no_intervals(options: dict[str, Any]) -> Any:
    """The delta method, which costs nothing, where a back-test only needs values."""
    from dataclasses import replace

    given = options.get("intervals")
    return replace(given, method="delta", resamples=None) if isinstance(given, Intervals) else Intervals(method="delta")


def _judge(trained: Fit, held: Runs, *, coverage: bool = True) -> tuple[float, float, float, int]:
    """Root mean square and mean of log residuals (law over run) on held-out rows, the share inside 90 % and
    the number of rows it is a share of."""
    inputs = {k: held.column(k) for k in trained.law.inputs}
    y = held.column(held.output)
    value = np.asarray(trained.law.evaluate(inputs, trained.values), float)
    with np.errstate(all="ignore"):
        r = np.log(value / y)
    inside, judged = np.nan, 0
    if coverage:
        try:
            band = trained.predict(level=0.9, **inputs)
            known = np.isfinite(band.new_low) & np.isfinite(band.new_high)
            judged = int(known.sum())
            inside = float(np.mean(((y >= band.new_low) & (y <= band.new_high))[known])) if known.any() else np.nan
        except QuestionError:
            inside = np.nan
    return float(np.sqrt(np.mean(r**2))), float(np.mean(r)), inside, judged


def akaike(fitted: Fit) -> float:
    """AICc of the objective's own density (Huber's or the normal), its scale at the maximum of the likelihood.

    The scale counts as one parameter more than the law's.
    """
    problem = fitted.solution.problem
    r = fitted.residuals()[informative(problem, fitted.solution.u)]
    n, k = r.size, len(fitted.free) + 1
    if n - k - 1 <= 0 or not np.any(r):
        return np.nan
    if fitted.objective.loss == "squares":
        return float(n * (np.log(2 * np.pi * np.mean(r**2)) + 1)) + 2 * k * n / (n - k - 1)
    start = max(float(np.sqrt(np.mean(r**2))), 1e-300)
    scales = start * np.geomspace(0.05, 3, 200)
    rho = loss_terms(r[None] / scales[:, None], np.asarray(HUBER_K))[0].sum(axis=1)
    best = float(np.min(rho + n * np.log(scales))) + n * _log_normaliser()
    return 2 * best + 2 * k * n / (n - k - 1)


def _log_normaliser() -> float:
    """log of the integral of exp(-Huber loss) at the standard constant."""
    x = np.linspace(-40, 40, 160_001)
    return float(np.log(np.trapezoid(np.exp(-loss_terms(x, np.asarray(HUBER_K))[0]), x)))
