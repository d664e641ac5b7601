"""Evaluations: lm-evaluation-harness, Inspect, HELM, the table of the Open LLM Leaderboard.

A score enters `final` as "task/metric", its standard error as "task/metric_stderr", the number of items as "task/n".
Layouts: results and samples of lm_eval 0.4 and 0.3; Inspect's log files, version 2; HELM's run folders; the
leaderboard's columns as published with its data set `contents`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError
from similitude.runs._logged import LoggedRun, Scalar, flat, samples_schema

from ._parquet import frame_of, names_of
from ._reader import Claim, Place, reader
from ._text import lines_of, number, parse_document, parse_json
from ._zip import Archive

if TYPE_CHECKING:
    import polars as pl

__all__ = ["harness", "helm", "inspect", "leaderboard"]

Sample = tuple[str, str, str, float]
CHUNK = 100_000  # scores of items in a frame


def _chunks(rows: Callable[[], Iterator[Sample]]) -> Callable[[], Iterator[pl.DataFrame]]:
    """Scores of items, task, item, metric and score each, as frames."""

    def frames() -> Iterator[pl.DataFrame]:
        import polars as pl

        all_rows = rows()
        while waiting := list(islice(all_rows, CHUNK)):
            columns = map(list, zip(*waiting, strict=True))
            yield pl.DataFrame(dict(zip(samples_schema(), columns, strict=True)), schema=samples_schema())

    return frames


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    """The mappings of a list; none where it is no list."""
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []


def _stamp(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


# -- lm-evaluation-harness ------------------------------------------------------------------------------------------

_DATE = re.compile(r"(?:results|samples)_(?:(.+)_)?(\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl?")
_USUAL = ("acc", "acc_norm", "exact_match")
_ABOUT = ("alias", "name", "sample_len", "sample_count", " ")


def _sniff_harness(place: Place) -> Iterator[Claim]:
    """A file of results, with the files of samples of the same date."""
    samples = [n for n in place.files if n.startswith("samples_") and n.endswith(".jsonl")]
    for name in place.files:
        if not name.endswith(".json") or not name.startswith("results"):
            continue
        head = place.head(name)
        date = _DATE.fullmatch(name)
        if date or (
            b'"results"' in head[:4096] and (b'"versions"' in head or b'"config' in head or len(head) >= 1 << 16)
        ):
            yield place.claim(name, *(n for n in samples if date and (d := _DATE.fullmatch(n)) and d[2] == date[2]))


@reader("lm-eval", title="lm-evaluation-harness results and samples", sniff=_sniff_harness, verified="lm_eval 0.4.9.2")
def harness(claim: Claim) -> Iterator[LoggedRun]:
    """One evaluation of one model; its name is the model's."""
    path, *samples = claim.files
    document = parse_document(path)
    results = document.get("results") if isinstance(document, Mapping) else None
    if not isinstance(results, Mapping) or not results:
        raise DataError(f"{path.name} has no 'results' by task; expected a file of lm-evaluation-harness")
    config = _mapping(document.get("config"))
    arguments = _arguments(config.get("model_args"))
    name = document.get("model_name") or arguments.get("pretrained") or config.get("model") or path.stem
    settings: dict[str, Scalar] = {**flat(config), **{f"model_args.{k}": v for k, v in arguments.items()}}
    settings.pop("model_args", None)
    settings |= {
        f"n_shot.{t}": n for t, n in flat(_mapping(document.get("n-shot"))).items() if isinstance(n, (int, float))
    }
    if (size := number(config.get("model_num_parameters"))) is not None and size > 0:
        settings["num_parameters"] = size
    yield LoggedRun(
        kind="lm-eval",
        key=f"lm-eval:{name}:{path.name}:{document.get('date', '')}",
        name=str(name),
        source=str(path),
        config=settings,
        final=dict(_scores(results, _mapping(document.get("n-samples")))),
        samples=_chunks(lambda: _harness_samples(samples)) if samples else None,
        state="finished",
        started=number(document.get("date")),
        tags=tuple(sorted(map(str, results)))[:50],
    )


def _arguments(text: Any) -> dict[str, str]:
    """`pretrained=name,revision=main` as settings; later versions write a mapping."""
    if isinstance(text, Mapping):
        return {str(k): str(v) for k, v in text.items()}
    parts = [p.partition("=") for p in text.split(",")] if isinstance(text, str) else []
    return {k.strip(): v.strip() for k, equals, v in parts if equals}


def _scores(results: Mapping[str, Any], counts: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for task, metrics in results.items():
        for key, raw in metrics.items() if isinstance(metrics, Mapping) else ():
            value = number(raw)
            if value is None or key in _ABOUT:
                continue
            metric, _, kept = key.partition(",")
            yield f"{task}/{metric}{'' if kept in ('', 'none') else ',' + kept}", value
        count = counts.get(task)
        found = number(count.get("effective") if isinstance(count, Mapping) else count)
        if found is not None:
            yield f"{task}/n", found


def _harness_samples(paths: Sequence[Path]) -> Iterator[Sample]:
    for path in paths:
        date = _DATE.fullmatch(path.name)
        task = date[1] if date and date[1] else path.stem
        for line, record in lines_of(path):
            if not isinstance(record, Mapping) or "doc_id" not in record:
                raise DataError(f"{path.name}, line {line}: expected a sample with its doc_id")
            kept = record.get("filter")
            metrics = record.get("metrics")
            names = (
                metrics if isinstance(metrics, list) else [k for k in record if k in ("acc", "acc_norm", "exact_match")]
            )
            for metric in names:
                if isinstance(metric, str) and (score := _score(record.get(metric))) is not None:
                    called = f"{metric}{'' if kept in (None, 'none') else f',{kept}'}"
                    yield task, str(record["doc_id"]), called, score


def _score(raw: Any) -> float | None:
    return float(raw) if isinstance(raw, bool) else number(raw)


# -- Inspect --------------------------------------------------------------------------------------------------------

_LETTERS = {
    "C": 1.0,
    "I": 0.0,
    "P": 0.5,
    "N": 0.0,
    "yes": 1.0,
    "true": 1.0,
    "no": 0.0,
    "false": 0.0,
}  # as its own metrics


def _sniff_inspect(place: Place) -> Iterator[Claim]:
    for name in place.files:
        if name.endswith(".eval"):
            yield place.claim(name)
        elif name.endswith(".json"):
            head = place.head(name)[:4096]
            if b'"eval"' in head and b'"status"' in head and b'"task"' in head:
                yield place.claim(name)


@reader("inspect", title="Inspect logs (.eval, .json)", sniff=_sniff_inspect, verified="inspect_ai 0.3.285")
def inspect(claim: Claim) -> Iterator[LoggedRun]:
    """One task on one model."""
    (path,) = claim.files
    if path.suffix == ".eval":
        with Archive(path) as archive:
            names = archive.members
            head = _member(archive, "header.json" if "header.json" in names else "_journal/start.json")
    else:
        head = parse_document(path)
    spec = head.get("eval") if isinstance(head, Mapping) else None
    if not isinstance(spec, Mapping) or "task" not in spec:
        raise DataError(f"{path.name} does not say which task was evaluated; expected a log of Inspect")
    status = {"success": "finished", "error": "crashed", "cancelled": "crashed", "started": "running"}
    dataset = _mapping(spec.get("dataset"))
    settings = flat({k: spec.get(k) for k in ("model", "task", "task_version", "task_args", "model_args", "config")})
    yield LoggedRun(
        kind="inspect",
        key=f"inspect:{spec.get('eval_id') or spec.get('task_id') or path.name}",
        name=f"{spec.get('model', 'a model')} on {spec['task']}",
        source=str(path),
        config={k: v for k, v in settings.items() if v is not None},
        final=dict(_inspect_scores(str(spec["task"]), _mapping(head.get("results")), dataset)),
        samples=_chunks(lambda: _inspect_samples(path, str(spec["task"]))),
        state=status.get(str(head.get("status")), "unknown"),
        started=_stamp(spec.get("created")),
        ended=_stamp(_mapping(head.get("stats")).get("completed_at")),
        tags=(str(spec["task"]),),
    )


def _member(archive: Archive, name: str) -> Any:
    return parse_json(archive.read(name), f"{archive.path.name}, {name}")


def _inspect_scores(task: str, results: Mapping[str, Any], dataset: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Metrics of each scorer; of several scorers their names stand between."""
    scores = _mappings(results.get("scores"))
    for score in scores:
        between = f"{score.get('name')}/" if len(scores) > 1 else ""
        for name, metric in _mapping(score.get("metrics")).items():
            value = number(metric.get("value") if isinstance(metric, Mapping) else metric)
            if value is not None:
                yield f"{task}/{between}{name}", value
    count = number(results.get("completed_samples")) or number(dataset.get("samples"))
    if count is not None:
        yield f"{task}/n", count


def _inspect_samples(path: Path, task: str) -> Iterator[Sample]:
    for sample in _inspect_records(path):
        epoch = sample.get("epoch", 1)
        item = f"{sample.get('id')}" if epoch == 1 else f"{sample.get('id')} ({epoch})"
        for scorer, score in _mapping(sample.get("scores")).items():
            value = score.get("value") if isinstance(score, Mapping) else score
            parts = value.items() if isinstance(value, Mapping) else [("", value)]
            for part, raw in parts:
                found = _LETTERS.get(raw) if isinstance(raw, str) else _score(raw)
                if found is not None:
                    yield task, item, f"{scorer}/{part}" if part else str(scorer), found


def _inspect_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """The summaries of an archive where it has them, which are small; else samples one by one."""
    if path.suffix != ".eval":
        yield from _mappings(_mapping(parse_document(path)).get("samples"))
        return
    with Archive(path) as archive:
        if "summaries.json" in archive.members:
            yield from _mappings(_member(archive, "summaries.json"))
            return
        for name in archive.members:
            if name.startswith("samples/") and name.endswith(".json"):
                sample = _member(archive, name)
                if isinstance(sample, Mapping):
                    yield sample


# -- HELM -----------------------------------------------------------------------------------------------------------


def _sniff_helm(place: Place) -> Iterator[Claim]:
    if "run_spec.json" not in place.files:
        return
    if "stats.json" in place.files or b'"adapter_spec"' in place.head("run_spec.json"):
        names = [n for n in ("run_spec.json", "stats.json", "per_instance_stats.json") if n in place.files]
        yield Claim(tuple(place.path / n for n in names), folder=place.path)


@reader("helm", title="HELM run folders", sniff=_sniff_helm, verified="crfm-helm 0.5.16")
def helm(claim: Claim) -> Iterator[LoggedRun]:
    """One scenario on one model, without perturbations; of splits other than test, scores are "task/metric,split"."""
    spec_path, *more = claim.files
    if not more or more[0].name != "stats.json":
        raise DataError(f"{spec_path.parent.name} has no stats.json; the run did not end, or was copied in part")
    spec, stats = parse_document(spec_path), _helm_list(more[0])
    if not isinstance(spec, Mapping):
        raise DataError(f"{spec_path.name} holds no object; expected the run specification of HELM")
    name = str(spec.get("name") or spec_path.parent.name)
    task = _helm_task(name)
    model = _mapping(spec.get("adapter_spec")).get("model") or "a model"
    suite = spec_path.resolve().parent.parent.name  # a run of the same name in another suite is another run
    specs = {k: _mapping(spec.get(k)) for k in ("scenario_spec", "adapter_spec", "data_augmenter_spec")}
    scores = {f"{task}/{n}": v for n, v in _helm_scores(stats).items()}
    counts = {f"{task}/{n}": v for n, v in _helm_counts(stats).items()}
    yield LoggedRun(
        kind="helm",
        key=f"helm:{suite}/{name}",
        name=f"{model} on {task}",
        source=str(spec_path.parent),
        config=flat({"name": name, "groups": spec.get("groups"), **specs}),
        final={**scores, **counts},
        samples=_chunks(lambda: _helm_samples(more[1], task)) if more[1:] else None,
        state="finished",
        tags=(task,),
    )


def _helm_list(path: Path) -> list[Mapping[str, Any]]:
    found = parse_document(path)
    if not isinstance(found, list):
        raise DataError(f"{path.name} holds no list; expected the statistics of HELM")
    return _mappings(found)


def _helm_task(name: str) -> str:
    """The scenario and its arguments in a run's name, without the model."""
    scenario, _, arguments = name.partition(":")
    kept = [a for a in arguments.split(",") if a and a.partition("=")[0] not in ("model", "model_deployment")]
    return f"{scenario}:{','.join(kept)}" if kept else scenario


def _helm_sums(stats: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, float, float]]:
    """Metric, with its split where that is not test, sum and count of what was not perturbed."""
    for stat in stats:
        name = _mapping(stat.get("name"))
        count, total = number(stat.get("count")), number(stat.get("sum"))
        if "name" not in name or name.get("perturbation") or count is None or total is None or not count > 0:
            continue
        split = name.get("split")
        yield f"{name['name']}{'' if split in (None, 'test') else f',{split}'}", total, count


def _helm_scores(stats: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Means; parts of a split are put together as HELM does it, sums and counts added."""
    sums: dict[str, tuple[float, float]] = {}
    for metric, total, count in _helm_sums(stats):
        before = sums.get(metric, (0.0, 0.0))
        sums[metric] = before[0] + total, before[1] + count
    return {metric: total / count for metric, (total, count) in sums.items()}


def _helm_counts(stats: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The number of items of each split, as "n"; parts of a split are added."""
    counts: dict[str, float] = {}
    for metric, total, count in _helm_sums(stats):
        called, comma, split = metric.partition(",")
        if called == "num_instances":
            counts[f"n{comma}{split}"] = counts.get(f"n{comma}{split}", 0.0) + total / count
    return counts


def _helm_samples(path: Path, task: str) -> Iterator[Sample]:
    """Scores of items in each trial; a record holds those of one metric class of HELM."""
    for record in _helm_list(path):
        if record.get("perturbation"):
            continue
        trial = number(record.get("train_trial_index")) or 0.0
        item = f"{record.get('instance_id')}" if trial == 0 else f"{record.get('instance_id')} ({trial + 1:.0f})"
        for metric, score in _helm_scores(_mappings(record.get("stats"))).items():
            yield task, item, metric, score


# -- the Open LLM Leaderboard ---------------------------------------------------------------------------------------

_MODEL, _PARAMS = ("fullname", "Model", "model_name_for_query"), "#Params (B)"


def _sniff_leaderboard(place: Place) -> Iterator[Claim]:
    for name in place.files:
        if name.endswith(".parquet") and _PARAMS in _columns(place.path / name):
            yield place.claim(name)


def _columns(path: Path) -> list[str]:
    try:
        return names_of(path)
    except (DataError, OSError):
        return []


@reader("leaderboard", title="Open LLM Leaderboard (Parquet)", sniff=_sniff_leaderboard)
def leaderboard(claim: Claim) -> Iterator[LoggedRun]:
    """A row a model: numbers are scores as printed, N is billions of parameters as printed."""
    import polars as pl

    (path,) = claim.files
    frame = frame_of(path, path.name)
    if frame.height > 1_000_000:
        raise DataError(f"{path.name} has {frame.height:,} rows; expected a model a row")
    column = next((c for c in _MODEL if c in frame.columns), None)
    if column is None:
        raise DataError(f"{path.name} has no column of models among {', '.join(frame.columns[:8])}")
    scores = [n for n, t in frame.schema.items() if t.is_numeric() and n != _PARAMS]
    words = [n for n, t in frame.schema.items() if t == pl.String and n != column]
    for i, row in enumerate(frame.iter_rows(named=True)):
        size = number(row[_PARAMS])
        config: dict[str, Scalar] = {w: row[w][:200] for w in words if row[w] is not None}
        if size is not None and size > 0:
            config["num_parameters"] = size * 1e9
        yield LoggedRun(
            kind="leaderboard",
            key=f"leaderboard:{row[column]}:{row.get('Model sha', '')}:{row.get('Precision', '')}",
            name=str(row[column]),
            source=str(path),
            config=config,
            final={s: v for s in scores if (v := number(row[s])) is not None},
            state="finished",
            assumed=("sizes are in billions of parameters, rounded as printed",) if i == 0 else (),
        )
