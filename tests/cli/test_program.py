"""The program around the commands: start-up, help, exit codes, interruptions, broken pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from similitude.cli import _sources, main
from similitude.cli._commands import COMMANDS, root
from similitude.cli._plan_group import QUESTIONS
from similitude.cli._reference import reference
from similitude.cli._remedies import as_options

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_listing_says_what_the_command_says(name, run):
    command = import_module(f"similitude.cli._{name}").command
    assert command.help.splitlines()[0] == COMMANDS[name]
    ended = run(name, "--help")
    assert ended.code == 0
    assert COMMANDS[name] in " ".join(ended.out.split())


def test_every_module_of_a_command_is_listed():
    folder = ROOT / "src" / "similitude" / "cli"
    with_command = {p.stem[1:] for p in folder.glob("_*.py") if "\ndef command(" in p.read_text(encoding="utf-8")}
    assert with_command == {*COMMANDS, *(f"plan_{name}" for name in QUESTIONS)}


def test_the_questions_of_a_plan_say_what_their_commands_say(run):
    for name, text in QUESTIONS.items():
        ended = run("plan", name, "--help")
        assert ended.code == 0
        assert text in " ".join(ended.out.split())
        assert f"similitude plan {name}" in ended.out
    assert all(text in " ".join(run("plan", "--help").out.split()) for text in QUESTIONS.values())


def test_the_reference_is_not_stale():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m similitude.cli._reference > docs/cli.md"


def test_help_and_version(run):
    assert run("--help").code == 0
    assert all(name in run("-h").out for name in COMMANDS)
    assert run("--version").out.startswith("similitude 0")
    nothing = run()
    assert (nothing.code, nothing.out) == (2, "")
    assert "Usage" in nothing.err


def test_help_imports_nothing_heavy():
    """What makes --help quick; how quick it is stands in the benchmarks."""
    code = (
        "import sys\nfrom similitude.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('numpy', 'polars', 'scipy', 'rich', 'matplotlib', 'pandas', 'sqlite3')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_fit_imports_neither_scipy_nor_rich_nor_matplotlib(sweep):
    code = (
        "import json, sys\nfrom similitude.cli import main\n"
        f"assert main(['fit', {sweep!r}, '--law', 'chinchilla', '--json', '-o', 'fit.json']) == 0\n"
        "assert main(['predict', 'fit.json', '--at', 'N=1B,D=20B', '--json']) == 0\n"
        "heavy = ('scipy', 'rich', 'matplotlib', 'pandas', 'sympy', 'pooch')\n"
        "print(json.dumps([m for m in heavy if m in sys.modules]))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_module_is_the_program(process, sweep):
    ended = process("fit", sweep, "--law", "chinchilla", "--json")
    assert ended.code == 0
    assert ended.document["converged"] is True
    refused = process("fit", "nosuch.csv", "--law", "chinchilla")
    assert (refused.code, refused.out) == (3, "")
    assert len(refused.err.splitlines()) == 1


def test_without_color_and_without_utf8(process):
    plain = process("laws", "chinchilla", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert plain.code == 0
    assert "\x1b" not in plain.out
    assert plain.out.isascii()


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "similitude: interrupted"),
        (MemoryError(), 3, "memory"),
        (KeyError("surprise"), 70, "KeyError: 'surprise'"),
        (BrokenPipeError(), 141, ""),
    ],
)
def test_whatever_happens_is_one_sentence(run, monkeypatch, error, code, said):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(_sources, "read_fits", fail)
    ended = run("predict", "fit.json", "--at", "N=1,D=1")
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == (1 if said else 0)


def test_a_traceback_is_there_for_the_asking(run, monkeypatch):
    def fail(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(_sources, "read_fits", fail)
    monkeypatch.setenv("SIMILITUDE_DEBUG", "1")
    assert "Traceback" in run("predict", "fit.json", "--at", "N=1,D=1").err


def test_a_signal_interrupts(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [
        sys.executable,
        "-m",
        "similitude.cli",
        "fit",
        "-",
        "--law",
        "chinchilla",
        "-o",
        str(tmp_path / "fit.json"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=env
    ) as waiting:
        time.sleep(1.5)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=20)
    assert waiting.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
    assert not (tmp_path / "fit.json").exists()


def test_a_reader_that_leaves_is_no_error(tmp_path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "similitude.cli", "laws", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as writing:
        assert writing.stdout is not None
        writing.stdout.close()
        assert writing.stderr is not None
        assert writing.stderr.read() == b""
    assert writing.returncode == 141


def test_main_returns_the_exit_code(capsys):
    assert main(["laws", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["laws"]
    assert main(["laws", "nosuch"]) == 2
    assert main([]) == 2


def test_names_are_completed():
    from click.shell_completion import ShellComplete

    complete = ShellComplete(root, {}, "similitude", "_SIMILITUDE_COMPLETE")
    assert [c.value for c in complete.get_completions([], "pr")] == ["predict"]
    assert "chinchilla" in [c.value for c in complete.get_completions(["fit", "x.csv", "--law"], "chin")]
    assert "kaplan,power_floor" in [
        c.value for c in complete.get_completions(["compare", "x.csv", "--laws"], "kaplan,power_f")
    ]


@pytest.mark.parametrize(
    ("sentence", "here"),
    [
        ("pass units={'loss': 'perplexity'}, else check=False", "pass --units loss=perplexity, else --no-check"),
        ("name it, as in D='your column'; the", "name it, as in --D 'your column'; the"),
        ("give flop=, or gpus='64xH100'", "give --flop, or --gpus 64xH100"),
        ("held at={'U': ...}", "held --at U=..."),
        ("N = 7 and loss = 3, N=7e9", "N = 7 and loss = 3, N=7e9"),
        ("say inputs={'x': 'column'} (on the command line --input x=column)", "say --input x=column"),
    ],
)
def test_remedies_are_options_here(sentence, here):
    assert as_options(sentence) == here
