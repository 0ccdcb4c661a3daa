"""Printed forms of a table of methods: Markdown in one block a metric, LaTeX in the paper's layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from spectralcal.tables._cell import Cell, Footnotes, cell, paper_cell, tex
from spectralcal.tables._summary import Column

PAPER_ROW = "paper"


@dataclass(frozen=True)
class Table:
    """A table in three forms.

    Attributes:
        frame: tidy numbers, one row a cell.
        markdown: as printed, for reading.
        latex: as printed, for a manuscript (booktabs, multirow-free, graphicx).
    """

    frame: pd.DataFrame
    markdown: str
    latex: str


@dataclass(frozen=True)
class Line:
    """One row of the printed table: a data set's own numbers, or the paper's below them."""

    name: str
    cells: dict[tuple[str, str], Cell]


def render(frame: pd.DataFrame, columns: Sequence[Column], title: str, caption: str, names: dict[str, str]) -> Table:
    """Print a summary.

    Args:
        frame: rows of :func:`spectralcal.tables._summary.summarize`.
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
    lines = []
    for dataset in dict.fromkeys(frame.dataset):
        rows = frame[frame.dataset == dataset].to_dict("records")
        alone = {metric: sum(r["metric"] == metric and r["rank"] is not pd.NA for r in rows) < 2 for metric in kinds}
        ours = {(r["metric"], r["method"]): cell(r, kinds[r["metric"]], alone[r["metric"]]) for r in rows}
        lines.append(Line(names[dataset], ours))
        if any(r["paper_status"] for r in rows):
            theirs = {(r["metric"], r["method"]): paper_cell(r, kinds[r["metric"]], footnotes) for r in rows}
            lines.append(Line(PAPER_ROW, theirs))
    return lines


def _heading(column: Column) -> str:
    return f"{column.metric} {'↑' if column.higher else '↓'} ({column.unit})"


def _markdown(
    blocks: dict[str, list[Line]], columns: Sequence[Column], labels: dict[str, str], title: str, caption: str,
    footnotes: Footnotes,
) -> str:  # fmt: skip
    parts = [f"# {title}", caption]
    for architecture, lines in blocks.items():
        if len(blocks) > 1:
            parts.append(f"## {architecture}")
        for column in columns:
            rows = [[_heading(column), *labels.values()], ["---", *["---:"] * len(labels)]]
            rows += [
                [_row_name(line), *(line.cells[column.metric, method].markdown for method in labels)] for line in lines
            ]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts += footnotes.markdown()
    return "\n\n".join(parts) + "\n"


def _row_name(line: Line) -> str:
    return f"*{line.name}*" if line.name == PAPER_ROW else line.name


def _latex(
    blocks: dict[str, list[Line]], columns: Sequence[Column], labels: dict[str, str], title: str, caption: str,
    footnotes: Footnotes,
) -> str:  # fmt: skip
    count = len(labels)
    spans = [
        f"\\multicolumn{{{count}}}{{c}}{{{tex(column.metric)} {_direction(column)} ({tex(column.unit)})}}"
        for column in columns
    ]
    rules = [f"\\cmidrule(lr){{{2 + count * i}-{1 + count * (i + 1)}}}" for i in range(len(columns))]
    out = [
        "% needs \\usepackage{booktabs,graphicx}",
        "\\begin{table*}",
        "\\centering",
        f"\\caption{{{tex(title)}. {tex(caption)}}}",
        "\\resizebox{\\textwidth}{!}{%",
        f"\\begin{{tabular}}{{l{('r' * count) * len(columns)}}}",
        "\\toprule",
        " & ".join(["", *spans]) + r" \\",
        " ".join(rules),
        " & ".join(["", *(tex(label) for _ in columns for label in labels.values())]) + r" \\",
    ]
    for architecture, lines in blocks.items():
        out.append("\\midrule")
        if len(blocks) > 1:
            out.append(f"\\multicolumn{{{1 + count * len(columns)}}}{{l}}{{{tex(architecture)}}} \\\\")
        for line in lines:
            name = f"\\quad \\textit{{{line.name}}}" if line.name == PAPER_ROW else tex(line.name)
            numbers = [line.cells[column.metric, method].latex for column in columns for method in labels]
            out.append(" & ".join([name, *numbers]) + r" \\")
    out += ["\\bottomrule", "\\end{tabular}}"]
    out += [f"\\par\\smallskip\\footnotesize {note}" for note in footnotes.latex()]
    out.append("\\end{table*}")
    return "\n".join(out) + "\n"


def _direction(column: Column) -> str:
    return "$\\uparrow$" if column.higher else "$\\downarrow$"
