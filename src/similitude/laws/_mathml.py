"""Expression trees as presentation MathML, which browsers typeset without a script or a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from similitude.laws._expression import Binary, Call, Expression, Let, Name, Negative, Number, Root, Total
from similitude.laws._print import (
    ATOM,
    PRODUCT,
    SIGN,
    SUM,
    definitions,
    left_hand_side,
    math_tightness,
    number_parts,
    shown,
    starts_with_digit,
    written_out,
)
from similitude.laws._symbols import GREEK, symbol

if TYPE_CHECKING:
    from similitude.laws._law import Law

__all__ = ["to_mathml"]

_APPLY = "<mo>&#x2061;</mo>"
_FUNCTIONS = {"log": "<mi>ln</mi>", "log10": "<msub><mi>log</mi><mn>10</mn></msub>"}
_TIMES = "<mo>&#x2062;</mo>"
_GAP = '<mo lspace="0.17em" rspace="0">&#x2062;</mo>'
_NAMESPACE = "http://www.w3.org/1998/Math/MathML"


def to_mathml(law: Law) -> str:
    """The whole equation as one `<math>` element, named parts in further lines.

    >>> from similitude.laws import power
    >>> to_mathml(power).count("<msup>")
    1
    """
    letter, arguments = left_hand_side(law)
    left = f"<mi>{letter}</mi>{_APPLY}{_parenthesised(_listed(_name(a) for a in arguments))}"
    lines = [(left, _set(law.sketch))]
    lines += [(_name(part.symbol), _set(part.value)) for part in definitions(law.sketch)]
    if len(lines) == 1:
        body = f"<mrow>{left}<mo>=</mo>{lines[0][1]}</mrow>"
    else:
        body = (
            f'<mtable columnalign="right left" displaystyle="true">{"".join(_line(*line) for line in lines)}</mtable>'
        )
    return f'<math xmlns="{_NAMESPACE}" display="block">{body}</math>'


def _line(left: str, right: str) -> str:
    return f"<mtr><mtd><mrow>{left}</mrow></mtd><mtd><mrow><mo>=</mo>{right}</mrow></mtd></mtr>"


def _set(node: Expression) -> str:
    """One element for a node."""
    match shown(node):
        case Number(value):
            return _number(*number_parts(value))
        case Name(name) | Let(name, _):
            return _name(name)
        case Negative(argument):
            return f"<mrow><mo>&#x2212;</mo>{_within(argument, PRODUCT)}</mrow>"
        case Binary("/", left, right):
            return f"<mfrac>{_set(left)}{_set(right)}</mfrac>"
        case Binary("^", left, right):
            return f"<msup>{_within(left, ATOM)}{_exponent(right)}</msup>"
        case Binary("*", left, right):
            between = "<mo>&#xB7;</mo>" if starts_with_digit(right) else _GAP if _starts_with_word(right) else _TIMES
            return f"<mrow>{_within(left, PRODUCT)}{between}{_within(right, PRODUCT)}</mrow>"
        case Binary(sign, left, right):
            after = SUM if sign == "+" and not isinstance(right, Negative) else PRODUCT
            operator = "+" if sign == "+" else "&#x2212;"
            return f"<mrow>{_within(left, SUM)}<mo>{operator}</mo>{_within(right, after)}</mrow>"
        case Root(symbol, function):
            return f"<mrow>{_name(symbol)}<mo>:</mo>{_set(function)}<mo>=</mo><mn>0</mn></mrow>"
        case Total(over, argument):
            mark = f"<msub><mo>&#x2211;</mo><mi>{escape(over)}</mi></msub>"
            return f"<mrow>{mark}{_within(argument, PRODUCT)}</mrow>"
        case Call() as call:
            return _call(call)
    raise TypeError(f"not a node: {node!r}")


def _call(node: Call) -> str:
    expanded = written_out(node)
    if expanded is not None:
        return _set(expanded)
    if node.function == "sqrt":
        return f"<msqrt>{_set(node.arguments[0])}</msqrt>"
    name = _FUNCTIONS.get(node.function, f"<mi>{node.function}</mi>")
    return f"<mrow>{name}{_APPLY}{_parenthesised(_listed(_set(a) for a in node.arguments))}</mrow>"


def _starts_with_word(node: Expression) -> bool:
    """Whether a factor begins with a name of several letters, which would run into the factor before it."""
    match shown(node):
        case Name(name) | Let(name, _):
            head = symbol(name).head
            return len(head) > 1 and head not in GREEK
        case Binary("*" | "^", left, _):
            return math_tightness(left) >= PRODUCT and _starts_with_word(left)
        case Call() as call:
            expanded = written_out(call)
            return call.function != "sqrt" if expanded is None else _starts_with_word(expanded)
    return False


def _exponent(node: Expression) -> str:
    """Exponents are set on one line: fractions of letters and numbers with a slash."""
    if isinstance(node, Binary) and node.sign == "/":
        return f"<mrow>{_within(node.left, SIGN)}<mo>/</mo>{_within(node.right, ATOM)}</mrow>"
    return _set(node)


def _within(node: Expression, place: int) -> str:
    return _set(node) if math_tightness(node) >= place else _parenthesised(_set(node))


def _parenthesised(inside: str) -> str:
    return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"


def _listed(elements: Iterable[str]) -> str:
    return "<mo>,</mo>".join(elements)


def _number(digits: str, power: str) -> str:
    if not power:
        return f"<mn>{digits}</mn>"
    times = "" if digits == "1" else f"<mn>{digits}</mn><mo>&#xD7;</mo>"
    return f"<mrow>{times}<msup><mn>10</mn>{_integer(power)}</msup></mrow>"


def _integer(digits: str) -> str:
    return f"<mrow><mo>&#x2212;</mo><mn>{digits[1:]}</mn></mrow>" if digits.startswith("-") else f"<mn>{digits}</mn>"


def _name(name: str) -> str:
    parts = symbol(name)
    head = _word(parts.head)
    below = f"<mrow>{_listed(_word(b) for b in parts.below)}</mrow>" if parts.below else ""
    marks = ["<mo>*</mo>"] * parts.star + ["<mo>&#x2032;</mo>"] * parts.primes
    above = f"<mrow>{''.join(marks)}</mrow>" if marks else ""
    if below and above:
        return f"<msubsup>{head}{below}{above}</msubsup>"
    if below or above:
        tag = "msub" if below else "msup"
        return f"<{tag}>{head}{below or above}</{tag}>"
    return head


def _word(word: str) -> str:
    tag = "mn" if word.isdigit() else "mi"
    return f"<{tag}>{GREEK.get(word) or escape(word)}</{tag}>"
