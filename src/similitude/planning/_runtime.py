"""Idealised runtime of requests (Narayanan et al. 2023): time to encode a prompt, then an equal time for each token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from similitude._errors import ArgumentError, DataError, QuestionError
from similitude._result import Result
from similitude._view import Axis, Column, Figure, Interval, Line, Marker, Points, Section, Table

__all__ = ["Runtime", "RuntimeFront", "fit_runtime", "runtime_front"]


@dataclass(frozen=True)
class Runtime(Result):
    """T(p, o) = F(p) + (o - 1) g: F piecewise linear through the profiled prompts, g seconds for each further token.

    `token` is g with its 95 % interval over the profiled requests (of a normal error, None from fewer than three with
    several tokens), `r2` how much of the variation of those requests it explains. `denoised` says that the least of
    repeated measurements was taken, which removes contention. Made by `fit_runtime`.
    """

    prompts: tuple[float, ...]
    encoding: tuple[float, ...]
    token: Interval
    r2: float | None
    requests: int
    denoised: bool

    def __repr__(self) -> str:
        return (
            f"Runtime({self.encoding[0]:.3g} s for {self.prompts[0]:g} to {self.encoding[-1]:.3g} s for "
            f"{self.prompts[-1]:g} prompt tokens, {self.token.value:.4g} s a further token; {self.requests} requests)"
        )

    def predict(self, prompt: Any, output: Any) -> np.ndarray:
        """Seconds of requests of so many prompt and output tokens, which broadcast.

        Raises QuestionError for prompts beyond those profiled, ArgumentError for fewer than one token of output.
        """
        p, o = np.asarray(prompt, float), np.asarray(output, float)
        if np.any(o < 1):
            raise ArgumentError("output: a request writes at least one token")
        low, high = self.prompts[0], self.prompts[-1]
        if np.any((p < low) | (p > high)):
            raise QuestionError(
                f"prompts were profiled from {low:g} to {high:g} tokens and encoding is not linear beyond: profile "
                "longer prompts, or use the roofline of serve()"
            )
        return np.interp(p, self.prompts, self.encoding) + (o - 1) * self.token.value

    def dollars(self, prompt: Any, output: Any, *, accelerators: float, price: float) -> np.ndarray:
        """Dollars of a request on so many accelerators at dollars an hour each."""
        return self.predict(prompt, output) * accelerators * price / 3600

    def slowdown(self, prompt: Any, output: Any, seconds: Any) -> np.ndarray:
        """Measured over idealised runtime: above one is hardware, software or contention, not the model."""
        return np.asarray(seconds, float) / self.predict(prompt, output)

    def view(self) -> Section:
        """The profile as a table and a figure."""
        rows = [(f"{p:g}", f"{t:.4g}") for p, t in zip(self.prompts, self.encoding, strict=True)]
        columns = (Column("prompt tokens", align="right"), Column("until the first token", "s", align="right"))
        fit = "" if self.r2 is None else f" It explains {self.r2:.2%} of the variation of {self.requests} requests."
        note = f"Each further token takes {self.token.text()}.{fit}"
        table = Table("Idealised runtime", columns, rows, note)
        series = (Points("profiled", self.prompts, self.encoding), Line("encoding", self.prompts, self.encoding))
        axes = Axis("Prompt", "tokens", scale="linear"), Axis("Until the first token", "seconds", scale="linear")
        return Section("Idealised runtime", (table, Figure("Encoding of prompts", *axes, series, name="encoding")))


def fit_runtime(
    prompt: Sequence[float], output: Sequence[float], seconds: Sequence[float], *, denoise: bool = True
) -> Runtime:
    """Fit the idealised runtime to profiled requests: their prompt tokens, output tokens and seconds.

    Requests with one token of output give F at their prompts: the least of repeats with `denoise`, else their mean. g
    is least squares, through the origin, of what further tokens add. On uncontended hardware that is the idealised
    runtime; from an interface's latencies, with `denoise`, the denoised one. Narayanan et al. 2023, section 3.

    Raises DataError for columns that differ in length or hold numbers that are no times, QuestionError where no request
    has one token, or none has more.

    >>> made = fit_runtime([1, 512, 1024, 512], [1, 1, 1, 100], [0.084, 0.178, 0.323, 8.197])
    >>> round(made.token.value, 4), round(float(made.predict(512, 100)), 3)
    (0.081, 8.197)
    """
    p, o, t = (np.asarray(list(c), float) for c in (prompt, output, seconds))
    if not len(p) == len(o) == len(t):
        raise DataError(
            f"prompt, output and seconds have {len(p)}, {len(o)} and {len(t)} rows; expected as many of each"
        )
    bad = ~(np.isfinite(p) & np.isfinite(o) & np.isfinite(t) & (p >= 0) & (o >= 1) & (t > 0))
    if bad.any():
        raise DataError(
            f"request {int(np.argmax(bad)) + 1}: expected a prompt, at least one token and positive seconds"
        )
    if denoise:
        p, o, t = _least(p, o, t)
    first = o == 1
    if not first.any() or first.all():
        raise QuestionError("profile some requests with one token of output, and some with more, to tell the two apart")
    knots = np.unique(p[first])
    encoding = np.array([t[first & (p == k)].mean() for k in knots])
    more = ~first & (p >= knots[0]) & (p <= knots[-1])
    if not more.any():
        raise QuestionError("no request with more tokens has a prompt within those profiled with one; profile such")
    x, y = o[more] - 1, t[more] - np.interp(p[more], knots, encoding)
    g, interval = _slope(x, y)
    if not g > 0:
        raise QuestionError("further tokens take no time in these requests; profile longer outputs without other load")
    left = t[more] - np.interp(p[more], knots, encoding) - g * x
    spread = float(((t[more] - t[more].mean()) ** 2).sum())
    r2 = None if more.sum() < 2 or spread == 0 else 1 - float((left**2).sum()) / spread
    return Runtime(
        tuple(knots.tolist()), tuple(encoding.tolist()), Interval(g, *interval, "s"), r2, int(more.sum()), denoise
    )


def _least(p: np.ndarray, o: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least time of each kind of request."""
    least: dict[tuple[float, float], float] = {}
    for a, b, c in zip(p.tolist(), o.tolist(), t.tolist(), strict=True):
        least[a, b] = min(c, least.get((a, b), c))
    kinds = np.array(list(least), float)
    return kinds[:, 0], kinds[:, 1], np.array(list(least.values()))


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, tuple[float | None, float | None]]:
    """Slope through the origin with its 95 % interval by Student's t."""
    g = float(x @ y / (x @ x))
    if len(x) < 3:
        return g, (None, None)
    from scipy.stats import t as student

    error = float(np.sqrt(((y - g * x) ** 2).sum() / (len(x) - 1) / (x @ x)))
    reach = float(student.ppf(0.975, len(x) - 1)) * error
    return g, (g - reach, g + reach)


@dataclass(frozen=True)
class RuntimeFront(Result):
    """Models by accuracy and runtime, and which of them no other beats in both. Made by `runtime_front`."""

    names: tuple[str, ...]
    accuracy: tuple[float, ...]
    seconds: tuple[float, ...]
    on_front: tuple[bool, ...]
    beaten_by: tuple[str | None, ...]

    def __repr__(self) -> str:
        return f"RuntimeFront({', '.join(n for n, on in zip(self.names, self.on_front, strict=True) if on)})"

    def view(self) -> Section:
        """The models, fastest first, and the front."""
        order = sorted(range(len(self.names)), key=lambda i: self.seconds[i])
        rows = [
            (self.names[i], f"{self.seconds[i]:.4g}", f"{self.accuracy[i]:.4g}", self.beaten_by[i] or "on the front")
            for i in order
        ]
        columns = ("model", Column("runtime", "s", align="right"), Column("accuracy", align="right"), "beaten by")
        front = [i for i in order if self.on_front[i]]
        series: list[Any] = [
            Points("model", self.seconds, self.accuracy, labels=self.names),
            Line("front", [self.seconds[i] for i in front], [self.accuracy[i] for i in front], "frontier"),
        ]
        if len(front) == 1:
            series[1] = Marker("front", self.seconds[front[0]], self.accuracy[front[0]])
        axes = Axis("Runtime", "seconds"), Axis("Accuracy", scale="linear")
        figure = Figure("Accuracy against runtime", *axes, series, name="runtime-front")
        return Section("Accuracy against runtime", (Table("Accuracy against runtime", columns, rows), figure))


def runtime_front(models: Mapping[str, tuple[float, float]] | Iterable[tuple[str, float, float]]) -> RuntimeFront:
    """The models that no other beats in accuracy and runtime both, from (accuracy, seconds) by name.

    A model is beaten by one at least as accurate and as fast that is better in one of the two. Raises DataError for
    values that are missing or times that are not positive, QuestionError without models.

    >>> runtime_front({"small": (0.61, 1.2), "large": (0.70, 5.0), "slow": (0.60, 2.0)})
    RuntimeFront(small, large)
    """
    given = [(n, *v) for n, v in models.items()] if isinstance(models, Mapping) else list(models)
    rows = [(str(n), float(a), float(t)) for n, a, t in given]
    if not rows:
        raise QuestionError("a front needs models: give accuracy and seconds of each")
    for name, accuracy, seconds in rows:
        if not (np.isfinite(accuracy) and np.isfinite(seconds) and seconds > 0):
            raise DataError(f"{name}: accuracy {accuracy}, {seconds} seconds; leave out models that were not measured")
    names, accuracy, seconds = zip(*rows, strict=True)
    a, t = np.array(accuracy, float), np.array(seconds, float)
    beats = (a[None] >= a[:, None]) & (t[None] <= t[:, None]) & ((a[None] > a[:, None]) | (t[None] < t[:, None]))
    by = [str(names[int(np.argmax(np.where(row, a, -np.inf)))]) if row.any() else None for row in beats]
    return RuntimeFront(
        tuple(map(str, names)), tuple(a.tolist()), tuple(t.tolist()), tuple(b is None for b in by), tuple(by)
    )
