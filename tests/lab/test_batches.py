"""Which tokens a step sees: every token once an epoch, shares by weight, and nothing depends on the run's length."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from similitude._errors import ArgumentError
from similitude.lab._batches import Batches, held_windows
from similitude.lab._order import Shares, permutation
from similitude.lab._text import Corpus


def numbered(name: str, tokens: int, first: int = 0) -> Corpus:
    """A corpus whose tokens are their own places, `first` on, so that a batch says what it has read."""
    train = np.arange(first, first + tokens, dtype=np.uint16)
    sha256 = name.encode().hex().ljust(64, "0")
    return Corpus(name, "bytes", 65536, train, train[: tokens // 4], 1.0, (1, 1), sha256, "made up", "none")


@pytest.fixture
def two() -> list[Corpus]:
    return [numbered("a", 1001), numbered("b", 2001, first=10_000)]


def test_an_epoch_predicts_every_token_once():
    batches = Batches([numbered("a", 1001)], [1], sequence=10, batch=5, seed=0)
    first, second = (np.concatenate([batches[t] for t in range(e * 20, e * 20 + 20)]) for e in (0, 1))
    for epoch in (first, second):
        assert sorted(epoch[:, 1:].ravel()) == list(range(1, 1001))
        np.testing.assert_array_equal(epoch[:, 1:], epoch[:, :-1] + 1)
    assert not np.array_equal(first, second)
    assert batches.epochs(20) == {"a": 1.0}


def test_a_step_is_the_same_however_it_is_reached(two):
    def fresh() -> Batches:
        return Batches(two, [0.3, 0.7], sequence=8, batch=6, seed=3)

    forward = fresh()
    run = [forward[t] for t in range(200)]
    for t in (199, 0, 77, 123):
        np.testing.assert_array_equal(fresh()[t], run[t])
    backward = fresh()
    for t in reversed(range(200)):
        np.testing.assert_array_equal(backward[t], run[t])
    assert run[0].shape == (6, 9)
    assert run[0].dtype == np.int32


def test_rows_do_not_depend_on_how_they_are_cut_into_batches(two):
    small, large = (Batches(two, [1, 2], sequence=8, batch=b, seed=3) for b in (4, 12))
    np.testing.assert_array_equal(
        np.concatenate([small[t] for t in range(30)]), np.concatenate([large[t] for t in range(10)])
    )


def test_seeds_and_texts_change_the_order(two):
    def first(seed: int, corpora: list[Corpus] = two) -> np.ndarray:
        return Batches(corpora, [1, 1], sequence=8, batch=20, seed=seed)[0]

    assert not np.array_equal(first(0), first(1))
    assert not np.array_equal(first(0), first(0, [replace(two[0], sha256="f" * 64), two[1]]))
    np.testing.assert_array_equal(first(2**70), first(2**70))


def test_tokens_are_counted_by_text(two):
    batches = Batches(two, [0.25, 0.75], sequence=8, batch=6, seed=0)
    for steps in (1, 2, 7, 100, 1003):
        seen = np.concatenate([batches[t] for t in range(steps)])
        from_b = int((seen[:, 0] >= 10_000).sum())
        assert batches.tokens(steps) == {"a": 8 * (6 * steps - from_b), "b": 8 * from_b}
    assert batches.tokens(0) == {"a": 0, "b": 0}
    assert batches.epochs(1000)["b"] == pytest.approx(6 * 1000 * 0.75 / 250, abs=1 / 250)


def test_a_limit_repeats_the_beginning(two):
    batches = Batches(two, [1, 3], sequence=8, batch=6, seed=0, unique=400)
    assert batches.unique_tokens == {"a": 96, "b": 296}  # 100 and 300, in whole windows
    seen = np.concatenate([batches[t] for t in range(100)])
    assert set(seen[:, 1:].ravel()) == {*range(1, 97), *range(10_001, 10_297)}
    larger = Batches(two, [1, 3], sequence=8, batch=6, seed=0, unique=800)
    assert set(seen.ravel()) < set(np.concatenate([larger[t] for t in range(200)]).ravel())


def test_a_limit_above_the_text_or_below_a_window_is_refused(two):
    with pytest.raises(ArgumentError, match="asks for 2000 tokens of a, which has 1000"):
        Batches(two, [1, 1], sequence=8, batch=6, seed=0, unique=4000)
    with pytest.raises(ValueError, match="a gives 0 windows of 8 tokens"):
        Batches(two, [1, 1], sequence=8, batch=6, seed=0, unique=10)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1], "1 weights for 2"), ([1, -1], "negative"), ([0, 0], "all be 0"), ([1, np.nan], "infinite")],
)
def test_bad_weights_are_refused(two, weights, message):
    with pytest.raises(ArgumentError, match=message):
        Batches(two, weights, sequence=8, batch=6, seed=0)


def test_a_text_is_given_once_and_tokenizers_do_not_mix(two):
    with pytest.raises(ArgumentError, match="give each once"):
        Batches([two[0], two[0]], [1, 1], sequence=8, batch=6, seed=0)
    with pytest.raises(ArgumentError, match="different tokenizers"):
        Batches([two[0], replace(two[1], tokenizer="bpe")], [1, 1], sequence=8, batch=6, seed=0)


def test_a_text_of_weight_zero_is_never_read(two):
    batches = Batches(two, [1, 0], sequence=8, batch=6, seed=0)
    assert all((batches[t] < 10_000).all() for t in range(100))
    assert batches.epochs(10)["b"] == 0


def _one_by_one(weights: np.ndarray, sequences: int) -> tuple[np.ndarray, np.ndarray]:
    """The turns in the order of their times, by sorting all of them."""
    times = [((m + 0.5) / w, k, m) for k, w in enumerate(weights) if w for m in range(int(w * sequences) + 9)]
    ordered = np.array([(k, m) for _, k, m in sorted(times)[:sequences]])
    return ordered[:, 0], ordered[:, 1]


@pytest.mark.parametrize(
    "weights",
    [[1], [0.5, 0.5], [1, 0, 2], [0.2] * 5, [0.6, 0.1, 0.1, 0.1, 0.1], [1e-4, 1], [1 / 3, 1 / 7, 1 / 11, np.pi]],
)
def test_shares_found_at_once_are_those_found_one_by_one(weights):
    shares, n = Shares(weights, len(weights)), 3000
    which, turns = _one_by_one(shares.weights, n)
    for first, count in ((0, n), (0, 1), (17, 40), (2900, 100), (1234, 1)):
        got = shares.draw(first, count)
        np.testing.assert_array_equal(got[0], which[first : first + count])
        np.testing.assert_array_equal(got[1], turns[first : first + count])
    for j in (0, 1, 2, 499, 500, n - 1):
        np.testing.assert_array_equal(shares.counts(j), np.bincount(which[:j], minlength=len(weights)))


def test_shares_stay_within_the_stated_distance_of_the_weights(rng):
    for k in (2, 3, 4, 5, 5, 5):
        shares, n = Shares(rng.dirichlet(np.ones(k)), k), 4000
        which, _ = shares.draw(0, n)
        counts = np.cumsum(which[:, None] == np.arange(k), axis=0)
        off = np.abs(counts - shares.weights * np.arange(1, n + 1)[:, None])
        assert (off.max(axis=0) <= 0.5 + shares.weights * (k - 2) / 2 + 1e-9).all()
    far = Shares([0.2, 0.3, 0.5], 3).counts(10**12)
    np.testing.assert_allclose(far, [2e11, 3e11, 5e11], rtol=0, atol=1)


def test_permutations_are_those_of_every_machine():
    order = permutation(1000, (1, 2, 3))
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, permutation(1000, (1, 2, 4)))
    firsts = np.array([permutation(10, (seed,))[0] for seed in range(2000)])
    assert np.bincount(firsts, minlength=10).min() > 150  # 200 expected, 13 its deviation


def test_a_late_step_comes_at_once(two):
    batches = Batches(two, [1, 2], sequence=8, batch=6, seed=0)
    begun = time.perf_counter()
    for t in range(10**9, 10**9 + 100):
        batches[t]
    assert time.perf_counter() - begun < 1.0  # about 0.02 s; one by one it would take an hour


def test_validation_windows_are_spread_and_do_not_overlap():
    corpus = numbered("a", 4004)  # 1001 validation tokens: 100 windows of 10
    every = held_windows(corpus, 10, 100)
    assert sorted(every[:, 1:].ravel()) == list(range(1, 1001))
    few = held_windows(corpus, 10, 4)
    np.testing.assert_array_equal(few[:, 0], [0, 250, 500, 750])
    assert few.dtype == np.int32
    for sequence, count in ((10, 101), (10, 0), (0, 1), (2000, 1)):
        with pytest.raises(ArgumentError, match="validation windows"):
            held_windows(corpus, sequence, count)
