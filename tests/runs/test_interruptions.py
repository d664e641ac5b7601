"""A few kill -9 at random moments, by the program in `tests/stress` that does a hundred."""

from __future__ import annotations

import os
import random

import pytest

from stress.interruptions import disks, imports, tracking

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.mark.parametrize("what", [imports, tracking])
def test_nothing_finished_is_lost_and_nothing_half_is_seen(tmp_path, what):
    more = {"steps": 20, "count": 8} if what is imports else {"longest": 1.5}
    report = what(3, random.Random(1), tmp_path, **more)
    assert report.wrong == []
    assert report.kills == 3
    assert report.lost == report.half == 0


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made by mounting a small one")
def test_a_full_disk_loses_nothing_and_stops_no_training(tmp_path):
    try:
        report = disks(4, random.Random(1), tmp_path, steps=400, count=8)
    except RuntimeError as error:
        pytest.skip(str(error))
    assert report.wrong == []
    assert report.lost == report.half == 0
