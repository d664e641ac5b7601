"""A training as a value that can be advanced, measured, written to a file and taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from similitude._errors import DataError

from ._batches import Batches, held_windows
from ._checkpoint import read_checkpoint, write_checkpoint
from ._images import ImageBatches, Images, images
from ._leaf import first_values
from ._settings import Config, evenly
from ._step import Compiled, compiled
from ._text import Corpus
from ._tokenizer import Tokenizer
from .interventions import chosen, stages_of

__all__ = ["Training", "corpora_of", "prepare_data", "short_name", "tokenizer_of"]

Log = Callable[[int, Mapping[str, float]], None]
WINDOWS = 32  # validation windows of a pass
IMAGES = 128  # validation images of a pass


def prepare_data(config: Config) -> None:
    """Fetch and prepare what a run reads."""
    images(config.data.images) if config.data.images is not None else corpora_of(config)


def corpora_of(config: Config) -> tuple[Corpus, ...]:
    """The texts of a run, in the order of its domains; none where it is trained on images."""
    from ._text import corpus

    if config.data.images is not None:
        return ()
    made = tokenizer_of(config)
    return tuple(corpus(name, tokenizer=made) for name in config.data.domains)


def tokenizer_of(config: Config) -> Tokenizer:
    """The tokenizer of a run: bytes, or pairs learnt from the training parts of its domains."""
    from ._text import corpus
    from ._tokenizer import BYTES, train_tokenizer

    if config.data.tokenizer == "bytes":
        return BYTES
    return train_tokenizer([corpus(name) for name in config.data.domains], config.vocabulary)


@dataclass
class _Mean:
    """Sums since the last point that was logged."""

    loss: float = 0.0
    norm: float = 0.0
    count: int = 0


class Training:
    """A run under way; `step` steps are done.

    `log(step, values)` is called with what is measured; `ends` are the validation losses at the end of each stage but
    the last. The state after a step is a function of the settings alone: whatever was logged, written or asked in
    between does not change it.
    """

    def __init__(self, config: Config, log: Log, corpora: Sequence[Corpus] | None = None) -> None:
        self.config, self.log = config.resolved(), log
        self.hooks = tuple(chosen(self.config))
        self.corpora = tuple(corpora) if corpora is not None else corpora_of(config)
        self.images = images(config.data.images) if config.data.images is not None else None
        self.steps = self.config.steps
        self.stages = stages_of(self.config)
        self.rates = self._rates()
        self.step, self.stage = 0, -1
        self.diverged = False
        self.seconds = 0.0
        self.ends: list[dict[str, float]] = []
        self.state: dict[str, Any] = {}
        self._mean = _Mean()
        self._waiting: Any = None
        self._held: dict[str, np.ndarray] = {}
        self._bytes: dict[str, float] = {}
        self.told: list[tuple[int, dict[str, float]]] | None = None
        self.for_others: frozenset[int] = frozenset()
        self._marks, self._revisions = self.marks(), self._revised()
        self._noise_marks, self._norm_marks = (
            self._spread(n) for n in (self.config.train.noise, self.config.train.norms)
        )
        self._key = jax.random.key(self.config.seed)
        self._enter(0)

    # -- stages ---------------------------------------------------------------------------------------------------

    def _rates(self) -> np.ndarray:
        """The learning rate of every step: the run's schedule, or that of a stage which has its own.

        Those before the run's start are nowhere used.
        """
        rates = np.concatenate([np.zeros(self.config.begin), self.config.rates().rates])
        for stage in self.stages:
            if stage.rates is not None:
                rates[stage.start : stage.start + len(stage.rates)] = stage.rates
        return rates

    @property
    def now(self) -> Config:
        """The settings of the stage under way."""
        return self.stages[self.stage].config

    @property
    def functions(self) -> Compiled:
        """The compiled functions of the stage under way."""
        stage = self.stages[self.stage]
        return compiled(stage.config, stage.trains)

    def _enter(self, stage: int) -> None:
        """Begin a stage: fresh values at first, later those that the intervention carries over."""
        before, self.stage = self.stage, stage
        functions = self.functions
        values = first_values(functions.leaves, self.config.seed)
        if before >= 0:
            carry, settings = next((m.carry, s) for m, s in self.hooks if m.carry is not None)
            old = {k: np.asarray(v) for k, v in self.state["params"].items()}
            values = {**values, **carry(old, self.stages[before].config, self.now, settings)}
        params = {k: jnp.asarray(values[k]) for k in functions.leaves}
        trains = self.stages[stage].trains or (lambda name: True)
        extra: dict[str, Any] = {}
        for made, settings in chosen(self.now):
            if made.extra is not None:
                extra |= {k: jnp.asarray(v) for k, v in made.extra(functions.leaves, self.now, settings).items()}
        self.state = {
            "params": params,
            "optimizer": functions.direction.init({k: v for k, v in params.items() if trains(k)}),
            "ema": {k: jnp.array(v) for k, v in params.items()} if self.config.train.ema else {},
            "extra": extra,
        }
        self._batches = self._read()

    def _read(self) -> Any:
        """The batches of the stage under way, by step."""
        data, batch, seed = self.now.data, self.config.train.batch, self.config.seed
        if self.images is not None:
            return ImageBatches(self.images, batch=batch, seed=seed, unique=data.unique)
        weights = [data.domains.get(name, 0.0) for name in self.config.data.domains]
        return Batches(self.corpora, weights, sequence=data.sequence, batch=batch, seed=seed, unique=data.unique)

    # -- training -------------------------------------------------------------------------------------------------

    def advance(self, until: int | None = None) -> Iterator[int]:
        """Train to step `until`, by default to the end; gives each step that is done, so that the caller may stop."""
        begun = time.perf_counter()
        while self.step < (self.steps if until is None else until) and not self.diverged:
            batch, *values = self.arguments()
            self.state, told = self.functions.step(self.state, batch, *values)
            self.passed(told)
            self.seconds += time.perf_counter() - begun
            yield self.step
            begun = time.perf_counter()
        self.leave()

    def arguments(self) -> tuple[Any, ...]:
        """What the next step is given besides the state: batch, rate, weight decay, momentum, number and key."""
        if self.stage + 1 < len(self.stages) and self.step == self.stages[self.stage + 1].start:
            self._settle()
            self._enter(self.stage + 1)
        for made, settings in self._revisions.get(self.step, ()):
            self._revise(made, settings)
        decay, ema = self.config.train.weight_decay, self._ema()
        return self.batch(self.step), self.rates[self.step], decay, ema, self.step, self._key

    def batch(self, step: int) -> Any:
        """The batch of a step: windows (batch, sequence + 1), or images and their classes."""
        return self._batches[step]

    def passed(self, told: Any) -> None:
        """A step was taken, which gave the present state and (loss, gradient norm, other losses): measure and log."""
        self._settle()
        self._waiting = told
        self.step += 1
        if is_logged(self.step) or self.step == self.steps:
            self._settle()
            self._tell(self.rates[self.step - 1])
        if self.step in self._noise_marks:
            self.log(self.step, self._noise())
        if self.step in self._norm_marks:
            self.log(self.step, self._norms())
        if self.step in self._marks or self.step in self.for_others:
            self._settle()
            found = self.evaluate()
            if self.step in self._marks:
                self.log(self.step, found)
            if self.told is not None:
                self.told.append((self.step, found))
            if self.stage + 1 < len(self.stages) and self.step == self.stages[self.stage + 1].start:
                self.ends.append(found)

    def measures(self, step: int) -> bool:
        """Whether something is measured at a step for which the state must be at hand."""
        return any(step in marks for marks in (self._marks, self.for_others, self._noise_marks, self._norm_marks))

    def leave(self) -> None:
        """No further step is taken: the last one's numbers; of a run that diverged, that it did."""
        self._settle()
        if self.diverged:
            self.log(self.step, {"val/loss": float("nan")})

    def _settle(self) -> None:
        """Take the numbers of the last step, which is computed while the next batch is made."""
        if self._waiting is None:
            return
        loss, norm, others = self._waiting
        value = float(others.get("loss", loss))
        self._mean.loss += value
        self._mean.norm += float(norm)
        self._mean.count += 1
        self._last = {k: float(v) for k, v in others.items() if k != "loss"}
        self._waiting = None
        self.diverged = self.diverged or not np.isfinite(value) or not np.isfinite(float(norm))

    def _tell(self, rate: float) -> None:
        mean, self._mean = self._mean, _Mean()
        if not mean.count:
            return
        values = {
            "train/loss": mean.loss / mean.count,
            "train/grad_norm": mean.norm / mean.count,
            "train/lr": float(rate),
            **{f"train/{k}": v for k, v in self._last.items()},
        }
        self.log(self.step, values)
        if self.told is not None:
            self.told.append((self.step, values))

    def _revised(self) -> dict[int, list[Any]]:
        """The interventions that change something before a step, by step."""
        found: dict[int, list[Any]] = {}
        for made, settings in self.hooks:
            for step in made.revises(self.config, settings) if made.revises is not None else ():
                found.setdefault(int(step), []).append((made, settings))
        return found

    def _revise(self, made: Any, settings: Any) -> None:
        """Let an intervention change the parameters between two steps."""
        self._settle()
        params = {k: np.asarray(v) for k, v in self.state["params"].items()}
        extra = {k: np.asarray(v) for k, v in self.state["extra"].items()}
        params, extra = made.revise(params, extra, self.step, self.now, settings)
        self.state["params"] = {k: jnp.asarray(v) for k, v in params.items()}
        self.state["extra"] = {k: jnp.asarray(v) for k, v in extra.items()}

    def _ema(self) -> float:
        t = self.config.train
        return t.ema ** (t.batch / (t.ema_batch or t.batch)) if t.ema else 0.0

    def marks(self) -> set[int]:
        """Steps after which validation losses are measured: even shares of the run, the end, and a stage's ends."""
        return self._spread(self.config.train.evaluations) | {self.steps} | {s.start for s in self.stages[1:]}

    def _spread(self, count: int) -> set[int]:
        """The ends of so many equal parts of the steps that the run takes itself."""
        begin = self.config.begin
        return {begin + m for m in evenly(self.steps - begin, count)}

    # -- measuring ------------------------------------------------------------------------------------------------

    def evaluate(self) -> dict[str, float]:
        """Validation losses in nats a token, of each domain and their mean by weight; of images see `losses`."""
        found = self.losses(self.state["params"], "val")
        if self.state["ema"]:
            found |= self.losses(self.state["ema"], "val/ema")
        return found if self.images is not None else found | self._bits_per_byte(found)

    def _bits_per_byte(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Each of these validation losses in bits a byte: nats a token, over ln 2 and the bytes of a token.

        Over several domains the bytes of a token are, as the loss is, a mean by weight.
        """
        weights = self.now.data.domains
        each = {name: self._bytes_of_token(text) for name, text in zip(self.config.data.domains, self.corpora)}
        whole = sum(each[d] * weights.get(d, 0.0) for d in each) / sum(weights.get(d, 0.0) for d in each)
        found = {}
        for name in ("val", "val/ema"):
            places = {name: whole, **{f"{name}/{short_name(d)}": size for d, size in each.items()}}
            found |= {f"{at}/bits_per_byte": losses[f"{at}/loss"] / math.log(2) / size
                      for at, size in places.items() if f"{at}/loss" in losses}  # fmt: skip
        return found

    def _bytes_of_token(self, corpus: Corpus) -> float:
        """Bytes of a token, the mean over all that are predicted in validation; a separator is one byte."""
        if corpus.tokenizer == "bytes":
            return 1.0
        if corpus.name not in self._bytes:
            lengths = np.array([len(text) for text in tokenizer_of(self.config).texts])
            self._bytes[corpus.name] = float(lengths[self.held(corpus)[:, 1:]].mean())
        return self._bytes[corpus.name]

    def losses(self, params: Mapping[str, Any], name: str, functions: Compiled | None = None) -> dict[str, float]:
        """Validation losses with these parameters, as `evaluate` gives them under "val", by the stage's functions.

        Of images it is the loss in nats an image, and the share that is taken for another class under "error".
        """
        if self.images is not None:
            loss, error = self._on_images(self.images, params)
            return {f"{name}/loss": loss, f"{name}/error": error}
        found, whole = {}, 0.0
        domains = self.config.data.domains
        total = sum(self.now.data.domains.get(d, 0.0) for d in domains)
        for corpus, domain in zip(self.corpora, domains, strict=True):
            value = self.loss_on(corpus, params, functions)
            found[f"{name}/{short_name(domain)}/loss"] = value
            whole += value * self.now.data.domains.get(domain, 0.0) / total
        return {f"{name}/loss": whole, **(found if len(domains) > 1 else {})}

    def loss_on(
        self, corpus: Corpus, params: Mapping[str, Any] | None = None, functions: Compiled | None = None
    ) -> float:
        """Mean validation loss on a text, in nats a token."""
        windows = self.held(corpus)
        params = self.state["params"] if params is None else params
        evaluate = (functions or self.functions).evaluate
        total = 0.0
        for i in range(0, len(windows), WINDOWS):
            part = windows[i : i + WINDOWS]
            total += float(evaluate(params, self.state["extra"], self.step, part)) * len(part)
        return total / len(windows)

    def held(self, corpus: Corpus) -> np.ndarray:
        """The validation windows of a text (count, sequence + 1)."""
        if corpus.name not in self._held:
            self._held[corpus.name] = held_windows(corpus, self.now.data.sequence, self.config.data.held)
        return self._held[corpus.name]

    def _on_images(self, images: Images, params: Mapping[str, Any]) -> tuple[float, float]:
        """Mean loss over all validation images, and the share that is taken for another class.

        All passes are of one length, so that one program serves them: the last goes back over images that were judged.
        """
        x, y = images.x_held, images.y_held
        losses, wrong = np.empty(len(y)), np.empty(len(y))
        for i in range(0, len(y), IMAGES):
            part = slice(max(0, min(i, len(y) - IMAGES)), i + IMAGES)
            losses[part], wrong[part] = self.functions.judge(params, x[part], y[part])
        return float(losses.mean()), float(wrong.mean())

    def residuals(self, windows: np.ndarray) -> Any:
        """The residual stream after each block (layers, tokens, width) for windows (count, sequence + 1)."""
        return self.functions.residuals(self.state["params"], self.state["extra"], self.step, windows)

    def _noise(self) -> dict[str, float]:
        """Squared gradient norms at batches of one window or image and of all of the next, for the noise scale."""
        batch = self._batches[self.step]
        one, whole = self.functions.gradient_norms(self.state["params"], self.state["extra"], self.step, batch)
        return {"noise/one": float(one), "noise/batch": float(whole)}

    def _norms(self) -> dict[str, float]:
        """Sizes of activations and gradients on the next batch, by name."""
        batch = self._batches[self.step]
        found = self.functions.norms(self.state["params"], self.state["extra"], self.step, batch)
        return {f"norms/{name}": float(value) for name, value in found.items()}

    # -- keeping --------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write the whole state, at once or not at all."""
        write_checkpoint(path, self.state, self.words())

    def words(self) -> dict[str, Any]:
        """What is written beside the arrays."""
        self._settle()
        mean = self._mean
        return {"step": self.step, "stage": self.stage, "loss": mean.loss, "norm": mean.norm, "count": mean.count,
                "seconds": self.seconds, "id": self.config.id, "told": self.told, "ends": self.ends}  # fmt: skip

    def keep(self, path: Path) -> None:
        """Write the state for other runs to begin from, with the run's settings; not that of a run that diverged."""
        words = self.words()
        if self.diverged:
            return
        told = [(s, v) for s, v in self.told or [] if self._is_own(s, v)]
        write_checkpoint(path, self.state, {**words, "told": told, "settings": self.config.to_dict()})

    def _is_own(self, step: int, values: Mapping[str, float]) -> bool:
        """Whether something told is of this run, not measured for others."""
        return "train/loss" in values or step in self._marks or step <= self.config.begin

    def load(self, path: Path, *, of_another: bool = False) -> None:
        """Take up a state that was saved; DataError where the file is damaged or of another shape.

        What another run, `of_another` length or this one's start, logged up to there is logged once more, as this
        run's own.
        """
        words = read_checkpoint(path)[1]
        stage = int(words["stage"])
        for i in range(self.stage + 1, stage + 1):  # the arrays of a later stage have other shapes
            self._enter(i)
        state, words = read_checkpoint(path, like=self.state)
        self.state = {
            **self.state,
            **{k: {n: jnp.asarray(a) for n, a in v.items()} for k, v in state.items() if isinstance(v, dict)},
            "optimizer": jax.tree.map(jnp.asarray, state["optimizer"]),
        }
        self.ends = list(words.get("ends", []))
        self.recall(words)
        if self.told is not None:
            self.told = [(s, v) for s, v in words.get("told") or []]
        if of_another:
            for step, values in words.get("told") or []:
                if self._is_own(step, values):
                    self.log(step, values)
        if self.step > self.steps:
            raise DataError(f"{path} is at step {self.step}, beyond the {self.steps} of this run")

    def recall(self, words: Mapping[str, Any]) -> None:
        """Take up the step, the time and the sums that were written beside a state."""
        self.step, self.seconds = int(words["step"]), float(words["seconds"])
        self._mean = _Mean(float(words["loss"]), float(words["norm"]), int(words["count"]))


def is_logged(step: int) -> bool:
    """Whether training losses are logged at a step: each of the first 32, then 32 for every doubling.

    It does not depend on the length of the run, so that runs that share a beginning share its points.
    """
    return step % max(1, 1 << max(step.bit_length() - 6, 0)) == 0


def short_name(domain: str) -> str:
    """A domain's name in a metric: of a path its last part."""
    return Path(domain).name if "/" in domain or "\\" in domain else domain
