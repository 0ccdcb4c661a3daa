"""Printed forms of a table with methods in rows: Markdown in pages, LaTeX with all columns side by side."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spectralcal.report.summary import Column
from spectralcal.report.tables.cell import EMPTY, Footnotes, tex
from spectralcal.report.tables.lines import Line, lines, markdown_row, records
from spectralcal.report.tables.render import latex_table


@dataclass(frozen=True)
class Head:
    """A column of the printed table.

    Attributes:
        key: (data set, protocol, metric) of its numbers.
        page: title of the Markdown table that it stands in.
        text: its heading there.
        span: heading that it shares with its neighbours in LaTeX.
        under: its own heading there.
    """

    key: Hashable
    page: str
    text: str
    span: str
    under: str


@dataclass(frozen=True)
class Section:
    """Rows that belong together: a title, empty if there is one section, and the lines."""

    title: str
    lines: Sequence[Line]


def sections(
    frame: pd.DataFrame, by: Sequence[str], columns: Sequence[Column], titles: dict[tuple, str], footnotes: Footnotes
) -> list[Section]:
    """Sections of a summary.

    Args:
        frame: rows of :func:`spectralcal.report.summary.summarize`, with the name of each row in ``name``.
        by: columns of the frame that distinguish sections.
        columns: the metrics.
        titles: values of `by` -> title of the section.
        footnotes: collects what the paper's cells cite.
    """
    kinds = {column.metric: column for column in columns}
    out: dict[tuple, dict[str, dict[Hashable, dict[str, Any]]]] = {}
    for row in records(frame):
        rows = out.setdefault(tuple(row[key] for key in by), {})
        rows.setdefault(row["name"], {})[row["dataset"], row["protocol"], row["metric"]] = row
    return [
        Section(titles[key], [line for name, named in rows.items() for line in lines(name, named, kinds, footnotes)])
        for key, rows in out.items()
    ]


def markdown_pages(heads: Sequence[Head], blocks: Sequence[Section]) -> list[str]:
    """One Markdown table for each page of columns, all sections in each."""
    pages = []
    for page in dict.fromkeys(head.page for head in heads):
        shown = [head for head in heads if head.page == page]
        rows = [[page, *(head.text for head in shown)], ["---", *["---:"] * len(shown)]]
        for section in blocks:
            if section.title:
                rows.append([f"**{section.title}**", *[""] * len(shown)])
            for line in section.lines:
                cells = [line.cells.get(head.key, EMPTY).markdown for head in shown]
                if any(cells) or not line.below:  # an interval or the paper's number may stand on another page only
                    rows.append([line.markdown_name, *cells])
        pages.append("\n".join(map(markdown_row, rows)))
    return pages


def latex_rows(caption: str, heads: Sequence[Head], blocks: Sequence[Section], notes: Sequence[str]) -> str:
    """One float with all columns."""
    spans: list[tuple[str, int]] = []
    for head in heads:
        name = tex(head.span)
        spans = [*spans[:-1], (name, spans[-1][1] + 1)] if spans and spans[-1][0] == name else [*spans, (name, 1)]
    body = [
        (s.title, [[line.latex_name, *(line.cells.get(h.key, EMPTY).latex for h in heads)] for line in s.lines])
        for s in blocks
    ]
    return latex_table(caption, spans, [tex(head.under) for head in heads], body, notes)
