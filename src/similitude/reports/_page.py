"""A whole report as one HTML file that needs no network: style, script, figures, data and JSON inside."""

from __future__ import annotations

import json
from html import escape

from similitude._view import Report, Section, _plain
from similitude.reports._html import asset, draw_html, prose, section_html, slug, style
from similitude.reports._svg import MARK_SHEET

__all__ = ["page"]

# The browser itself then refuses any load from elsewhere, whatever a name in the data tries.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"
_SIMULATED = "SIMULATED: these runs come from a simulation, not from training"
# Beside the watermark, where the browser knows page margins.
_EVERY_PAGE = '@media print{@page{@top-right{content:"SIMULATED";font:700 9pt sans-serif;color:#b3450f}}}'


def page(report: Report) -> str:
    """The report as a self-contained HTML page; a simulated one says so in its title and on every printed page."""
    title = f"SIMULATED · {report.title}" if report.simulated else report.title
    sections = [*report.sections]
    if report.provenance is not None:
        sections.append(Section("Provenance", (report.provenance,)))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><meta name="generator" content="similitude">'
        f"<title>{prose(title)}</title><style>{style()}{_EVERY_PAGE if report.simulated else ''}</style>"
    )
    names = _names(sections)
    parts = [_header(report), draw_html(report.first) if report.first else "", _contents(names, sections, report)]
    parts += [section_html(s, name) for s, name in zip(sections, names)]
    main = "".join([*parts, _document(report)])
    body = f"{MARK_SHEET}{_banner(report)}<main>{main}</main><script>{asset('report.js')}</script>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body class="similitude">{body}</body></html>\n'


def _banner(report: Report) -> str:
    if not report.simulated:
        return ""
    every_page = '<div class="every-page" aria-hidden="true">SIMULATED</div>'
    return f'<div class="simulated" role="note">{_SIMULATED}</div>{every_page}'


def _header(report: Report) -> str:
    subtitle = f'<p class="subtitle">{prose(report.subtitle)}</p>' if report.subtitle else ""
    return f"<header><h1>{prose(report.title)}</h1>{subtitle}</header>"


def _names(sections: list[Section]) -> list[str]:
    """An id for each section; equal titles are numbered, and `reproduce` is taken by the last one."""
    names: list[str] = []
    for section in sections:
        name, number = slug(section.title), 2
        while name in (*names, "reproduce"):
            name, number = f"{slug(section.title)}-{number}", number + 1
        names.append(name)
    return names


def _contents(names: list[str], sections: list[Section], report: Report) -> str:
    shown = [(name, s.title) for name, s in zip(names, sections)]
    shown += [("reproduce", "Reproduce")] if report.document else []
    links = "".join(f'<a href="#{name}">{prose(title)}</a>' for name, title in shown)
    return f'<nav aria-label="Contents">{links}</nav>' if links else ""


def _document(report: Report) -> str:
    if not report.document:
        return ""
    text = json.dumps(_plain(report.document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    size = f"{len(text.encode()) / 1000:.0f} kB"
    return (
        '<section id="reproduce"><h2>Reproduce</h2><p>The JSON that this report was made from stands inside this file, '
        f'in the element <code>report-document</code> ({size}). <span class="document-links" '
        f'data-name="{escape(report.title)}"></span></p>'
        f'<script type="application/json" id="report-document">{safe}</script></section>'
    )
