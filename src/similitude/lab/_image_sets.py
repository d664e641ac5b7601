"""The sets of images of the lab, as declared in _images.toml, and the forms in which they come."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np

from similitude._errors import DataError

from ._packages import read_members
from ._sources import Source, find_source

__all__ = ["ImageSet", "Pictures", "image_sets", "read_pictures", "split_by_content"]

HELD = 0.2  # of the pictures of a set that has no split of its own


class Pictures(NamedTuple):
    """Pictures (n, h, w, c) and their classes (n,) of both parts."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_held: np.ndarray
    y_held: np.ndarray


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A set as declared; each source is a package and which of its files are meant (a regex), or a file itself.

    `shape` is height, width and channels of an image.
    """

    name: str
    title: str
    licence: str
    about: str
    reader: str
    sources: tuple[tuple[Source, str], ...]
    shape: tuple[int, int, int]
    classes: int

    @property
    def content(self) -> str:
        """What the set is made of, in one line."""
        return " ".join([self.reader, *(source.sha256 for source, _ in self.sources)])


@cache
def image_sets() -> dict[str, ImageSet]:
    """The declared sets by name.

    >>> list(image_sets())
    ['digits', 'fashion-mnist', 'mnist']
    """
    import tomllib
    from importlib.resources import files

    declared = tomllib.loads(files("similitude.lab").joinpath("_images.toml").read_text("utf-8"))
    sets = declared["sets"].items()
    return {name: _image_set(name, entry, declared["snapshot"]) for name, entry in sets}


def _image_set(name: str, entry: dict, snapshot: str) -> ImageSet:
    sources = tuple(
        (Source(s["sha256"], s.get("pool", ""), snapshot, tuple(s.get("urls", ()))), s.get("inside", ""))
        for s in entry.pop("sources")
    )
    height, width, channels = entry.pop("shape")
    return ImageSet(name=name, sources=sources, shape=(height, width, channels), **entry)


def read_pictures(entry: ImageSet, *, download: bool = True) -> Pictures:
    """The pictures of a set as they come, fetched where need be; DataError when a source cannot be had."""
    files: dict[str, bytes] = {}
    for source, inside in entry.sources:
        path = find_source(source, download=download)
        members = read_members(path, inside) if inside else [(path.name, path.read_bytes())]
        files |= {name.rsplit("/", 1)[-1]: gzip.decompress(content) for name, content in members}
    return READERS[entry.reader](files)


def split_by_content(x: np.ndarray, y: np.ndarray) -> Pictures:
    """Both parts by a hash of each picture: pictures added later move none, equal ones are in the same part."""
    held = np.array([int.from_bytes(hashlib.sha256(p.tobytes()).digest()[:8], "big") < HELD * 2**64 for p in x], bool)
    return Pictures(x[~held], y[~held], x[held], y[held])


# -- readers ----------------------------------------------------------------------------------------------------------


def _read_idx(files: dict[str, bytes]) -> Pictures:
    """The four files of MNIST and its kin, pixels 0 to 255."""
    names = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
             "t10k-labels-idx1-ubyte.gz")  # fmt: skip
    x_train, y_train, x_held, y_held = (_idx_array(files[name], name) for name in names)
    return Pictures(_scaled(x_train, 255), y_train.astype(np.int32), _scaled(x_held, 255), y_held.astype(np.int32))


def _idx_array(content: bytes, name: str) -> np.ndarray:
    """An array of unsigned bytes: two zeros, 8 for their kind, the number of axes, then each one's length."""
    axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 4 * content[3] else 0
    shape = struct.unpack_from(f">{axes}I", content, 4) if axes else ()
    if not axes or len(content) != 4 + 4 * axes + prod(shape):
        raise DataError(f"{name} is not an IDX file of unsigned bytes, or is cut short")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _read_table(files: dict[str, bytes]) -> Pictures:
    """Lines of 64 pixels, 0 to 16, and the class."""
    (content,) = files.values()
    rows = np.array([line.split(",") for line in content.decode("ascii").splitlines()], float).astype(np.int32)
    return split_by_content(_scaled(rows[:, :64].reshape(-1, 8, 8), 16), rows[:, 64])


def _scaled(pixels: np.ndarray, white: int) -> np.ndarray:
    """From whole numbers, (n, h, w), to 0 for black and 1 for white, (n, h, w, 1) float32."""
    return (pixels / np.float32(white)).astype(np.float32)[..., None]


READERS: dict[str, Callable[[dict[str, bytes]], Pictures]] = {"idx": _read_idx, "table": _read_table}
