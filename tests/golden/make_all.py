"""Write the golden logs: each script of make/ runs in an environment of its own with the real library it names.

A script states what it needs as inline metadata (PEP 723), is called with the folder to write to, and leaves there the
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
import venv
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent.parent / ".golden"


def needs(script: Path) -> list[str]:
    """The packages in a script's inline metadata."""
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", script.read_text(), flags=re.M)
    if block is None:
        raise SystemExit(f"{script.name} states no packages; expected inline metadata (PEP 723)")
    return tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.M))["dependencies"]


def environment(name: str, packages: Sequence[str | Path]) -> Path:
    """The interpreter of an environment with just these packages, whatever its name; made where there is none."""
    home = ENVIRONMENTS / name
    made, listed = home / "made", "\n".join(map(str, packages))
    there = [m for m in (made, *sorted(ENVIRONMENTS.glob("*/made"))) if m.is_file() and m.read_text() == listed]
    if there:
        home = there[0].parent
    else:
        venv.create(home, clear=True, with_pip=True)
        pip = [home / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, *packages], check=True)
        made.write_text(listed)
    return home / "bin" / "python"


def make(script: Path) -> None:
    """One script in its environment; its folder is replaced only when all went well."""
    python = environment(script.stem, needs(script))
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
