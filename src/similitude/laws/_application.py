"""An application binds a form to a field's own inputs, source and coefficients, without repeating the formula."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from similitude._errors import ArgumentError, did_you_mean
from similitude._quantity import Unit
from similitude.laws._law import Law, Published, Source
from similitude.laws._words import Parameter

__all__ = ["application"]


def application(
    form: Law,
    *,
    name: str,
    inputs: Mapping[str, tuple[str, Unit]],
    output: Unit | None = None,
    params: Mapping[str, Parameter] | None = None,
    source: Source | None = None,
    published: Sequence[Published] = (),
    doc: str = "",
    title: str = "",
    validity: str = "",
    counts: str = "undeclared",
    family: str = "",
    span: Mapping[str, tuple[float, float]] | None = None,
    example: Mapping[str, float] | None = None,
) -> Law:
    """The law `form` under another name: `inputs` maps each input of the form to its new name and unit.

    `params` replaces declarations of parameters (their domain or starts, never their names). Nothing of the form's
    source or published sets is inherited: an application speaks for itself.

    Raises ArgumentError when `inputs`, `params` or a published set names what the form does not have.

    >>> from similitude._quantity import TOKENS
    >>> from similitude.laws import power
    >>> curve = application(power, name="learning_curve", inputs={"x": ("D", TOKENS)})
    >>> curve(D=100.0, a=1.0, c=0.5)
    0.1
    """
    _check(form, name, inputs, params or {}, published)
    bound = {**{k: (k, u) for k, u in form.inputs.items()}, **inputs}
    renames = {old: new for old, (new, _) in bound.items()}
    if len(set(renames.values())) < len(renames):
        raise ArgumentError(f"law '{name}': two inputs would share a name ({', '.join(renames.values())})")
    return replace(
        form,
        name=name,
        function=_renamed(form, renames),
        inputs=MappingProxyType(dict(bound.values())),
        output=output or form.output,
        params=MappingProxyType({k: _follow({**form.params, **(params or {})}[k], renames) for k in form.params}),
        source=source,
        sets=tuple(published),
        doc=inspect.cleandoc(doc) or form.doc,
        title=title or name.replace("_", " "),
        counts=counts,
        validity=validity,
        family=family or form.family,
        form=form,
        renames=MappingProxyType(renames),
        span=MappingProxyType({**{renames[k]: v for k, v in form.span.items()}, **(span or {})}),
        example=MappingProxyType(dict(example or form.example)),
        cost="",  # written in the form's own inputs
    )


def _renamed(form: Law, renames: Mapping[str, str]) -> Any:
    old_names = {new: old for old, new in renames.items()}
    order = tuple(renames.values())

    def function(*args: Any, **values: Any) -> Any:
        if repeated := [k for k in order[: len(args)] if k in values]:
            raise TypeError(f"got multiple values for argument '{repeated[0]}'")
        given = {**dict(zip(order, args)), **values}
        return form.function(**{old_names.get(k, k): v for k, v in given.items()})

    return function


def _follow(parameter: Parameter, renames: Mapping[str, str]) -> Parameter:
    """A parameter whose starts are relative to an input follows that input's new name."""
    if parameter.relative is not None and parameter.relative in renames:
        return replace(parameter, relative=renames[parameter.relative])
    return parameter


def _check(form: Law, name: str, inputs: Any, params: Any, published: Sequence[Published]) -> None:
    for what, given, known in (("input", inputs, form.inputs), ("parameter", params, form.params)):
        for k in given:
            if k not in known:
                raise ArgumentError(f"law '{name}': form '{form.name}' has no {what} '{k}'{did_you_mean(k, known)}")
    for entry in published:
        form.check_names(entry.digits, complete=True)
