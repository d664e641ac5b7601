"""Laws as plain values for JSON, and back: by name from the catalogue, or by formula and declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._errors import DataError
from similitude._quantity import Unit
from similitude.laws._application import application
from similitude.laws._catalogue import catalogue, get
from similitude.laws._formula import formula_law
from similitude.laws._law import Law
from similitude.laws._words import Parameter

__all__ = ["law_from_dict", "law_to_dict"]

LONGEST_STORED = 20_000  # characters: a law with named parts is long when they are written out
_DEFAULTS = Parameter()


def law_to_dict(law: Law) -> dict[str, Any]:
    """A law as plain values: a law of the catalogue by its name, any other by its formula's text and declaration.

    Raises ArgumentError when the law's function does what has no printed form.

    >>> from similitude.laws import chinchilla, formula_law
    >>> law_to_dict(chinchilla)
    {'law': 'chinchilla'}
    >>> law_to_dict(formula_law("a*x^-c", inputs=("x",)))["formula"]
    'a*x^-c'
    """
    if catalogue().get(law.name) is law:
        return {"law": law.name}
    declared = {
        "name": law.name,
        "inputs": {k: _unit_to_dict(u) for k, u in law.inputs.items()},
        "output": _unit_to_dict(law.output),
        "params": {k: _parameter_to_dict(p) for k, p in law.params.items()},
        "title": law.title,
        "counts": law.counts,
        "positive_inputs": law.positive_inputs,
    }
    if law.sizes and law.name in catalogue():
        return {"law": law.name, "sizes": {k: list(v) for k, v in law.sizes.items()}, **declared}
    if law.form is not None and catalogue().get(law.form.name) is law.form:
        return {"law": law.form.name, "renames": dict(law.renames), **declared}
    return {"formula": law.formula or law.text(), **declared}


def law_from_dict(values: Mapping[str, Any]) -> Law:
    """The law that `law_to_dict` wrote.

    Raises DataError when the values are not of that form, ArgumentError when they name no known law or hold a formula
    that cannot be read.

    >>> law_from_dict({"law": "chinchilla"}).name
    'chinchilla'
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("law", values.get("formula")), str):
        raise DataError('a stored law needs "law" (a name of the catalogue) or "formula" (its text)')
    if "law" in values and "params" not in values:
        return get(values["law"])
    inputs = {k: _unit_from_dict(u, k) for k, u in _section(values, "inputs").items()}
    output = _unit_from_dict(values.get("output"), "output")
    params = {k: _parameter_from_dict(p, k) for k, p in _section(values, "params").items()}
    name, title, counts = (
        _text(values, k, d) for k, d in (("name", "formula"), ("title", ""), ("counts", "undeclared"))
    )
    positive_inputs = values.get("positive_inputs", True) is not False
    if "law" in values:
        if "sizes" in values:
            return _sized_from_dict(get(values["law"]), values, params)
        made = _application_from_dict(get(values["law"]), values, inputs, output, params, name, title, counts)
        return replace(made, positive_inputs=positive_inputs)
    read = formula_law(values["formula"], inputs, output=output, name=name, longest=LONGEST_STORED)
    if set(params) != set(read.params):
        raise DataError(
            f"the stored formula has the parameters {', '.join(read.params)}, but {', '.join(params)} are declared"
        )
    declared = MappingProxyType(params)
    return replace(read, params=declared, title=title or name, counts=counts, positive_inputs=positive_inputs)


def _sized_from_dict(law: Law, values: Mapping[str, Any], params: Mapping[str, Parameter]) -> Law:
    made = law.sized(**{k: tuple(v) for k, v in _section(values, "sizes").items()})
    if set(params) != set(made.params):
        raise DataError(f"the stored law does not fit '{law.name}' with the entries it names")
    return replace(made, params=MappingProxyType({k: params[k] for k in made.params}))


def _application_from_dict(
    form: Law, values: Mapping[str, Any], inputs: Any, output: Unit, params: Any, name: str, title: str, counts: str
) -> Law:
    renames = _section(values, "renames")
    if set(renames) != set(form.inputs) or set(renames.values()) != set(inputs) or set(params) != set(form.params):
        raise DataError(f"the stored law does not fit its form '{form.name}'")
    bound = {old: (new, inputs[new]) for old, new in renames.items()}
    made = application(form, name=name, inputs=bound, output=output, title=title, counts=counts)
    return replace(made, params=MappingProxyType({k: params[k] for k in form.params}))


def _section(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = values.get(key)
    if not isinstance(section, Mapping):
        raise DataError(f'a stored law needs "{key}", an object')
    return section


def _text(values: Mapping[str, Any], key: str, default: str) -> str:
    text = values.get(key, default)
    if not isinstance(text, str):
        raise DataError(f'"{key}" of a stored law must be a text, not {text!r}')
    return text


def _unit_to_dict(unit: Unit) -> dict[str, str]:
    return {"name": unit.name, "kind": unit.kind}


def _unit_from_dict(values: Any, of: str) -> Unit:
    if not isinstance(values, Mapping) or not all(isinstance(values.get(k), str) for k in ("name", "kind")):
        raise DataError(f'the unit of {of} in a stored law must be {{"name": ..., "kind": ...}}, not {values!r}')
    return Unit(values["name"], values["kind"])


def _parameter_to_dict(parameter: Parameter) -> dict[str, Any]:
    """The fields that differ from an unbounded real parameter's."""
    plain = {**asdict(parameter), "starts": list(parameter.starts)}
    return {k: v for k, v in plain.items() if v != getattr(_DEFAULTS, k) and v != []}


def _parameter_from_dict(values: Any, name: str) -> Parameter:
    known = {f.name for f in fields(Parameter)}
    if not isinstance(values, Mapping) or not set(values) <= known:
        raise DataError(f"parameter '{name}' of a stored law may have only {', '.join(sorted(known))}, not {values!r}")
    starts = values.get("starts", [])
    numbers = [*starts] if isinstance(starts, (list, tuple)) else [starts]
    numbers += [values.get("low", 0.0), values.get("high", 0.0)]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and np.isfinite(n) for n in numbers):
        raise DataError(f"parameter '{name}' of a stored law: starts, low and high must be finite numbers")
    made = Parameter(**{**values, "starts": tuple(float(s) for s in numbers[:-2])})
    if made.transform not in ("real", "log", "logit") or not made.low < made.high:
        raise DataError(f"parameter '{name}' of a stored law has no such domain: {dict(values)!r}")
    return made
