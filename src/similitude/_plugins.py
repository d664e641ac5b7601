"""What other packages add: readers of logs, laws, executors, found by entry points when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ._errors import ArgumentError, DataError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUPS", "Plugin", "load", "load_all", "plugins"]

# group -> what an entry of it is
GROUPS = {
    "similitude.readers": "a reader of logs, made with similitude.runs.readers.reader",
    "similitude.laws": "a law, made with similitude.law",
    "similitude.executors": "a function without arguments that gives a concurrent.futures.Executor",
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry of another package: its group and name, where it is, and the error its import raised, if any."""

    group: str
    name: str
    target: str
    package: str
    version: str
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {k: getattr(self, k) or None for k in ("group", "name", "target", "package", "version", "error")}


@cache
def _entries(group: str) -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=group), key=lambda e: (e.name, e.value)))


def plugins() -> tuple[Plugin, ...]:
    """Every entry of the three groups, imported to see whether it works.

    >>> import similitude as sim
    >>> [p for p in sim.plugins() if p.error]
    []
    """
    found = []
    for group in GROUPS:
        for entry in _entries(group):
            try:
                load(group, entry.name)
                error = ""
            except DataError as failure:
                error = str(failure)
            package, version = _package(entry)
            found.append(Plugin(group, entry.name, entry.value, package, version, error))
    return tuple(found)


def load(group: str, name: str) -> Any:
    """The object that an entry names; None when there is no such entry, DataError when its import fails.

    Raises ArgumentError when two packages give the name.
    """
    entries = [e for e in _entries(group) if e.name == name]
    if len(entries) > 1:
        packages = " and ".join(_package(e)[0] for e in entries)
        raise ArgumentError(f"{packages} both add '{name}' to {group}; uninstall one of them")
    if not entries:
        return None
    try:
        return entries[0].load()
    except Exception as error:  # whatever the import of another package raises
        package, version = _package(entries[0])
        raise DataError(
            f"plugin '{name}' of {package} {version} cannot be loaded ({type(error).__name__}: {error}); update or "
            "uninstall that package"
        ) from error


def load_all(group: str) -> Iterator[tuple[str, Any]]:
    """Each entry of a group, (name, object)."""
    for name in dict.fromkeys(e.name for e in _entries(group)):
        yield name, load(group, name)


def _package(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("an unknown package", "")
