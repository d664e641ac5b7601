"""Procedures compared at scale: where curves cross, routed against dense models, and trends that turn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from similitude._view import Column, Interval, Table
from similitude.comparison import compare, trend
from similitude.comparison._trend import CLASSES
from similitude.runs import datasets, read_runs
from similitude.studies._claim import ABOUT, measured, simulated
from similitude.studies._rules import AT_LEAST, BEATS, COVERS
from similitude.studies._study import Declaration, Item
from similitude.studies.routing import CUTOFF, final_runs

__all__ = ["STUDIES"]

CROSSING = 5e4  # accelerator hours at which the paper's two architectures meet
HOURS = (6.0, 12.0, 24.0, 48.0, 96.0)  # its compute classes
STEEP, FLAT = 0.100, 0.080  # exponents of perplexity in hours of the pair that is simulated
NOISE, PAIRS = 0.002, 100
TRIES = 200  # simulations for an error rate
EXPERTS = 512
SIZES = {"ada": 350e6, "babbage": 1.3e9, "curie": 6.7e9, "davinci": 175e9}  # customary estimates, as the data say


def _crossings(seed: int) -> Iterator[Item]:
    """Pairs of architectures on five compute classes and three seeds, whose curves cross far beyond them."""
    rng = np.random.default_rng(seed + 1)
    hours = np.repeat(HOURS, 3)
    truth = {"recurrent": FLAT + (STEEP - FLAT), "attention": FLAT}
    log_level = {k: np.log(12.0) + c * np.log(CROSSING) for k, c in truth.items()}
    covered, found, open_ = 0, [], 0
    for _ in range(PAIRS):
        table = {"C": np.tile(hours, 2), "model": np.repeat(list(truth), len(hours)).tolist()}
        mean = np.concatenate([log_level[k] - c * np.log(hours) for k, c in truth.items()])
        table["loss"] = np.exp(mean + NOISE * rng.standard_normal(mean.size))
        made = compare(read_runs(table, check=False), by="model", law="power", x="C", reach=1e6)
        crossing = made.pairs[0].crossings
        sides = [(low or 0.0, high or np.inf) for low, high in made.pairs[0].undecided]
        covered += any(low <= CROSSING <= high for low, high in sides)
        open_ += any(np.isinf(high) for _, high in sides)
        found += [c.at.value for c in crossing]
    where = "abstract: about 5e4 accelerator hours, where the simulated pairs cross too"
    yield simulated("crossing of the two, hours, median of pairs", "5e4", where, float(np.median(found)), ABOUT)
    yield simulated("share of 90 % intervals that hold the true crossing", "0.9", "nominal", covered / PAIRS, COVERS)
    yield (
        f"{PAIRS} pairs on classes of 6 to 96 hours, three runs each, {NOISE:.1%} noise: the "
        f"crossing lies 500 times beyond the largest class; {open_} of the intervals have no upper end. The paper "
        "gives no coefficients: the exponents are plausible, not its own."
    )


def _routed(seed: int) -> Iterator[Item]:
    """Each router at 512 experts against dense models along N: both are powers of N, so they cross once."""
    every = final_runs(datasets.load("routed-lm"))
    kind, experts = every.labels("router_type"), every.column("K")
    rows = []
    for router, printed in CUTOFF.items():
        runs = every.where((kind == "Dense") | ((kind == router) & (experts == EXPERTS)))
        found = compare(runs, by="router_type", law="power", x="N", against="Dense", reach=1e5).pairs[0]
        if not found.crossings:
            rows.append((router, "none", "…"))
            continue
        at = found.crossings[0].at
        ours = Interval(at.value, at.low, at.high)
        yield measured(
            f"parameters at which routing by {router} stops helping",
            printed,
            "section 5",
            ours,
            interval="90 % profile",
            remark=f"from powers of N fitted to dense models and to {EXPERTS} experts alone, five and six sizes; the "
            "paper's follows from one law of all expert counts, and from two digits of its coefficients",
        )
        gap = found.gaps[0]
        rows.append((router, f"{gap.at:.3g}", gap.multiple))
    yield Table(
        f"Size a dense model needs for the loss of {EXPERTS} experts, as a multiple",
        ("router", "at N", "multiple"),
        rows,
    )


def _classes(seed: int) -> Iterator[Item]:
    """Trends of pilot tasks over GPT-3's four sizes by their items, and how often two rules err."""
    import polars as pl

    frame = pl.read_parquet(datasets.show("inverse-scaling-pilot").path("items"))
    frame = frame.with_columns(
        pl.col("experiment", "model", "metric").cast(pl.String), pl.col("value").cast(pl.Float64)
    )
    rows: list[tuple[str, ...]] = []
    counts: dict[str, int] = dict.fromkeys(CLASSES, 0)
    quadratic = 0
    for name in sorted(n for n in frame["experiment"].unique() if "gpt3" in n and "bad line" not in n):
        part = frame.filter((frame["experiment"] == name) & frame["model"].is_in(list(SIZES)))
        metrics = part["metric"].unique().to_list()
        if part["model"].n_unique() < 4 or not metrics:
            continue
        metric = sorted(metrics)[0]
        part = part.filter((part["metric"] == metric) & part["value"].is_finite())
        x = np.array([SIZES[m] for m in part["model"]])
        if len(np.unique(x)) < 4:
            continue
        found = trend(x, part["value"].to_numpy(), seed=seed)
        counts[found.kind] += 1
        quadratic += found.quadratic != "no U"
        rows.append((name[:34], metric, found.kind, found.quadratic, str(found.observations)))
    turning = counts["U"] + counts["inverted U"]
    yield measured(
        "experiments that the quadratic rule calls a U, over those that two lines do",
        "1.0",
        "no paper: by Simonsohn (2018) at least as many",
        quadratic / max(turning, 1),
        AT_LEAST,
    )
    told = ", ".join(f"{v} {k}" for k, v in counts.items() if v)
    yield f"Of {sum(counts.values())} experiments over four sizes of GPT-3: {told}; the quadratic rule: {quadratic} U."
    yield Table(
        "Trend by task", ("experiment", "metric", "two lines", "quadratic rule", Column("items", align="right")), rows
    )
    yield from _rates(seed)


SMOOTH = {  # metrics over three decades that never turn
    "no trend": lambda u: 0 * u,
    "a straight line in log N": lambda u: u / 3,
    "a logistic curve": lambda u: 1 / (1 + np.exp(-4 * (u - 1.5))),
    "a power law to a ceiling": lambda u: 1 - 10 ** (-0.5 * u),
    "a steep power law to a ceiling": lambda u: 1 - 10 ** (-1.5 * u),
    "an exponential to a ceiling": lambda u: 1 - np.exp(-2 * u),
}
SATURATING = tuple(SMOOTH)[3:]
SEEN = {  # metrics that turn or jump
    "U": lambda u: 4 / 9 * (u - 1.5) ** 2,
    "late U": lambda u: 4 / 9 * (u - 2) ** 2,
    "step": lambda u: (u > 1.6).astype(float),
}


def _rates(seed: int) -> Iterator[Item]:
    """How often each rule errs and how often it sees, by shape, sizes and noise; simulated."""
    rng = np.random.default_rng(seed + 2)
    rows, false, sudden, bent = [], [], [], []
    for count in (5, 8, 16):
        u = np.linspace(0, 3, count)
        for noise in (0.02, 0.05):
            said = {
                k: [trend(10**u * 1e7, f(u) + noise * rng.standard_normal(count), seed=-1) for _ in range(TRIES)]
                for k, f in {**SMOOTH, **SEEN}.items()
            }
            kinds = {k: [t.kind.removeprefix("inverted ") for t in v] for k, v in said.items()}
            worst = max((kinds[k].count("U") / TRIES, k) for k in SMOOTH)
            jumps = max(sum(w.startswith("sudden") for w in kinds[k]) / TRIES for k in SMOOTH)
            curved = float(np.mean([t.quadratic != "no U" for k in SATURATING for t in said[k]]))
            seen = [kinds["U"].count("U"), kinds["late U"].count("U"), kinds["step"].count("sudden rise")]
            cells = [worst[0], curved, jumps, *(v / TRIES for v in seen)]
            rows.append((str(count), f"{noise:.0%}", *(f"{v:.1%}" for v in cells)))
            false, sudden, bent = [*false, worst[0]], [*sudden, jumps], [*bent, curved]
    yield simulated("largest share of false U by two lines, any shape", "0.05", "nominal", max(false), BEATS)
    yield simulated("largest share of smooth metrics called sudden", "0.05", "nominal", max(sudden), BEATS)
    yield simulated(
        "share of saturating metrics that the quadratic rule calls a U, eight sizes or sixteen",
        "0.5",
        "Simonsohn 2018: most monotone cases",
        float(np.mean(bent[2:])),
        AT_LEAST,
    )
    heads = (
        "sizes",
        "noise",
        "false U",
        "false U, quadratic rule",
        "false sudden",
        "U seen",
        "late U seen",
        "step seen",
    )
    note = (
        f"{TRIES} simulations of each shape; noise as a share of the whole change. False U and false sudden: the worst "
        f"of {len(SMOOTH)} shapes that never turn; quadratic rule: the mean of the {len(SATURATING)} that saturate. A "
        "late U turns at two thirds of the log range."
    )
    yield Table("How often each rule errs and sees", tuple(Column(h, align="right") for h in heads), rows, note)


STUDIES = (
    Declaration("stani2023", "The Languini Kitchen: crossing by simulation", "stani2023", (), _crossings),
    Declaration("clark2022-dense", "Routed against dense models", "clark2022", ("routed-lm",), _routed),
    Declaration(
        "inverse-scaling", "Trends of the inverse-scaling pilot", "mckenzie2023", ("inverse-scaling-pilot",), _classes
    ),
)
