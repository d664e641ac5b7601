"""read_logs: files and folders of logs, whatever kinds they hold, walked safely."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from similitude._errors import DataError, SimilitudeError

from ._logged import LoggedRun, valid

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from .readers import Claim, Place, Reader

__all__ = ["Logs", "read_logs"]

_DEEPEST = 40  # folders within folders
_MOST = 1_000_000  # files looked at
_IGNORED = {".git", "__pycache__", "node_modules", ".venv", ".ipynb_checkpoints"}


@dataclass(frozen=True, slots=True)
class Logs:
    """Runs found in logs, what was assumed in reading them and what was left out, each a sentence."""

    runs: tuple[LoggedRun, ...]
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[LoggedRun]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __repr__(self) -> str:
        kinds: dict[str, int] = {}
        for run in self.runs:
            kinds[run.kind] = kinds.get(run.kind, 0) + 1
        listed = ", ".join(f"{n} {k}" for k, n in kinds.items())
        return f"Logs({len(self.runs)} runs{': ' if listed else ''}{listed}; left out {len(self.left_out)})"


def read_logs(
    *paths: str | Path,
    kinds: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Logs:
    """The runs of log files and folders: each kind is recognised by itself, folders are walked.

    `kinds` limits the readers by name. `progress` is called with each file as it is read. A file that cannot be read
    is left out, with a sentence that says why; the rest is read all the same.

    Raises DataError for a path that is not there, ArgumentError for a kind that is not known.

    >>> import json, pathlib, tempfile
    >>> import similitude as sim
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "tiny"
    >>> folder.mkdir()
    >>> history = [{"step": 10, "loss": 3.2}, {"step": 20, "loss": 2.9, "learning_rate": 0.0}]
    >>> state = {"global_step": 20, "max_steps": 20, "log_history": history}
    >>> (folder / "trainer_state.json").write_text(json.dumps(state)) > 0
    True
    >>> sim.read_logs(folder).runs[0].state
    'finished'
    """
    readers = _readers(kinds)
    runs: list[LoggedRun] = []
    left_out: list[str] = []
    for given in paths:
        root = Path(given)
        if not root.exists():
            raise DataError(f"{given}: there is no such file or folder; expected logs of runs")
        for claim, reader in _claims(root, readers, left_out):
            label = _label(claim, root)
            if progress is not None:
                progress(label)
            _read(claim, reader, root, label, runs, left_out)
    runs = _joined(runs)
    return Logs(tuple(runs), _assumed(runs), tuple(map(_shown, (*left_out, *_left_out(runs)))))


def _joined(runs: Sequence[LoggedRun]) -> list[LoggedRun]:
    """Logs of one run, which its library knows by one key, as one: it was resumed, or copied."""
    groups: dict[str, list[LoggedRun]] = {}
    for run in runs:
        groups.setdefault(run.key, []).append(run)
    return [_one(group) for group in groups.values()]


def _one(group: list[LoggedRun]) -> LoggedRun:
    parts = sorted(group, key=lambda r: (r.started is None, r.started or 0.0, r.source))
    kept = [parts[i] for i in _not_copies([_Points(p) for p in parts])] if len(parts) > 1 else parts
    said = []
    if copies := len(parts) - len(kept):
        said.append(f"{copies} further {'copy' if copies == 1 else 'copies'} of this log, whole or in part, left out")
    if len(kept) > 1:
        said.append(f"joined from {len(kept)} logs of one run, which was resumed: {', '.join(k.source for k in kept)}")
    if not said:
        return kept[0]
    joined: dict[str, Any] = {"config": {}, "final": {}}
    for part in kept:
        joined["config"] |= part.config
        joined["final"] |= part.final
    last = kept[-1]
    return replace(
        kept[0],
        **joined,
        points=_chained([k.points for k in kept if k.points is not None]),
        samples=_chained([k.samples for k in kept if k.samples is not None]),
        state=last.state,
        ended=last.ended,
        assumed=tuple(dict.fromkeys([*(s for k in kept for s in k.assumed), *said])),
        left_out=tuple(dict.fromkeys(s for k in kept for s in k.left_out)),
    )


def _not_copies(points: Sequence[_Points]) -> list[int]:
    """Places of logs whose points are not all in another; of logs with the same points the last."""
    kept: list[int] = []
    for i, mine in enumerate(points):
        if not any(mine.within(other) for other in (*(points[k] for k in kept), *points[i + 1 :])):
            kept.append(i)
    return kept


class _Points:
    """The points of a log as hashes of metric, step and value, read once however many logs it is compared with."""

    def __init__(self, run: LoggedRun) -> None:
        import numpy as np

        try:
            frames = [c.select("metric", "step", "value") for c in (run.points() if run.points is not None else ())]
            self.hashes = np.unique(
                np.concatenate([np.zeros(0, np.uint64), *(f.hash_rows().to_numpy() for f in frames)])
            )
            self.count: float = sum(f.height for f in frames)
        except DataError:
            self.hashes, self.count = np.zeros(0, np.uint64), float("nan")

    def within(self, other: _Points) -> bool:
        """Whether all that this log holds stands in the other; never where one of them cannot be read."""
        return self.count <= other.count and all(other._has(part) for part in (self.hashes[:100], self.hashes))

    def _has(self, wanted: np.ndarray) -> bool:
        if not self.hashes.size:
            return not wanted.size
        found = self.hashes[self.hashes.searchsorted(wanted).clip(max=self.hashes.size - 1)]
        return bool((found == wanted).all())


def _chained(readers: Sequence[Callable[[], Iterator[pl.DataFrame]]]) -> Callable[[], Iterator[pl.DataFrame]] | None:
    def chunks() -> Iterator[pl.DataFrame]:
        for read in readers:
            yield from read()

    return chunks if readers else None


def _readers(kinds: Sequence[str] | None) -> tuple[Reader, ...]:
    from similitude._errors import ArgumentError, did_you_mean

    from .readers import all_readers

    known = {r.name: r for r in all_readers()}
    for kind in kinds or ():
        if kind not in known:
            raise ArgumentError(
                f"no kind of log '{kind}'{did_you_mean(kind, known)}; the kinds are: {', '.join(known)}"
            )
    return tuple(known[k] for k in kinds or known)


def _claims(root: Path, readers: Iterable[Reader], left_out: list[str]) -> Iterator[tuple[Claim, Reader]]:
    """Each log under a path with its reader, folders before what is in them."""
    from .readers import Place

    taken: set[Path] = set()
    for folder, files, folders in _walk(root, left_out):
        if any(p in taken for p in (folder, *folder.parents)):
            continue
        place = Place(folder, files, folders)
        names = {n for n in files if folder / n in taken}
        for reader in readers:
            for claim in _sniffed(reader, place.without(names), left_out):
                taken.update(claim.files if claim.folder is None else (claim.folder,))
                names.update(p.name for p in claim.files if p.parent == folder)
                yield claim, reader
        for name in files:
            if folder / name in taken:
                continue
            if name in place.unreadable:
                left_out.append(f"{_relative(str(folder / name), root)}: cannot be read ({place.unreadable[name]})")
            elif root.is_file():
                left_out.append(f"{name}: no kind of log that is known")


def _sniffed(reader: Reader, place: Place, left_out: list[str]) -> Iterator[Claim]:
    """What a reader recognises in a folder; a reader that fails is said, and the others are asked all the same."""
    try:
        yield from reader.sniff(place)
    except GeneratorExit:
        raise
    except BaseException as error:
        left_out.append(f"{place.path.name}: {_why(error, reader)}")


def _walk(root: Path, left_out: list[str]) -> Iterator[tuple[Path, tuple[str, ...], tuple[str, ...]]]:
    """Folder, its regular files, its folders, sorted; links that lead out of the root and odd files are left out."""
    if root.is_file():
        yield root.parent, (root.name,), ()
        return
    inside = root.resolve()
    seen = 0
    for here, folders, files in os.walk(root, followlinks=False, onerror=lambda e: left_out.append(_unreadable(e))):
        folder = Path(here)
        links = [f for f in sorted(folders) if (folder / f).is_symlink()]
        left_out.extend(
            f"{(folder / f).relative_to(root)}: {said}" for f in links if (said := _odd(folder / f, inside))
        )
        folders[:] = sorted(f for f in folders if f not in _IGNORED and f not in links)
        if len(folder.relative_to(root).parts) >= _DEEPEST:
            left_out.append(f"{folder.relative_to(root)}: more than {_DEEPEST} folders deep; not looked into")
            folders[:] = []
        kept = []
        for name in sorted(files):
            path = folder / name
            if said := _odd(path, inside):
                left_out.append(f"{path.relative_to(root)}: {said}")
            else:
                kept.append(name)
        seen += len(kept)
        if seen > _MOST:
            raise DataError(f"{root} has more than {_MOST:,} files; name the folders of the runs")
        yield folder, tuple(kept), tuple(folders)


def _odd(path: Path, inside: Path) -> str:
    """Why what stands there is not looked into, though it is neither read nor recognised; empty where it is."""
    try:
        if path.is_symlink():
            aim = path.resolve()
            if not aim.is_relative_to(inside):
                return "a link that leads out of the folder"
            return "" if aim.exists() else "a link that leads nowhere"
        return "" if path.is_file() else "neither a file nor a folder; not opened"
    except (OSError, RuntimeError):  # links that lead in circles, until Python 3.13
        return "a link that cannot be followed" if path.is_symlink() else "cannot be read"


def _unreadable(error: OSError) -> str:
    return f"{error.filename}: {error.strerror or error}"


def _label(claim: Claim, root: Path) -> str:
    path = claim.folder or claim.files[0]
    return str(path.relative_to(root)) if path != root and root.is_dir() else path.name


def _read(claim: Claim, reader: Reader, root: Path, label: str, runs: list[LoggedRun], left_out: list[str]) -> None:
    """All runs of one log; what fails half-way keeps the runs before it and is said."""
    try:
        for run in reader.read(claim):
            run = _guarded(run, reader, label)
            runs.append(_clean(run if reader.whole else _passed(run), root))
    except DataError as error:
        said = str(error)
        left_out.append(said if said.startswith(label) else f"{label}: {said}")
    except BaseException as error:
        left_out.append(f"{label}: {_why(error, reader)}")


def _why(error: BaseException, reader: Reader) -> str:
    """A sentence for an error that readers do not raise on purpose; whoever stops the program is not kept from it."""
    import polars as pl

    if not isinstance(error, (Exception, pl.exceptions.PanicException)):
        raise error
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SimilitudeError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    if isinstance(error, (MemoryError, RecursionError)):
        return f"cannot be read ({said[:200]}); it is too large, or nests too deep"
    return f"the reader '{reader.name}' failed on it ({said[:200]}), a fault of the reader"


def _guarded(run: LoggedRun, reader: Reader, label: str) -> LoggedRun:
    """The run, whose points and scores raise nothing but errors that are sentences when they are read."""

    def guarded(chunks: Callable[[], Iterator[pl.DataFrame]] | None) -> Callable[[], Iterator[pl.DataFrame]] | None:
        def frames() -> Iterator[pl.DataFrame]:
            try:
                yield from chunks()  # type: ignore[misc]
            except (DataError, GeneratorExit):
                raise
            except BaseException as error:
                raise DataError(f"{label}: {_why(error, reader)}") from None

        return None if chunks is None else frames

    return replace(run, points=guarded(run.points), samples=guarded(run.samples))


def _passed(run: LoggedRun) -> LoggedRun:
    """The run with the points and scores that can be read: those behind what is damaged are left out, which is said."""
    for what in ("points", "samples"):
        chunks = getattr(run, what)
        if chunks is None:
            continue
        found, said = _readable(chunks)
        if said and what == "points" and found is None:
            raise DataError(said)
        more = (*run.left_out, f"{said}; what comes before is read") if said else run.left_out
        run = replace(run, **{what: found}, left_out=more)
    return run


def _readable(
    chunks: Callable[[], Iterator[pl.DataFrame]],
) -> tuple[Callable[[], Iterator[pl.DataFrame]] | None, str]:
    """The chunks that can be read, passed over once, and what ends them where they do not end well."""
    from .readers._kept import kept

    count, said = 0, ""

    def whole() -> Iterator[pl.DataFrame]:
        nonlocal count, said
        try:
            for chunk in chunks():
                yield chunk
                count += 1
        except DataError as error:
            said = str(error)

    found = kept(whole(), lambda: islice(chunks(), count))
    return found if count or not said else None, said


def _clean(run: LoggedRun, root: Path) -> LoggedRun:
    """The run with words that can be written and shown, whatever names its files and its log have."""
    config = {valid(k): valid(v) if isinstance(v, str) else v for k, v in run.config.items()}
    return replace(
        run,
        key=valid(run.key),
        name=_shown(run.name),
        source=valid(_relative(run.source, root)),
        config=config,
        final={valid(k): v for k, v in run.final.items()},
        tags=tuple(map(_shown, run.tags)),
    )


def _shown(text: str) -> str:
    """Words as one line without what a terminal would obey; as they are where that is so already."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def _relative(source: str, root: Path) -> str:
    try:
        return str(Path(source).relative_to(root)) if root.is_dir() else Path(source).name
    except ValueError:
        return source


def _assumed(runs: Sequence[LoggedRun]) -> tuple[str, ...]:
    return tuple(_shown(f"{r.source}: {s}") for r in runs for s in r.assumed)


def _left_out(runs: Sequence[LoggedRun]) -> tuple[str, ...]:
    return tuple(s if s.startswith(r.source) else f"{r.source}: {s}" for r in runs for s in r.left_out)
