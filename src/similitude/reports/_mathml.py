"""The one markup a view may carry is MathML; this says whether a string is that and nothing else."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["only_math"]

_TAGS = frozenset(
    [
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "mtext",
        "mspace",
        "mfrac",
        "msqrt",
        "mroot",
        "msub",
        "msup",
        "msubsup",
        "munder",
        "mover",
        "munderover",
        "mtable",
        "mtr",
        "mtd",
        "mfenced",
        "mstyle",
        "mpadded",
        "mphantom",
        "semantics",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "xmlns",
        "display",
        "mathvariant",
        "stretchy",
        "fence",
        "form",
        "lspace",
        "rspace",
        "width",
        "height",
        "depth",
        "displaystyle",
        "scriptlevel",
        "linethickness",
        "columnalign",
        "rowspacing",
        "open",
        "close",
        "separators",
        "accent",
        "movablelimits",
        "minsize",
        "maxsize",
    ]
)


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.clean = True
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.clean &= tag in _TAGS and all(name in _ATTRIBUTES for name, _ in attrs)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.clean &= tag in _TAGS and all(name in _ATTRIBUTES for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.clean &= bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.clean &= bool(self.open) or not data.strip()

    def handle_comment(self, data: str) -> None:
        self.clean = False

    def handle_decl(self, decl: str) -> None:
        self.clean = False

    def handle_pi(self, data: str) -> None:
        self.clean = False

    def unknown_decl(self, data: str) -> None:
        self.clean = False


def only_math(text: str) -> bool:
    """Whether the string is balanced presentation MathML without links, handlers or styles.

    >>> only_math("<math><mi>E</mi></math>"), only_math("<math><script>x</script></math>")
    (True, False)
    """
    checker = _Checker()
    checker.feed(text)
    checker.close()
    return checker.clean and not checker.open and text.lstrip().startswith("<math")
