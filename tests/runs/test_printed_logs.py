"""Printed logs: what OLMo-core prints in an order of its own, what is recognised late or resumed, other programs."""

from __future__ import annotations

import json
import math

import pytest

from similitude.runs._families import counted
from similitude.runs._logs import read_logs
from similitude.runs._rows import rows_of

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


# -- programs that print no times: layouts with numbers of our own ---------------------------------------------------

NANOCHAT = """Vocab size: 4,096
Model config:
{
  "sequence_len": 256,
  "n_embd": 128,
  "window_pattern": "SSSL"
}
Parameter counts:
wte                     : 524,288
value_embeds            : 1,048,576
lm_head                 : 524,288
transformer_matrices    : 393,216
scalars                 : 9
total                   : 2,490,377
Estimated FLOPs per token: 6.5e+06
Auto-computed optimal batch size: 16,384 tokens
Total number of training tokens: 49,152
Total training FLOPs estimate: 3.1948e+11
Tokens / micro-batch / rank: 16 x 256 = 4,096
Total batch size 16,384 => gradient accumulation steps: 4
2026-02-01 20:37:26,202 - nanochat.common - INFO - Distributed world size: 1
Step 00000 | Validation bpb: 3.125000
step 00000/00003 (0.00%) | loss: 8.250000 | lrm: 0.50 | dt: 612.50ms | tok/sec: 26,749 | epoch: 1 pq: 0 rg: 2
step 00002/00003 (66.67%) | loss: 7.500000 | lrm: 1.00 | tok/sec: 27,306 | epoch: 1 pq: 1 rg: 3 | eta: 0.1m
Step 00003 | Validation bpb: 2.750000
Step 00003 | CORE metric: 0.0625
"""

NANOGPT = """Overriding config with config/small.py:
# 6 batch size * 64 block size * 2 gradaccum
wandb_run_name='small'
block_size = 64
gradient_accumulation_steps = 2 * 1
max_iters = 100 # number of parameters: 777,777

Overriding: learning_rate = 0.002
tokens per iteration will be: 768
number of parameters: 0.79M
num decayed parameter tensors: 18, with 790,528 parameters
num non-decayed parameter tensors: 9, with 1,152 parameters
step 0: train loss 4.2500, val loss 4.3750
iter 0: loss 4.2812, time 2100.50ms, mfu -100.00%
step 100: train loss 2.1250, val loss 2.2500
iter 100: loss 2.0938, time 31.25ms, mfu 3.50%
"""

LLMC = """| micro batch size B    | 4                                                  |
| sequence length T     | 64                                                 |
| total batch size      | 512                                                |
| learning rate (LR)    | 6.000000e-04                                       |
| device                | NVIDIA H100 80GB HBM3                              |
| max_sequence_length T | 64                                                 |
| vocab_size V          | 500                                                |
| padded_vocab_size Vp  | 512                                                |
| num_layers L          | 2                                                  |
| num_heads NH          | 2                                                  |
| channels C            | 32                                                 |
| num_parameters        | {n:<50} |
| train_num_batches     | 4                                                  |
num_parameters: {n} => bytes: 1000
batch_size B=4 * seq_len T=64 * num_processes=1 and total_batch_size=512
val loss 6.250000
step    1/4 | loss 6.125000 (+nanz)| norm 9.5000 (+nanz)| lr 1.50e-04 | 20.50 ms | 12.5% bf16 MFU | 24975 tok/s
step    2/4 | loss 6.000000 (+0.25z)| norm 8.5000 (-1.50z)| lr 3.00e-04 | 20.25 ms | -100.0% bf16 MFU | 25000 tok/s
val loss 5.875000
evaluating HellaSwag: 0/4\revaluating HellaSwag: 1/4\rHellaSwag: 1/4 = 0.250000
step    3/4 | loss 5.500000 (+0.25z)| norm 8.5000 (-1.50z)| lr 4.50e-04 | 20.25 ms | 12.0% bf16 MFU | 25000 tok/s
step    4/4 | loss 5.250000 (+0.25z)| norm 8.5000 (-1.50z)| lr 6.00e-04 | 20.25 ms | 12.0% bf16 MFU | 25000 tok/s
val loss 5.125000
"""
LLMC_SIZE = 512 * 32 + 64 * 32 + 2 * (12 * 32 * 32 + 13 * 32) + 2 * 32  # GPT-2's, with embeddings that the head shares

MODDED = """import sys
with open(sys.argv[0]) as f:
    code = f.read()
# at step 3: loss 1.5 was seen; number of parameters: 124,000,000
{code}
{line}
Running Python 3.12.3
Wed Aug 27 04:15:50 2025\x20
| N/A   30C    P0             115W / 700W |   5858MiB / 81559MiB |      0%      Default |
{line}
step:0/20 val_loss:10.8125 train_time:0ms step_avg:nanms
step:1/20 train_time:500ms step_avg:nanms
step:10/20 val_loss:6.2500 train_time:4000ms step_avg:400.00ms
step:20/20 val_loss:5.5000 train_time:8000ms step_avg:400.50ms
peak memory allocated: 30000 MiB reserved: 39000 MiB
"""


def read_one(folder, text: str, name: str = "run.log"):
    """The one run of a log, its points by metric and step, and its row of the table."""
    (folder / name).write_text(text)
    found = read_logs(folder)
    (run,) = found.runs
    table = rows_of(found.runs).runs
    assert table is not None
    points = {(m, s): v for m, s, v in run.curves().select("metric", "step", "value").iter_rows()}
    return run, points, table.frame.row(0, named=True)


def test_nanochat_counts_parameters_tokens_and_compute(tmp_path):
    run, points, row = read_one(tmp_path, NANOCHAT)
    assert (row["N"], row["D"], row["C"], row["loss"]) == (2_490_377, 3 * 16_384, 3.1948e11, 2.75)
    assert run.config["non_embedding_params"] == 524_288 + 393_216 + 9
    assert run.config["flops_per_token"] == 6.5e6
    assert (run.config["n_embd"], run.config["window_pattern"]) == (128, "SSSL")
    assert run.state == "finished"
    assert points["lrm", 2] == 1.0
    assert points["tok/sec", 0] == 26_749
    assert points["CORE metric", 3] == 0.0625
    assert points["rg", 2] == 3
    assert run.ended is None  # the only time stands before the first step
    assert run.started == 1769978246.0


def test_compute_of_a_run_that_did_not_end_is_not_that_of_its_plan(tmp_path):
    run, _, row = read_one(tmp_path, NANOCHAT.replace("/00003", "/00900"))
    assert run.state == "unknown"
    assert "C" not in run.config
    assert row.get("C") != 3.1948e11


def test_nanogpt_tells_tokens_a_step_and_all_parameters(tmp_path):
    run, points, row = read_one(tmp_path, NANOGPT, "train.txt")
    assert (row["N"], row["D"], row["loss"]) == (791_680, 100 * 768, 2.25)
    told = {"block_size": 64, "wandb_run_name": "small", "learning_rate": 0.002, "max_steps": 100}
    assert told.items() <= run.config.items()
    assert "gradient_accumulation_steps" not in run.config  # a sum to be done, no number
    assert "n_params" not in run.config
    assert run.state == "finished"
    assert points["train loss", 100] == 2.125
    assert points["loss", 100] == 2.0938
    assert points["mfu", 0] == -100


def test_a_number_of_parameters_that_is_rounded_is_said_to_be(tmp_path):
    older = "\n".join(line for line in NANOGPT.splitlines() if not line.startswith(("num", "tokens")))
    run, _, row = read_one(tmp_path, older + "\nnumber of parameters: 10.65M\n")
    assert row["N"] == 10_650_000
    assert "N is rounded as the log prints it, 10.65 M" in run.assumed


@pytest.mark.parametrize("printed", ["number parameters: 0.012 billion", "number of parameters: 0.03M"])
def test_a_number_of_parameters_that_is_rounded_to_nothing_is_left_out(tmp_path, printed):
    run, _, row = read_one(tmp_path, f"{printed}\nstep 0: loss 5.5\nstep 1: loss 4.5\n")
    assert not run.config
    assert "N" not in row


def test_llmc_tells_its_model_and_validations_belong_to_the_step_before_them(tmp_path):
    run, points, row = read_one(tmp_path, LLMC.format(n=LLMC_SIZE))
    assert (row["N"], row["D"], row["loss"]) == (LLMC_SIZE, 4 * 512, 5.125)
    assert {s: v for (m, s), v in points.items() if m == "val loss"} == {0: 6.25, 2: 5.875, 4: 5.125}
    assert points["HellaSwag", 2] == 0.25
    assert (points["ms", 1], points["bf16 MFU", 2], points["tok/s", 1]) == (20.5, -100, 24_975)
    assert run.state == "finished"
    assert counted(run.config).without_embeddings == LLMC_SIZE - (512 + 64) * 32


def test_a_model_that_has_another_number_of_parameters_than_its_family_is_not_taken_for_one(tmp_path):
    run, _, row = read_one(tmp_path, LLMC.format(n=LLMC_SIZE + 1))
    assert row["N"] == LLMC_SIZE + 1
    assert "model_type" not in run.config


def test_llmc_resumed_validates_first_at_the_step_it_begins_with(tmp_path):
    text = "val loss 3.5\nstep 1001/2000 | loss 3.25 | lr 1e-4\nstep 1002/2000 | loss 3.125 | lr 1e-4\n"
    _, points, _ = read_one(tmp_path, text)
    assert points["val loss", 1000] == 3.5


def test_steps_that_count_from_zero_have_their_validation_before_them(tmp_path):
    text = "val loss 5.5\nstep 0: train loss 5.25 (took 900.5 ms)\nval loss 5.0\nstep 1: train loss 4.75 (took 9 ms)\n"
    _, points, _ = read_one(tmp_path, text + "val loss 4.5\n")
    assert {s: v for (m, s), v in points.items() if m == "val loss"} == {0: 5.5, 1: 5.0, 2: 4.5}


@pytest.mark.parametrize("lines", [10, 5_000])
def test_the_source_of_a_program_is_no_log(tmp_path, lines):
    code = 'print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f}")\n    # step 7 loss: 2.5\n' * lines
    run, points, row = read_one(tmp_path, MODDED.format(code=code, line="=" * 100), "a-b.txt")
    assert {s: v for (m, s), v in points.items() if m == "val_loss"} == {0: 10.8125, 10: 6.25, 20: 5.5}
    assert {m for m, _ in points} == {"val_loss", "train_time", "step_avg"}
    assert math.isnan(points["step_avg", 0])
    assert points["step_avg", 20] == 400.5
    assert row["loss"] == 5.5
    assert run.config == {"max_steps": 20}
    assert not run.assumed
    assert (run.name, run.state) == ("a-b", "finished")
    assert run.started == 1756268150.0
    assert run.ended is None


def test_what_an_evaluation_prints_on_its_way_is_no_step_of_training(tmp_path):
    text = (
        "completed step: 4, seconds: 0.5, total_weights: 64, loss: 3.500\n"
        "Completed eval step: 0, seconds: 0.1, running loss=9.000, running perplexity=8.000\n"
        "Completed eval after train step 4, loss=3.250, perplexity=25.790, total_weights=128.0\n"
        "completed step: 5, seconds: 0.5, total_weights: 64, loss: 3.125\n"
    )
    run, points, row = read_one(tmp_path, text)
    assert points["loss", 4] == 3.5
    assert points["eval loss", 4] == 3.25
    assert not any(step == 0 for _, step in points)
    assert not run.assumed
    assert (row["loss"], row["D"]) == (3.25, 5 * 64)


@pytest.mark.parametrize("line", ["Vocab size: 32,768", "Auto-computed optimal batch size: 262,144 tokens"])
def test_other_sizes_are_no_numbers_of_parameters(tmp_path, line):
    run, _, _ = read_one(tmp_path, f"{line}\nstep 1: loss 5.5\nstep 2: loss 4.5\n")
    assert not run.config


def test_of_maxtext_file_what_is_written_within_an_evaluation_is_not_read_and_what_is_gone_is_said(tmp_path):
    rows = [
        {"eval/avg_loss": 9.0, "eval/step_time_seconds": 0.1, "step": 0.0, "run_name": "a"},
        {"eval/avg_loss": 8.0, "eval/step_time_seconds": 0.1, "step": 90.0, "run_name": "a"},
        {"learning/loss": 3.5, "learning/total_weights": 64.0, "step": 40.0, "run_name": "a"},
        {"eval/avg_loss": 3.25, "eval/total_loss": 416.0, "step": 40.0, "run_name": "a"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    run, points, row = read_one(tmp_path, text, "metrics.jsonl")
    assert {s: v for (m, s), v in points.items() if m == "eval/avg_loss"} == {40: 3.25}
    assert (row["run"], row["loss"], row["D"]) == ("a", 3.25, 41 * 64)
    (said,) = run.assumed
    assert "only what came after the last" in said
    assert "2 means" in said


def test_lines_of_nothing_but_a_colour_are_passed_over(tmp_path):
    _, points, _ = read_one(tmp_path, "step 1: loss 5.5\n\x1b[0m\nstep 2: loss 4.5\n")
    assert points == {("loss", 1): 5.5, ("loss", 2): 4.5}
