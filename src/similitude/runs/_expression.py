"""Conditions on columns written as text, "C < 1e21 and group == 'main'": parsed by a whitelist, never evaluated."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from similitude._errors import ArgumentError, did_you_mean
from similitude._quantity import Quantity, parse_quantity

if TYPE_CHECKING:
    import polars as pl

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}
_LONGEST = 2_000


def parse_condition(
    text: str, find: Callable[[str], str | None], known: Sequence[str], numeric: frozenset[str]
) -> pl.Expr:
    """The polars expression of a condition such as ``"flops < 1e21 and not group == 'main'"``.

    `find` gives the column a name stands for, `known` the columns to suggest; `numeric` holds the columns of
    numbers, against which text such as ``'1.3B'`` is read as a quantity. Names with spaces go in backticks.
    Raises ArgumentError on anything but names, numbers, text, comparisons, and, or, not, in, and + - * / **.
    """
    if len(text) > _LONGEST:
        raise ArgumentError(f"the condition is {len(text)} characters long; at most {_LONGEST} are read")
    source, quoted = _unquote_backticks(text)
    try:
        tree = ast.parse(source.strip(), mode="eval").body
        return _Condition(text, lambda name: find(quoted.get(name, name)), known, numeric, quoted).truth(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{text!r} is not a condition such as \"C < 1e21 and group == 'main'\"") from None


def _unquote_backticks(text: str) -> tuple[str, dict[str, str]]:
    parts = text.split("`")
    if len(parts) % 2 == 0:
        raise ArgumentError(f"{text!r} has a backtick without its partner")
    quoted = {f"_quoted_{i}": part for i, part in enumerate(parts) if i % 2}
    return "".join(f"_quoted_{i}" if i % 2 else part for i, part in enumerate(parts)), quoted


class _Condition:
    def __init__(
        self,
        text: str,
        find: Callable[[str], str | None],
        known: Sequence[str],
        numeric: frozenset[str],
        quoted: Mapping[str, str],
    ) -> None:
        self.text, self.find, self.known, self.numeric, self.quoted = text, find, known, numeric, quoted

    def refuse(self, what: str) -> ArgumentError:
        return ArgumentError(
            f"{self.text!r} holds {what}; a condition compares columns, numbers and text with < <= > >= == != in, "
            "joined by and, or, not"
        )

    def truth(self, node: ast.AST) -> pl.Expr:
        if isinstance(node, ast.BoolOp):
            return self._joined(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.truth(node.operand)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.Name):
            return self._column(node) != 0 if self._resolve(node) in self.numeric else self._column(node)
        raise self.refuse(f"'{ast.unparse(node)}'" if isinstance(node, ast.expr) else "something else")

    def _joined(self, node: ast.BoolOp) -> pl.Expr:
        parts = [self.truth(value) for value in node.values]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part if isinstance(node.op, ast.And) else joined | part
        return joined

    def _compared(self, node: ast.Compare) -> pl.Expr:
        sides = [node.left, *node.comparators]
        parts = [self._pair(op, *sides[i : i + 2]) for i, op in enumerate(node.ops)]
        joined = parts[0]
        for part in parts[1:]:
            joined = joined & part
        return joined

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> pl.Expr:
        number = self._is_numeric(left) or self._is_numeric(right)
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._member(op, left, right, number)
        if type(op) not in _COMPARISONS:
            raise self.refuse(f"'{ast.unparse(left)} ... {ast.unparse(right)}'")
        return _COMPARISONS[type(op)](self._value(left, number), self._value(right, number))

    def _member(self, op: ast.cmpop, left: ast.expr, right: ast.expr, number: bool) -> pl.Expr:
        if not isinstance(right, (ast.List, ast.Tuple)) or not all(isinstance(e, ast.Constant) for e in right.elts):
            raise self.refuse("an 'in' without a list of values behind it")
        import polars as pl

        left_value = self._value(left, number)
        member = pl.lit(False)
        for element in right.elts:
            member = member | (left_value == self._value(element, number))
        return member if isinstance(op, ast.In) else ~member

    def _is_numeric(self, node: ast.expr) -> bool:
        return any(isinstance(n, ast.Name) and self._resolve(n) in self.numeric for n in ast.walk(node))

    def _value(self, node: ast.expr, number: bool) -> Any:
        import polars as pl

        if isinstance(node, ast.Constant):
            return pl.lit(self._constant(node.value, number))
        if isinstance(node, ast.Name):
            return self._column(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self._value(node.operand, number)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return _ARITHMETIC[type(node.op)](
                self._value(node.left, number).cast(pl.Float64), self._value(node.right, number).cast(pl.Float64)
            )
        raise self.refuse(f"'{ast.unparse(node)}'")

    def _constant(self, value: object, number: bool) -> float | str | bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str):
            if not number:
                return value
            read = parse_quantity(value)
            return read.value if isinstance(read, Quantity) else read
        raise self.refuse(f"{value!r}")

    def _resolve(self, node: ast.Name) -> str:
        column = self.find(node.id)
        if column is None:
            name = self.quoted.get(node.id, node.id)
            listed = ", ".join(self.known)
            raise ArgumentError(
                f"{self.text!r} names '{name}', which is no column; "
                f"the columns are: {listed}{did_you_mean(name, self.known)}"
            )
        return column

    def _column(self, node: ast.Name) -> pl.Expr:
        import polars as pl

        return pl.col(self._resolve(node))
