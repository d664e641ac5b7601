"""A law: a formula written once, from which fitting, intervals, plots, planning, documentation and tests follow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from similitude._errors import ArgumentError, did_you_mean
from similitude._quantity import FLOP, Quantity, Unit, parse_quantity
from similitude.laws._words import Parameter

if TYPE_CHECKING:
    from similitude.laws._estimate import Estimate

__all__ = ["Law", "Published", "Source", "law", "paper", "published", "read_input"]


def read_input(value: Any) -> Any:
    """An input as numbers: text such as "7B" is read, also within a list; anything else stays as it is.

    Raises ArgumentError for text that is no number.

    >>> read_input("7B"), read_input(["1B", "20T tokens"]), read_input(3.0)
    (7000000000.0, [1000000000.0, 20000000000000.0], 3.0)
    """
    if isinstance(value, str):
        read = parse_quantity(value)
        return read.value if isinstance(read, Quantity) else read
    return [read_input(v) for v in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, slots=True)
class Source:
    """Where something was published: a key of the bibliography, and the equation or table."""

    key: str
    where: str = ""

    def __str__(self) -> str:
        from similitude._bibliography import short

        return f"{short(self.key)}, {self.where}" if self.where else short(self.key)


@dataclass(frozen=True, slots=True)
class Published:
    """A published coefficient set, digits as printed, with its source and counting convention."""

    key: str
    source: Source
    digits: Mapping[str, str]
    counts: str = "undeclared"
    note: str = ""
    within: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def paper(key: str, where: str = "") -> Source:
    """The source of a law or a coefficient set; `key` stands in the bibliography.

    >>> paper("hoffmann2022", where="eq. 10").key
    'hoffmann2022'
    """
    return Source(key, where)


def published(
    key: str,
    *,
    where: str = "",
    source: str | None = None,
    counts: str = "undeclared",
    note: str = "",
    within: Mapping[str, tuple[float, float]] | None = None,
    **digits: str,
) -> Published:
    """One published coefficient set of a law: coefficients as strings, digits as printed.

    `key` names the set and is a key of the bibliography unless `source` gives that key; `counts` is the counting
    convention of N; `within` holds the range of inputs it was fitted on.

    >>> published("hoffmann2022", where="eq. 10", E="1.69", A="406.4", alpha="0.34", B="410.7", beta="0.28").digits["E"]
    '1.69'
    """
    return Published(
        key, Source(source or key, where), MappingProxyType(dict(digits)), counts, note, dict(within or {})
    )


@dataclass(frozen=True, eq=False)
class Law:
    """A formula with named inputs and parameters, units, source and published coefficient sets.

    Call it with inputs and parameters by name to evaluate it; everything broadcasts.

    >>> from similitude.laws import power
    >>> power(100.0, a=1.0, c=0.5)
    0.1
    >>> power.linear, power.text()
    (('a',), 'a*x^-c')
    """

    name: str
    function: Callable[..., Any]
    inputs: Mapping[str, Unit]
    output: Unit
    params: Mapping[str, Parameter]
    source: Source | None = None
    sets: tuple[Published, ...] = ()
    doc: str = ""
    title: str = ""
    counts: str = "undeclared"
    validity: str = ""
    family: str = ""
    formula: str = ""  # the text of a user's formula; empty for a law of the catalogue
    positive_inputs: bool = True
    form: Law | None = None  # what an application was made from, with the new name of each of its inputs
    renames: Mapping[str, str] = field(default_factory=dict)
    span: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # where each input typically lies
    example: Mapping[str, float] = field(default_factory=dict)  # coefficients that stand in where none are published
    degenerate: tuple[str, ...] = ()  # parameters that runs determine only in combination
    cost: str = ""  # what the inputs cost, a formula in them; empty: 6 N D where the law has both
    cost_unit: Unit = FLOP
    sizes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # axis -> labels of its entries
    declared: Mapping[str, Any] = field(default_factory=dict)  # inputs and parameters as declared, arrays unexpanded
    arrays_function: Callable[..., Any] | None = None  # the formula on arrays; None where nothing runs along an axis
    bare: Law | None = None  # the law as declared, before its axes had entries

    def __call__(self, *args: Any, **values: Any) -> Any:
        return self.function(*args, **values)

    def __repr__(self) -> str:
        return f"Law({self.name}: {', '.join(self.inputs)} -> {self.output or 'output'}; {', '.join(self.params)})"

    def evaluate(self, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> Any:
        """The formula at inputs and parameters given as mappings; values broadcast, extra inputs are ignored."""
        return self.function(**{k: inputs[k] for k in self.inputs}, **{k: params[k] for k in self.params})

    @cached_property
    def published(self) -> Mapping[str, Estimate]:
        """The published coefficient sets, each an `Estimate`, by key."""
        from similitude.laws._estimate import Estimate

        return MappingProxyType({s.key: Estimate.from_published(self, s) for s in self.sets})

    @cached_property
    def linear(self) -> tuple[str, ...]:
        """The parameters in which the formula is jointly affine, found by probing it; fits project them out."""
        from similitude.laws._linear import linear_parameters

        return linear_parameters(self)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Inputs, then parameters, as the formula names them: an array counts once."""
        return tuple(self.declared) if self.sizes else (*self.inputs, *self.params)

    @property
    def bare_params(self) -> int:
        """How many of `symbols` are parameters."""
        if not self.sizes:
            return len(self.params)
        return sum(1 for word in self.declared.values() if isinstance(getattr(word, "word", word), Parameter))

    def sized(self, **labels: tuple[str, ...] | int) -> Law:
        """The same law with other entries along its axes: their labels, or how many.

        Raises ArgumentError for an axis that the law does not have, or a label that is no name.

        >>> from similitude.laws import multi_power
        >>> list(multi_power.sized(segment=2).inputs)
        ['S1', 'drop_1', 'drop_2', 'rate_1', 'rate_2', 'area_1', 'area_2']
        """
        from similitude.laws._sized import sized

        return sized(self, labels)

    @cached_property
    def sketch(self) -> Any:
        """The formula as it is printed for people: as declared, with sums along an axis."""
        from similitude.laws._expression import sketch

        return sketch(self) if self.sizes else self.expression

    @cached_property
    def expression(self) -> Any:
        """The formula as an expression tree, for printing."""
        from similitude.laws._expression import trace

        return trace(self)

    def latex(self) -> str:
        """The formula as LaTeX, made from the function itself."""
        from similitude.laws._print import to_latex

        return to_latex(self)

    def mathml(self) -> str:
        """The formula as MathML, for pages that work offline."""
        from similitude.laws._mathml import to_mathml

        return to_mathml(self)

    def text(self) -> str:
        """The formula as one line of plain text, in the syntax the command line accepts."""
        from similitude.laws._print import to_text

        return to_text(self)

    def lines(self) -> tuple[str, ...]:
        """The formula for people to read: one line, and one more for each part that it names."""
        from similitude.laws._print import to_lines

        return to_lines(self)

    def to_dict(self) -> dict[str, Any]:
        """The law as plain values for JSON, read back by `Law.from_dict`: its name, or its formula and declaration.

        Raises ArgumentError when the function does what has no printed form.
        """
        from similitude.laws._exchange import law_to_dict

        return law_to_dict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Law:
        """The law that `to_dict` wrote; DataError when the values are not of that form."""
        from similitude.laws._exchange import law_from_dict

        return law_from_dict(values)

    def bibtex(self) -> str:
        """The BibTeX entries of the law and its coefficient sets."""
        from similitude._bibliography import bibtex

        keys = ([self.source.key] if self.source else []) + [s.source.key for s in self.sets]
        return bibtex(dict.fromkeys(keys))

    def estimate(self, *, counts: str = "undeclared", label: str = "given coefficients", **values: float) -> Estimate:
        """An `Estimate` from coefficients of your own.

        Raises ArgumentError when a coefficient is missing, unknown or outside its domain.
        """
        from similitude.laws._estimate import Estimate

        self.check_names(values, complete=True)
        return Estimate(self, {k: float(values[k]) for k in self.params}, label=label, counts=counts)

    def check_names(self, names: Any, *, complete: bool = False) -> None:
        """Raise ArgumentError unless `names` are parameters of this law (all of them, if `complete`)."""
        for name in names:
            if name not in self.params:
                raise ArgumentError(
                    f"law '{self.name}' has no parameter '{name}'{did_you_mean(name, self.params)} "
                    f"(it has {', '.join(self.params)})"
                )
        missing = [k for k in self.params if k not in names]
        if complete and missing:
            raise ArgumentError(f"law '{self.name}' needs a value for {', '.join(missing)}")

    def check_inputs(self, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The inputs as float arrays, all of them and no others; ArgumentError otherwise. Text is read: "7B"."""
        for name in given:
            if name not in self.inputs:
                raise ArgumentError(
                    f"law '{self.name}' has no input '{name}'{did_you_mean(name, self.inputs)} "
                    f"(it takes {', '.join(self.inputs)})"
                )
        missing = [k for k in self.inputs if k not in given]
        if missing:
            raise ArgumentError(
                f"law '{self.name}' needs {', '.join(missing)} as well as {', '.join(given) or 'nothing'}"
            )
        arrays = {k: _as_floats(k, v) for k, v in given.items()}
        for name, value in arrays.items():
            usable = np.isfinite(value) & ((value > 0) | (not self.positive_inputs))
            if not np.all(usable):
                bad = np.ravel(value)[~np.ravel(usable)][0]
                wanted = "positive and finite" if self.positive_inputs else "finite"
                raise ArgumentError(f"{name} = {bad:g}: inputs of law '{self.name}' must be {wanted}")
        return arrays


def _as_floats(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(read_input(value), float)
    except ArgumentError as error:
        raise ArgumentError(f"{name}: {error}") from None
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} = {value!r}; expected a number such as 7e9 or '7B', or an array of them") from None


def law(
    *,
    inputs: Mapping[str, Unit],
    output: Unit,
    params: Mapping[str, Parameter],
    source: Source | None = None,
    published: list[Published] | tuple[Published, ...] = (),
    counts: str = "undeclared",
    validity: str = "",
    title: str = "",
    name: str | None = None,
    positive_inputs: bool = True,
    span: Mapping[str, tuple[float, float]] | None = None,
    example: Mapping[str, float] | None = None,
    degenerate: tuple[str, ...] = (),
    cost: str = "",
    cost_unit: Unit = FLOP,
    sizes: Mapping[str, int] | None = None,
) -> Callable[[Callable[..., Any]], Law]:
    """Declare a law: decorate its formula with inputs, output, parameters, source and published coefficients.

    The function takes its inputs before `*` and its parameters after, in the declared order; it must be written with
    operators and `similitude.math`, so that dual numbers flow through. Inputs are positive quantities unless
    `positive_inputs=False`. Nothing is registered.

    `span` says where each input typically lies and `example` gives coefficients that stand in where none are published:
    simulated runs, pages and tests use them. `degenerate` names parameters that runs determine only in combination.
    `cost` is what the inputs cost together, a formula's text in them ("6*N*D*P/16"), in `cost_unit`; where it is left
    out and the law has N and D, planning takes 6 N D FLOP. Inputs and parameters declared `along` an axis get as many
    entries as `sizes` says; `Law.sized` changes that.

    Raises ArgumentError when names or order differ between the function and the declaration.

    >>> from similitude._quantity import RATIO, TOKENS
    >>> from similitude.laws import law, positive
    >>> @law(inputs={"D": TOKENS}, output=RATIO, params={"a": positive(), "c": positive(0.1, 0.5)})
    ... def error_rate(D, *, a, c):
    ...     return a * D**-c
    >>> error_rate(100.0, a=1.0, c=0.5)
    0.1
    """

    def declare(function: Callable[..., Any]) -> Law:
        law_name = name or function.__name__
        _check_signature(function, law_name, tuple(inputs), tuple(params))
        if sizes:
            labels = {axis: tuple(map(str, range(1, count + 1))) for axis, count in sizes.items()}
            bare = Law(
                name=law_name,
                function=function,
                inputs=inputs,
                output=output,
                params=params,
                source=source,
                sets=tuple(published),
                doc=inspect.cleandoc(function.__doc__ or ""),
                title=title or law_name.replace("_", " "),
                counts=counts,
                validity=validity,
                family=function.__module__.rpartition(".")[2],
                positive_inputs=positive_inputs,
                span=dict(span or {}),
                example=dict(example or {}),
                degenerate=degenerate,
                cost=cost,
                cost_unit=cost_unit,
                declared=MappingProxyType({**inputs, **params}),
                arrays_function=function,
            )
            return bare.sized(**labels)
        for what, given, known in (
            ("span", span, inputs),
            ("example", example, params),
            ("degenerate", degenerate, params),
        ):
            if unknown := [k for k in given or () if k not in known]:
                raise ArgumentError(f"law '{law_name}': {what} names '{unknown[0]}', which it does not have")
        for entry in published:
            if unknown := [k for k in entry.digits if k not in params]:
                raise ArgumentError(f"law '{law_name}', set '{entry.key}': no parameter '{unknown[0]}'")
        return Law(
            name=law_name,
            function=function,
            inputs=MappingProxyType(dict(inputs)),
            output=output,
            params=MappingProxyType(dict(params)),
            source=source,
            sets=tuple(published),
            doc=inspect.cleandoc(function.__doc__ or ""),
            title=title or law_name.replace("_", " "),
            counts=counts,
            validity=validity,
            family=function.__module__.rpartition(".")[2],
            positive_inputs=positive_inputs,
            span=MappingProxyType(dict(span or {})),
            example=MappingProxyType(dict(example or {})),
            degenerate=degenerate,
            cost=cost,
            cost_unit=cost_unit,
        )

    return declare


def _check_signature(function: Callable[..., Any], name: str, inputs: tuple[str, ...], params: tuple[str, ...]) -> None:
    signature = inspect.signature(function).parameters.values()
    found_inputs = tuple(p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD)
    found_params = tuple(p.name for p in signature if p.kind is p.KEYWORD_ONLY)
    for what, declared, found in (("inputs", inputs, found_inputs), ("parameters", params, found_params)):
        if declared != found:
            raise ArgumentError(
                f"law '{name}': declared {what} ({', '.join(declared)}) are not those of the function "
                f"({', '.join(found)})"
            )
