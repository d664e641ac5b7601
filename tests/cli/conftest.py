"""Running the command line in tests: `run(...)` in this process, `process(...)` as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import similitude as sim
from similitude.cli._commands import root

SIZES = (20e6, 45e6, 90e6, 190e6, 400e6)
RATIOS = (5, 10, 20, 40, 80)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The whole of standard output as one JSON document, which must hold no NaN or Infinity."""
        return json.loads(self.out, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture
def run():
    def call(*arguments: str, stdin: str | bytes | None = None) -> Ended:
        result = CliRunner().invoke(root, [str(a) for a in arguments], input=stdin)
        return Ended(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def process():
    def call(*arguments: str, stdin: str | None = None, **environment: str) -> Ended:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **environment}
        command = [sys.executable, "-m", "similitude.cli", *map(str, arguments)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=env, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="session")
def rows() -> list[list[str]]:
    """25 runs with 0.3 % noise as text: parameters, tokens, loss."""
    truth = sim.laws.chinchilla.published["besiroglu2024"]
    noise = np.random.default_rng(0)
    points = [(n, r * n) for n in SIZES for r in RATIOS]
    losses = [truth.value(N=n, D=d) * np.exp(0.003 * noise.standard_normal()) for n, d in points]
    return [[f"{n:g}", f"{d:g}", f"{loss:.4f}"] for (n, d), loss in zip(points, losses, strict=True)]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a table into the working directory, which is a fresh one."""
    monkeypatch.chdir(tmp_path)

    def table(name: str, rows: list[list[str]], header: str = "params,tokens,val_loss") -> str:
        text = "\n".join([header, *(",".join(row) for row in rows)]) + "\n"
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return table


@pytest.fixture
def sweep(write, rows) -> str:
    """The name of a good table in the working directory."""
    return write("sweep.csv", rows)


@pytest.fixture(scope="session")
def fit_text(rows) -> str:
    """A FIT of that table, as `similitude fit -o` writes it."""
    columns = dict(zip(("params", "tokens", "val_loss"), map(list, zip(*rows, strict=True)), strict=True))
    return json.dumps(sim.fit(sim.laws.chinchilla, sim.read_runs(columns, name="sweep.csv")).to_dict())


@pytest.fixture
def fitted(sweep, fit_text) -> str:
    """The name of a FIT file of the good table, in the working directory."""
    Path("fit.json").write_text(fit_text, encoding="utf-8")
    return "fit.json"
