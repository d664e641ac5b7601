"""train: one run from its settings, in memory or into a store, from wherever it was."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from similitude._digits import format_number
from similitude._errors import ArgumentError, DataError
from similitude.runs import LoggedRun
from similitude.runs._logged import flat, points_of

from ._ending import told_to_end
from ._families import foreign_settings
from ._settings import Config, config_from
from ._start import checked_start, kept_path

__all__ = ["Outcome", "checkpoints_of", "run_into", "train"]

FLUSH = 2.0  # seconds between points written
SAVE = 20.0  # seconds between checkpoints


def train(
    config: Config | Mapping[str, Any],
    *,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LoggedRun:
    """Train one run and give what it logged.

    Parameters
    ----------
    config
        Its settings, or a dictionary of those that differ from the defaults.
    store
        A store to keep the run in, where it is resumed if it was interrupted, and not trained again if it is there.
    progress
        Called with the steps done and the steps in all.

    The run's `final` has the validation loss in nats a token, or of images in nats an image with the error rate; its
    `config` all settings, N by each convention, D and C. A damaged checkpoint is warned of. With a store, SIGTERM and
    Ctrl-C take effect once the state is written. Raises ArgumentError or DataError for settings that make no run, for a
    start that cannot be had, or where JAX is not installed.

    >>> import similitude as sim
    >>> run = sim.lab.train({"model": {"width": 16, "heads": 2}, "train": {"steps": 2}})  # doctest: +SKIP
    >>> run.state  # doctest: +SKIP
    'finished'
    """
    needs_jax()
    made = config.checked() if isinstance(config, Config) else config_from(config)
    if store is None and (made.start is not None or made.kept):
        raise ArgumentError(
            f"{'start' if made.start is not None else 'train.keep'}: states are kept beside a store; give one with "
            "store=, such as store='similitude.db'"
        )
    if store is not None:
        outcome = run_into(made, store, progress=progress)
        if outcome.says:
            warnings.warn(f"run {made.id}: {outcome.says}", stacklevel=2)
        if outcome.state == "busy":
            raise DataError(f"run {made.id} is being trained by another process, and is in {store} when that ends")
        from similitude.runs.store import Store

        with Store(store) as kept:
            return next(r for r in kept.logged() if r.key == key_of(made))
    return _in_memory(made, progress)


def needs_jax() -> None:
    """ArgumentError that says how to install what trains, where it is not there."""
    from importlib.util import find_spec

    for name in ("jax", "optax", "safetensors"):
        if find_spec(name) is None:
            raise ArgumentError(f"training needs {name}: pip install 'similitude[lab]'")


def key_of(config: Config) -> str:
    """What the store knows the run by; of one's own text or images also their content counts."""
    if config.data.images is not None:
        from ._images import image_sets, images

        name = config.data.images
        return f"lab:{config.id}" + ("" if name in image_sets() else f"-{images(name).sha256[:8]}")
    own = [name for name in config.data.domains if "/" in name or "\\" in name or os.path.exists(name)]
    if not own:
        return f"lab:{config.id}"
    import hashlib

    from ._text import corpus

    digest = hashlib.sha256("".join(corpus(name).sha256 for name in own).encode()).hexdigest()
    return f"lab:{config.id}-{digest[:8]}"


def described(config: Config, name: str | None = None) -> LoggedRun:
    """The run as the store is told of it at its beginning: settings, counts of parameters, tokens, FLOP.

    On images, D counts those that are seen, each as often as it is, and the units of D and of the loss are stated.
    """
    shape = config.shape
    settings = flat(msgspec.to_builtins(config.resolved()))
    foreign = tuple(foreign_settings(config))
    settings = {k: v for k, v in settings.items() if not f"{k}.".startswith(tuple(f"{name}." for name in foreign))}
    if config.unit != "tokens":
        settings |= {"units.D": config.unit, "units.loss": f"nats/{config.unit.removesuffix('s')}"}
    settings |= {
        "id": config.id,
        "n_total": shape.parameters("total"),
        "n_params_no_emb": shape.parameters("without embeddings"),
        "n_params_no_emb_no_head": shape.parameters("without embeddings and head"),
        "D": config.tokens,
        "C": training_flop(config),
    }
    active = shape.parameters("active")
    if active != shape.parameters("total"):
        settings["n_active"] = active
    return LoggedRun("lab", key_of(config), name or name_of(config), "the lab", settings)


def training_flop(config: Config) -> float:
    """FLOP of matrix products over the whole run, stage by stage, forward and backward, head and attention counted."""
    from .interventions import flop_of_token, stages_of

    stages = stages_of(config)
    ends = [*(stage.start for stage in stages[1:]), config.steps]
    steps = [end - stage.start for stage, end in zip(stages, ends, strict=True)]
    return float(sum(flop_of_token(s.config) * (n * config.tokens_per_step) for s, n in zip(stages, steps)))


def name_of(config: Config) -> str:
    """A short name: parameters, tokens or images, width, layers, rate, seed, and the id."""
    m, t = config.model, config.resolved().train
    more = "".join(f"-{name}" for name in (*((m.kind,) if m.kind != "transformer" else ()), *config.interventions))
    more += f"-from{config.begin}" if config.start is not None else ""
    size, tokens = (format_number(float(x), "tokens", 3, show_unit=False) for x in (n_of(config), config.tokens))
    return f"{size}-{tokens}-w{m.width}-l{m.layers}-lr{t.lr:.3g}-s{config.seed}{more}-{config.id[:6]}".replace(" ", "")


def n_of(config: Config) -> int:
    """All parameters."""
    return config.shape.parameters("total")


@dataclass(frozen=True)
class Outcome:
    """What became of a run: "finished", "diverged", "known" (it was there), "busy" (another trains it), "stopped".

    Or "failed"; then, and where something else is to be told of it, it `says` a sentence.
    """

    id: str
    state: str
    seconds: float = 0.0
    steps: int = 0
    says: str = ""


@dataclass
class Memory:
    """Points kept in memory."""

    rows: list[tuple[str, int, float | None, float]] = field(default_factory=list)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = time.time()
        self.rows += [(name, step, now, float(value)) for name, value in values.items()]


def _in_memory(config: Config, progress: Callable[[int, int], None] | None) -> LoggedRun:
    from ._process import prepare

    prepare()
    from ._training import Training

    memory, begun = Memory(), time.time()
    training = Training(config, memory.log)
    for step in training.advance():
        if progress is not None:
            progress(step, training.steps)
    final = final_of(training, memory.rows)
    run = described(config)
    state = "diverged" if training.diverged else "finished"
    return replace(run, final=final, points=points_of(memory.rows), state=state, started=begun,
                           ended=time.time())  # fmt: skip


def final_of(training: Any, rows: Sequence[tuple[str, int, float | None, float]]) -> dict[str, float]:
    """Values of the run as a whole; a run that diverged has no more than its time."""
    last: dict[str, float] = {}
    if not training.diverged:
        last = {n: v for n, step, _, v in rows if step == training.step and n.startswith("val/")}
        for made, settings in training.hooks:
            if made.measure is not None:
                last |= made.measure(training, training.config, settings)
        if training.config.train.activations:
            from ._activations import activation_spectra

            last |= activation_spectra(training)
        if training.config.train.spectra:
            last |= spectra_of(training.state["params"])
    last |= {"seconds": training.seconds, "steps": float(training.step)}
    if training.seconds > 0:
        last[f"{training.config.unit}_per_second"] = training.step * training.config.tokens_per_step / training.seconds
    return last


def spectra_of(params: Mapping[str, Any]) -> dict[str, float]:
    """Of each matrix, by its name: largest singular value, hard and soft rank.

    With l the squared singular values and p = l / sum l, the hard rank is the participation ratio (sum l)^2 / sum l^2,
    the soft rank exp(-sum p ln p); both are the number of rows where all are alike, and 1 for a matrix of rank one.

    >>> import numpy as np
    >>> {k: round(v, 6) for k, v in spectra_of({"block0/out": 3 * np.eye(4)}).items()}
    {'spectrum/block0/out/largest': 3.0, 'spectrum/block0/out/hard_rank': 4.0, 'spectrum/block0/out/soft_rank': 4.0}
    """
    found = {}
    for name, leaf in sorted(params.items()):
        if np.ndim(leaf) != 2:
            continue
        squares = np.linalg.svd(np.asarray(leaf, float), compute_uv=False) ** 2
        found[f"spectrum/{name}/largest"] = float(np.sqrt(squares[0]))
        hard, soft = effective_ranks(squares)
        found |= {f"spectrum/{name}/hard_rank": hard, f"spectrum/{name}/soft_rank": soft}
    return found


def effective_ranks(squares: np.ndarray) -> tuple[float, float]:
    """Participation ratio and exponential of the entropy of eigenvalues (n,) that are not negative."""
    p = squares / squares.sum()
    shares = p[p > 0]
    return float(1 / np.sum(p**2)), float(np.exp(-np.sum(shares * np.log(shares))))


# -- into a store ---------------------------------------------------------------------------------------------------


def checkpoints_of(store: str | Path) -> Path:
    """The folder beside a store where states of unfinished runs lie."""
    path = Path(store)
    return path.with_name(f"{path.name}.lab")


def run_into(
    config: Config,
    store: str | Path,
    *,
    name: str | None = None,
    limit: float | None = None,
    stems: Sequence[int] = (),
    stem: tuple[str, int] | None = None,
    for_others: Sequence[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Train a run into a store from wherever it is, unless it is there or another process is at it.

    `limit` is in seconds; a run that reaches it is written down and stops, and so does one whose process is told to
    end. `stems` are steps whose state is kept for runs that go on from there, with validation losses at steps
    `for_others`; `stem`, its name and step, is such a state to begin from where it is there. Raises DataError for a run
    whose start is missing, damaged or of another shape.
    """
    from ._process import prepare

    prepare()
    from similitude.runs.store._live import LiveWriter

    writer = LiveWriter(store)
    try:
        run = described(config, name)
        start = _start(config, writer, run.key, checkpoints_of(store))
        claimed, number = writer.claim(run)
        if claimed in ("known", "busy"):
            return Outcome(config.id, claimed)
        with told_to_end() as ended:
            states = State(checkpoints_of(store), config, frozenset(config.kept), tuple(stems), stem, start)
            if writer.store._one("select count(*) from setting where run = ? and name = 'together'", number):
                writer.describe(number, {"together": None})  # it was begun with others, and begins anew alone
            return _trained(states, writer, number, limit, ended, for_others, progress)
    finally:
        writer.close()


def _start(config: Config, writer: Any, key: str, folder: Path) -> Path | None:
    """The state that a run begins from, where it has a start and neither ended nor began yet; DataError without one."""
    if config.start is None or (folder / f"{config.id}.safetensors").is_file():
        return None
    if writer.store._one("select count(*) from run where complete and key = ?", key):
        return None
    return checked_start(config, folder)


@dataclass(frozen=True)
class State:
    """Where states of a run lie: its own, and those it may begin from or leaves for others."""

    folder: Path
    config: Config
    kept: frozenset[int]
    stems: tuple[int, ...] = ()
    stem: tuple[str, int] | None = None
    start: Path | None = None

    @property
    def own(self) -> Path:
        """The last state of the run itself, while it is under way."""
        return self.folder / f"{self.config.id}.safetensors"

    def leave(self, training: Any, step: int) -> None:
        """Keep the state after a step where it is asked for."""
        if step in self.stems:
            training.save(self.folder / f"{stem_id(self.config)}-{step}.safetensors")
        if step in self.kept:
            training.keep(kept_path(self.folder, self.config.id, step))

    def take_up(self, begin: Callable[[], Any]) -> tuple[Any, str]:
        """The training as the last state left it, else at its start or beginning; and a sentence on what is damaged."""
        states = [(self.own, False)]
        if self.stem is not None:
            states.append((self.folder / f"{self.stem[0]}-{self.stem[1]}.safetensors", True))
        damaged = ""
        for path, of_another in states:
            if not path.is_file():
                continue
            training = begin()
            try:
                training.load(path, of_another=of_another)
                break
            except DataError:
                path.unlink(missing_ok=True)
                damaged = f"its state {path} was damaged and is removed; it is trained"
        else:
            training = begin()
            if self.config.start is not None:
                training.load(self.start or checked_start(self.config, self.folder), of_another=True)
        place = f"from step {training.step}" if training.step else "from its beginning"
        return training, f"{damaged} {place}" if damaged else ""


def _trained(
    states: State,
    writer: Any,
    number: int,
    limit: float | None,
    ended: Callable[[], bool],
    for_others: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> Outcome:
    from ._training import Training

    config = states.config
    states.folder.mkdir(parents=True, exist_ok=True)
    memory = Memory()

    def begin() -> Training:
        """The run at its beginning, with nothing logged."""
        memory.rows.clear()
        made = Training(config, memory.log)
        if states.stems or states.kept:
            made.told, made.for_others = [], frozenset(for_others)
        return made

    try:
        training, says = states.take_up(begin)
    except DataError:
        writer.release(number)
        raise
    writer.rewind(number, 0 if memory.rows else training.step)
    kept: list[tuple[str, int, float | None, float]] = []

    def flush() -> None:
        if memory.rows:
            writer.append(number, memory.rows)
            kept.extend(r for r in memory.rows if r[0].startswith("val/"))
            memory.rows.clear()

    def each(step: int) -> None:
        if step in states.stems or step in states.kept:
            flush()
            states.leave(training, step)

    if not advanced(training, flush, lambda: training.save(states.own), each, limit, ended, progress):
        writer.release(number)
        return Outcome(config.id, "stopped", training.seconds, training.step, says)
    final = final_of(training, kept)
    state = "diverged" if training.diverged else "finished"
    writer.finish(number, state, final)
    states.own.unlink(missing_ok=True)
    return Outcome(config.id, state, training.seconds, training.step, says)


def advanced(
    training: Any,
    flush: Callable[[], None],
    save: Callable[[], None],
    each: Callable[[int], None],
    limit: float | None,
    ended: Callable[[], bool],
    progress: Callable[[int, int], None] | None,
) -> bool:
    """Train to the end, with points and states written now and then; False where it had to stop before."""
    begun = flushed = saved = time.monotonic()
    for step in training.advance():
        now = time.monotonic()
        each(step)
        if now - flushed > FLUSH:
            flush()
            flushed = now
        late = (limit is not None and now - begun > limit) or ended()
        if step < training.steps and (late or now - saved > SAVE):  # at the last step what is left is to finish
            flush()
            save()
            saved = now
            if late:
                return False
        if progress is not None:
            progress(step, training.steps)
    flush()
    return True


def stem_id(config: Config) -> str:
    """What runs have in common that differ in their length and the end of their schedule alone."""
    import hashlib

    r = config.resolved()
    train = msgspec.structs.replace(
        r.train, steps=1, schedule="constant", cooldown=0.0, end=0.0, evaluations=0, noise=0, norms=0, keep=0
    )
    bare = msgspec.structs.replace(r, train=train)
    return "stem-" + hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:12]
