"""Questions that `plan` and `compare` cannot answer as they are put: one sentence, its remedy, and the exit code."""

from __future__ import annotations

import json

import pytest

MOE = "fine_grained_moe:krajewski2024"
ONE = "chinchilla:besiroglu2024"


def _refused(ended, code: int, words: str) -> None:
    assert (ended.code, ended.out) == (code, ""), ended
    assert len(ended.err.splitlines()) == 1, ended.err
    assert words in ended.err, ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((ONE, "--gpus", "64xH100"), 2, "--days, --dollars, or --loss"),
        ((ONE, "--at", "X=8B"), 2, "no input 'X'"),
        ((ONE, "--at", "N=8B,D=1T"), 2, "predict the loss there"),
        ((ONE, "--at", "N=8B", "--at", "N=9B"), 2, "N is given twice"),
        ((ONE, "--flop", "1e22", "--at", "N=8B", "--memory", "80GB"), 2, "memory cap a size that is chosen"),
        ((ONE, "--cost", "6*N*D"), 2, "--spend"),
        ((ONE, "--cost", "6*N*D", "--spend", "1e24", "--flop", "1e23"), 2, "--spend and --flop are several budgets"),
        ((ONE, "--spend", "1e24", "--dollars", "2M", "--gpus", "H100"), 2, "several budgets"),
        ((ONE, "--cost", "-6*N*D", "--spend", "1e24"), 2, "not a positive number"),
        ((ONE, "--cost", "6*N*D - 1e15", "--spend", "1e24"), 2, "not a positive number"),
        ((ONE, "--flop", "1e24", "--limit", "N=:8B", "--limit", "N=1B:"), 2, "N=LOW:HIGH"),
        ((MOE, "--flop", "1e20", "--loss", "2.5"), 2, "takes one question"),
        ((MOE,), 2, "takes one question"),
        (("data:gadre", "--flop", "1e24"), 2, "similitude fit data:gadre"),
        (("chinchila", "--flop", "1e24"), 3, "did you mean 'chinchilla'"),
        (("nolaw:foo", "--flop", "1e24"), 2, "'similitude laws' lists all"),
        (("shape", "--params", "7B", "--size", "foo=1"), 2, "no size 'foo'"),
        (("shape", "--params", "1e18"), 2, "up to 1e15"),
        (("shape", "--params", "7B", "--kind", "vision"), 2, "--size"),
        (("parallel", "--params", "7B", "--size", "foo=1", "--gpus", "8xH100"), 2, "no size 'foo'"),
        (("parallel", "--params", "7B", "--gpus", "8xH100", "--limit", "0"), 2, "at least one layout"),
        (("serve", "--model", "llama-3-70b", "--gpus", "4xH100", "--limit", "-1"), 2, "above zero"),
    ],
)
def test_a_question_that_is_not_one(run, arguments, code, words):
    _refused(run("plan", *arguments), code, words)


@pytest.mark.parametrize(
    ("steps", "code", "words"),
    [
        (("-7250", "4130", "2560", "1790"), 3, "row 1: -7250"),
        (("1000", "1000", "1000", "1000"), 3, "smaller batches"),
        (("1000", "2000", "3000", "4000"), 3, "smaller batches"),
        (("8000", "4000", "2000", "1000"), 3, "larger batches"),
        (("1e308", "1e307", "1e306", "1e305"), 3, "larger batches"),
    ],
)
def test_steps_without_a_critical_batch(run, write, steps, code, words):
    table = write("s.csv", [[str(64 * 2**i), s] for i, s in enumerate(steps)], "B,steps")
    _refused(run("plan", "batch", table), code, words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--level", "3"), "level = 3"),
        (("--seconds", "1", "--price", "-1"), "price = -1"),
        (("--seconds", "1", "--accelerators", "0"), "accelerators = 0"),
        (("--small", "B", "--big", "B", "--batch-big", "512"), "two columns"),
        (("--small", "B", "--big", "steps", "--batch-big", "512", "--windows", "0"), "windows = 0"),
    ],
)
def test_batch_options_out_of_range(run, write, options, words):
    table = write("s.csv", [[str(64 * 2**i), str(6000 / (1 + i))] for i in range(9)], "B,steps")
    _refused(run("plan", "batch", table, *options), 2, words)


def test_a_schedule_in_tokens_is_not_one_in_steps(run, write):
    table = write("c.csv", [[str(i), f"{3 + 1 / i:.4f}", "1e-3"] for i in range(1, 30)], "step,loss,lr")
    _refused(run("plan", "schedule", table), 3, "--lr")
    _refused(run("plan", "schedule", table, "--lr", "lr", "--steps", "1e12"), 2, "steps of the optimiser")
    _refused(run("plan", "schedule", table, "--schedule", "cosine:-5,peak=1e-3"), 2, "from 1 to")


def test_a_cap_holds_to_the_last_digit(run):
    for fit in (ONE, MOE):
        for most in ("100M", "8B", "123456789012"):
            asked = ("plan", fit, "--flop", "1e22", "--max-params", most, "--require", f"N <= {most}", "--json")
            assert run(*asked).code == 0


def test_a_condition_on_what_the_plan_does_not_say(run):
    ended = run("plan", ONE, "--flop", "1e22", "--require", "dollars <= 5")
    assert ended.code == 1
    assert "does not say that" in ended.err
    assert run("plan", ONE, "--flop", "1e22", "--require", "value <= 3").code == 0


def test_huge_budgets_end(run):
    document = run("plan", ONE, "--flop", "1e40", "--json").document
    assert document["round"] is None


def test_time_and_cost_are_those_of_training(run):
    asked = ("plan", ONE, "--loss", "2.1", "--inference-tokens", "2T", "--gpus", "8xH100")
    told = run(*asked, "--json").document
    hours = told["training_flop"] / (989.4e12 * 0.4) / 3600
    assert told["dollars"]["value"] == pytest.approx(2 * hours)
    assert "cost of training" in run(*asked).out


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--law", "power", "--best-of", "0"), 2, "best_of = 0"),
        (("--law", "power", "--level", "0"), 2, "level = 0"),
        (("--x", "C"), 3, "add runs, or take a law with fewer"),
    ],
)
def test_comparisons_that_cannot_be_made(run, write, options, code, words):
    rows = [[f"1e{p}", f"{4 - 0.1 * p:.3f}", arch] for arch in "ab" for p in (18, 19)]
    table = write("r.csv", rows, "C,loss,arch")
    _refused(run("compare", table, "--by", "arch", *options), code, words)


def test_runs_of_nobody(run, write):
    rows = [[f"1e{p}", f"{4 - 0.1 * p:.3f}", arch] for arch in ("a", "b", "") for p in (18, 19, 20)]
    _refused(run("compare", write("r.csv", rows, "C,loss,arch"), "--by", "arch"), 3, "empty in 3 of the runs")


def test_every_document_is_json(run, write):
    rows = [[f"1e{p}", "0.5"] for p in (7, 8, 9, 10, 11)]
    told = run("compare", write("t.csv", rows, "N,acc"), "--trend", "acc", "--x", "N", "--json").document
    assert json.dumps(told)
    assert (told["kind"], told["slope"]["value"]) == ("flat", 0)


def test_serving_without_a_price_has_no_column_of_prices(run):
    assert "1M tokens" not in run("plan", "serve", "--params", "7B", "--gpus", "RTX4090").out
    assert "1M tokens" in run("plan", "serve", "--params", "7B", "--gpus", "H100").out
