"""From logged runs to a table: which loss, N and D are taken, what is said of it, and what is left out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import similitude as sim
from similitude._errors import DataError
from similitude.runs import LoggedRun, read_logs
from similitude.runs._answers import Answer, read_answers, write_answers
from similitude.runs._logged import points_of
from similitude.runs._oddities import clock_jumps
from similitude.runs._rows import rows_of
from similitude.runs.store import Store


def run(name="a", curves=None, config=None, final=None, kind="wandb", times=None):
    """A run whose curves are {metric: [(step, value), ...]}."""
    points = [
        (metric, step, None if times is None else times[i], value)
        for metric, values in (curves or {}).items()
        for i, (step, value) in enumerate(values)
    ]
    return LoggedRun(kind, name, name, f"{name}/log", config or {}, final or {}, points_of(points))


def falling(steps, start=4.0):
    return [(s, start - 0.01 * s) for s in steps]


def one(*runs, **more):
    rows = rows_of(runs, **more)
    assert rows.runs is not None
    return rows.runs


# -- loss -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "held",
    ["eval_loss", "eval/loss", "val_loss", "validation/loss", "Validation loss", "valid/ce", "test_nll", "val_bpb"],
)
def test_a_validation_loss_goes_before_a_training_loss(held):
    table = one(run(curves={"loss": falling(range(0, 50, 10)), held: [(20, 3.9), (40, 3.5)], "lr": [(0, 1e-3)]}))
    assert table.column("loss").tolist() == [3.5]
    assert f"loss is the last '{held}', a validation loss" in table.assumed
    assert str(table.unit("loss")) == ("bits/byte" if held == "val_bpb" else "nats/token")


def test_a_training_loss_is_the_mean_of_the_last_ten():
    values = falling(range(0, 300, 10))
    table = one(run(curves={"train/loss": values}))
    assert table.column("loss")[0] == pytest.approx(np.mean([v for _, v in values[-10:]]))
    assert any("mean of the last 10 values of 'train/loss'" in s for s in table.assumed)


def test_the_mean_over_training_that_the_trainer_reports_is_no_final_loss():
    table = one(run(kind="huggingface", curves={"loss": falling(range(20))}, final={"train_loss": 9.9}))
    assert table.column("loss")[0] < 4.0
    rows = rows_of([run(kind="huggingface", final={"train_loss": 9.9})])
    assert rows.runs is None
    assert "no metric that is a loss" in rows.left_out[0]


@pytest.mark.parametrize("odd", ["train/z_loss", "moe/aux_loss", "loss_scale", "router_loss", "grad_loss_norm"])
def test_losses_of_other_things_are_none(odd):
    assert rows_of([run(curves={odd: falling(range(5))})]).runs is None


def test_training_and_validation_losses_are_not_mixed():
    rows = rows_of([run("a", {"val_loss": [(1, 3.0)]}), run("b", {"train_loss": [(1, 2.0)]})])
    assert rows.runs is not None
    assert rows.runs.labels("run").tolist() == ["a"]
    assert "only a training loss, 'train_loss'" in rows.left_out[0]
    asked = rows_of(
        [run("a", {"val_loss": [(1, 3.0)]}), run("b", {"train_loss": [(1, 2.0)]})], [Answer("b*", loss="train_loss")]
    )
    assert asked.runs is not None
    assert asked.runs.labels("run").tolist() == ["a", "b"]


def test_losses_of_another_unit_are_left_out_with_the_reason():
    rows = rows_of(
        [run("a", {"val_loss": [(1, 3.0)]}), run("b", {"val_loss": [(1, 3.1)]}), run("c", {"val_bpb": [(1, 1.0)]})]
    )
    assert rows.runs is not None
    assert len(rows.runs) == 2
    assert rows.left_out == ("c/log: 'val_bpb' is in bits/byte, the loss of most in nats/token",)


def test_a_run_that_ends_in_nan_is_censored():
    table = one(run("a", {"val_loss": [(1, 3.0), (2, math.nan)]}), run("b", {"val_loss": [(1, 3.0), (2, 2.9)]}))
    assert table.censored.tolist() == [True, False]


# -- tokens, parameters ---------------------------------------------------------------------------------------------


def test_tokens_are_those_at_the_step_of_the_loss():
    counter = [(s, 1024.0 * s) for s in range(0, 101, 10)]
    table = one(run(curves={"val_loss": [(50, 3.0)], "num_input_tokens_seen": counter}))
    assert table.column("D").tolist() == [51200.0]


@pytest.mark.parametrize(("step", "tokens"), [(101, 102400.0), (102, None)])
def test_an_evaluation_just_after_the_last_step_is_of_its_tokens(step, tokens):
    counter = [(s, 1024.0 * s) for s in range(0, 101, 10)]
    table = one(run(curves={"val_loss": [(step, 3.0)], "num_input_tokens_seen": counter}))
    assert (table.column("D").tolist() == [tokens]) if tokens else ("D" not in table.names)


def test_a_counter_of_zeros_counted_nothing_and_steps_stand_in_for_it():
    config = {
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 4,
        "world_size": 2,
        "max_seq_length": 512,
    }
    zeros = [(s, 0.0) for s in (10, 20)]
    table = one(run(curves={"eval_loss": [(20, 3.0)], "num_input_tokens_seen": zeros}, config=config))
    assert table.column("D").tolist() == [20 * 8 * 4 * 2 * 512]
    assert any("'num_input_tokens_seen' = 0 says that nothing was counted" in s for s in table.assumed)
    assert any("D = step x per_device_train_batch_size 8 x gradient_accumulation_steps 4" in s for s in table.assumed)


def test_counts_of_several_conventions_are_not_mixed_and_runs_without_are_named():
    losses = {"val_loss": [(1, 3.0)]}
    logged = [run("a", losses, {"num_params": 5e6}), run("b", losses, {"num_params": 6e6})]
    logged.append(run("c", losses, {"total_params": 7e6}))
    table = one(*logged)
    assert table.counts == "undeclared"
    assert table.column("N").tolist() == pytest.approx([5e6, 6e6, math.nan], nan_ok=True)
    (said,) = [s for s in table.assumed if s.startswith("N is left out")]
    assert "it counts 'total', that of most runs 'undeclared'" in said
    assert said.endswith("(c)")
    told = one(*logged, counts="total")
    assert (told.counts, told.column("N").tolist()) == ("total", [5e6, 6e6, 7e6])
    assert not any("left out" in s for s in told.assumed)
    with pytest.raises(DataError, match=r"logs: no run's N counts 'active'; expected one of: total$"):
        one(logged[2], counts="active")


def test_what_n_counts_is_said_when_a_store_is_read(tmp_path):
    with Store(tmp_path / "a.db") as store:
        losses = {"val_loss": [(1, 3.0)]}
        shape = {"total_params": 7e6, "non_embedding_params": 5e6}
        store.add(
            [run("a", losses, shape), run("b", losses, shape | {"total_params": 9e6}), run("c", losses, {"N": 4e6})]
        )
    assert sim.read_runs(tmp_path / "a.db", counts="total").column("N").tolist() == [7e6, 9e6, 4e6]
    without = sim.read_runs(tmp_path / "a.db", counts="without embeddings")
    assert (without.counts, without.column("N").tolist()) == ("without embeddings", [5e6, 5e6, 4e6])


def test_tokens_of_a_step_go_before_what_they_are_made_of_and_answers_before_both():
    settings = {"tokens_per_step": 1536, "micro_batch_size": 4, "seq_len": 64}
    logged = run(curves={"val_loss": [(10, 3.5)]}, config=settings)
    table = one(logged)
    assert table.column("D").tolist() == [15_360]
    assert "D = step x tokens_per_step 1536" in table.assumed
    assert one(logged, answers=[Answer("a", batch=2)]).column("D").tolist() == [10 * 2 * 64]


@pytest.mark.parametrize(("whole", "tokens"), [(16_384, 163_840), (32, 10 * 32 * 256)])
def test_a_whole_batch_in_tokens_is_not_multiplied_by_the_length_again(whole, tokens):
    settings = {"total_batch_size": whole, "device_batch_size": 16, "max_seq_len": 256}
    assert one(run(curves={"val_loss": [(10, 3.5)]}, config=settings)).column("D").tolist() == [tokens]


def test_tokens_counted_step_by_step_are_added_up_to_the_step_of_the_loss():
    each = [(0, 60.0), (1, 64.0), (2, 50.0), (3, 64.0)]
    table = one(run(curves={"learning/total_weights": each, "eval/avg_loss": [(2, 3.5)]}))
    assert table.column("D").tolist() == [174]
    part = one(run(curves={"learning/total_weights": [(8, 64.0), (9, 64.0)], "eval/avg_loss": [(9, 3.5)]}))
    assert part.column("D").tolist() == [640]
    assert any("as steps count from 0" in s for s in part.assumed)
    uneven = one(run(curves={"learning/total_weights": [(8, 60.0), (9, 64.0)], "eval/avg_loss": [(9, 3.5)]}))
    assert "D" not in uneven.names


def test_tokens_of_a_device_are_not_all_tokens():
    table = one(run(curves={"perf/per_device_tokens": [(0, 64.0), (9, 64.0)], "eval/avg_loss": [(9, 3.5)]}))
    assert "D" not in table.names


def test_tokens_are_not_made_up_where_a_factor_is_missing():
    table = one(run(curves={"eval_loss": [(20, 3.0)]}, config={"batch_size": 8}))
    assert "D" not in table.names
    assert any("D is not known: the log has neither a count of tokens nor a length" in s for s in table.assumed)
    asked = one(run(curves={"eval_loss": [(20, 3.0)]}), answers=[Answer(batch=8, length=128)])
    assert asked.column("D").tolist() == [20 * 8 * 128]


def test_parameters_that_were_logged_go_before_those_counted_and_say_what_they_count():
    shape = {
        "model.model_type": "llama",
        "model.hidden_size": 16,
        "model.num_hidden_layers": 2,
        "model.num_attention_heads": 2,
        "model.num_key_value_heads": 1,
        "model.intermediate_size": 32,
        "model.vocab_size": 64,
        "model.tie_word_embeddings": True,
    }
    assert one(run(curves={"val_loss": [(1, 3.0)]}, config=shape)).column("N").tolist() == [5712.0]
    logged = one(run(curves={"val_loss": [(1, 3.0)]}, config={**shape, "n_params": 4688}))
    assert logged.counts == "total"
    bare = one(run(curves={"val_loss": [(1, 3.0)]}, config={"non_embedding_params": 4688}))
    assert (bare.counts, bare.column("N").tolist()) == ("without embeddings", [4688.0])
    assert one(run(curves={"val_loss": [(1, 3.0)]}, config={"n_params": 4688})).counts == "undeclared"
    said = one(run(curves={"val_loss": [(1, 3.0)]}, config={"n_params": 4688}), answers=[Answer(counts="total")])
    assert said.counts == "total"


def test_settings_that_differ_are_columns_and_never_taken_for_a_role():
    runs = [
        run(n, {"val_loss": [(1, 3.0)]}, {"optim.lr": lr, "same": 1, "data.size": 7 + lr})
        for n, lr in (("a", 0.1), ("b", 0.2))
    ]
    table = one(*runs)
    assert table.column("lr").tolist() == [0.1, 0.2]
    assert "same" not in table.names
    assert "N" not in table.names


def test_runs_cut_before_their_learning_rate_decayed_are_marked():
    rate = [(s, 1e-3 * (1 - s / 100)) for s in range(0, 101, 10)]
    early = run("early", {"val_loss": [(30, 3.0)], "lr": rate[:4]})
    whole = run("whole", {"val_loss": [(100, 2.5)], "lr": rate})
    table = one(early, whole)
    assert table.labels("decayed").tolist() == ["false", "true"]
    assert any("1 of 2 runs end before their learning rate decayed (early)" in s for s in table.assumed)
    assert table.where(decayed="true").labels("run").tolist() == ["whole"]


# -- oddities -------------------------------------------------------------------------------------------------------


def test_what_was_logged_again_after_a_resumption_counts():
    curve = sim.curve_of(run(curves={"loss": [(1, 9.0), (2, 8.0), (3, 7.0), (2, 6.0), (3, 5.0), (4, 4.0)]}), "loss")
    assert curve.step.tolist() == [1, 2, 3, 4]
    assert curve.value.tolist() == [9.0, 6.0, 5.0, 4.0]
    assert curve.history == ("left out 2 points logged again later",)


def test_two_logs_of_one_run_are_joined_and_copies_left_out(tmp_path):
    state = {"global_step": 4, "max_steps": 8, "log_history": [{"step": s, "loss": 5.0 - s} for s in (2, 4)]}
    longer = {**state, "global_step": 8, "log_history": [{"step": s, "loss": 5.0 - s} for s in (2, 4, 6, 8)]}
    later = {**longer, "log_history": [{"step": 2, "loss": 3.0}, {"step": 4, "loss": 0.5}, {"step": 6, "loss": 0.25}]}
    for place, content in (("1/tiny", state), ("2/tiny", state), ("3/tiny", longer), ("4/tiny", later)):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "trainer_state.json").write_text(json.dumps(content))
    (found,) = read_logs(tmp_path).runs
    assert "2 further copies of this log, whole or in part, left out" in found.assumed
    assert any("joined from 2 logs of one run, which was resumed" in s for s in found.assumed)
    assert sim.curve_of(found, "loss").value.tolist() == [3.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([0.0, 1.0, 2.0, 3.0], ""),
        ([0.0, 1.0, -50.0, -49.0], "its clock goes back once"),
        ([0.0, 1.0, 2.0, 2.0 + 86400], "its clock leaps by more than an hour once"),
        ([0.0, 7200.0, 14400.0, 21600.0], ""),
    ],
)
def test_clocks(times, says):
    assert clock_jumps(run(curves={"loss": falling(range(4))}, times=times)).startswith(says)
    assert bool(clock_jumps(run(curves={"loss": falling(range(4))}, times=times))) == bool(says)


def test_a_score_that_stands_for_no_score_is_named():
    table = one(run(curves={"val_bpb": [(1, 1.0)]}, final={"core_metric": 0.0}))
    assert any("'core_metric' = 0 is what stands there before the benchmark has run" in s for s in table.assumed)


# -- answers --------------------------------------------------------------------------------------------------------


def test_answers_are_written_and_read_and_the_last_that_fits_counts(tmp_path):
    path = tmp_path / "similitude.toml"
    answers = (
        Answer("*", counts="total", batch=8),
        Answer("b/*", batch=16.5, loss='an "odd" name', N=1e9, length=2048),
    )
    write_answers(path, answers)
    assert read_answers(path) == answers
    assert read_answers(tmp_path / "absent.toml") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[logs]]\ncount = 'total'", "no such answer 'count'; did you mean 'counts'?"),
        ("[[logs]]\ncounts = 'all of them'", "expected one of: undeclared, total"),
        ("[[logs]]\nbatch = -1", "expected a positive number"),
        ("[[logs]]\nbatch = 'eight'", "expected a positive number"),
        ("logs = 3", "expected entries headed [[logs]]"),
        ("[[logs]\n", "is not TOML"),
    ],
)
def test_answers_that_are_none_are_refused(tmp_path, text, says):
    (tmp_path / "similitude.toml").write_text(text)
    with pytest.raises(sim.SimilitudeError) as caught:
        read_answers(tmp_path / "similitude.toml")
    assert says in str(caught.value)


def test_a_file_with_other_things_is_not_overwritten(tmp_path):
    path = tmp_path / "similitude.toml"
    path.write_text("[mine]\nx = 1\n")
    with pytest.raises(sim.SimilitudeError, match="holds more than"):
        write_answers(path, (Answer(counts="total"),))
    assert path.read_text() == "[mine]\nx = 1\n"


def test_a_folder_of_logs_stands_wherever_runs_are_read(tmp_path):
    for i, size in enumerate((1e6, 1e7, 1e8)):
        (tmp_path / "logs" / f"run{i}").mkdir(parents=True)
        history = [
            {"step": s, "eval_loss": 4.0 - 0.1 * i - s / 100, "num_input_tokens_seen": 1e7 * s} for s in (10, 20)
        ]
        state = {"global_step": 20, "max_steps": 20, "log_history": history}
        (tmp_path / "logs" / f"run{i}" / "trainer_state.json").write_text(json.dumps(state))
        (tmp_path / "logs" / f"run{i}" / "config.json").write_text(json.dumps({"n_params": size}))
    runs = sim.read_runs(tmp_path / "logs")
    assert runs.column("N").tolist() == [1e6, 1e7, 1e8]
    assert runs.column("D").tolist() == [2e8] * 3
    with sim.Store(tmp_path / "s.db") as store:
        store.add(read_logs(tmp_path / "logs"))
    assert sim.read_runs(tmp_path / "s.db").column("loss").tolist() == runs.column("loss").tolist()
    (tmp_path / "logs" / "similitude.toml").write_text('[[logs]]\ncounts = "active"\n')
    assert sim.read_runs(tmp_path / "logs").counts == "active"
    assert sim.read_runs(tmp_path / "logs", counts="total", where="N > '5M'").counts == "total"
    assert len(sim.read_runs(tmp_path / "logs", where="N > '5M'")) == 2


def test_settings_that_are_words_are_numbers_where_numbers_are_meant():
    """MLflow keeps every parameter as text."""
    config = {"num_parameters": "1000000", "global_batch_size": "8", "seq_len": "64", "tied": "true", "name": "4"}
    table = one(run(curves={"val_loss": [(10, 3.0)]}, config=config))
    assert table.column("N").tolist() == [1e6]
    assert table.column("D").tolist() == [10 * 8 * 64]
    sizes = {"model_type": "llama", "num_hidden_layers": "2", "hidden_size": "8", "num_attention_heads": "2"}
    words = {"vocab_size": "16", "intermediate_size": "4", "tie_word_embeddings": "True"}
    told = one(run(curves={"val_loss": [(10, 3.0)]}, config={**sizes, **words}))
    assert told.column("N").tolist() == [16 * 8 + 2 * (4 * 8 * 8 + 3 * 8 * 4 + 2 * 8) + 8]
