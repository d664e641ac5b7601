"""Write the golden logs: each script of make/ runs in an environment of its own with the real library it names.

A script states what it needs as inline metadata (PEP 723), where need be a Python later than this one, which is then
looked for among the commands (python3.12 and so on). It is called with the folder to write to, and leaves there the
files of the library under files/ and what it logged, by the library's own account, in values.json. Used as
`make golden`, or `make golden NAMES="tensorboard mlflow"`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent.parent / ".golden"


def needs(script: Path) -> tuple[list[str], int]:
    """The packages in a script's inline metadata, and the least minor version of Python 3; 0 where it states none."""
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", script.read_text(), flags=re.M)
    if block is None:
        raise SystemExit(f"{script.name} states no packages; expected inline metadata (PEP 723)")
    told = tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.M))
    return told["dependencies"], int(told.get("requires-python", ">=3.0").removeprefix(">=3."))


def python_of(least: int) -> str:
    """This interpreter where it is of that version or later, else one that is found and starts."""
    if sys.version_info[1] >= least:
        return sys.executable
    for command in filter(None, (shutil.which(f"python3.{minor}") for minor in range(least, least + 4))):
        if subprocess.run([command, "--version"], capture_output=True, check=False).returncode == 0:
            return command
    raise SystemExit(f"no Python 3.{least} or later among the commands")


def environment(name: str, packages: Sequence[str | Path], least: int = 0) -> Path:
    """The interpreter of an environment with just these packages, whatever its name; made where there is none."""
    home = ENVIRONMENTS / name
    made, listed = home / "made", "\n".join(map(str, packages))
    there = [m for m in (made, *sorted(ENVIRONMENTS.glob("*/made"))) if m.is_file() and m.read_text() == listed]
    if there:
        home = there[0].parent
    else:
        subprocess.run([python_of(least), "-m", "venv", "--clear", home], check=True)
        pip = [home / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, *packages], check=True)
        made.write_text(listed)
    return home / "bin" / "python"


def make(script: Path) -> None:
    """One script in its environment; its folder is replaced only when all went well."""
    python = environment(script.stem, *needs(script))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / script.stem
        (out / "files").mkdir(parents=True)
        (here := Path(scratch) / "here").mkdir()
        # -P: a script named as its library must not hide it
        subprocess.run([python, "-P", script, out], check=True, cwd=here)
        target = HERE / "logs" / script.stem
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(out, target)
    print(f"{script.stem}: {sum(1 for p in target.rglob('*') if p.is_file())} files")


def main(names: list[str]) -> None:
    """The scripts named, or all."""
    scripts = sorted((HERE / "make").glob("*.py"))
    for script in scripts:
        if not names or script.stem in names:
            make(script)


if __name__ == "__main__":
    main(sys.argv[1:])
