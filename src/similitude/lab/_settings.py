"""The settings of one run: strict, complete, and with an id that is a hash of them.

>>> from similitude.lab import Config
>>> short, same = Config(), Config(seed=0)
>>> short.id == same.id, Config(seed=1).id == short.id
(True, False)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude._schedule import SHAPES, Schedule, schedule

from ._families import IMAGES, TEXT, check_family, family_of

if TYPE_CHECKING:
    from ._images import Size

__all__ = ["Config", "DataSettings", "ModelSettings", "StartSettings", "TrainSettings", "config_from", "evenly"]

RULES = 1  # raised whenever the same settings would give other numbers, so that runs of both are told apart
# settings that came later; ids leave them out at their default
ADDED: tuple[str, ...] = (
    "train.norms",
    "start",
    "train.keep",
    "train.activations",
    "model.patch",
    "model.positions",
    "model.strides",
    "data.images",
    "train.images",
)


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shape of the model.

    `kind` is "transformer" (a decoder), "lstm", which has layers, a width and `tied` and nothing else, or of images
    "mlp", "cnn" or "vit". `feed_forward` is the inner width, by default 8/3 of the width, to the next multiple of 8,
    for swiglu and four times it for gelu and in a vit. `qk_norm` divides queries and keys by their root mean square,
    without weights of its own.

    An mlp has `layers` hidden layers. A cnn has a stage of `layers` convolutions for each of `strides`, that of its
    first convolution; `width` is the channels of the first stage, and each later one has twice as many. A vit cuts
    images into patches of `patch` pixels a side and adds `positions` that are learned or sines.
    """

    kind: Literal["transformer", "lstm", "mlp", "cnn", "vit"] = "transformer"
    layers: int = 2
    width: int = 64
    heads: int = 4
    kv_heads: int | None = None
    feed_forward: int | None = None
    activation: Literal["swiglu", "gelu"] = "swiglu"
    tied: bool = True
    qk_norm: bool = False
    patch: int = 4
    positions: Literal["learned", "sine"] = "learned"
    strides: tuple[int, ...] = (1, 2)

    def inner(self) -> int:
        """Inner width of the feed-forward layer."""
        if self.feed_forward is not None:
            return self.feed_forward
        gated = self.kind == "transformer" and self.activation == "swiglu"
        return -(-8 * self.width // 24) * 8 if gated else 4 * self.width


class DataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained on: `domains` by weight (names, or paths to one's own text), `sequence` tokens at a time.

    `unique` limits the different tokens, which are then repeated; `held` windows of each domain are for validation.
    `tokenizer` is "bytes", or "bpe-1024" for byte pairs with that vocabulary.

    Or `images`: digits, fashion-mnist, mnist, or the path of an .npz file, see `images`. `unique` then limits the
    different images, and all validation images are used.
    """

    domains: dict[str, float] = msgspec.field(default_factory=lambda: {"python": 1.0})
    tokenizer: str = "bytes"
    sequence: int = 128
    unique: int | None = None
    held: int = 128
    images: str | None = None


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is trained: for `steps`, or `tokens`, or `tokens_per_parameter` (all parameters), one of the three.

    A run on images is as long as its `steps` or `images`, each counted as often as it is seen. `batch` counts sequences
    or images. `warm_up` and `cooldown` are steps, or shares of all steps where below 1; `end` is the
    last rate as a share of `lr`. Weight decay is decoupled: each step takes `lr * weight_decay` of a weight matrix.
    `ema` averages weights with that momentum at a batch of `ema_batch`; at another batch it is raised to the power of
    their ratio (Busbridge et al. 2023). `noise` measurements of the gradient noise scale are spread over the run, and
    so are `norms` of activations, attention logits and gradients; `spectra` measures the ranks of every matrix at its
    end, `activations` those of the residual stream after every block, or of what every layer of an LSTM gives. `clip`
    bounds the norm of the gradient; of unit scaling, whose gradients have values near one, their root mean square.

    `warm_up` is a twentieth by default, and none for a run with a `start`. `keep` states, spread evenly, or those at
    the steps listed, stay beside the store, for other runs to begin from.
    """

    steps: int | None = None
    tokens: float | None = None
    tokens_per_parameter: float | None = None
    batch: int = 16
    lr: float = 3e-3
    schedule: str = "wsd"
    warm_up: float | None = None
    cooldown: float = 0.2
    end: float = 0.0
    optimizer: Literal["adamw", "sgd", "muon"] = "adamw"
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-15
    clip: float = 1.0
    z_loss: float = 0.0
    ema: float = 0.0
    ema_batch: int | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    evaluations: int = 10
    noise: int = 0
    norms: int = 0
    spectra: bool = False
    activations: bool = False
    keep: int | tuple[int, ...] = 0
    images: float | None = None


class StartSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a run begins that does not begin anew: the id of another run, and a step whose state that one kept."""

    run: str
    step: int


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a run; equal settings have equal ids.

    `parameterisation` is "standard"; "mup", the maximal update (Yang et al. 2022), whose rates carry over from
    `base_width` where heads have one width; or "unit", unit scaling (Blake et al. 2023), whose weights all begin with a
    deviation of one, so that a rate is a share of a weight: about the standard one times sqrt(width), and less the
    wider the model. It is the plain decoder's, with a head of its own (`tied` false). `interventions` are names with
    their settings, see `sim.lab.interventions`.

    A run with a `start` goes on from the state that another run kept (`train.keep`). Its length counts the steps of
    that run up to there; its schedule, warm-up, cooldown, evaluations and kept states are those of the steps it takes
    itself.
    """

    model: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    train: TrainSettings = TrainSettings()
    parameterisation: Literal["standard", "mup", "unit"] = "standard"
    base_width: int = 64
    interventions: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    seed: int = 0
    start: StartSettings | None = None

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the hash of the settings, however they are written."""
        held = msgspec.to_builtins(self.resolved())
        for part, _, name in (added.rpartition(".") for added in ADDED):
            within, usual = (held[part], getattr(_USUAL, part)) if part else (held, _USUAL)
            if within[name] == msgspec.to_builtins(getattr(usual, name)):
                del within[name]
        text = msgspec.json.encode({"rules": RULES, **held}, order="deterministic")
        return hashlib.sha256(text).hexdigest()[:12]

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding table."""
        if self.data.tokenizer == "bytes":
            return 256
        return int(self.data.tokenizer.rpartition("-")[2])

    @property
    def shape(self) -> Any:
        """The shape with its counts of parameters and FLOP, as interventions leave it."""
        from .interventions import shape_with

        return shape_with(family_of(self).shape(self), self)

    @property
    def image_size(self) -> Size:
        """Pixels, channels and classes of the images trained on."""
        from ._images import size_of

        return size_of(str(self.data.images))

    @property
    def unit(self) -> str:
        """What D counts: "tokens", or "images" where it is trained on those."""
        return "tokens" if family_of(self).data == TEXT else IMAGES

    @property
    def width_ratio(self) -> float:
        """Width over the base width, which maximal-update parameterisation divides by; 1 in all others."""
        return self.model.width / self.base_width if self.parameterisation == "mup" else 1.0

    @property
    def steps(self) -> int:
        """Steps of the optimiser."""
        t = self.train
        if t.steps is not None:
            return t.steps
        if t.images is not None:
            return max(1, round(t.images / self.tokens_per_step))
        tokens = t.tokens if t.tokens is not None else (t.tokens_per_parameter or 20.0) * self.shape.parameters("total")
        return max(1, round(tokens / self.tokens_per_step))

    @property
    def begin(self) -> int:
        """The steps of another run that it goes on from; 0 for a run of its own."""
        return self.start.step if self.start is not None else 0

    @property
    def kept(self) -> tuple[int, ...]:
        """The steps whose state is kept."""
        keep = self.train.keep
        if isinstance(keep, int):
            return tuple(sorted(self.begin + step for step in evenly(self.steps - self.begin, keep)))
        return tuple(sorted(set(keep)))

    @property
    def tokens_per_step(self) -> int:
        """Tokens of a batch, or its images."""
        return self.train.batch * (self.data.sequence if self.unit == "tokens" else 1)

    @property
    def tokens(self) -> int:
        """D, the tokens trained on, or the images."""
        return self.steps * self.tokens_per_step

    def resolved(self) -> Config:
        """The same run with its steps, warm-up and cooldown as whole steps and shares, as its id sees it."""
        steps = self.steps
        own = steps - self.begin
        warm = self.train.warm_up
        if warm is None:
            warm = 0.05 if self.start is None else 0.0
        warm = round(warm * own) if warm < 1 else int(warm)
        cool = self.train.cooldown
        cool = cool if cool < 1 or cool >= own else cool / own  # a share of 1 would be read as one step
        ema_batch = self.train.ema_batch or self.train.batch
        train = msgspec.structs.replace(
            self.train,
            steps=steps,
            tokens=None,
            tokens_per_parameter=None,
            images=None,
            warm_up=float(min(warm, max(own - 1, 0))),
            cooldown=float(cool),
            ema_batch=ema_batch if self.train.ema else None,
            keep=self.kept or 0,
        )
        model = self.model
        if model.feed_forward is None and "feed_forward" in family_of(self).settings:
            model = msgspec.structs.replace(model, feed_forward=model.inner())
        return msgspec.structs.replace(self, train=train, model=model, interventions=self._interventions())

    def _interventions(self) -> dict[str, dict[str, Any]]:
        """The interventions with all their settings, in the order in which they are applied."""
        from .interventions import chosen

        return {made.name: settings for made, settings in chosen(self)}

    def rates(self) -> Schedule:
        """The learning rate of every step that the run takes itself."""
        t = self.resolved().train
        own = self.steps - self.begin
        cooldown = t.cooldown if t.cooldown < 1 else t.cooldown / own
        return schedule(
            t.schedule, own, peak=t.lr, end=t.end * t.lr, warm_up=int(t.warm_up or 0), cooldown=cooldown or 0.2
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return msgspec.to_builtins(self)

    def checked(self) -> Config:
        """Itself; ArgumentError for settings that make no run, each in a sentence."""
        m, d, t = self.model, self.data, self.train
        whole = {"model.layers": m.layers, "model.width": m.width, "model.heads": m.heads, "train.batch": t.batch,
                 "data.sequence": d.sequence, "data.held": d.held, "base_width": self.base_width}  # fmt: skip
        for name, value in whole.items():
            if value < 1:
                raise ArgumentError(f"{name} = {value}; expected 1 or more")
        if sum(v is not None for v in (t.steps, t.tokens, t.tokens_per_parameter)) > 1:
            raise ArgumentError("train: give one of steps, tokens and tokens_per_parameter, not several")
        if t.steps is not None and t.images is not None:
            raise ArgumentError("train: give one of steps and images, not both")
        for name in ("steps", "tokens", "tokens_per_parameter", "images", "lr"):
            value = getattr(t, name)
            if value is not None and not 0 < value < float("inf"):
                raise ArgumentError(f"train.{name} = {value:g}; expected a positive number")
        for name, low, high in (("weight_decay", 0, 1e6), ("clip", 0, 1e12), ("z_loss", 0, 1), ("ema", 0, 1),
                                ("end", 0, 1), ("beta1", 0, 1), ("beta2", 0, 1)):  # fmt: skip
            value = getattr(t, name)
            if not low <= value <= high or (high == 1 and name != "end" and value == 1):
                raise ArgumentError(f"train.{name} = {value:g}; expected from {low} to {high:g}")
        if t.schedule not in SHAPES:
            raise ArgumentError(f"train.schedule = '{t.schedule}'; the schedules are: {', '.join(SHAPES)}")
        if not d.domains or any(not w >= 0 for w in d.domains.values()) or not sum(d.domains.values()) > 0:
            raise ArgumentError(
                "data.domains: expected at least one domain, each with a weight of 0 or more, not all 0"
            )
        if self.seed < 0:
            raise ArgumentError(f"seed = {self.seed}; expected 0 or more")
        if d.tokenizer != "bytes" and not (d.tokenizer.startswith("bpe-") and d.tokenizer[4:].isdigit()):
            raise ArgumentError(
                f"data.tokenizer = '{d.tokenizer}'; expected bytes, or bpe- and a size, such as bpe-1024"
            )
        check_family(self)
        if m.kind == "transformer" and (m.width % m.heads or (m.width // m.heads) % 2):
            raise ArgumentError(f"model.width = {m.width} with {m.heads} heads: expected heads of one even width")
        if self.parameterisation == "unit":
            self._check_unit()
        self._check_norms()
        self._check_kept()
        if t.activations:
            self._check_activations()
        from .interventions import check

        check(self)
        self.shape.parameters("total")
        self.rates()
        return self

    def _check_unit(self) -> None:
        """ArgumentError for what unit scaling's factors do not hold of."""
        if self.model.tied:
            raise ArgumentError("model.tied = true with parameterisation = 'unit': a table that is the head too cannot "
                                "have gradients of unit scale; expected tied = false")  # fmt: skip
        if self.interventions:
            name = next(iter(self.interventions))
            raise ArgumentError(f"parameterisation = 'unit' is of the plain decoder: '{name}' changes what its scale "
                                "factors are of")  # fmt: skip

    def _check_norms(self) -> None:
        """ArgumentError for a number of norms that cannot be, or of a pass they are not measured in."""
        if self.train.norms < 0:
            raise ArgumentError(f"train.norms = {self.train.norms}; expected 0 or more")
        for name in ("parscale", "diffusion"):
            if self.train.norms and name in self.interventions:
                raise ArgumentError(f"train.norms = {self.train.norms} with '{name}': norms are those of a plain pass "
                                    "over the text, which it does not make; expected 0")  # fmt: skip

    def _check_activations(self) -> None:
        """ArgumentError where there is no one residual stream to be measured."""
        from .interventions import chosen

        for name in (made.name for made, _ in chosen(self) if made.name in ("parscale", "diffusion")):
            raise ArgumentError(f"train.activations: a model with '{name}' is not given the plain text; leave one out")

    def _check_kept(self) -> None:
        """ArgumentError for a start or kept states that cannot be."""
        keep, start = self.train.keep, self.start
        if start is not None:
            if not re.fullmatch("[0-9a-f]{12}", start.run):
                raise ArgumentError(
                    f"start.run = '{start.run}'; expected the twelve digits of a run's id, as 'similitude lab show' "
                    "says them"
                )
            if not 1 <= start.step < self.steps:
                raise ArgumentError(
                    f"start.step = {start.step}; expected from 1 to {self.steps - 1}, as the run is {self.steps} steps "
                    "long, those before its start counted"
                )
            from .interventions import chosen

            for made, _ in chosen(self):
                if made.stages is not None or made.revises is not None:
                    raise ArgumentError(f"start: a run with '{made.name}', whose changes depend on the length of the "
                                        "run, begins at its beginning")  # fmt: skip
        if isinstance(keep, int):
            if keep < 0:
                raise ArgumentError(f"train.keep = {keep}; expected a count of states, 0 or more, or a list of steps")
            return
        wrong = [step for step in keep if not self.begin < step <= self.steps]
        if wrong or not keep:
            raise ArgumentError(
                f"train.keep = {list(keep)}; expected a count, or steps from {self.begin + 1} to {self.steps}"
            )


def evenly(steps: int, count: int) -> set[int]:
    """The ends of so many equal parts of a run."""
    return {max(1, round(steps * (i + 1) / count)) for i in range(count)}


_USUAL = Config()


def config_from(values: Mapping[str, Any], where: str = "") -> Config:
    """A Config from nested plain values, as a TOML file or a dictionary has them.

    Raises DataError that names the setting and what was expected of it.
    """
    try:
        config = msgspec.convert(values, Config, strict=True)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {_said(str(error))}" if where else _said(str(error))) from None
    try:
        return config.checked()
    except ArgumentError as error:
        raise DataError(f"{where}: {error}" if where else str(error)) from None


_STRUCTS: dict[str, Any] = {
    "": Config, "model": ModelSettings, "data": DataSettings, "train": TrainSettings, "start": StartSettings,
}  # fmt: skip


def _said(error: str) -> str:
    """msgspec's sentence with the setting's name first: "train.lr: expected `float`, got `str`"."""
    text, _, place = error.partition(" - at `$")
    name = place.rstrip("`").lstrip(".")
    text = text[:1].lower() + text[1:]
    known = ""
    if "unknown field" in text:
        struct = _STRUCTS.get(name)
        field = text.rpartition("unknown field `")[2].rstrip("`")
        fields = list(struct.__struct_fields__) if struct else []
        text = f"there is no setting '{field}'"
        known = did_you_mean(field, fields) or (f" (there are {', '.join(fields)})" if fields else "")
    return f"{name}: {text}{known}" if name else f"{text}{known}"
