"""Write the pages that follow from the code: one a law, the bibliography, the API. Run by `make docs`."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import similitude
from similitude._bibliography import Entry, entry, keys
from similitude.laws import Law, catalogue
from similitude.studies._papers import STATUSES, laws_by_key

DOCS = Path(__file__).parent
COUNTS = {"undeclared": "not stated"}


def main() -> None:
    """Write docs/laws/*.md, docs/papers.md and docs/api.md."""
    folder = DOCS / "laws"
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("*.md"):
        stale.unlink()
    laws = dict(catalogue())
    for name, law in laws.items():
        (folder / f"{name}.md").write_text(law_page(law), encoding="utf-8")
    (folder / "index.md").write_text(laws_index(laws), encoding="utf-8")
    (DOCS / "papers.md").write_text(papers_page(), encoding="utf-8")
    (DOCS / "api.md").write_text(api_page(), encoding="utf-8")
    print(f"{len(laws)} laws, {len(keys())} papers, {len(similitude.__all__)} public names")


def laws_index(laws: dict[str, Law]) -> str:
    """The table of the catalogue, by family."""
    lines = ["# Laws", "", "Every formula on these pages is printed from the function that is fitted.", ""]
    for family in dict.fromkeys(law.family for law in laws.values()):
        lines += [
            f"## {family.strip('_').replace('_', ' ').capitalize()}",
            "",
            "| law | of | what it says |",
            "|---|---|---|",
        ]
        members = [law for law in laws.values() if law.family == family]
        lines += [f"| [{m.name}]({m.name}.md) | {', '.join(m.inputs)} | {_first_line(m.doc)} |" for m in members]
        lines.append("")
    return "\n".join(lines)


def law_page(law: Law) -> str:
    """Formula, inputs, parameters, published coefficients, use, BibTeX of one law."""
    latex = law.latex()
    parts = [
        [f"# {law.title[:1].upper()}{law.title[1:]}", "", _first_line(law.doc)],
        [f'<div class="formula">{_one_line(law.mathml())}</div>'],
        [f"Name on the command line: `{law.name}`" + (f". Source: {law.source}." if law.source else ".")],
        [f"Holds for: {law.validity}"] if law.validity else [],
        ["## When to use it", "", _advice(law)[0]],
        ["## When not", "", _advice(law)[1]],
        ["## Inputs and output", "", *_inputs(law)],
        ["## Parameters", "", *_parameters(law)],
        ["## Published coefficients", "", *_published(law)] if law.published else [],
        ["## Use", "", *_use(law)],
        ["## References", "", *_references(law)],
        ["## To quote it", "", "```tex", latex, "```", "", "```bibtex", law.bibtex().strip(), "```"],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _references(law: Law) -> list[str]:
    cited = ([law.source.key] if law.source else []) + [s.source.key for s in law.sets]
    return [f"- {_reference(entry(key))}" for key in dict.fromkeys(cited)]


def _advice(law: Law) -> tuple[str, str]:
    """What a law is for, and its trap, from its docstring."""
    text = " ".join(law.doc.partition("\n")[2].split())
    use, _, trap = text.partition("Trap:")
    trap = trap.strip()
    return use.strip(), f"{trap[:1].upper()}{trap[1:]}"


def _inputs(law: Law) -> list[str]:
    rows = [f"| {name} | {str(unit) or unit.kind or 'any'} |" for name, unit in law.inputs.items()]
    return ["| symbol | unit |", "|---|---|", *rows, f"| output | {str(law.output) or 'that of the runs'} |"]


def _parameters(law: Law) -> list[str]:
    rows = [
        f"| {name} | {_domain(p)} | {', '.join(_rounded(s, 3) for s in p.starts) or 'from the data'}{_relative(p)} |"
        for name, p in law.params.items()
    ]
    return ["| parameter | domain | starting values |", "|---|---|---|", *rows]


def _domain(parameter: Any) -> str:
    word = {"log": "positive", "logit": "between 0 and 1"}.get(parameter.transform, "any sign")
    ends = [
        f"{sign} {_rounded(end, 6)}"
        for sign, end in (("at least", parameter.low), ("at most", parameter.high))
        if 1e-200 < abs(end) < 1e200 and parameter.transform != "logit"
    ]
    return ", ".join([word, *ends])


def _relative(parameter: Any) -> str:
    if parameter.relative is None:
        return ""
    if getattr(parameter, "exponent", None):
        return f" × smallest output, as the size of its term at the geometric mean of {parameter.relative}"
    if parameter.power < 0:
        return f" / geometric mean of {parameter.relative}"
    named = {"output": "smallest output", "peak": "largest output"}
    return f" × {named.get(parameter.relative, f'geometric mean of {parameter.relative}')}"


def _published(law: Law) -> list[str]:
    lines = [f"| set | {' | '.join(law.params)} | counts |", "|---|" + "---|" * (len(law.params) + 1)]
    for key, estimate in law.published.items():
        digits = " | ".join(str(estimate.digits.get(p, "")) for p in law.params)
        counts = COUNTS.get(estimate.counts, estimate.counts)
        lines.append(f"| `{key}` | {digits} | {counts} |")
    # a table of that many columns has no room for sentences
    notes = [f"- `{key}`: {'. '.join(filter(None, (str(e.source), e.note)))}" for key, e in law.published.items()]
    named = f"On the command line a set stands where a fit is expected: `{law.name}:{next(iter(law.published))}`."
    return [named, "", *lines, "", *notes]


def _use(law: Law) -> list[str]:
    """The command, and an example that runs as it stands: runs simulated from known coefficients, fitted again."""
    return ["```sh", f"similitude fit runs.csv --law {law.name} -o fit.json", "```", "", *example(law)]


def example(law: Law) -> list[str]:
    """A block of Python that fits the law to runs simulated from its first published set, or from example values."""
    known = f'law.published["{next(iter(law.published))}"]' if law.published else "sim.Estimate(law, law.example)"
    values = next(iter(law.published.values())).values if law.published else law.example
    runs = similitude.simulate(similitude.Estimate(law, dict(values)), noise=0, design="span")
    positive = bool((runs.column("loss") > 0).all())
    at = ", ".join(f"{name}={_rounded(runs.column(name)[0])}" for name in law.inputs)
    how = "" if positive else ', objective="squares"'
    return [
        "```python",
        "import similitude as sim",
        "",
        f'law = sim.laws.get("{law.name}")',
        f"known = {known}",
        f'runs = sim.simulate(known, design="span", noise={"0.01" if positive else "0.0"}, seed=0)',
        f"fit = sim.fit(law, runs{how}{ASIDE.get(law.name, '')})",
        f"print(fit.predict({at}))",
        "```",
    ]


# many breaks are found from values near by only, and the size of a pool is known
ASIDE = {
    "bnsl3": ", start=known.values",
    "bnsl4": ", start=known.values",
    "quality_utility_repeated": ', fix={"pool": known.values["pool"]}',
}


def _rounded(x: float, digits: int = 2) -> str:
    """So many digits, in the fewest characters: 1.1e9, not 1.1e+09."""
    return re.sub(r"e([+-])0*", lambda power: "e" + power[1].strip("+"), f"{float(f'{x:.{digits}g}'):g}")


ROOM_TITLES = {
    "laws": "Laws",
    "fitting": "Fitting",
    "planning": "Planning",
    "tasks": "Tasks",
    "comparison": "Comparison",
    "sampling": "Sampling",
    "corpus": "Corpus",
    "evals": "Evaluations",
    "theory": "Theory",
    "lab": "Lab",
}
# laws of listed papers that are left out, and what is not known of them
LEFT_OUT = (
    (
        "SoftQ, the loss under repeated data of listed paper 65",
        "its closed form and coefficients are not published in its abstract",
    ),
    ("gzip-dependent coefficients and widths against depths", "forms without constants that could be checked here"),
    ("order parameters of pruned teachers (1)", "the equations at hand are not certain and were not simulated"),
    ("dense retrieval in two variables", "the exact form is not certain"),
    ("the truthfulness coupling of listed paper 108", "its equations are stated for an interactive tool only"),
    ("benefit of rewritten and synthetic text (140, 138)", "figures, no fitted law"),
    ("the retrieval laws of 32 and 86", "trends without printed coefficients"),
    (
        "behavioural cloning (64), mixtures of experts in reinforcement learning (114)",
        "comparisons without a fitted law",
    ),
    (
        "the beta-binomial origin of coverage",
        "in the study schaeffer2025; as a law it needs a logarithm of the gamma function",
    ),
    ("growth of attention logits (167)", "shown in figures; the fitted form is not printed"),
)


def papers_page() -> str:
    """All listed papers by room, then the bibliography, each entry with the laws that cite it."""
    listed = similitude.papers()
    counts = ", ".join(f"{n} {status}" for status, n in listed.counts.items())
    lines = [
        "# Papers",
        "",
        f"The {len(listed)} papers the project starts from: {counts}.",
        "",
        *(f"- **{status}**: {meaning}." for status, meaning in STATUSES.items()),
        "",
        "On the command line: `similitude papers WORDS`, `similitude reproduce NAME`.",
        "",
    ]
    for room, title in ROOM_TITLES.items():
        lines += [f"## {title}", "", "| no. | paper | what it found | status |", "|---:|---|---|---|"]
        lines += [_listed(p) for p in listed if p.room == room]
        lines.append("")
    lines += ["## Known to exist, not declared", ""]
    lines += [f"- {what}: {why}." for what, why in LEFT_OUT]
    cited = {key: [f"[{name}](laws/{name}.md)" for name in names] for key, names in laws_by_key().items()}
    lines += ["", "## Bibliography", "", "| key | paper | laws and coefficients |", "|---|---|---|"]
    lines += [f"| `{key}` | {_reference(entry(key))} | {', '.join(cited.get(key, []))} |" for key in keys()]
    return "\n".join(lines) + "\n"


def _listed(paper: Any) -> str:
    """A row: the title with its link, the sentence, and what is here."""
    title = f"[{_cell(paper.title)}]({paper.link})" + ("" if paper.identified else " (search)")
    shown = [f"[{name}](laws/{name}.md)" for name in paper.laws[:4]] + ["..."] * (len(paper.laws) > 4)
    here = [*(f"`{name}`" for name in paper.studies), *shown]
    return f"| {paper.id} | {title} | {_cell(paper.about)} | {paper.status}{': ' if here else ''}{', '.join(here)} |"


def _reference(paper: Entry) -> str:
    title = f"[{_cell(paper.title)}]({paper.link})" if paper.link else _cell(paper.title)
    authors = _cell(", ".join(name.strip("{}") for name in paper.authors)).replace(", others", " and others")
    return f"{authors} ({paper.year}). {title}" + (f". {_cell(paper.venue)}" if paper.venue else "")


def api_page() -> str:
    """Every public name with its docstring, by the room it lives in."""
    lines = ["# API", "", "Everything here is a name of `import similitude as sim`.", ""]
    values = {name: getattr(similitude, name) for name in similitude.__all__}
    for name, value in values.items():
        if inspect.ismodule(value):
            lines += _module_section(name, value)
        else:
            lines += [f"## sim.{name} {{ #{name} }}", "", *_block(value)]
    return "\n".join(lines) + "\n"


def _module_section(name: str, module: ModuleType) -> Iterator[str]:
    yield from [f"## sim.{name} {{ #{name} }}", "", inspect.getdoc(module) or "", ""]
    for member in getattr(module, "__all__", ()):
        value = getattr(module, member)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield from [f"### sim.{name}.{member} {{ #{name}.{member} }}", "", *_block(value)]


def _block(value: Any) -> list[str]:
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return [inspect.getdoc(value) or "", ""]
    importlib.import_module(value.__module__)
    return [f"::: {value.__module__}.{value.__qualname__}", ""]


def _first_line(text: str) -> str:
    return _cell(text.strip().partition("\n")[0])


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", "", text)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|")


if __name__ == "__main__":
    main()
