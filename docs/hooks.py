"""The site must work offline: a page that loads anything from another host stops the build."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError

_LOADED = re.compile(
    r"""<(?:script|img|iframe|link)\b(?![^>]*rel=["']?canonical)"""
    r"""[^>]*?(?:src|href)=["']?(?:https?:)?//[^>]*>"""
)


def on_post_page(output: str, page: Any, config: Any) -> str:
    if found := _LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from another host: {found[0][:200]}")
    return output
