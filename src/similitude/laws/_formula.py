"""A user's own formula: read from text by a whitelist, never evaluated as Python, and turned into a law."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from similitude._errors import ArgumentError
from similitude._quantity import COUNT, FLOP, PARAMETERS, SCORE, TOKENS, Unit
from similitude.laws._expression import (
    FUNCTIONS,
    Binary,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    children,
    evaluate,
    names,
    walk,
)
from similitude.laws._law import Law
from similitude.laws._symbols import GREEK
from similitude.laws._words import Parameter, below_output, exponent, positive, real, scale_of

__all__ = ["formula_law", "formula_names", "parse_formula"]

LONGEST = 1000  # characters
DEEPEST = 100  # nested operations; a sum of 100 terms is as deep
_EXPONENTS = (0.1, 0.3, 0.6, 1.0)
_UNITS = {"N": PARAMETERS, "D": TOKENS, "U": TOKENS, "C": FLOP}
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}
_LETTERS = {letter: name for name, letter in GREEK.items()}


def formula_law(
    text: str,
    inputs: Sequence[str] | Mapping[str, Unit] = ("N", "D"),
    *,
    starts: Mapping[str, Sequence[float]] | None = None,
    real_parameters: Collection[str] = (),
    output: Unit = SCORE,
    name: str = "formula",
    longest: int = LONGEST,
) -> Law:
    """A law from a formula's text, e.g. `"E + A/N^alpha + B/D^beta"`.

    Allowed are + - * / ^ (or **), numbers, parentheses and the functions exp, expm1, log, log1p, sqrt, sin, cos, tanh,
    arctan, expit, min, max, logaddexp and powersum. Names in `inputs` are inputs, all others parameters: positive,
    unless listed in `real_parameters` or given a start at or below zero. A parameter that stands alone in a sum of
    falling terms is taken for a floor (`below_output`); one in an exponent, or divided by an input, gets starting
    values to match; `starts` overrules. A text of more than `longest` characters is refused unread.

    Raises ArgumentError for anything but arithmetic, with the piece it cannot read.

    >>> law = formula_law("E + A/N^alpha + B/D^beta", starts={"alpha": (0.2, 0.6)})
    >>> law.params["alpha"].starts, law.params["E"].relative, law.linear
    ((0.2, 0.6), 'output', ('E', 'A', 'B'))
    """
    tree = parse_formula(text, longest)
    units = _units(inputs)
    parameters = [n for n in names(tree) if n not in units]
    _check_names(text, tree, units, parameters, starts or {}, real_parameters)
    draft = _law(name, text, tree, units, output, {p: positive() for p in parameters})
    declared = {p: _declare(p, tree, units, draft.linear) for p in parameters}
    declared.update({p: real(-1.0, 0.1, 1.0) for p in real_parameters})
    declared.update({p: _with_starts(p, v, p in real_parameters) for p, v in (starts or {}).items()})
    return _law(name, text, tree, units, output, declared)


def formula_names(text: str) -> tuple[str, ...]:
    """The names in a formula's text, inputs and parameters alike, in reading order.

    >>> formula_names("a * x^-c")
    ('a', 'x', 'c')
    """
    return names(parse_formula(text))


def parse_formula(text: str, longest: int = LONGEST) -> Expression:
    """The expression tree of a formula's text; ArgumentError for anything but arithmetic."""
    if len(text) > longest:
        raise ArgumentError(f"the formula has {len(text):,} characters; the limit is {longest:,}")
    if not text.strip():
        raise ArgumentError("the formula is empty")
    if "#" in text:
        raise ArgumentError(f"cannot read the formula {_shorten(text)!r}: a '#' is no arithmetic")
    # ^ binds tighter than * in mathematics, but not in Python
    source = " ".join(text.split()).replace("^", "**")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # e.g. "1if": a warning of Python's that must be an error here
            body = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ArgumentError(_unreadable(text, source, error)) from None
    except (ValueError, MemoryError, RecursionError):
        raise ArgumentError(f"cannot read the formula {_shorten(text)!r}") from None
    return _Reader(source).read(body, 1)


def _unreadable(text: str, source: str, error: SyntaxError) -> str:
    if "=" in text:
        return f"cannot read the formula {_shorten(text)!r}: write only what stands right of the '='"
    rest = source[max((error.offset or 1) - 1, 0) :].replace("**", "^").strip()
    where = f" at {_shorten(rest)!r}" if rest else " to its end"
    return f"cannot read the formula {_shorten(text)!r}{where}; an example: E + A/N^alpha + B/D^beta"


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


class _Reader:
    """Turns Python's syntax tree into an expression, refusing every node that is not arithmetic."""

    def __init__(self, source: str):
        self.source = source

    def read(self, node: ast.expr, depth: int) -> Expression:
        if depth > DEEPEST:
            raise ArgumentError(f"the formula is nested more than {DEEPEST} deep")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Negative(self.read(operand, depth + 1))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth + 1)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _SIGNS:
                whole = Binary(_SIGNS[type(op)], self.read(left, depth + 1), self.read(right, depth + 1))
                return self.finite(whole, node)
            case ast.Call():
                return self.call(node, depth)
        raise self.refuse(node, "a formula may hold only numbers, names, + - * / ^ and functions such as exp and log")

    def number(self, node: ast.Constant) -> Expression:
        if type(node.value) not in (int, float):
            raise self.refuse(node, "only plain numbers can stand in a formula")
        try:
            value = float(node.value)  # pyright: ignore[reportArgumentType]
        except OverflowError:
            value = np.inf
        if not np.isfinite(value):
            raise self.refuse(node, "the number is too large")
        return Number(value)

    def name(self, node: ast.Name) -> Expression:
        name = _spelled(node.id)
        if name in FUNCTIONS:
            raise self.refuse(node, f"{name} is a function and needs parentheses: {name}(...)")
        if name.startswith("_") or len(name) > 40:
            raise self.refuse(node, "names begin with a letter and have at most 40 characters")
        return Name(name)

    def call(self, node: ast.Call, depth: int) -> Expression:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            raise self.refuse(
                node.func, f"it is not one of the functions {', '.join(FUNCTIONS)}; write products with *: a*(b + c)"
            )
        arguments = [self.read(a, depth + 1) for a in node.args]
        arity = FUNCTIONS[name][0]
        folds = name in ("min", "max") and len(arguments) > 2
        if node.keywords or (len(arguments) != arity and not folds):
            raise self.refuse(node, f"{name} takes {arity} argument{'s' * (arity > 1)}")
        whole = Call(name, tuple(arguments[:arity]))
        for argument in arguments[arity:]:
            whole = Call(name, (whole, argument))
        return self.finite(whole, node)

    def finite(self, whole: Expression, node: ast.expr) -> Expression:
        """The node itself; refused when it has no names and no finite value, such as 1/0 or 9^9^9."""
        if not names(whole):
            with np.errstate(all="ignore"):
                value = evaluate(_in_numpy(whole), {})
            if not np.isfinite(value):
                raise self.refuse(node, "it has no finite value")
        return whole

    def refuse(self, node: ast.expr, why: str) -> ArgumentError:
        piece = (ast.get_source_segment(self.source, node) or self.source).replace("**", "^")
        return ArgumentError(f"cannot use '{_shorten(piece)}' in a formula: {why}")


def _spelled(name: str) -> str:
    """Greek letters by their names: λ_max is lambda_max; λ alone is lambda_, as Python keeps lambda for itself."""
    spelled = "_".join(_LETTERS.get(piece, piece) for piece in name.split("_"))
    return "lambda_" if spelled == "lambda" else spelled


def _in_numpy(node: Expression) -> Expression:
    """A tree of NumPy numbers, which overflow to infinity where Python's raise."""
    match node:
        case Number(value):
            return Number(np.float64(value))
        case Negative(argument):
            return Negative(_in_numpy(argument))
        case Binary(sign, left, right):
            return Binary(sign, _in_numpy(left), _in_numpy(right))
        case Call(function, arguments):
            return Call(function, tuple(_in_numpy(a) for a in arguments))
    return node


def _units(inputs: Sequence[str] | Mapping[str, Unit]) -> dict[str, Unit]:
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if isinstance(inputs, str):
        raise ArgumentError(f"inputs must be a sequence of names such as ('{inputs}',), not one string")
    return {name: _UNITS.get(name, COUNT) for name in inputs}


def _check_names(
    text: str,
    tree: Expression,
    units: Mapping[str, Unit],
    parameters: Sequence[str],
    starts: Iterable[str],
    real_parameters: Iterable[str],
) -> None:
    shown = _shorten(text)
    if absent := [k for k in units if k not in names(tree)]:
        raise ArgumentError(f"the formula {shown!r} does not use the input {absent[0]}")
    if not units:
        raise ArgumentError(f"the formula {shown!r} has no input")
    if not parameters:
        raise ArgumentError(f"the formula {shown!r} has no parameter to fit")
    for given in (*starts, *real_parameters):
        if given not in parameters:
            raise ArgumentError(f"the formula {shown!r} has no parameter '{given}' (it has {', '.join(parameters)})")


def _law(
    name: str, text: str, tree: Expression, units: Mapping[str, Unit], output: Unit, params: Mapping[str, Parameter]
) -> Law:
    order = tuple(units)
    known = {*units, *params}

    def function(*args: Any, **values: Any) -> Any:
        given = {**dict(zip(order, args)), **values}
        if given.keys() != known:
            raise TypeError(f"law '{name}' takes {', '.join((*units, *params))}, not {', '.join(given)}")
        return evaluate(tree, given)

    return Law(
        name=name,
        function=function,
        inputs=MappingProxyType(dict(units)),
        output=output,
        params=MappingProxyType(dict(params)),
        doc="A formula given by the user.",
        title=name,
        family="formula",
        formula=" ".join(text.split()),
    )


def _with_starts(name: str, values: Sequence[float], is_real: bool) -> Parameter:
    if not len(values) or not np.all(np.isfinite(values)):
        raise ArgumentError(f"starting values of '{name}' must be one or more finite numbers")
    numbers = tuple(float(v) for v in values)
    return real(*numbers) if is_real or min(numbers) <= 0 else positive(*numbers)


def _declare(name: str, tree: Expression, inputs: Mapping[str, Unit], linear: Sequence[str]) -> Parameter:
    """The word for a parameter, from its place in the formula."""
    if name in linear:
        return below_output() if _is_floor(name, tree) else positive()
    if _in_exponent(name, tree, inputs):
        return exponent(*_EXPONENTS)
    scaled = _divided_with(name, tree, inputs)
    return scale_of(scaled, 0.1, 1.0, 10.0, 1e4) if scaled else positive(0.1, 1.0, 10.0)


def _is_floor(name: str, tree: Expression) -> bool:
    """Whether the parameter stands alone in a sum whose other terms are added and cannot be negative."""
    terms: list[Expression] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Binary) and node.sign == "+":
            stack += [node.left, node.right]
        else:
            terms.append(node)
    alone = any(isinstance(t, Name) and t.name == name for t in terms)
    others = [n for t in terms for n in walk(t)]
    signed = any(
        (isinstance(n, Binary) and n.sign == "-") or (isinstance(n, Call) and n.function in ("log", "sin", "cos"))
        for n in others
    )
    return alone and not signed and not any(isinstance(t, Negative) for t in terms)


def _in_exponent(name: str, tree: Expression, inputs: Iterable[str]) -> bool:
    powers = [n for n in walk(tree) if isinstance(n, Binary) and n.sign == "^"]
    return any(name in names(p.right) and set(names(p.left)) & set(inputs) for p in powers)


def _divided_with(name: str, tree: Expression, inputs: Iterable[str]) -> str:
    """The input that the parameter is directly divided by, or divides; empty if there is none."""
    for node in walk(tree):
        if isinstance(node, Binary) and node.sign == "/":
            pair = [n.name for n in children(node) if isinstance(n, Name)]
            if len(pair) == 2 and name in pair:
                other = pair[pair[0] == name]
                if other in inputs:
                    return other
    return ""
