"""Tables with any names: curves, one row a step, or runs, one row each; of CSV, TSV, JSON lines, JSON or Parquet.

Among them PyTorch Lightning's and litgpt's `metrics.csv`, whose training and validation rows leave each other's columns
empty, exports of Weights & Biases and of TensorBoard, and the JSON lines that MaxText writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import DataError, SimilitudeError
from similitude.runs._logged import LoggedRun, Scalar, flat
from similitude.runs._meanings import loss_metrics
from similitude.runs._roles import COUNT_COLUMNS, fold

from ._cells import Clock, is_odd, label_of, number_of
from ._kept import Kept, kept
from ._parquet import frames_of, names_of
from ._points import MOST_METRICS
from ._reader import Claim, Place, reader
from ._text import lines_of, number

if TYPE_CHECKING:
    import polars as pl

__all__ = ["lightning", "table"]

STEPS = ("step", "_step", "global_step", "trainer_global_step", "train_step", "iteration", "iter", "steps")
TIMES = ("_timestamp", "timestamp", "wall_time", "time_unix")
RUNS = ("run", "run_id", "run_name", "model", "name", "experiment")
BLOCK = 1 << 24  # bytes of a CSV file that are parsed at a time
RECORDS = 10_000  # JSON lines that are put together at a time
CELLS = 1 << 21  # and cells
LEAST, MOST = 100, 100_000  # steps whose spacing is looked at
SAMPLED = 500  # rows that history() of Weights & Biases samples unless told otherwise
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # columns of pandas that count rows
_PLAIN = re.compile(r"(-?\d+(\.\d*)?([eE][+-]?\d+)?)?")
_GENERIC = re.compile(r"metrics|history|logs?|curves?|progress|results?|train(ing)?|scalars|losse?s?", re.IGNORECASE)
_FLAT = frozenset((float, int, bool, type(None), str))
_MODEL = "model_config.yaml"  # as litgpt calls it
_RUNNING = "eval/step_time_seconds"  # MaxText: in rows whose steps are those within an evaluation
_EXPORT = re.compile(r"(.+) - (.+?)(__MIN|__MAX)?")


def _sniff_lightning(place: Place) -> Iterator[Claim]:
    if "metrics.csv" in place.files and {"step", "epoch"} <= set(_header(place.head("metrics.csv"))):
        beside = [place.path / n for n in ("hparams.yaml",) if n in place.files]
        yield Claim((place.path / "metrics.csv", *(beside or _of_litgpt(place.path))))


@reader(
    "lightning",
    title="PyTorch Lightning and litgpt (metrics.csv)",
    sniff=_sniff_lightning,
    verified="lightning 2.6.6, litgpt 0.5.13",
)
def lightning(claim: Claim) -> Iterator[LoggedRun]:
    """The logger's folder is the run; settings are the plain lines of hparams.yaml, or of what litgpt saved."""
    path, *saved = claim.files
    folder = path.parent
    name = f"{_above(folder)}/{folder.name}" if folder.name.startswith("version_") else folder.name
    names = _header(_head(path))
    config: dict[str, Scalar] = {}
    for file in saved:
        prefix = "model_config." if file.name == _MODEL else ""
        config |= {f"{prefix}{name}": value for name, value in _yaml_lines(file)}
    columns = _Columns.of(names, path.name)
    for frame in islice(_frames(path), 1 if columns.clock.column else 0):
        columns.time(frame)
    yield LoggedRun(
        kind="lightning",
        key=f"lightning:{name}:{_head(path)[:400]!r}",
        name=name,
        source=str(path),
        config=config,
        points=_curve_reader(path, columns, None),
        assumed=columns.clock.said,
    )


def _litgpt_folder(folder: Path) -> Path | None:
    """The output folder in whose `logs/csv` litgpt has put a folder of a version; None where it is not so."""
    above = folder.absolute().parent
    return above.parents[1] if above.parts[-2:] == ("logs", "csv") else None


def _above(folder: Path) -> str:
    """What a folder of versions is in."""
    return (_litgpt_folder(folder) or folder.absolute().parent).name


def _of_litgpt(folder: Path) -> list[Path]:
    """The settings that litgpt saved with its last checkpoint, of training and of the model."""
    out = _litgpt_folder(folder)
    for checkpoint in () if out is None else (out / "final", *sorted(out.glob("step-*"), reverse=True)):
        files = [checkpoint / name for name in ("hyperparameters.yaml", _MODEL)]
        if all(f.is_file() and not f.is_symlink() for f in files) and not checkpoint.is_symlink():
            return files
    return []


def _yaml_lines(path: Path) -> Iterator[tuple[str, Scalar]]:
    """The lines `name: value` at any depth, names dotted; lists, tags and objects are left out."""
    above: list[tuple[int, str]] = []
    for line in _head(path).decode("utf-8", "replace").splitlines():
        match = re.fullmatch(r"( *)([\w./-]+):(?: (.*))?", line.rstrip())
        if match is None:
            continue
        indent, key, value = len(match[1]), match[2], (match[3] or "").strip()
        above = [a for a in above if a[0] < indent]
        if not value:
            above.append((indent, key))
        elif not value.startswith(("!", "&", "*", "[", "{", "|", ">")):
            yield ".".join([*(a[1] for a in above), key]), _plain(value)


def _plain(text: str) -> Scalar:
    """A value of YAML as it is meant: number, true or false, nothing, else words."""
    if text in ("true", "false"):
        return text == "true"
    if text in ("null", "~"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


# -- any table ------------------------------------------------------------------------------------------------------

_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def _sniff(place: Place) -> Iterator[Claim]:
    for name in place.files:
        if name.casefold().endswith(_KINDS):
            yield place.claim(name)


@reader(
    "table",
    title="tables: CSV, TSV, JSON lines, Parquet",
    sniff=_sniff,
    verified="pandas 3.1.1, polars 2.1.0, tensorboard 2.20.0, maxtext 0.2.5, wandb 0.31.0",
    whole=True,
    unverified="charts of Weights & Biases",
)
def table(claim: Claim) -> Iterator[LoggedRun]:
    """Curves where there is a column of steps, else runs where there is a loss."""
    (path,) = claim.files
    names, frames = _opened(path)
    steps = [n for n in names if fold(n) in STEPS]
    if {"wall_time", "step", "value"} == {fold(n) for n in names}:
        yield _of_tensorboard(path, names, frames)
    elif steps and any(_EXPORT.fullmatch(n) for n in names):
        yield from _of_wandb(path, names, steps[0], frames)
    elif steps:
        yield from _curves(path, names, frames)
    else:
        yield from _rows(path, names)


def _opened(path: Path) -> tuple[list[str], Callable[[], Iterator[pl.DataFrame]]]:
    """Names of columns, and the table in pieces; JSON lines are read to the end, as any may have a name of its own."""
    if path.suffix.casefold() not in (".jsonl", ".ndjson"):
        return _names(path), lambda: _frames(path)
    found: dict[str, None] = {}

    def named() -> Iterator[pl.DataFrame]:
        for frame in _frames(path):
            found.update(dict.fromkeys(frame.columns))
            yield frame

    frames = kept(named(), lambda: _frames(path))
    return list(found)[:MOST_METRICS], frames


def _names(path: Path) -> list[str]:
    if path.suffix.casefold() == ".parquet":
        return names_of(path)
    head = _head(path)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head[:200]:
        what = "UTF-16 text" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "no text"
        raise DataError(f"{path.name} is {what}; expected UTF-8")
    return _header(head)


def _head(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(1 << 20)


def _header(head: bytes) -> list[str]:
    """The names in the first line of a CSV file; none where that is no line of names."""
    import csv

    try:
        line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode().strip("\r")
        return [n.strip() for n in next(csv.reader([line], delimiter="\t" if "\t" in line else ","), [])][:MOST_METRICS]
    except (UnicodeDecodeError, csv.Error):
        return []


def _of_tensorboard(path: Path, names: Sequence[str], frames: Callable[[], Iterator[pl.DataFrame]]) -> LoggedRun:
    """TensorBoard's own export: one metric, named by the file."""
    run, _, tag = path.stem.partition("-tag-")
    metric = (tag or path.stem).removeprefix("run-")
    by = {fold(n): n for n in names}
    columns = _Columns(by["step"], by["wall_time"], {by["value"]: metric}, path.name)
    again = _curve_reader(path, columns, None)
    points = kept((p for frame in frames() for p in _points(frame, columns)), again)
    return _run(path, run.removeprefix("run-") or path.stem, points, columns.clock.said)


def _of_wandb(
    path: Path, names: Sequence[str], step: str, frames: Callable[[], Iterator[pl.DataFrame]]
) -> Iterator[LoggedRun]:
    """A chart's export: a column for each run and metric, with the least and greatest of what was drawn together."""
    runs: dict[str, dict[str, str]] = {}
    for name in names:
        match = _EXPORT.fullmatch(name)
        if match and not match[3] and fold(match[2]) not in STEPS:
            runs.setdefault(match[1], {})[name] = match[2]
    columns = {run: _Columns(step, None, metrics, path.name) for run, metrics in runs.items()}
    found = {run: Kept(_curve_reader(path, c, None)) for run, c in columns.items()}
    for frame in frames():
        for run, points in found.items():
            for part in _points(frame, columns[run]):
                points.add(part)
    said = ("from the export of a chart, which may have drawn several points together",)
    for run, points in found.items():
        yield _run(path, run, points, said)


def _curves(path: Path, names: Sequence[str], frames: Callable[[], Iterator[pl.DataFrame]]) -> Iterator[LoggedRun]:
    """Runs of a table of curves; it is passed over once, whatever the order of its rows."""
    columns = _Columns.of(names, path.name)
    by = next((n for n in names if fold(n) in RUNS), None)
    found: dict[str, Kept] = {} if by is not None else {"": Kept(_curve_reader(path, columns, None))}
    rows, steps, running = 0, _Steps(), 0
    for frame in frames():
        rows += frame.height
        steps.add(frame)
        running += 0 if _RUNNING not in frame.columns else frame.height - frame[_RUNNING].null_count()
        if by is None:
            for points in _points(frame, columns):
                found[""].add(points)
        elif by in frame.columns:
            for run in frame.select(label_of(frame, by)).to_series().drop_nulls().unique(maintain_order=True):
                if run not in found:
                    found[run] = Kept(_curve_reader(path, columns, (by, run)))
            if len(found) > 10_000:
                raise DataError(f"{path.name}, column '{by}' has more than 10,000 values; expected runs")
            for points in _points(frame, columns, by):
                for (run,), part in points.partition_by("run", as_dict=True, include_key=False).items():
                    if run is not None:
                        found[run].add(part)
    if not found:
        raise DataError(f"{path.name}, column '{by}' names no run; expected a name in each row")
    said = tuple(filter(None, (_sampled(rows, steps.found, names),))) if "_step" in names else ()
    if running:
        said += (_emptied(running),)
    for run, points in found.items():
        yield _run(path, run or _name(path), points, (*said, *columns.clock.said))


class _Steps:
    """The whole numbers of the column `_step`; None where there are too many, or it holds anything else."""

    def __init__(self) -> None:
        self.found: list[int] | None = []

    def add(self, frame: pl.DataFrame) -> None:
        """Those of the next piece."""
        import polars as pl

        if self.found is None or "_step" not in frame.columns or is_odd(frame.schema["_step"]):
            self.found = None
            return
        numbers = frame.select(number_of("_step", frame.schema["_step"])).to_series()
        whole = numbers.cast(pl.Int64, strict=False)
        kept = not (whole.null_count() or (whole != numbers).any()) and len(self.found) + len(whole) <= MOST
        self.found = [*self.found, *whole.to_list()] if kept else None


def _sampled(rows: int, steps: Sequence[int] | None, names: Sequence[str]) -> str:
    """Whether a history of Weights & Biases looks sampled; empty where it does not.

    It has as many rows as history() gives by default; or it has the three columns of an export and its steps are whole
    numbers evenly spaced by what is none: strides of k and k + 1 only, each step within one of the straight line from
    the first to the last, and the rarer stride at changing distances. What logs every k steps has one stride; what
    skips a step every so many logs, for its evaluation, has its odd strides at one distance; a sample that has
    so too is let pass. Under a hundred steps nothing is said, as logs by fractions of an epoch look so too.
    """
    if rows == SAMPLED:
        return f"it has {SAMPLED} rows, as many as history() of Weights & Biases samples; scan_history() gives all"
    if not {"_step", "_runtime", "_timestamp"} <= set(names) or steps is None or not LEAST <= len(steps) <= MOST:
        return ""
    at = np.array(steps, np.int64)
    strides = np.diff(at)
    low = int(strides.min())
    rare = np.flatnonzero(strides == (low if 2 * (strides == low).sum() <= len(strides) else low + 1))
    line = at[0] + (at[-1] - at[0]) / len(strides) * np.arange(len(at))
    if low < 1 or strides.max() != low + 1 or np.abs(at - line).max() >= 1 or len(set(np.diff(rare))) < 2:
        return ""
    return (
        f"its steps are every {low} or {low + 1}, evenly, as history(samples={rows}) of Weights & Biases would space"
        " them: rows between may be missing, scan_history() gives all"
    )


def _emptied(running: int) -> str:
    return (
        "MaxText empties this file when an evaluation begins, so it has only what came after the last did; its "
        f"TensorBoard files have all. {running} means of a part of it, which count its own steps, are not read"
    )


def _run(path: Path, name: str, points: Callable[[], Iterator[pl.DataFrame]], said: tuple[str, ...] = ()) -> LoggedRun:
    key = f"table:{path.absolute().parent.name}/{path.name}:{name}"
    return LoggedRun(kind="table", key=key, name=name, source=str(path), points=points, assumed=said)


def _name(path: Path) -> str:
    """What a file of one run is called; where all runs may have such a file, its folder comes before."""
    return f"{path.absolute().parent.name}/{path.stem}" if _GENERIC.fullmatch(path.stem) else path.stem


class _Columns:
    """Which column is the step, which the time, which are metrics and what they are called."""

    def __init__(self, step: str, time: str | None, metrics: Mapping[str, str], where: str) -> None:
        self.step, self.clock, self.metrics, self.where = step, Clock(time), dict(metrics), where

    def time(self, frame: pl.DataFrame) -> pl.Expr:
        """The times of a piece; what turns out to count something else becomes a metric."""
        found = self.clock.times(frame)
        if self.clock.column is not None and self.clock.is_none:
            self.metrics.setdefault(self.clock.column, self.clock.column)
        return found

    @classmethod
    def of(cls, names: Sequence[str], where: str) -> _Columns:
        """Of the first name that is one of steps, and all others that are not the run."""
        folded = {n: fold(n) for n in names}
        found = [(STEPS.index(f), n) for n, f in folded.items() if f in STEPS]
        if not found:
            raise DataError(f"{where} has no column of steps among {', '.join(names[:8])}")
        step = min(found)[1]
        time = next((n for n, f in folded.items() if f in TIMES), None)
        metrics = {
            n: n for n, f in folded.items() if n not in (step, time) and f not in RUNS and not _INDEX.fullmatch(n)
        }
        return cls(step, time, metrics, where)


def _curve_reader(path: Path, columns: _Columns, only: tuple[str, str] | None) -> Callable[[], Iterator[pl.DataFrame]]:
    def chunks() -> Iterator[pl.DataFrame]:
        for frame in _frames(path):
            if only is not None:
                if only[0] not in frame.columns:
                    continue
                frame = frame.filter(label_of(frame, only[0]) == only[1])
            yield from _points(frame, columns)

    return chunks


def _points(frame: pl.DataFrame, columns: _Columns, by: str | None = None) -> Iterator[pl.DataFrame]:
    """The cells of a wide frame that are numbers, as points; empty cells are no points, words are left out.

    With `by`, that column stands beside them as "run".
    """
    import polars as pl

    held = {c: t for c, t in frame.schema.items() if not is_odd(t)}
    if columns.step not in held:
        return
    if _RUNNING in held:
        frame = frame.filter(pl.col(_RUNNING).is_null())
    step = number_of(columns.step, held[columns.step]).round(0).cast(pl.Int64, strict=False).alias("step")
    time = columns.time(frame)
    label = [] if by is None else [label_of(frame, by).alias("run")]
    index = frame.select(step, time.alias("time"), *label)
    there = {c: m for c, m in columns.metrics.items() if c in held}
    numbers = [c for c in there if held[c].is_numeric()]
    words = [c for c in there if not held[c].is_numeric()]
    # all columns of a kind are put below each other first, then made numbers at once: there may be thousands of them
    for kind, names in ((pl.Float64, numbers), (pl.String, words)):
        if not names:
            continue
        places = {n: f"{i}" for i, n in enumerate(names)}  # columns of any name can stand beside those of the index
        wide = index.hstack(frame.select(pl.col(names).cast(kind, strict=False)).rename(places))
        long = wide.unpivot(index=index.columns, variable_name="metric", value_name="value").drop_nulls("value")
        long = long.with_columns(number_of("value", kind()).alias("value")).drop_nulls("value")
        if long.height:
            called = pl.col("metric").replace_strict({places[n]: there[n] for n in names}, return_dtype=pl.String)
            yield long.select(called, "step", "time", "value", *(["run"] if by is not None else []))


# -- reading a file in pieces ---------------------------------------------------------------------------------------


def _frames(path: Path) -> Iterator[pl.DataFrame]:
    """The table in pieces of bounded size, cells as they are written."""
    kind = path.suffix.casefold()
    if kind == ".parquet":
        yield from frames_of(path)
    elif kind in (".jsonl", ".ndjson"):
        yield from _frames_of_records(path)
    else:
        yield from _frames_of_text(path)


def _frames_of_records(path: Path) -> Iterator[pl.DataFrame]:
    import polars as pl

    waiting: list[Mapping[str, Any]] = []
    names: dict[str, None] = {}
    shapes: set[tuple[str, ...]] = set()  # names of records, of which most have the same
    held = 0  # cells of what waits, as near as need be

    def frame() -> pl.DataFrame:
        if len(names) > MOST_METRICS:
            raise DataError(f"{path.name} has more than {MOST_METRICS:,} names; expected the metrics of a run")
        return pl.DataFrame([_column(n, [r.get(n) for r in waiting]) for n in names])

    for _, record in lines_of(path):
        if not isinstance(record, dict):
            raise DataError(f"{path.name} holds no records; expected an object a line")
        waiting.append(record if _is_flat(record) else flat(record))
        if (shape := tuple(waiting[-1])) not in shapes:
            names |= dict.fromkeys(shape)
            shapes.add(shape)
        held += len(waiting[-1])
        if len(waiting) >= RECORDS or len(waiting) * len(names) > CELLS or held > CELLS:
            yield frame()
            waiting, held = [], 0
            names.clear()
            shapes.clear()
    if waiting:
        yield frame()


def _is_flat(record: Mapping[str, Any]) -> bool:
    """Whether all values of a record are plain, as in nearly all, so that none needs to be looked into."""
    return _FLAT.issuperset(map(type, record.values()))


def _column(name: str, cells: list[Any]) -> pl.Series:
    """Numbers as numbers, anything else as it is written."""
    import polars as pl

    kinds = set(map(type, cells))
    if kinds <= {float, int, type(None)} and fold(name) not in RUNS:
        if float not in kinds:
            with suppress(OverflowError, TypeError):  # more than 64 bits
                return pl.Series(name, cells, pl.Int64).cast(pl.Float64)
        given = [number(v) if type(v) is int else v for v in cells] if int in kinds else cells
        return pl.Series(name, given, pl.Float64)
    return pl.Series(name, [None if v is None else str(v) for v in cells], pl.String)


def _frames_of_text(path: Path) -> Iterator[pl.DataFrame]:
    """Blocks of whole lines, each parsed as a table with the header's names; a last line cut off is left out."""
    with open(path, "rb") as stream:
        header = stream.readline(1 << 22)
        names = _header(header)
        separator = "\t" if b"\t" in header else ","
        rest = b""
        while block := stream.read(BLOCK):
            block = rest + block
            cut = _last_line_end(block)
            if cut == 0 and len(block) > 1 << 28:
                raise DataError(f"{path.name} has a line of more than 256 MB; expected a step a line")
            rest = block[cut:]
            if cut:
                yield _parsed(block[:cut], names, separator, path)
        if rest.strip() and rest.count(separator.encode()) == len(names) - 1:
            yield _parsed(rest, names, separator, path)


def _last_line_end(block: bytes) -> int:
    """Behind the last line that ends outside quotes. What was counted once is not counted again."""
    at = block.rfind(b"\n") + 1
    odd = block.count(b'"', 0, at) % 2
    while at and odd:
        before = block.rfind(b"\n", 0, block.rfind(b'"', 0, at)) + 1
        odd = (odd + block.count(b'"', before, at)) % 2
        at = before
    return at


def _parsed(data: bytes, names: Sequence[str], separator: str, path: Path) -> pl.DataFrame:
    import polars as pl

    called = _called(names)
    for kinds in (_kinds(data, called, separator), dict.fromkeys(called, pl.String)):
        try:
            return pl.read_csv(
                data,
                has_header=False,
                separator=separator,
                schema=kinds,
                encoding="utf8-lossy",
                truncate_ragged_lines=True,
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
            said = (str(error).splitlines() or [""])[0][:80]
    raise DataError(f"{path.name} cannot be read as a table ({said})")


def _kinds(data: bytes, names: Sequence[str], separator: str) -> dict[str, Any]:
    """Which columns seem to be numbers by the first lines: they are read as such first, since that is quicker."""
    import csv

    import polars as pl

    lines = data[: 1 << 16].split(b"\n")[:20]
    texts = (line.decode("utf-8", "replace").replace("\r", "") for line in lines[:-1])
    rows = list(csv.reader(texts, delimiter=separator))
    words = {names[i] for row in rows for i, cell in enumerate(row[: len(names)]) if not _PLAIN.fullmatch(cell)}
    return {n: pl.String if n in words or fold(n) in RUNS else pl.Float64 for n in names}


def _called(names: Sequence[str]) -> list[str]:
    """Names of columns, each once: what is empty or there already is called by its place."""
    found: dict[str, None] = {}
    for i, name in enumerate(names):
        while not name or name in found:
            name = f"column_{i + 1}" if name != f"column_{i + 1}" else f"{name}_"
        found[name] = None
    return list(found)


# -- one row a run --------------------------------------------------------------------------------------------------


def _rows(path: Path, names: Sequence[str]) -> Iterator[LoggedRun]:
    """Runs of a table in which each is a row, read as `read_runs` reads it; refused where no column is a loss."""
    from similitude.runs._read import column_name, read_runs

    validation, training = loss_metrics(names)
    if not names or not (validation or training or any(fold(n) in ("loss", "ppl") for n in names)):
        raise DataError(f"{path.name} has neither steps nor a loss among its columns ({', '.join(names[:6])})")
    try:
        runs = read_runs(path, check=False, not_finite="censored")
    except SimilitudeError as error:
        raise DataError(str(error)) from None
    labels = runs.labels("run") if "run" in runs.names else None
    called = {"N": name if fold(name := column_name(runs, "N")) in COUNT_COLUMNS else "N"} if "N" in runs.names else {}
    columns = {called.get(n, n): runs.frame[n].to_list() for n in runs.names if n not in (runs.output, "run")}
    loss, metric = runs.column(runs.output), column_name(runs, runs.output)
    for i in range(len(runs)):
        name = labels[i] if labels is not None and labels[i] else f"{path.stem} row {runs.row_numbers[i]}"
        config = {k: v[i] if isinstance(v[i], (str, int, float, bool)) else None for k, v in columns.items()}
        yield LoggedRun(
            kind="table",
            key=f"table:{path.name}:{runs.row_numbers[i]}",
            name=str(name),
            source=str(path),
            config=config,
            final={metric: float(loss[i])},
            state="crashed" if runs.censored[i] else "finished",
            assumed=runs.assumed if i == 0 else (),
        )
