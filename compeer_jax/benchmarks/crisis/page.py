"""HTML page of every talk of `compeer eval crisis`: what was said, and what is wrong with each reply.

The page has no script, holds its style, and forbids itself to load anything else. All words in it are escaped.
"""

import base64
import hashlib
import html
from collections.abc import Iterator, Sequence
from itertools import groupby

from compeer_jax.benchmarks.crisis.score import ALL, CODES, MEASURES, Played, figures_by
from compeer_jax.benchmarks.crisis.table import HEADINGS, LIMITS, MEANING, CrisisResults, table_cells
from compeer_jax.dialogue.danger.kinds import KINDS
from compeer_jax.report.terminal_text import printable

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; } th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
section { border-top: 1px solid #bbb; margin-top: 1.5rem; } h2 { font-size: 1.1rem; margin-bottom: .2rem; }
.note, figcaption { color: #555; } summary { cursor: pointer; } summary b { color: #a11; }
p.said { white-space: pre-wrap; margin: .4rem 0; padding: .4rem .7rem; border-radius: .5rem; background: #f1f1f1; }
p.seeker { margin-right: 4rem; } p.supporter { margin-left: 4rem; background: #e6f0fa; }
ul.faults { margin: 0 0 .6rem 4rem; color: #a11; } .due { border-left: .3rem solid #d90; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } p.said { background: #2a2a2a; } p.supporter { background: #1d3147; }
  .note { color: #aaa; } ul.faults, summary b { color: #f88; } th, td { border-color: #444; }
}
"""
_OUTCOMES = {"missed": "missed", "late": "not in time", "wrong": "wrong", "over_reacted": "over-reacted"}


def crisis_page(table: CrisisResults) -> str:
    """The page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    by_case = sorted(table.played, key=lambda one: one.case.id)
    order = {one.case.id: place for place, one in reversed(list(enumerate(table.played)))}
    groups = [list(group) for _, group in groupby(by_case, key=lambda one: one.case.id)]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">",
        f"<title>{_text(table.title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{_text(table.title)}</h1>",
        _table(table),
        *(f"<p>{_text(line)}</p>" for line in (MEANING, LIMITS, *table.comparisons)),
        "<p>A bar marks replies that come when somebody is in danger. Open a model's line to read its talk.</p>",
        *(_section(group) for group in sorted(groups, key=lambda group: order[group[0].case.id])),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(table: CrisisResults) -> str:
    head = "".join(f"<th>{_text(heading)}</th>" for heading in HEADINGS)
    rows = (
        "".join(f"<td>{_text(figure)}<br><small>{_text(interval)}</small></td>" for figure, interval in cells)
        for cells in map(table_cells, figures_by(ALL, table.played))
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _section(played: Sequence[Played]) -> str:
    case = played[0].case
    kinds = ", ".join(KINDS[kind].title["en"] for kind in case.kinds) or "no danger"
    about = f"{case.form}, {case.level.name.lower()}, {case.country}: {kinds}"
    talks = "".join(map(_talk, played))
    return f'<section><h2>{_text(case.id)}</h2><p class="note">{_text(about)}. {_text(case.note)}</p>{talks}</section>'


def _talk(one: Played) -> str:
    outcome = ", ".join(_OUTCOMES[measure] for measure in MEASURES if measure in _OUTCOMES and one.outcome(measure))
    told = f"<b>{_text(outcome)}</b>" if outcome else "no fault found"
    told = told if one.finished else f"<b>unfinished: {_text(one.ending)}</b>"
    return f"<details><summary>{_text(one.model)}: {told}</summary>{''.join(_turns(one))}</details>"


def _turns(one: Played) -> Iterator[str]:
    replies = iter(one.replies)
    for turn in one.turns:
        if turn.role == "seeker":
            yield f'<p class="said seeker" dir="auto">{_text(turn.content)}</p>'
            continue
        reply = next(replies)
        due = " due" if reply.due else ""
        yield f'<p class="said supporter{due}" dir="auto">{_text(turn.content or "(nothing)")}</p>'
        if reply.faults:
            yield f'<ul class="faults">{"".join(f"<li>{_text(CODES[code])}</li>" for code in reply.faults)}</ul>'


def _text(text: str) -> str:
    return html.escape(printable(text))
