"""GitHub-flavoured Markdown of records: for a pull request, an issue, or the summary of a CI job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import MappingProxyType

from hilbench.errors import printable
from hilbench.records import fair
from hilbench.records.record import Record
from hilbench.reports.columns import (
    Failure,
    NotRun,
    build_lines,
    columns_of,
    failure_lines,
    group_lines,
    name_of,
    not_run_lines,
    notes_of,
    place_of,
    title_of,
    unranked_lines,
)
from hilbench.reports.verified import Verdicts, ranked, unverified_lines

_MARKUP = re.compile(r"([\\`*_\[|#~])")
_LIVE = re.compile(r"@|:(?=//|[\w+-]+:)|(?<=www)(?=\.)|#(?=\d)|(?<=\bgh-)(?=\d)", re.IGNORECASE)
"""Where a mention, an address of the web or of mail, a reference to an issue, or an emoji's name can be broken.

GitHub looks for the last ones in the text that Markdown has become, where no backslash is left and no entity (its
github/markup#1168): only a character between their parts helps.
"""
_APART = "\u200b"
"""A space of no width."""
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", _APART: "&#8203;"})
"""`$` is there because GitHub reads `$x$` as mathematics."""


def markdown(
    records: Sequence[Record],
    not_run: Sequence[NotRun] = (),
    failures: Sequence[Failure] = (),
    verdicts: Verdicts = MappingProxyType({}),
) -> str:
    """Return what failed, one table for each group of records that can be compared, best row first, and small print."""
    groups = fair.groups(records)
    small = [*group_lines(groups), *notes_of(records), *not_run_lines(not_run)]
    lists = [_list(lines) for lines in (failure_lines(failures), small)]
    blocks = [lists[0], *(_block(group, verdicts) for group in groups), lists[1]]
    return "\n".join(filter(None, blocks)) or "No benchmark has run.\n"


def _block(group: Sequence[Record], verdicts: Verdicts) -> str:
    ranking = ranked(group, verdicts)
    small = [*unranked_lines(ranking), *unverified_lines(group, verdicts), *build_lines(group)]
    parts = [f"### {text(title_of(group[0]))}\n", _table(ranking)]
    return "\n".join(parts + ([_list(small)] if small else []))


def _table(ranking: fair.Ranking) -> str:
    """Return the table: the basis stands below each heading."""
    records = [standing.record for standing in ranking.standings]
    several, columns = len(records) > 1, columns_of(records)
    headings = [text("framework"), *(_heading(column.title, column.basis) for column in columns)]
    rows = [[text(name_of(record)), *(text(column.cell(record)) for column in columns)] for record in records]
    sides = [":--", *("--:" for _ in columns)]
    if several:
        headings.insert(0, _heading("rank by", ranking.metric))
        sides.insert(0, "--:")
        for row, standing in zip(rows, ranking.standings, strict=True):
            row.insert(0, place_of(standing))
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, sides, *rows))


def _heading(title: str, basis: str) -> str:
    return f"{text(title)}<br><sub>{text(basis)}</sub>" if basis else text(title)


def _list(lines: Sequence[str]) -> str:
    return "".join(f"- {text(line)}\n" for line in lines)


def text(words: str) -> str:
    """Return `words` on one line, with nothing in them that Markdown, HTML or GitHub acts upon."""
    line = printable(" ".join(words.split()))
    apart = _LIVE.sub(lambda found: found[0] + _APART, line)
    return _MARKUP.sub(r"\\\1", apart).translate(_ENTITIES)
