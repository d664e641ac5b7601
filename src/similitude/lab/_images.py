"""Images as arrays: a declared set or a user's own, in two parts that share none, and their batches by step."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from similitude._errors import ArgumentError, DataError, did_you_mean
from similitude.runs._provider import cache_folder

from ._image_sets import ImageSet, Pictures, image_sets, read_pictures, split_by_content
from ._kept import kept_arrays
from ._order import permutation

__all__ = ["ImageBatches", "Images", "Size", "images", "size_of"]

RULE = 1  # raise it when a change changes arrays: those kept under an older rule are made anew
KEPT_ORDERS = 4


@dataclass(frozen=True, eq=False)
class Images:
    """Images and their classes, in a training and a validation part that share no image.

    `x_train` and `x_held` are (n, h, w, c) float32 from 0 to 1, `y_train` and `y_held` (n,) int32 from 0 to
    `classes` - 1, all read-only. `sha256` is that of the four arrays in the order train x, y, held x, y;
    `removed` counts validation images left out because the training part has them.
    """

    name: str
    x_train: np.ndarray = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    x_held: np.ndarray = field(repr=False)
    y_held: np.ndarray = field(repr=False)
    classes: int
    sha256: str
    source: str = ""
    licence: str = ""
    removed: int = 0


def images(name: str | Path, *, folder: str | Path | None = None, download: bool = True) -> Images:
    """A set of images by name (digits, fashion-mnist, mnist), or an .npz file by its path.

    The file has arrays ``x``, (n, h, w) or (n, h, w, c), whole numbers from 0 to 255 or decimal ones from 0 to 1, and
    ``y``, (n,) classes from 0; with ``x_held`` and ``y_held`` it states its own split, else a fifth, chosen by
    content, is for validation. `folder` is where arrays are kept (the user's cache), `download` whether sources may
    be fetched.

    Raises ArgumentError for a name that is neither, DataError for what cannot be had or read.

    >>> images("digits")  # doctest: +SKIP
    Images(name='digits', classes=10, ...)
    """
    known = image_sets()
    if str(name) in known:
        home = Path(folder) if folder is not None else cache_folder() / "lab"
        return _declared(known[str(name)], home, download)
    if not Path(name).is_file():
        raise ArgumentError(
            f"'{name}' is neither a set of images nor an .npz file; the sets are: {', '.join(known)}"
            f"{did_you_mean(str(name), known)}"
        )
    about = Path(name).stat()
    return _own(Path(name), about.st_mtime_ns, about.st_size)


class Size(NamedTuple):
    """Pixels and channels of an image, and how many classes there are."""

    height: int
    width: int
    channels: int
    classes: int


def size_of(name: str | Path) -> Size:
    """The size of a set's images: as declared, without fetching them, or of a file as it is read.

    Raises what :func:`images` does.

    >>> size_of("digits")
    Size(height=8, width=8, channels=1, classes=10)
    """
    declared = image_sets().get(str(name))
    if declared is not None:
        return Size(*declared.shape, declared.classes)
    read = images(name)
    height, width, channels = read.x_train.shape[1:]
    return Size(height, width, channels, read.classes)


class ImageBatches:
    """The batches of a run by step: ``batches[t]`` is images (batch, h, w, c) and classes (batch,).

    Each epoch goes through the images in another order, drawn by `seed`; a batch depends on what is given here and
    its step only. `unique` takes so many images, those of a smaller number being among those of a larger one;
    None takes all. Raises ArgumentError for numbers out of range.
    """

    def __init__(self, given: Images, *, batch: int, seed: int, unique: int | None = None) -> None:
        there = len(given.x_train)
        if batch < 1:
            raise ArgumentError(f"batch = {batch}: expected at least 1")
        if unique is not None and not 1 <= unique <= there:
            raise ArgumentError(f"unique = {unique}: {given.name} has {there} training images; expected 1 to that")
        self.images, self.batch, self.seed = given, batch, seed
        self._content = int(given.sha256[:16], 16)
        self._chosen = permutation(there, (self._content,))[:unique]
        self._orders: dict[int, np.ndarray] = {}

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The batch of a step, counted from 0. Raises IndexError for a negative step."""
        if step < 0:
            raise IndexError(f"step {step}: steps are counted from 0")
        turns = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs, places = np.divmod(turns, len(self._chosen))
        rows = np.concatenate([self._order(int(e))[places[epochs == e]] for e in np.unique(epochs)])
        return self.images.x_train[rows], self.images.y_train[rows]

    @property
    def unique(self) -> int:
        """How many different images there are."""
        return len(self._chosen)

    def epochs(self, steps: int) -> float:
        """Passes over the images in the first `steps` steps."""
        return steps * self.batch / len(self._chosen)

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            while len(self._orders) >= KEPT_ORDERS:
                del self._orders[next(iter(self._orders))]
            self._orders[epoch] = self._chosen[permutation(len(self._chosen), (self.seed, self._content, epoch))]
        return self._orders[epoch]


# -- declared sets ----------------------------------------------------------------------------------------------------


def _declared(entry: ImageSet, home: Path, download: bool) -> Images:
    key = hashlib.sha256(f"{RULE} {entry.content}".encode()).hexdigest()[:16]

    def make() -> tuple[dict[str, np.ndarray], dict]:
        made = _images(read_pictures(entry, download=download), entry.name, entry.title, entry.licence)
        arrays = {name: getattr(made, name) for name in Pictures._fields}
        return arrays, {name: value for name, value in vars(made).items() if name not in arrays}

    arrays, facts = kept_arrays(home / f"{entry.name}-{key}", make)
    return Images(**arrays, **facts)


def _images(pictures: Pictures, name: str, source: str, licence: str) -> Images:
    """Without the validation images that the training part has too."""
    shared = _among(pictures.x_held, pictures.x_train)
    kept = pictures._replace(x_held=pictures.x_held[~shared], y_held=pictures.y_held[~shared])
    if not (len(kept.x_train) and len(kept.x_held)):
        raise DataError(f"{name} has {len(kept.x_train)} training and {len(kept.x_held)} validation images; give more")
    digest = hashlib.sha256()
    for array in kept:
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        array.setflags(write=False)
    classes = 1 + int(max(kept.y_train.max(), kept.y_held.max()))
    return Images(name, *kept, classes, digest.hexdigest(), source, licence, int(shared.sum()))


def _among(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of some images are among others, bool (images,)."""
    known = {hashlib.sha256(image.tobytes()).digest() for image in others}
    return np.array([hashlib.sha256(image.tobytes()).digest() in known for image in some], bool)


# -- a user's own -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _own(path: Path, modified: int, size: int) -> Images:
    """A file as it was at that time: settings ask for the size of its images many times."""
    return _images(_read_own(path), path.stem, "your own images", "not stated")


def _read_own(path: Path) -> Pictures:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        raise DataError(
            f"{path} is not an .npz file of plain arrays; write it with numpy.savez(path, x=..., y=...)"
        ) from None
    for name in ("x", "y", *(("x_held", "y_held") if "x_held" in arrays or "y_held" in arrays else ())):
        if name not in arrays:
            raise DataError(f"{path} has no array '{name}'; it has: {', '.join(arrays) or 'none'}")
    x, y = _pixels(path, "x", arrays["x"]), _classes(path, "y", arrays["y"], len(arrays["x"]))
    if "x_held" not in arrays:
        return split_by_content(x, y)
    x_held = _pixels(path, "x_held", arrays["x_held"])
    if x_held.shape[1:] != x.shape[1:]:
        raise DataError(f"{path}: images of x are {x.shape[1:]}, those of x_held {x_held.shape[1:]}; expected the same")
    return Pictures(x, y, x_held, _classes(path, "y_held", arrays["y_held"], len(x_held)))


def _pixels(path: Path, name: str, given: np.ndarray) -> np.ndarray:
    """(n, h, w, c) float32 from 0 to 1."""
    if given.ndim not in (3, 4) or not given.size or given.dtype.kind not in "uif":
        raise DataError(f"{path}: {name} is {given.dtype} {given.shape}; expected numbers, (n, h, w) or (n, h, w, c)")
    top = 1 if given.dtype.kind == "f" else 255
    wrong = np.argwhere(~((given >= 0) & (given <= top)))  # not a number is wrong too
    if len(wrong):
        at = tuple(wrong[0].tolist())
        kind = "decimal" if top == 1 else "whole"
        raise DataError(f"{path}: {name}{list(at)} = {given[at]}; {kind} pixels run from 0 to {top}")
    pixels = (given / np.float32(top)).astype(np.float32)
    return pixels if pixels.ndim == 4 else pixels[..., None]


def _classes(path: Path, name: str, given: np.ndarray, count: int) -> np.ndarray:
    """(n,) int32 from 0."""
    if given.shape != (count,) or given.dtype.kind not in "ui":
        raise DataError(
            f"{path}: {name} is {given.dtype} {given.shape}; expected whole numbers, ({count},), one an image"
        )
    if (given < 0).any() or (given > np.iinfo(np.int32).max).any():
        at = int(np.argmax((given < 0) | (given > np.iinfo(np.int32).max)))
        raise DataError(f"{path}: {name}[{at}] = {given[at]}; classes are counted from 0")
    return given.astype(np.int32)
