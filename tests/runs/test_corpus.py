"""Inputs that the fuzzer kept, each of which reaches code that none before it did: read or refused as promised."""

from __future__ import annotations

import shutil
import time

import pytest

from fuzz.readers import CORPUS, NAMED, PLACES, place, tried
from similitude import read_logs

KINDS = sorted(p.name for p in CORPUS.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_kept_inputs(tmp_path, kind):
    inputs = sorted((CORPUS / kind).iterdir())
    assert inputs
    for path in inputs:
        folder = tmp_path / path.name
        folder.mkdir()
        place(folder, kind, path.read_bytes())
        before = sorted(folder.rglob("*"))
        begun = time.process_time()
        assert tried(folder, kind) == "", path
        logs = read_logs(folder)
        assert time.process_time() - begun < 20.0, path
        assert logs.runs or logs.left_out or kind not in NAMED, path
        assert sorted(folder.rglob("*")) == before, path
        shutil.rmtree(folder)


def test_the_corpus_is_small_and_of_every_kind():
    assert set(PLACES) == set(KINDS)
    sizes = [p.stat().st_size for kind in KINDS for p in (CORPUS / kind).iterdir()]
    assert len(sizes) < 300
    assert sum(sizes) < 500_000
