"""`similitude lab`: a ladder from its file to a report."""

from __future__ import annotations

import pytest


@pytest.fixture
def file(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ladder.toml").write_text(f"""
[run]
data = {{domains = {{"{text}" = 1}}, sequence = 32, held = 16}}
train = {{batch = 4, lr = 1e-2, warm_up = 3, evaluations = 1}}
[[sweep]]
model = [
    {{layers = 1, width = 8, heads = 1}}, {{layers = 1, width = 16, heads = 1}}, {{layers = 2, width = 16, heads = 1}}
]
train = {{steps = [20, 40, 80]}}
[fit]
law = "kaplan"
report = "ladder.html"
""")
    return "ladder.toml"


def test_a_dry_run_says_what_would_be_trained_and_trains_nothing(run, file, tmp_path):
    ended = run("lab", "run", file, "--dry-run", "--json")
    assert ended.code == 0
    rows = ended.document["runs"]
    assert [r["state"] for r in rows] == ["to do"] * 9
    assert rows[0]["N"] == 256 * 8 + 4 * 64 + 3 * 8 * 24 + 3 * 8
    assert rows[0]["D"] == 20 * 4 * 32
    assert all(r["seconds"] > 0 and r["bytes"] > 1e8 for r in rows)
    assert not (tmp_path / "similitude.db").exists()


def test_a_ladder_is_trained_fitted_reported_and_shown(run, file, tmp_path):
    ended = run("lab", "run", file, "--workers", "1", "--json")
    assert ended.code == 0, ended.err
    assert {r["state"] for r in ended.document["ladder"]["runs"]} == {"finished"}
    assert ended.document["fit"]["law"] == "kaplan"
    assert ended.document["fit"]["runs"] == 9
    assert "<html" in (tmp_path / "ladder.html").read_text()
    again = run("lab", "status", file)
    assert again.code == 0
    assert "9 of 9 runs are in similitude.db" in again.out
    first = ended.document["ladder"]["runs"][0]
    shown = run("lab", "show", first["id"][:8], "--json")
    assert shown.code == 0
    assert shown.document["final"]["val/loss"] == first["loss"]
    assert shown.document["curves"]["train/loss"]["step"][0] == 1
    assert "What it reached" in run("lab", "show", first["name"]).out
    assert "noise_scale" not in shown.document
    several = run("lab", "show", "")
    assert several.code == 2
    assert "9 runs begin with ''" in several.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[sweep]\n", "ladder.toml is not TOML"),
        ("sweeps = 1\n", "ladder.toml: there is no entry 'sweeps'"),
        ('[run]\nmodel = {width = "wide"}\n', "ladder.toml, [run]: model.width: expected `int`, got `str`"),
        ("[run]\ndata = {domains = {no-such = 1}}\n", "no-such"),
        ('[run]\n[plan]\nfile = "gone.json"\n', "gone.json is no JSON"),
    ],
)
def test_a_bad_ladder_is_told_in_one_sentence_and_nothing_is_made(run, tmp_path, monkeypatch, text, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ladder.toml").write_text(text)
    ended = run("lab", "run", "ladder.toml")
    assert ended.code in (2, 3)
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "similitude.db").exists()


def test_an_unknown_law_is_refused_before_anything_is_trained(run, file, tmp_path):
    (tmp_path / file).write_text((tmp_path / file).read_text().replace('"kaplan"', '"kapln"'))
    ended = run("lab", "run", file)
    assert ended.code == 2
    assert "kapln" in ended.err
    assert not (tmp_path / "similitude.db").exists()


def test_a_run_s_noise_scale_is_shown_with_its_interval(run, file, tmp_path):
    settings = (tmp_path / file).read_text().replace("evaluations = 1", "evaluations = 1, noise = 8")
    (tmp_path / file).write_text(settings.partition("[[sweep]]")[0].replace("batch = 4", "batch = 4, steps = 16"))
    assert run("lab", "run", file, "--workers", "1").code == 0
    shown = run("lab", "show", "", "--json").document
    one, whole = (shown["curves"][f"noise/{k}"]["value"] for k in ("one", "batch"))
    gradient = sum((4 * b - s) / 3 for s, b in zip(one, whole, strict=True))
    noise = sum((s - b) / (1 - 1 / 4) for s, b in zip(one, whole, strict=True))
    assert shown["noise_scale"]["value"]["value"] == pytest.approx(noise / gradient)
    assert "Gradient noise scale" in run("lab", "show", "").out


@pytest.mark.parametrize("fails", [False, True])
def test_an_executor_made_for_the_command_is_shut_down_by_it(run, file, monkeypatch, fails):
    from concurrent.futures import ThreadPoolExecutor

    import similitude.lab
    from similitude import _plugins
    from similitude._errors import DataError

    made: list[ThreadPoolExecutor] = []

    def make():
        made.append(ThreadPoolExecutor(1))
        return made[0]

    def trained(ladder, *, executor, **options):
        assert executor.submit(len, "abc").result() == 3
        if fails:
            raise KeyboardInterrupt
        raise DataError("no run is there")

    monkeypatch.setattr(_plugins, "load", lambda group, name: make if name == "mine" else None)
    monkeypatch.setattr(similitude.lab, "run", trained)
    assert run("lab", "run", file, "--executor", "mine").code == (130 if fails else 3)
    with pytest.raises(RuntimeError, match="shutdown"):
        made[0].submit(len, "abc")
    assert "no package adds it" in run("lab", "run", file, "--executor", "other").err
