"""Printed logs: what OLMo-core prints in an order of its own, and what is recognised late or resumed."""

from __future__ import annotations

import pytest

from similitude.runs._logs import read_logs

BLOCK = "2024-01-01 10:00:00.500\thost:0\tolmo_core.train.callbacks.console_logger:71\tINFO\t[step={}/40,epoch=1]\n{}"
EVALUATION = (
    "10:00:00\thost:0\tolmo_core.train.callbacks.evaluator_callback:184\tINFO\t"
    "Finished {} evals in 2.0 seconds. Metrics:\n    held/CE loss={}\n"
    "10:00:00\thost:0\tolmo_core.train.callbacks.evaluator_callback:204\tINFO\tEvaluation speed:\n"
    "    held/CE loss (+variants): 1.1 sec (3 batches)\n    Total evaluation time: {} seconds (3 batches)\n"
)


def block(step: int, **metrics: float) -> str:
    names = {"loss": "train/CE loss", "took": "throughput/in-loop eval time (s)"}
    return BLOCK.format(step, "".join(f"    {names[n]}={v}\n" for n, v in metrics.items()))


def read(tmp_path, text: str):
    (tmp_path / "run.log").write_text(text)
    (run,) = read_logs(tmp_path).runs
    curves = run.curves()
    assert curves["time"].unique().to_list() == [1704103200.5]
    points = {(m, s): v for m, s, v in curves.select("metric", "step", "value").iter_rows()}
    return run, points


def test_metrics_that_come_after_later_progress_are_no_resumed_run(tmp_path):
    text = block(1, loss=9) + block(6) + block(7) + block(8) + block(5, loss=8) + block(10, loss=7)
    run, points = read(tmp_path, text)
    assert not run.assumed
    assert points == {("train/CE loss", 1): 9, ("train/CE loss", 5): 8, ("train/CE loss", 10): 7}


def test_metrics_that_go_back_are_a_resumed_run(tmp_path):
    run, _ = read(tmp_path, block(5, loss=9) + block(10, loss=8) + block(5, loss=9))
    assert any("resumed" in said for said in run.assumed)


def test_an_evaluation_belongs_to_the_step_that_took_as_long(tmp_path):
    printed = EVALUATION.format("lm", 6.5, 1.5) + EVALUATION.format("lm", 6.25, 2.5)
    _, points = read(tmp_path, block(1, loss=9) + printed + block(5, loss=8, took=1.46) + block(10, took=2.54))
    assert points["eval/lm/held/CE loss", 5] == 6.5
    assert points["eval/lm/held/CE loss", 10] == 6.25


def test_evaluations_of_one_step_are_taken_together(tmp_path):
    printed = EVALUATION.format("lm", 6.5, 1.5) + EVALUATION.format("downstream 'arc'", 3.5, 2.5)
    _, points = read(tmp_path, block(1, loss=9) + printed + block(5, loss=8, took=4.0))
    assert points["eval/lm/held/CE loss", 5] == 6.5
    assert points["eval/downstream/held/CE loss", 5] == 3.5


@pytest.mark.parametrize("took", [1.5, 7.0])
def test_an_evaluation_of_which_no_step_is_sure_is_left_out(tmp_path, took):
    printed = EVALUATION.format("lm", 6.5, 1.5) + EVALUATION.format("lm", 6.25, 1.5)
    _, points = read(tmp_path, block(1, loss=9) + printed + block(10, loss=8, took=took))
    assert not any(name.startswith("eval/") for name, _ in points)


def test_steps_far_below_a_long_description_of_the_model_are_found(tmp_path):
    model = "10:00:00\thost:0\tolmo_core.train.train_module:1\tINFO\tTransformer(\n" + "  (w): Linear()\n" * 10_000
    _, points = read(tmp_path, model + block(1, loss=9) + block(2, loss=8))
    assert points == {("train/CE loss", 1): 9, ("train/CE loss", 2): 8}
