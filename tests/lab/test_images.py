"""Images: what is read is what was written, nothing is in both parts, and batches depend on their step only."""

from __future__ import annotations

import gzip
import re
import struct

import numpy as np
import pytest

from lab.packages import write_package
from similitude._errors import ArgumentError, DataError
from similitude.lab import _image_sets, _images
from similitude.lab._image_sets import ImageSet, image_sets, read_pictures
from similitude.lab._images import ImageBatches, Images, images
from similitude.lab._sources import Source, find_source


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def pixels(rng) -> np.ndarray:
    return rng.integers(0, 256, (300, 5, 4), dtype=np.uint8)


@pytest.fixture
def own(tmp_path, pixels):
    """Writes the arrays given, and those of a good file by default, and reads the file."""

    def read(**changed) -> Images:
        arrays = {"x": pixels, "y": np.arange(300) % 7, **changed}
        np.savez(tmp_path / "mine.npz", **{k: v for k, v in arrays.items() if v is not None})
        return images(tmp_path / "mine.npz")

    return read


def need_set(name: str) -> None:
    for source, _ in image_sets()[name].sources:
        try:
            find_source(source, download=False)
        except DataError as error:
            if "is not there" in str(error):
                pytest.skip(str(error))
            raise


# -- declared sets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(image_sets()))
def test_declarations_are_whole(name):
    entry = image_sets()[name]
    assert entry.title
    assert entry.licence
    assert entry.reader in _image_sets.READERS
    for source, inside in entry.sources:
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert all(address.startswith("http") and address.endswith(source.file) for address in source.addresses)
        assert bool(source.pool) == bool(re.compile(inside).pattern)


@pytest.fixture
def tiny(tmp_path, monkeypatch, pixels) -> ImageSet:
    """A set of 200 and 100 pictures in the form of MNIST, of which two validation pictures are in the training part."""
    import hashlib

    pixels[200], pixels[250] = pixels[3], pixels[4]
    labels = (np.arange(300) % 10).astype(np.uint8)
    parts = {"train-images-idx3": pixels[:200], "train-labels-idx1": labels[:200], "t10k-images-idx3": pixels[200:]}
    parts["t10k-labels-idx1"] = labels[200:]
    (tmp_path / "data" / "lab").mkdir(parents=True)
    files = {f"usr/share/{name}-ubyte.gz": gzip.compress(idx(part)) for name, part in parts.items()}
    path = write_package(tmp_path / "data" / "lab" / "tiny.deb", files)
    source = Source(hashlib.sha256(path.read_bytes()).hexdigest(), urls=("http://localhost:9/tiny.deb",))
    entry = ImageSet("tiny", "Tiny", "none", "", "idx", ((source, r"-ubyte\.gz$"),), (5, 4, 1), 10)
    monkeypatch.setenv("SIMILITUDE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(_images, "image_sets", lambda: {"tiny": entry})
    return entry


def test_a_set_in_the_form_of_mnist(tiny, tmp_path, pixels, monkeypatch):
    read = images("tiny", folder=tmp_path / "home")
    assert read.x_train.shape == (200, 5, 4, 1)
    assert read.x_train.dtype == np.float32
    np.testing.assert_array_equal(np.round(read.x_train[..., 0] * 255), pixels[:200])
    assert (read.y_train == np.arange(200) % 10).all()
    assert (read.classes, read.removed, len(read.x_held)) == (10, 2, 98)
    np.testing.assert_array_equal(read.y_held, np.delete(np.arange(200, 300) % 10, [0, 50]))
    monkeypatch.setattr(_images, "read_pictures", None)
    again = images("tiny", folder=tmp_path / "home", download=False)
    assert again.sha256 == read.sha256
    np.testing.assert_array_equal(again.x_held, read.x_held)


def test_a_file_of_another_form_is_named():
    whole = idx(np.zeros((3, 2, 2), np.uint8))
    for content in (whole[:-1], whole + b"x", b"\0\0\x0d" + whole[3:], b""):
        with pytest.raises(DataError, match=r"t\.gz is not an IDX file"):
            _image_sets._idx_array(content, "t.gz")


def test_real_digits():
    need_set("digits")
    pictures = read_pictures(image_sets()["digits"], download=False)
    x, y = (np.concatenate(parts) for parts in (pictures[::2], pictures[1::2]))
    assert x.shape == (1797, 8, 8, 1)
    # counts of the classes as UCI states them for this part
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert 0.15 < len(pictures.x_held) / 1797 < 0.25
    assert set(np.unique(x * 16).tolist()) == set(range(17))


# -- a user's own -----------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own(own, pixels):
    read = own()
    assert (read.name, read.classes, read.removed) == ("mine", 7, 0)
    assert len(read.x_train) + len(read.x_held) == 300
    assert 35 <= len(read.x_held) <= 85  # 60 expected, 7 its deviation
    assert not {p.tobytes() for p in read.x_train} & {p.tobytes() for p in read.x_held}
    where = {p.tobytes(): i for i, p in enumerate((pixels / np.float32(255))[..., None])}
    for x, y in ((read.x_train, read.y_train), (read.x_held, read.y_held)):
        assert [where[p.tobytes()] % 7 for p in x] == y.tolist()


def test_equal_images_are_in_one_part_and_new_ones_move_none(own, pixels, rng):
    first = own()
    more = np.concatenate([pixels, pixels[::-1], rng.integers(0, 256, (50, 5, 4), dtype=np.uint8)])
    second = own(x=more, y=np.arange(650) % 7)
    old, new = ({p.tobytes() for p in read.x_held} for read in (first, second))
    assert old < new
    assert not new & {p.tobytes() for p in second.x_train}


def test_a_split_of_ones_own(own, pixels):
    x = (pixels / 255).astype(np.float64)
    read = own(x=x[:200], y=np.zeros(200, int), x_held=x[199:], y_held=np.ones(101, np.uint8))
    assert (len(read.x_train), len(read.x_held), read.removed, read.classes) == (200, 100, 1, 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": None}, "no array 'y'; it has: x"),
        ({"x_held": np.zeros((2, 5, 4))}, "no array 'y_held'"),
        ({"x": np.zeros((300, 20))}, r"x is float64 \(300, 20\); expected numbers, \(n, h, w\)"),
        ({"x": np.full((300, 5, 4), 1.5)}, r"x\[0, 0, 0\] = 1.5; decimal pixels run from 0 to 1"),
        ({"x": np.full((300, 5, 4), np.nan)}, "= nan; decimal"),
        ({"x": np.full((300, 5, 4), -1)}, "= -1; whole pixels run from 0 to 255"),
        ({"y": np.zeros(299, int)}, r"y is int64 \(299,\); expected whole numbers, \(300,\)"),
        ({"y": np.zeros(300)}, "y is float64"),
        ({"y": np.arange(300) - 1}, r"y\[0\] = -1; classes are counted from 0"),
        ({"x_held": np.zeros((2, 5, 5)), "y_held": np.zeros(2, int)}, "expected the same"),
        ({"x": np.array([{}] * 300)}, "plain arrays"),
        ({"x": np.zeros((1, 5, 4)), "y": np.zeros(1, int)}, "training and .* validation images; give more"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(own, changed, message):
    with pytest.raises(DataError, match=message):
        own(**changed)


def test_what_is_no_file_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DataError, match=r"x\.npz is not an \.npz file"):
        images(tmp_path / "x.npz")
    with pytest.raises(ArgumentError, match=r"'minst' is neither .* did you mean 'mnist'"):
        images("minst")


# -- batches ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def numbered() -> Images:
    """Images that are their own number."""
    x = np.arange(30, dtype=np.float32).reshape(30, 1, 1, 1)
    return Images("numbered", x, np.arange(30, dtype=np.int32), x, np.arange(30, dtype=np.int32), 30, "ab" * 32)


def test_an_epoch_shows_every_image_once(numbered):
    batches = ImageBatches(numbered, batch=7, seed=0)
    seen = np.concatenate([batches[t][1] for t in range(30)])
    epochs = seen.reshape(7, 30)
    assert (np.sort(epochs, axis=1) == np.arange(30)).all()
    assert len({tuple(e) for e in epochs}) == 7
    assert batches.epochs(30) == 7.0
    x, y = batches[4]
    assert x.shape == (7, 1, 1, 1)
    assert (x.ravel() == y).all()


def test_a_step_is_the_same_however_it_is_reached(numbered):
    forward = ImageBatches(numbered, batch=7, seed=1)
    run = [forward[t][1] for t in range(50)]
    for t in reversed(range(50)):
        np.testing.assert_array_equal(ImageBatches(numbered, batch=7, seed=1)[t][1], run[t])
    assert not np.array_equal(ImageBatches(numbered, batch=7, seed=2)[0][1], run[0])


def test_a_limit_is_within_a_larger_one(numbered):
    chosen = []
    for unique in (5, 12, 30):
        batches = ImageBatches(numbered, batch=6, seed=unique, unique=unique)
        assert batches.unique == unique
        chosen.append(set(np.concatenate([batches[t][1] for t in range(10)]).tolist()))
    assert [len(c) for c in chosen] == [5, 12, 30]
    assert chosen[0] < chosen[1] < chosen[2]
    assert chosen[1] != set(range(12))


def test_numbers_out_of_range_are_refused(numbered):
    for unique in (0, 31):
        with pytest.raises(ArgumentError, match=f"unique = {unique}: numbered has 30"):
            ImageBatches(numbered, batch=6, seed=0, unique=unique)
    with pytest.raises(ArgumentError, match="batch = 0"):
        ImageBatches(numbered, batch=0, seed=0)
    with pytest.raises(IndexError):
        ImageBatches(numbered, batch=6, seed=0)[-1]
