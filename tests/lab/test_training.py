"""A run's losses are a function of its settings: again, resumed, branched off another, in memory or in a store."""

from __future__ import annotations

import math

import numpy as np
import pytest

import similitude as sim
from similitude._errors import ArgumentError, DataError
from similitude.lab import _train, config_from
from similitude.lab._jobs import jobs_of, work
from similitude.lab._train import described, run_into
from similitude.lab._training import Training
from similitude.runs.store import Store
from similitude.runs.store._live import LiveWriter


def _points(run):
    return {(m, s): v for m, s, v in run.curves().select("metric", "step", "value").iter_rows()}


def test_the_same_settings_give_the_same_losses_to_the_last_bit_and_learn(small):
    first, second = (sim.lab.train(small(steps=60)) for _ in range(2))
    points = _points(first)
    assert points == _points(second)
    assert points["train/loss", 1] == pytest.approx(math.log(256), rel=0.01)
    assert first.final["val/loss"] < 3.2  # 5.5 before: the words' letters are learnt
    assert _points(sim.lab.train({**small(steps=60), "seed": 1})) != points


def test_what_the_store_is_told(small, tmp_path):
    config = config_from(small())
    run = sim.lab.train(config, store=tmp_path / "runs.db")
    assert run.config["n_total"] == config.shape.parameters("total")
    assert run.config["D"] == 12 * 4 * 32
    assert run.config["C"] == config.shape.flop(32).training * 12 * 4 * 32
    runs = sim.read_runs(tmp_path / "runs.db")
    assert (runs.counts, len(runs)) == ("total", 1)
    assert runs.column("N")[0] == config.shape.parameters("total")
    assert runs.column("loss")[0] == run.final["val/loss"]
    rates = [v for (m, _), v in sorted(_points(run).items()) if m == "train/lr"]
    np.testing.assert_allclose(rates, config.rates().rates)


def _until(config, steps, path):
    training = Training(config, lambda step, values: None)
    for _ in training.advance(steps):
        pass
    training.save(path)


@pytest.mark.parametrize("more", [{}, {"optimizer": "muon"}, {"ema": 0.9, "optimizer": "sgd"}])
def test_a_training_taken_up_from_a_file_goes_on_as_if_nothing_had_been(small, tmp_path, more):
    config = config_from(small(**more))
    _until(config, 7, tmp_path / "state")
    seen: dict = {}
    training = Training(config, lambda step, values: seen.update({(k, step): v for k, v in values.items()}))
    training.load(tmp_path / "state")
    assert training.step == 7
    list(training.advance())
    whole = _points(sim.lab.train(config))
    assert seen
    assert all(whole[k] == v for k, v in seen.items())


def test_a_damaged_checkpoint_or_another_model_s_is_refused(small, tmp_path):
    config = config_from(small())
    _until(config, 2, tmp_path / "state")
    (tmp_path / "cut").write_bytes((tmp_path / "state").read_bytes()[:-100])
    with pytest.raises(DataError, match="no checkpoint that can be read"):
        Training(config, lambda *_: None).load(tmp_path / "cut")
    wider = config_from({**small(), "model": {"layers": 2, "width": 32, "heads": 2}})
    with pytest.raises(DataError, match="expected"):
        Training(wider, lambda *_: None).load(tmp_path / "state")
    deeper = config_from({**small(), "model": {"layers": 3, "width": 16, "heads": 2}})
    with pytest.raises(DataError, match="another model"):
        Training(deeper, lambda *_: None).load(tmp_path / "state")


def test_a_run_that_goes_on_from_a_longer_one_is_the_run_from_its_beginning(small, tmp_path, monkeypatch):
    import msgspec

    configs = [config_from(small(steps=n, evaluations=3)) for n in (160, 80)]
    (job,) = jobs_of(configs, ["long", "short"])
    assert job.begins == (0, 64)
    begun: list = []
    load = Training.load

    def watched(self, path, **more):
        begun.append(path.name)
        load(self, path, **more)

    monkeypatch.setattr(Training, "load", watched)
    outcomes = work(msgspec.json.encode(job), str(tmp_path / "runs.db"))
    assert [o.state for o in outcomes] == ["finished", "finished"]
    assert len(begun) == 1  # the short one did go on from there
    assert begun[0].startswith("stem-")
    with Store(tmp_path / "runs.db") as store:
        losses = {r.name: r.final["val/loss"] for r in store.logged()}
        short = store["short"]
    assert _points(short) == _points(sim.lab.train(configs[1]))
    assert losses == {n: sim.lab.train(c).final["val/loss"] for n, c in zip(("long", "short"), configs, strict=True)}
    assert not list(tmp_path.glob("runs.db.lab/*"))  # and nothing is left lying


def test_a_run_that_diverges_is_recorded_as_such_and_censored(small, tmp_path):
    wild = config_from(small(steps=40, lr=1e6, clip=0.0, optimizer="sgd"))
    run = sim.lab.train(wild, store=tmp_path / "runs.db")
    assert run.state == "diverged"
    assert run.final["steps"] < 40
    runs = sim.read_runs(tmp_path / "runs.db")
    assert runs.frame["censored"].to_list() == [True]
    assert (
        run_into(config_from(small(steps=40, lr=1e6, clip=0.0, optimizer="sgd")), tmp_path / "runs.db").state == "known"
    )


def test_the_mean_of_weights_keeps_its_horizon_at_another_batch(small):
    config = config_from(small(ema=0.99, ema_batch=1))
    assert Training(config, lambda *_: None)._ema() == pytest.approx(0.99**4)
    seen: dict = {}
    training = Training(config, lambda step, values: seen.update(values))
    before = {k: np.asarray(v) for k, v in training.state["params"].items()}
    list(training.advance(1))
    after = {k: np.asarray(v) for k, v in training.state["params"].items()}
    for name, mean in training.state["ema"].items():
        np.testing.assert_allclose(mean, 0.99**4 * before[name] + (1 - 0.99**4) * after[name], rtol=1e-5, atol=1e-7)


def test_z_loss_holds_the_partition_sums_near_one(small):
    def normaliser(z):
        seen: dict = {}
        settings = {**small(steps=40, z_loss=z)}
        list(Training(config_from(settings), lambda step, values: seen.update(values)).advance())
        return seen

    strong, weak = normaliser(0.1)["train/z"], normaliser(1e-9)["train/z"]
    assert strong < 0.5 * weak  # ln 256 squared is 31 at the beginning
    assert "train/z" not in normaliser(0.0)


def test_the_gradients_of_windows_one_by_one_add_up_to_the_batch_s(small):
    import jax

    config = config_from(small(noise=2))
    seen: list = []
    training = Training(config, lambda step, values: seen.append((step, values)))
    windows = training._batches[0]
    functions = training.functions
    params = training.state["params"]
    gradient = jax.grad(lambda p: functions.loss(p, {}, 0, windows, None)[0])(params)
    one, whole = functions.gradient_norms(params, {}, 0, windows)
    assert float(whole) == pytest.approx(float(sum((g**2).sum() for g in gradient.values())), rel=1e-4)
    assert float(one) > float(whole)
    list(training.advance())
    assert [s for s, v in seen if "noise/one" in v] == [6, 12]


def test_spectra_are_measured_on_request(small):
    final = sim.lab.train(small(steps=3, spectra=True)).final
    ranks = {k: v for k, v in final.items() if k.startswith("spectrum/")}
    assert len(ranks) == 3 * 9  # the table and four matrices of either block
    assert all(1 <= ranks[f"spectrum/block1/qkv/{kind}_rank"] <= 16 for kind in ("hard", "soft"))
    assert ranks["spectrum/embed/hard_rank"] <= ranks["spectrum/embed/soft_rank"]
    assert not any(k.startswith("spectrum/") for k in sim.lab.train(small(steps=3)).final)


def test_two_domains_are_measured_each_and_weighed(small, text, tmp_path):
    other = tmp_path / "digits.txt"
    other.write_text("\n\n".join(" ".join(str(i * k % 97) for i in range(900)) for k in range(1, 40)))
    settings = small(steps=10)
    settings["data"]["domains"] = {text: 3.0, str(other): 1.0}
    final = sim.lab.train(settings).final
    assert final["val/loss"] == pytest.approx(
        (3 * final["val/words/loss"] + final["val/digits.txt/loss"]) / 4, rel=1e-6
    )
    assert final["val/words/loss"] != final["val/digits.txt/loss"]


def test_bfloat16_trains_to_nearly_the_same_loss(small):
    single, half = (sim.lab.train(small(steps=60, dtype=d)).final["val/loss"] for d in ("float32", "bfloat16"))
    assert half == pytest.approx(single, rel=0.05)
    assert half != single


def test_a_run_killed_at_its_very_end_is_finished_with_its_last_losses(small, tmp_path, monkeypatch):
    config = config_from(small())
    monkeypatch.setattr(_train, "SAVE", 0.0)  # a state after each step
    with monkeypatch.context() as patch:
        patch.setattr(LiveWriter, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_into(config, tmp_path / "runs.db")
    assert run_into(config, tmp_path / "runs.db").state == "finished"
    with Store(tmp_path / "runs.db") as store:
        (run,) = store.logged()
    assert run.final["val/loss"] == sim.lab.train(config).final["val/loss"]


def test_a_damaged_state_to_go_on_from_is_not_used(small, tmp_path):
    config = config_from(small(steps=20))
    folder = _train.checkpoints_of(tmp_path / "runs.db")
    folder.mkdir()
    damaged = folder / f"{_train.stem_id(config)}-16.safetensors"
    damaged.write_bytes(b"nothing")
    outcome = run_into(config, tmp_path / "runs.db", stem=(_train.stem_id(config), 16))
    assert outcome.state == "finished"
    assert not damaged.exists()
    with Store(tmp_path / "runs.db") as store:
        assert _points(store.logged()[0]) == _points(sim.lab.train(config))


def test_a_shorter_run_at_the_same_rates_trains_its_last_step_itself(small):
    runs = [config_from(small(steps=n, schedule="constant")) for n in (20, 10)]
    (job,) = jobs_of(runs, ["long", "short"])
    assert job.begins == (0, 9)


# -- the store ------------------------------------------------------------------------------------------------------


def test_of_two_that_claim_a_run_one_is_told_it_is_its_own(small, tmp_path):
    config = config_from(small())
    first = LiveWriter(tmp_path / "runs.db")
    assert first.claim(described(config))[0] == "begun"
    assert first.claim(described(config))[0] == "resumed"  # by the same process
    first._database.execute("update live set pid = 1")
    assert run_into(config, tmp_path / "runs.db").state == "busy"
    with pytest.raises(DataError, match="is being trained by another process"):
        sim.lab.train(config, store=tmp_path / "runs.db")
    first._database.execute("update live set pid = 999999999")
    first.close()
    assert run_into(config, tmp_path / "runs.db").state == "finished"
    assert run_into(config, tmp_path / "runs.db").state == "known"
    with Store(tmp_path / "runs.db") as store:
        assert len(store) == 1


def test_a_run_at_its_limit_is_put_aside_and_gone_on_with(small, tmp_path):
    config = config_from(small(steps=30))
    outcome = run_into(config, tmp_path / "runs.db", limit=1e-9)
    assert (outcome.state, outcome.steps) == ("stopped", 1)
    with Store(tmp_path / "runs.db") as store:
        assert len(store) == 0
    assert run_into(config, tmp_path / "runs.db").state == "finished"
    with Store(tmp_path / "runs.db") as store:
        (run,) = store.logged()
    assert _points(run) == _points(sim.lab.train(config))


def test_training_without_its_libraries_says_how_to_get_them(small, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optax" else found(name))
    with pytest.raises(ArgumentError, match=r"training needs optax: pip install 'similitude\[lab\]'"):
        sim.lab.train(small())
