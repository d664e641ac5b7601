"""Runs trained in one vectorised step: the runs alone up to rounding, each with its own end, killed or not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError
from similitude.lab import _train, config_from, ladder_from
from similitude.lab._jobs import jobs_of, work
from similitude.lab._together import Together, run_together, together_path
from similitude.lab._train import checkpoints_of, run_into
from similitude.lab._training import Training
from similitude.runs.store import Store
from similitude.runs.store._live import LiveWriter

TINY = {"layers": 1, "width": 8, "heads": 1}
CLOSE = 2e-5  # of a loss: float32 rounding, 6e-8, as thirty steps of training enlarge it; a calm rate is needed


@pytest.fixture
def trio(small):
    """Three runs that differ in rate, seed and weight decay."""
    settings = {**small(24, noise=2, spectra=True), "model": TINY}
    changes = [({}, 0), ({"lr": 3e-3}, 1), ({"weight_decay": 0.5}, 0)]
    return [config_from({**settings, "train": {**settings["train"], **more}, "seed": seed}) for more, seed in changes]


def _kept(path):
    with Store(path) as store:
        return {run.config["id"]: run for run in store.logged()}


def _points(run):
    return {(m, s): v for m, s, v in run.curves().select("metric", "step", "value").iter_rows()}


def _close(run, other):
    ours, theirs = _points(run), _points(other)
    assert sorted(ours) == sorted(theirs)
    for key, value in ours.items():
        assert value == pytest.approx(theirs[key], rel=CLOSE if "loss" in key[0] else 1e-3), key


def test_runs_trained_together_are_the_runs_alone_up_to_rounding_and_say_so(trio, tmp_path):
    (job,) = jobs_of(trio, ["a", "b", "c"], together=3)
    outcomes = work(msgspec.json.encode(job), str(tmp_path / "runs.db"))
    assert [o.state for o in outcomes] == ["finished"] * 3
    runs = _kept(tmp_path / "runs.db")
    for config in trio:
        alone = sim.lab.train(config)
        _close(runs[config.id], alone)
        assert runs[config.id].config["together"] == 3
        assert "together" not in alone.config
        assert runs[config.id].final["spectrum/block0/qkv/largest"] == pytest.approx(
            alone.final["spectrum/block0/qkv/largest"], rel=1e-3
        )
    losses = [runs[config.id].final["val/loss"] for config in trio]
    assert min(abs(a - b) for a, b in zip(losses, losses[1:] + losses[:1], strict=True)) > 100 * CLOSE
    assert not list(checkpoints_of(tmp_path / "runs.db").iterdir())


def test_one_that_diverges_ends_and_leaves_the_others_as_they_were_though_all_are_killed(trio, tmp_path, monkeypatch):
    wild = [msgspec.structs.replace(t, train=msgspec.structs.replace(t.train, noise=0, spectra=False)) for t in trio]
    hot = msgspec.structs.replace(wild[0].train, lr=1e30)
    wild[1] = msgspec.structs.replace(wild[1], train=hot)
    names = ["a", "hot", "c"]
    assert [o.state for o in run_together(wild, names, tmp_path / "whole.db")] == ["finished", "diverged", "finished"]
    monkeypatch.setattr(_train, "SAVE", 0.0)
    alive, passed = Training.passed, []

    def killed(self, told):
        passed.append(self.step)
        if self.step == 13:
            raise KeyboardInterrupt
        alive(self, told)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "passed", killed)
        with pytest.raises(KeyboardInterrupt):
            run_together(wild, names, tmp_path / "runs.db")
    assert together_path(checkpoints_of(tmp_path / "runs.db"), wild).is_file()
    again = run_together(wild, names, tmp_path / "runs.db", limit=1e-9)
    assert [(o.state, o.steps) for o in again] == [("stopped", 14), ("known", 0), ("stopped", 14)]
    assert [o.state for o in run_together(wild, names, tmp_path / "runs.db")] == ["finished", "known", "finished"]
    whole, runs = _kept(tmp_path / "whole.db"), _kept(tmp_path / "runs.db")
    for config in wild:
        assert str(_points(runs[config.id])) == str(_points(whole[config.id]))  # as text: no number equals itself
    alone = run_into(wild[1], tmp_path / "alone.db")
    assert (alone.state, alone.steps) == ("diverged", runs[wild[1].id].final["steps"])
    _close(runs[wild[0].id], sim.lab.train(wild[0]))


def test_only_runs_that_differ_in_rate_seed_and_decay_are_trained_together(small):
    settings = {**small(20, schedule="constant"), "model": TINY}
    del settings["train"]["lr"]
    sweep = [{"seed": [0, 1, 2], "train": {"lr": [1e-3, 2e-3], "weight_decay": [0.1, 0.2]}},
             {"seed": [0, 1], "model": [{"width": 16}]},
             {"seed": [0, 1], "train": {"steps": [10]}},
             {"seed": [3, 4], "train": {"keep": [2]}},
             {"seed": [3, 4], "interventions": [{"pruning": {}}]}]  # fmt: skip
    ladder = ladder_from({"run": settings, "sweep": sweep})
    jobs = jobs_of(ladder.runs, ladder.names, together=8)
    assert sorted(len(j.runs) for j in jobs if j.together) == [2, 2, 4, 8]
    assert sum(len(j.runs) for j in jobs if not j.together) == 4
    assert not any(j.together for j in jobs_of(ladder.runs, ladder.names))
    with pytest.raises(ArgumentError, match="together = 0; expected 1 or more runs"):
        sim.lab.run(ladder, together=0)


def test_a_run_begun_alone_goes_on_alone_and_one_that_another_is_at_is_waited_for(trio, tmp_path):
    store = tmp_path / "runs.db"
    trio = [*trio, msgspec.structs.replace(trio[0], seed=7)]
    assert run_into(trio[1], store, limit=1e-9).state == "stopped"
    ladder = ladder_from({"runs": [t.to_dict() for t in trio]}, store=store)
    (job,) = jobs_of(ladder.runs, ladder.names, together=4)
    writer = LiveWriter(store)
    (number,) = (row["run"] for row in writer.store._all("select run from live"))
    writer._own(number)
    writer._database.execute("update live set pid = 1")
    writer._database.commit()
    states = [o.state for o in run_together(trio, ladder.names, store)]
    assert states == ["busy"] * 4
    writer._database.execute("update live set pid = 999999999")
    writer._database.commit()
    writer.close()
    with ThreadPoolExecutor(1) as pool:
        sim.lab.run(ladder, executor=pool, together=4)
    runs = _kept(store)
    assert [runs[t.id].config.get("together") for t in trio] == [3, None, 3, 3]
    assert _points(runs[trio[1].id]) == _points(sim.lab.train(trio[1]))
    assert job.together


def test_a_run_begun_with_others_and_resumed_alone_begins_anew(trio, tmp_path):
    store = tmp_path / "runs.db"
    assert [o.state for o in run_together(trio, ["a", "b", "c"], store, limit=1e-9)] == ["stopped"] * 3
    assert run_into(trio[1], store).state == "finished"
    run = _kept(store)[trio[1].id]
    assert run.config["together"] is None
    assert _points(run) == _points(sim.lab.train(trio[1]))


def test_the_rows_of_members_are_their_own(trio):
    members = [Training(config, lambda step, values: None) for config in trio]
    firsts = [np.asarray(m.state["params"]["embed"]) for m in members]
    together = Together(members)
    for place, first in enumerate(firsts):
        np.testing.assert_array_equal(together.lend(place).state["params"]["embed"], first)
