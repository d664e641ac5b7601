"""`similitude plan repeat`."""

from __future__ import annotations

import pytest


def test_repeat(run):
    asked = ("plan", "repeat", "data_constrained:muennighoff2023", "--unique", "25B")
    document = run(*asked, "--flop", "1e22", "--json").document
    assert document["rows"][0]["epochs"] == pytest.approx(9.49, abs=0.02)
    shown = run(*asked, "--gpus", "64xH100", "--days", "10")
    assert "epochs" in shown.out
    assert run(*asked).code == 2
    refused = run("plan", "repeat", "chinchilla:besiroglu2024", "--unique", "25B", "--flop", "1e22")
    assert refused.code == 3
    assert "unique tokens" in refused.err
