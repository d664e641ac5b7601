"""Entry points of other packages: a small package is put on the path and must be found, used, and named when broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import similitude as sim
from similitude._quantity import NATS_PER_TOKEN, PARAMETERS
from similitude.runs._logged import LoggedRun
from similitude.runs.readers import Place, reader

@sim.law(
    inputs={"N": PARAMETERS},
    output=NATS_PER_TOKEN,
    params={"A": sim.positive(), "a": sim.positive(0.3)},
)
def plugged(N, *, A, a):
    '''Loss falls as a power of parameters.'''
    return A / N**a

def _sniff(place):
    for name in place.files:
        if name.endswith(".mylog"):
            yield place.claim(name)

@reader("mylog", title="My logs", sniff=_sniff)
def mine(claim):
    path, = claim.files
    yield LoggedRun("mylog", "mylog:1", path.stem, str(path), {"lr": 0.1}, {"loss": float(path.read_text())})

not_a_law = 3
"""
ENTRIES = """[similitude.laws]
plugged = some_plugin:plugged
not_a_law_either = some_plugin:not_a_law
broken = some_plugin:absent

[similitude.readers]
mylog = some_plugin:mine
"""


@pytest.fixture
def package(tmp_path):
    """A folder that holds an installed package with entry points."""
    home = tmp_path / "site"
    info = home / "some_plugin-1.2.dist-info"
    info.mkdir(parents=True)
    (home / "some_plugin.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return home


def called(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "similitude.cli", *arguments]
    paths = f"{package}:{Path(__file__).resolve().parents[1] / 'src'}"
    return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": paths, "NO_COLOR": "1"})


def test_what_packages_add_is_listed_and_a_broken_one_says_why(package):
    ended = called(package, "plugins", "--json")
    assert ended.returncode == 0, ended.stderr
    found = {p["name"]: p for p in json.loads(ended.stdout)["plugins"]}
    assert (found["plugged"]["package"], found["plugged"]["version"]) == ("some-plugin", "1.2")
    assert found["plugged"]["error"] is None
    assert found["mylog"]["group"] == "similitude.readers"
    assert "absent" in found["broken"]["error"]
    assert "some-plugin 1.2" in called(package, "plugins").stdout


def test_a_law_of_a_package_is_fitted_by_name(package, tmp_path):
    table = tmp_path / "runs.csv"
    table.write_text("N,loss\n1e7,4.0\n1e8,3.0\n1e9,2.25\n1e10,1.6875\n")
    ended = called(package, "fit", str(table), "--law", "plugged", "--json")
    assert ended.returncode == 0, ended.stderr
    # each ten times the parameters take the loss to three quarters
    assert json.loads(ended.stdout)["parameters"]["a"]["value"] == pytest.approx(0.12493873660829995, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "code", "words"), [("not_a_law_either", 2, "gives a int"), ("broken", 3, "some-plugin 1.2")]
)
def test_what_is_no_law_is_refused_in_a_sentence(package, tmp_path, name, code, words):
    (tmp_path / "runs.csv").write_text("N,loss\n1e7,4.0\n1e8,3.0\n1e9,2.25\n")
    ended = called(package, "fit", str(tmp_path / "runs.csv"), "--law", name)
    assert ended.returncode == code
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_logs_of_a_package_are_read(package, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "first.mylog").write_text("2.5")
    ended = called(package, "runs", "import", str(tmp_path / "logs"), "--store", str(tmp_path / "s.db"), "--json")
    assert ended.returncode == 0, ended.stderr
    (found,) = json.loads(ended.stdout)["runs"]
    assert (found["kind"], found["name"], found["final"]) == ("mylog", "first", {"loss": 2.5})
