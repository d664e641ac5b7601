"""Kept states, runs that begin from one, and what a signal or a damaged file does to a state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

import similitude as sim
from lab.ladders import DRIVER, workers_of
from similitude._errors import ArgumentError, DataError
from similitude.lab import config_from, ladder_from
from similitude.lab._checkpoint import read_checkpoint
from similitude.lab._jobs import jobs_of, work
from similitude.lab._start import kept_states
from similitude.lab._train import checkpoints_of, run_into
from similitude.runs.store import Store

TINY = {"layers": 1, "width": 8, "heads": 1}


@pytest.fixture
def tiny(small):
    def settings(steps=30, **train):
        return {**small(steps, **train), "model": TINY}

    return settings


def _branch(settings, run, step, **train):
    """The run that goes on from another's state, by a schedule of its own."""
    own = {**settings["train"], "keep": 0, **train}
    del own["warm_up"]
    return {**settings, "train": own, "start": {"run": run, "step": step}}


def _run(path, key):
    with Store(path) as store:
        return next(r for r in store.logged() if r.config["id"] == key)


def _points(run):
    return {(m, s): v for m, s, v in run.curves().select("metric", "step", "value").iter_rows()}


@pytest.mark.parametrize("shape", ["wsd", "wsd_sqrt"])
def test_a_cooldown_from_a_kept_state_is_the_run_that_was_planned_with_it(tiny, tmp_path, shape):
    constant = config_from(tiny(40, schedule="constant", keep=[20, 30, 40]))
    long = {"schedule": "linear" if shape == "wsd" else shape, "cooldown": 20, "steps": 50}
    branch = config_from(_branch(tiny(40), constant.id, 30, **long))
    planned = config_from(tiny(50, schedule=shape, cooldown=0.4))
    assert run_into(constant, tmp_path / "runs.db", limit=1e-9).state == "stopped"
    assert run_into(constant, tmp_path / "runs.db").state == "finished"
    states = kept_states(checkpoints_of(tmp_path / "runs.db"), constant.id)
    assert [kept.step for kept in states] == [20, 30, 40]
    assert run_into(branch, tmp_path / "runs.db").state == "finished"
    ours, theirs = _run(tmp_path / "runs.db", branch.id), sim.lab.train(planned)
    assert ours.final["val/loss"] == theirs.final["val/loss"]
    training = {k: v for k, v in _points(ours).items() if k[0].startswith("train/")}
    assert training == {k: v for k, v in _points(theirs).items() if k[0].startswith("train/")}
    assert (ours.config["D"], ours.config["C"]) == (theirs.config["D"], theirs.config["C"])
    assert [s for m, s in sorted(_points(ours)) if m == "val/loss"] == [20, 40, 50]  # the start's, then its own


def test_branches_follow_their_start_in_a_ladder_and_one_without_it_is_left(tiny, tmp_path):
    constant = config_from(tiny(20, schedule="constant", keep=2))
    first = _branch(tiny(), constant.id, 10, steps=14, schedule="linear", keep=[12])
    second = _branch(tiny(), config_from(first).id, 12, steps=16, schedule="constant", lr=1e-3)
    lost = _branch(tiny(), "0" * 12, 10, steps=14)
    damaged = _branch(tiny(), "1" * 12, 10, steps=14)
    ladder = ladder_from({"runs": [second, lost, first, constant.to_dict(), damaged]}, store=tmp_path / "runs.db")
    jobs = {job.runs[0].id: job for job in jobs_of(ladder.runs, ladder.names)}
    assert [(r.steps, b) for r, b in zip(jobs[constant.id].runs, jobs[constant.id].begins, strict=True)] == [
        (20, 0), (14, 10), (16, 12),
    ]  # fmt: skip
    assert len(jobs) == 3
    folder = checkpoints_of(ladder.store)
    folder.mkdir()
    (folder / f"{'1' * 12}-10.safetensors").write_bytes(b"nothing")
    heard: list[str] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match="2 of 5 runs failed: "):
        sim.lab.run(ladder, executor=pool, told=heard.append)
    states = {row["id"]: row["state"] for row in sim.lab.outlook(ladder).rows}
    assert [states[config_from(x).id] for x in (constant.to_dict(), first, second)] == ["finished"] * 3
    assert [states[config_from(x).id] for x in (lost, damaged)] == ["to do"] * 2
    said = "\n".join(heard)
    assert "begins from run 000000000000 at step 10, whose state is not in" in said
    assert "10.safetensors is damaged; remove that run from the store and train it again" in said
    card = sim.lab.card(_run(ladder.store, constant.id), store=ladder.store)
    assert [kept["step"] for kept in card.to_dict()["kept"]] == [10, 20]
    assert f'start = {{run = "{constant.id}", step = 20}}' in str(card.view())
    again = [o.state for o in work(msgspec.json.encode(jobs[constant.id]), str(ladder.store))]
    assert again == ["known"] * 3


def test_a_branch_of_another_model_is_refused(tiny, tmp_path):
    constant = config_from(tiny(4, schedule="constant", keep=[2]))
    run_into(constant, tmp_path / "runs.db")
    wider = {**_branch(tiny(), constant.id, 2, steps=4), "model": {**TINY, "heads": 2}}
    with pytest.raises(DataError, match=rf"begins from run {constant.id}, which has model = .* expected the same"):
        run_into(config_from(wider), tmp_path / "runs.db")
    with pytest.raises(DataError, match=r"\(of that run there are steps 2\)"):
        run_into(config_from(_branch(tiny(), constant.id, 3, steps=4)), tmp_path / "runs.db")
    with pytest.raises(ArgumentError, match=r"train\.keep: states are kept beside a store"):
        sim.lab.train(constant)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"start": {"run": "mine", "step": 2}}, "start.run = 'mine'; expected the twelve digits of a run's id"),
        ({"start": {"run": "0" * 12, "step": 30}}, "start.step = 30; expected from 1 to 29"),
        ({"start": {"run": "0" * 12, "stp": 3}}, "start: there is no setting 'stp'; did you mean 'step'?"),
        ({"start": {"run": "0" * 12, "step": 9}, "interventions": {"pruning": {}}}, "start: a run with 'pruning'"),
        ({"train": {"steps": 30, "keep": -1}}, "train.keep = -1; expected a count of states"),
        ({"train": {"steps": 30, "keep": [5, 31]}}, "train.keep = [5, 31]; expected a count, or steps from 1 to 30"),
        ({"train": {"activations": True}, "interventions": {"parscale": {}}}, "train.activations: a model with"),
    ],
)
def test_starts_and_states_that_cannot_be_are_named(tiny, change, sentence):
    with pytest.raises(DataError) as error:
        config_from({**tiny(), **change})
    assert sentence in str(error.value)


def test_a_ladder_whose_start_does_not_keep_the_step_is_refused_at_once(tiny):
    constant = config_from(tiny(20, schedule="constant", keep=2))
    branch = _branch(tiny(), constant.id, 11, steps=14)
    with pytest.raises(DataError, match=r"start\.step = 11; run .* keeps \(train\.keep\) the steps: 10, 20"):
        ladder_from({"runs": [constant.to_dict(), branch]})


def test_a_schedule_from_a_start_is_that_of_the_steps_from_there_and_states_are_in_the_id(tiny):
    settings = tiny(30)
    del settings["train"]["warm_up"]
    branch = config_from({**settings, "start": {"run": "0" * 12, "step": 20}})
    assert list(branch.rates().rates) == [1e-2] * 8 + [5e-3, 0.0]  # no warm-up, a cooldown of a fifth of ten
    kept = config_from(tiny(30, keep=3))
    assert kept.kept == (10, 20, 30)
    assert kept.id == config_from(tiny(30, keep=[30, 10, 20])).id
    assert len({kept.id, branch.id, config_from(tiny()).id, config_from(settings).id}) == 4
    whole = config_from(_branch(tiny(), "0" * 12, 20, schedule="wsd_sqrt", cooldown=10))
    assert whole.resolved().resolved().id == whole.id
    assert whole.rates().rates[-5] == pytest.approx(1e-2 * (1 - (6 / 10) ** 0.5))


# -- told to end ----------------------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c():
    """Ctrl-C means what it does in a terminal, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_a_program_s_own_training_writes_the_state_first(tiny, tmp_path):
    config = config_from(tiny(30))

    def interrupt(step, steps):
        if step == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_into(config, tmp_path / "runs.db", progress=interrupt)
    state = checkpoints_of(tmp_path / "runs.db") / f"{config.id}.safetensors"
    assert read_checkpoint(state)[1]["step"] == 8  # the step that was under way
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert run_into(config, tmp_path / "runs.db").state == "finished"
    assert _points(_run(tmp_path / "runs.db", config.id)) == _points(sim.lab.train(config))


@pytest.mark.usefixtures("ctrl_c")
def test_a_worker_told_to_end_and_a_driver_interrupted_leave_a_state_and_no_process(tiny, tmp_path):
    """SIGTERM to a worker, then Ctrl-C to its driver: without a word their states would be those of 20 s ago."""
    script, store = tmp_path / "driver.py", tmp_path / "runs.db"
    script.write_text(DRIVER.replace("workers=2", "workers=1"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    config = config_from(tiny(1_000_000, evaluations=1))
    command = [sys.executable, str(script), json.dumps({"runs": [config.to_dict()]}), str(store)]
    state = checkpoints_of(store) / f"{config.id}.safetensors"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as driver:
        try:
            _until(lambda: _last_step(store) > 0)
            (worker,) = workers_of(driver.pid)
            os.kill(worker, signal.SIGTERM)
            _until(state.is_file)
            first = read_checkpoint(state)[1]["step"]
            assert first >= _last_step(store) > 0
            _until(lambda: _last_step(store) > first)
            reached = _last_step(store)
            driver.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in driver.communicate(timeout=60)[1]
        finally:
            driver.kill()
    assert workers_of(driver.pid) == []
    assert read_checkpoint(state)[1]["step"] >= reached > first


def _last_step(path):
    if not path.is_file():
        return 0
    with Store(path) as store:
        return store._one("select max(step) from live_point") or 0


def _until(there, seconds=90):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_damaged_state_is_told_of_by_name(tiny, tmp_path):
    config = config_from(tiny(6))
    folder = checkpoints_of(tmp_path / "runs.db")
    folder.mkdir()
    state = folder / f"{config.id}.safetensors"
    state.write_bytes(b"nothing")
    with pytest.warns(UserWarning, match=rf"run {config.id}: its state .* was damaged and is removed; it is trained "
                                         "from its beginning"):  # fmt: skip
        sim.lab.train(config, store=tmp_path / "runs.db")
    assert not state.exists()
