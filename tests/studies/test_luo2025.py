"""Luo et al. 2025: figures of the authors' README and of an independent evaluation of their coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from similitude._errors import DataError
from similitude.laws import get
from similitude.runs import datasets
from similitude.studies import reproduce
from similitude.studies.luo2025 import END, PEAK, WARM_UP, _one, trained


def load():
    try:
        return datasets.load("multipowerlaw")
    except DataError:
        pytest.skip("published data not reachable")


@pytest.mark.parametrize("schedule", ["cosine_24000", "constant_24000", "wsd_20000_24000", "wsdld_20000_24000"])
def test_schedules_are_the_logged_ones(schedule):
    curve = load().where(model="25M", schedule=schedule)
    at = curve.column("step").astype(int)
    told = trained(schedule, int(at.max())).rates[at - 1]
    np.testing.assert_allclose(told, curve.column("lr"), rtol=2e-2)
    whole = trained(schedule, 24_000).rates
    assert whole[-1] == pytest.approx(PEAK if schedule.startswith("constant") else END, rel=1e-9)
    assert trained(schedule, WARM_UP).rates[-1] == pytest.approx(PEAK)


# mean absolute error of the published coefficients, evaluated elsewhere on the same curves
ELSEWHERE = {
    ("25M", "wsdcon_18"): 0.00250,
    ("25M", "constant_72000"): 0.00158,
    ("100M", "wsdld_20000_24000"): 0.00325,
    ("400M", "wsd_20000_24000"): 0.00470,
}


@pytest.mark.parametrize(("size", "schedule"), ELSEWHERE)
def test_errors_of_the_published_coefficients(size, schedule):
    curve = load().where(model=size, schedule=schedule)
    mean = _one(schedule, curve, get("multi_power").published[f"luo2025-{size}"].values)[1]
    assert mean == pytest.approx(ELSEWHERE[size, schedule], abs=3e-5)


def test_metrics_are_those_of_the_readme():
    load()
    study = reproduce("luo2025")
    told = [c for c in study.claims if "published coefficients" in c.sentence]
    assert len(told) == 12
    assert all(c.verdict in ("reproduced", "close") for c in told)
