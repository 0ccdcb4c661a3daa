"""Printed forms of a table of methods: Markdown in one block per metric, LaTeX in the paper's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from spectralcal.report.summary import Column
from spectralcal.report.tables.cell import Footnotes, tex
from spectralcal.report.tables.lines import Line, heading, lines, markdown_row, records

#: columns of numbers that fit a page's width at full size
WIDE = 6


@dataclass(frozen=True)
class Table:
    """A table in three forms.

    Attributes:
        frame: tidy numbers, one row per cell.
        markdown: as printed, for reading.
        latex: as printed, for a manuscript (booktabs, multirow-free, graphicx).
    """

    frame: pd.DataFrame
    markdown: str
    latex: str


def render(frame: pd.DataFrame, columns: Sequence[Column], title: str, caption: str, names: dict[str, str]) -> Table:
    """Print a summary with data sets in rows and methods in columns.

    Args:
        frame: rows of :func:`spectralcal.report.summary.summarize`.
        columns: the metrics in order.
        title: heading.
        caption: sentences below the heading.
        names: data set -> printed name.
    """
    footnotes = Footnotes()
    blocks = {
        architecture: _lines(frame[frame.architecture == architecture], columns, names, footnotes)
        for architecture in dict.fromkeys(frame.architecture)
    }
    labels = dict(zip(frame.method, frame.label, strict=True))
    markdown = _markdown(blocks, columns, labels, title, caption, footnotes)
    return Table(frame, markdown, _latex(blocks, columns, labels, title, caption, footnotes))


def _lines(frame: pd.DataFrame, columns: Sequence[Column], names: dict[str, str], footnotes: Footnotes) -> list[Line]:
    kinds = {column.metric: column for column in columns}
    rows = records(frame)
    return [
        line
        for dataset in dict.fromkeys(frame.dataset)
        for line in lines(
            names[dataset],
            {(row["metric"], row["method"]): row for row in rows if row["dataset"] == dataset},
            kinds,
            footnotes,
        )
    ]


def _markdown(
    blocks: dict[str, list[Line]], columns: Sequence[Column], labels: dict[str, str], title: str, caption: str,
    footnotes: Footnotes,
) -> str:  # fmt: skip
    parts = [f"# {title}", caption]
    for architecture, block in blocks.items():
        if len(blocks) > 1:
            parts.append(f"## {architecture}")
        for column in columns:
            rows = [[heading(column), *labels.values()], ["---", *["---:"] * len(labels)]]
            rows += [
                [line.markdown_name, *(line.cells[column.metric, method].markdown for method in labels)]
                for line in block
            ]
            parts.append("\n".join(map(markdown_row, rows)))
    parts += footnotes.markdown()
    return "\n\n".join(parts) + "\n"


def _latex(
    blocks: dict[str, list[Line]], columns: Sequence[Column], labels: dict[str, str], title: str, caption: str,
    footnotes: Footnotes,
) -> str:  # fmt: skip
    spans = [(tex(heading(column)), len(labels)) for column in columns]
    heads = [tex(label) for _ in columns for label in labels.values()]
    sections = []
    for architecture, block in blocks.items():
        rows = [
            [line.latex_name, *(line.cells[column.metric, method].latex for column in columns for method in labels)]
            for line in block
        ]
        sections.append((architecture if len(blocks) > 1 else "", rows))
    return latex_table(f"{title}. {caption}", spans, heads, sections, footnotes.latex())


def latex_table(
    caption: str,
    spans: Sequence[tuple[str, int]],
    heads: Sequence[str],
    sections: Sequence[tuple[str, Sequence[Sequence[str]]]],
    notes: Sequence[str],
) -> str:
    """A float with two rows of headings.

    Args:
        caption: plain text.
        spans: headings over several columns, as LaTeX, and how many.
        heads: headings of the columns, as LaTeX.
        sections: plain title (may be empty) and rows of LaTeX cells, a rule between them.
        notes: LaTeX lines below the table.
    """
    fit = len(heads) > WIDE  # a narrow table would be blown up
    rules, start = [], 2
    for _, count in spans:
        rules.append(f"\\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    out = [
        "% needs \\usepackage{booktabs,graphicx}",
        "\\begin{table*}",
        "\\centering",
        f"\\caption{{{tex(caption)}}}",
        *(["\\resizebox{\\textwidth}{!}{%"] if fit else []),
        f"\\begin{{tabular}}{{l{'r' * len(heads)}}}",
        "\\toprule",
        " & ".join(["", *(f"\\multicolumn{{{count}}}{{c}}{{{text}}}" for text, count in spans)]) + r" \\",
        " ".join(rules),
        " & ".join(["", *heads]) + r" \\",
    ]
    for title, rows in sections:
        out.append("\\midrule")
        if title:
            out.append(f"\\multicolumn{{{1 + len(heads)}}}{{l}}{{{tex(title)}}} \\\\")
        out += [" & ".join(row) + r" \\" for row in rows]
    out += ["\\bottomrule", "\\end{tabular}" + ("}" if fit else "")]
    out += [f"\\par\\smallskip\\footnotesize {note}" for note in notes]
    out.append("\\end{table*}")
    return "\n".join(out) + "\n"
