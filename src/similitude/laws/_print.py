"""Expression trees as plain text and as LaTeX, in the order in which the author wrote them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from similitude.laws._expression import Binary, Call, Expression, Let, Name, Negative, Number, Root, Total, walk
from similitude.laws._symbols import GREEK, symbol

if TYPE_CHECKING:
    from similitude.laws._law import Law

__all__ = [
    "definitions",
    "left_hand_side",
    "math_tightness",
    "number_parts",
    "plain",
    "shown",
    "starts_with_digit",
    "to_latex",
    "to_lines",
    "to_text",
    "written_out",
]

# how tightly a node holds together: a looser node inside a tighter place gets parentheses
SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)
LN10 = math.log(10)
_LOGARITHMS = {math.log(2): 2.0, LN10: 10.0}
_TIGHTNESS = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "^": POWER}


def tightness(node: Expression) -> int:
    """How tightly a node holds together in plain text."""
    match node:
        case Binary(sign):
            return _TIGHTNESS[sign]
        case Negative():
            return SIGN
        case Let(_, value):
            return tightness(value)
    return ATOM


def to_text(law: Law) -> str:
    """The right-hand side as one line in the syntax that `formula_law` reads.

    >>> from similitude.laws import chinchilla
    >>> to_text(chinchilla)
    'E + A/N^alpha + B/D^beta'
    """
    return plain(law.expression)


def to_lines(law: Law) -> tuple[str, ...]:
    """The right-hand side with its named parts as symbols, then a line for each part: for people, not to read back.

    >>> from similitude.laws import data_constrained
    >>> to_lines(data_constrained)[0], to_lines(data_constrained)[4]
    ("E + A/N'^alpha + B/D'^beta", 'U_D = min(U, D)')
    """
    parts = [f"{part.symbol} = {plain(part.value, named=True)}" for part in definitions(law.sketch)]
    return plain(law.sketch, named=True), *parts


def plain(node: Expression, *, named: bool = False) -> str:
    """A tree as plain text; reading it back gives the same tree. Named parts are written out unless `named`."""
    match node:
        case Number(value):
            return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(float(value))
        case Name(name):
            return name
        case Let(symbol, value):
            return symbol if named else plain(value)
        case Negative(argument):
            return "-" + _within(argument, SIGN, named)
        case Binary("^", left, right):
            exponent = (
                f"-{_within(right.argument, ATOM, named)}"
                if isinstance(right, Negative)
                else _within(right, ATOM, named)
            )
            return f"{_within(left, ATOM, named)}^{exponent}"
        case Binary(sign, left, right):
            own = _TIGHTNESS[sign]
            gap = " " if own == SUM else ""
            after = f"({plain(right, named=named)})" if isinstance(right, Negative) else _within(right, own + 1, named)
            return f"{_within(left, own, named)}{gap}{sign}{gap}{after}"
        case Root(symbol, function):
            return f"{symbol} where {plain(function, named=named)} = 0"
        case Total(over, argument):
            return f"sum over {over} of ({plain(argument, named=named)})"
        case Call(function, arguments):
            return f"{function}({', '.join(plain(a, named=named) for a in arguments)})"
    raise TypeError(f"not a node: {node!r}")


def _within(node: Expression, place: int, named: bool) -> str:
    text = plain(node, named=named)
    fits = tightness(node) >= place or (named and isinstance(node, Let))
    return text if fits else f"({text})"


def definitions(node: Expression) -> list[Let]:
    """The named parts of a tree, in the order in which a reader meets them."""
    return list({n.symbol: n for n in walk(node) if isinstance(n, Let)}.values())


def written_out(call: Call) -> Expression | None:
    """A function that is named for its accuracy as the plain mathematics it stands for; None for the others."""
    a = call.arguments
    match call.function:
        case "log1p":
            return Call("log", (1 + a[0],))
        case "expm1":
            return Call("exp", a) - 1
        case "logaddexp":
            return Call("log", (_exponential(a[0]) + _exponential(a[1]),))
        case "powersum":
            return (a[0] ** (1 / a[2]) + a[1] ** (1 / a[2])) ** a[2]
    return None


def _exponential(node: Expression) -> Expression:
    return Number(1.0) if isinstance(node, Number) and node.value == 0 else Call("exp", (node,))


def shown(node: Expression) -> Expression:
    """A node as it is typeset: a leading minus first, squares as powers, and logarithms to the base papers print."""
    match node:
        case Number(value) if value in _LOGARITHMS:
            return Call("log", (Number(_LOGARITHMS[value]),))
        case Binary("/", Call("log", inside), Number(value)) if value == LN10:
            return Call("log10", inside)
        case Binary("/", Binary("*", factor, Call("log", inside)), Number(value)) if value == LN10:
            return Binary("*", factor, Call("log10", inside))
        case Call("exp", (Binary("*", Number(value), power),)) if value == LN10:
            return Binary("^", Number(10.0), power)
        case Binary("*", left, right) if left is right:
            return Binary("^", left, Number(2.0))
        case Binary("*", Binary("*", factor, left), right) if left is right:
            return Binary("*", factor, Binary("^", left, Number(2.0)))
    return sign_first(node)


def sign_first(node: Expression) -> Expression:
    """A product or quotient that begins with a minus as minus the product: -(a / b) for (-a) / b."""
    if isinstance(node, Binary) and node.sign in "*/":
        left = sign_first(node.left)
        if isinstance(left, Negative):
            return Negative(Binary(node.sign, left.argument, node.right))
    return node


def left_hand_side(law: Law) -> tuple[str, tuple[str, ...]]:
    """The output's letter and its arguments: L(N, D) for a loss, y(x) for anything else."""
    return ("L" if law.output.kind == "loss" else "y"), law.symbols[: len(law.symbols) - law.bare_params]


def number_parts(value: float) -> tuple[str, str]:
    """Digits and power of ten of a number as printed; the power is empty in the middle of the scale.

    >>> number_parts(3.1e8), number_parts(0.5)
    (('3.1', '8'), ('0.5', ''))
    """
    value = float(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return (repr(int(value)) if value.is_integer() else repr(value)), ""
    digits, _, power = f"{value:e}".partition("e") if float(f"{value:e}") == value else f"{value:.16e}".partition("e")
    return digits.rstrip("0").rstrip("."), str(int(power))


def to_latex(law: Law) -> str:
    """The whole equation as LaTeX, named parts in further lines.

    >>> from similitude.laws import chinchilla
    >>> print(to_latex(chinchilla))
    L(N, D) = E + \\frac{A}{N^{\\alpha}} + \\frac{B}{D^{\\beta}}
    """
    letter, arguments = left_hand_side(law)
    left = f"{letter}({', '.join(_latex_name(a) for a in arguments)})"
    parts = definitions(law.sketch)
    if not parts:
        return f"{left} = {_latex(law.sketch)}"
    lines = [f"{left} &= {_latex(law.sketch)}"]
    lines += [f"{_latex_name(p.symbol)} &= {_latex(p.value)}" for p in parts]
    return "\\begin{aligned} " + " \\\\ ".join(lines) + " \\end{aligned}"


def math_tightness(node: Expression) -> int:
    """How tightly a node holds together in typeset mathematics."""
    match shown(node):
        case Number(value):
            return PRODUCT if number_parts(value)[1] else ATOM
        case Binary("/"):
            return SIGN  # a built-up fraction needs no parentheses among factors, only under a power
        case Binary(sign):
            return _TIGHTNESS[sign]
        case Negative():
            return SUM
        case Total() | Root():
            return SUM
        case Call("sqrt"):
            return ATOM
        case Call() as call:
            expanded = written_out(call)
            return SIGN if expanded is None else math_tightness(expanded)
    return ATOM


def _latex(node: Expression) -> str:
    match shown(node):
        case Number(value):
            digits, power = number_parts(value)
            times = "" if digits == "1" else f"{digits} \\times "
            return f"{times}10^{{{power}}}" if power else digits
        case Name(name) | Let(name, _):
            return _latex_name(name)
        case Negative(argument):
            return "-" + _latex_within(argument, PRODUCT)
        case Binary("/", left, right):
            return f"\\frac{{{_latex(left)}}}{{{_latex(right)}}}"
        case Binary("^", left, right):
            return f"{_latex_base(left)}^{{{_latex_exponent(right)}}}"
        case Binary("*", left, right):
            between = " \\cdot " if starts_with_digit(right) else " "
            return f"{_latex_within(left, PRODUCT)}{between}{_latex_within(right, PRODUCT)}"
        case Binary(sign, left, right):
            after = SUM if sign == "+" and not isinstance(right, Negative) else PRODUCT
            return f"{_latex_within(left, SUM)} {sign} {_latex_within(right, after)}"
        case Root(name, function):
            return f"{_latex_name(name)} \\ \\text{{where}}\\ {_latex(function)} = 0"
        case Total(over, argument):
            return f"\\sum_{{\\mathrm{{{over}}}}} {_latex_within(argument, PRODUCT)}"
        case Call() as call:
            return _latex_call(call)
    raise TypeError(f"not a node: {node!r}")


def _latex_call(node: Call) -> str:
    expanded = written_out(node)
    if expanded is not None:
        return _latex(expanded)
    inside = ", ".join(_latex(a) for a in node.arguments)
    if node.function == "sqrt":
        return f"\\sqrt{{{inside}}}"
    command = {"log": "\\ln", "log10": "\\log_{10}", "expit": "\\operatorname{expit}"}.get(
        node.function, f"\\{node.function}"
    )
    return f"{command}\\left({inside}\\right)"


def _latex_within(node: Expression, place: int) -> str:
    return _latex(node) if math_tightness(node) >= place else f"\\left({_latex(node)}\\right)"


def _latex_base(node: Expression) -> str:
    inside = _latex_within(node, ATOM)
    marked = isinstance(node, (Name, Let)) and "^" in inside  # a star is a superscript already
    return f"{{{inside}}}" if marked else inside


def _latex_exponent(node: Expression) -> str:
    """Exponents are set on one line: fractions of letters and numbers with a slash."""
    if isinstance(node, Binary) and node.sign == "/":
        sides = [_latex_within(side, SIGN if side is node.left else ATOM) for side in (node.left, node.right)]
        return "/".join(sides)
    return _latex(node)


def starts_with_digit(node: Expression) -> bool:
    """Whether a typeset factor begins with a digit, which may not follow another factor directly."""
    node = shown(node)
    while isinstance(node, Binary) and node.sign in "*^":
        node = shown(node.left)
    return isinstance(node, Number)


def _latex_name(name: str) -> str:
    parts = symbol(name)
    out = _latex_word(parts.head)
    if parts.below:
        out += f"_{{{','.join(_latex_word(b) for b in parts.below)}}}"
    return out + ("^{*}" if parts.star else "") + "'" * parts.primes


def _latex_word(word: str) -> str:
    if word in GREEK:
        return f"\\{word}"
    return word if len(word) == 1 or word.isdigit() else f"\\mathrm{{{word}}}"
