"""`reproduce`: run the claims of a paper, or of every paper in the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import overload

from similitude._errors import ArgumentError, did_you_mean
from similitude._view import Table
from similitude.runs import datasets
from similitude.studies._claim import Claim
from similitude.studies._study import Declaration, Study

__all__ = ["catalogue", "reproduce"]

_FILES = (
    "besiroglu",
    "approach2",
    "porian",
    "misfitting",
    "gadre",
    "muennighoff",
    "luo2025",
    "parscale",
    "routing",
    "caballero",
    "steplaw",
    "critical_batch",
    "clip",
    "loss_to_loss",
    "mixing",
    "alabdulmohsin",
    "tissue",
    "haegele",
    "running_curves",
    "regmix",
    "laion",
    "value_rl",
    "spectral",
    "nakkiran",
    "hitchhiker",
    "monkeys",
    "observational",
    "ladder",
    "theory",
    "constants",
    "worked_examples",
    "comparisons",
    "architectures",
    "design",
    "own_runs",
)
Progress = Callable[[str], None]


def catalogue() -> Mapping[str, Declaration]:
    """Every study by name, in the order they run.

    >>> list(catalogue())[0]
    'besiroglu2024'
    """
    modules = [import_module(f"similitude.studies.{name}") for name in _FILES]
    declared = [d for m in modules for d in (m.STUDIES if hasattr(m, "STUDIES") else (m.STUDY,))]
    return MappingProxyType({d.name: d for d in declared})


@overload
def reproduce(name: str, *, seed: int = 0, progress: Progress | None = None) -> Study: ...
@overload
def reproduce(name: None = None, *, seed: int = 0, progress: Progress | None = None) -> tuple[Study, ...]: ...
def reproduce(name: str | None = None, *, seed: int = 0, progress: Progress | None = None) -> Study | tuple[Study, ...]:
    """Run a paper's claims on its data and judge each; without a name, every study.

    `seed` drives what is resampled or simulated; `progress` is called with a sentence for each claim as it is judged.
    Raises ArgumentError for an unknown name, DataError when a study's data cannot be had.

    >>> study = reproduce("gadre2024")  # doctest: +SKIP
    >>> study.counts["differs"]  # doctest: +SKIP
    0
    """
    known = catalogue()
    if name is None:
        return tuple(_run(declaration, seed, progress) for declaration in known.values())
    if name not in known:
        raise ArgumentError(f"no study '{name}'{did_you_mean(name, known)}; the studies are: {', '.join(known)}")
    return _run(known[name], seed, progress)


def _run(declaration: Declaration, seed: int, progress: Progress | None) -> Study:
    items = []
    for item in declaration.claims(seed):
        items.append(item)
        if progress is not None and isinstance(item, Claim):
            progress(f"{declaration.name}: {item.sentence}: {item.verdict}")
    return Study(
        declaration.name,
        declaration.title,
        declaration.paper,
        claims=tuple(i for i in items if isinstance(i, Claim)),
        tables=tuple(i for i in items if isinstance(i, Table)),
        notes=tuple(i for i in items if isinstance(i, str)),
        citations=tuple(datasets.show(d).citation for d in declaration.data),
        seed=seed,
    )
