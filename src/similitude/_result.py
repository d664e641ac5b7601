"""What results share: they print as their tables, show themselves in a notebook and become plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from similitude._view import Figure, Section

__all__ = ["SCHEMA_VERSION", "Result", "plain"]

SCHEMA_VERSION = 1


class Result:
    """A frozen dataclass whose `view` is a section of tables and figures."""

    __slots__ = ()

    def view(self) -> Section:
        """The result as views."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(str(v).rstrip() for v in self.view().items if not isinstance(v, Figure))

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def section(self) -> Section:
        """What a report shows under the result's own title."""
        return self.view()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        fields: Any = self.__dataclass_fields__  # pyright: ignore[reportAttributeAccessIssue]
        return {"schema_version": SCHEMA_VERSION, **{k: plain(getattr(self, k)) for k in fields}}


def plain(value: Any) -> Any:
    """Numbers, words, lists and mappings of them."""
    if hasattr(value, "__dataclass_fields__"):
        return {k: plain(getattr(value, k)) for k in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value
