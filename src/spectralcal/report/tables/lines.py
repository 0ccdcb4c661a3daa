"""Lines of a printed table: ours, their intervals below them, and the paper's numbers below those."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spectralcal.report.summary import Column
from spectralcal.report.tables.cell import EMPTY, Cell, Footnotes, cell, interval_cell, paper_cell, tex

#: what is compared: bold and italics are given within these
COMPARED = ("experiment", "dataset", "architecture", "protocol", "metric")
INTERVAL = "95 % interval"
PAPER = "paper"


@dataclass(frozen=True)
class Line:
    """One printed row.

    Attributes:
        name: of its first column.
        cells: by column.
        below: it belongs to the row above it.
    """

    name: str
    cells: Mapping[Hashable, Cell]
    below: bool = False

    @property
    def markdown_name(self) -> str:
        """First column in Markdown."""
        return f"*{self.name}*" if self.below else self.name

    @property
    def latex_name(self) -> str:
        """First column in LaTeX."""
        return f"\\quad \\textit{{{tex(self.name)}}}" if self.below else tex(self.name)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a summary with ``alone``: there is nothing to compare the number with, so it gets no emphasis."""
    groups = frame.groupby([name for name in COMPARED if name in frame], sort=False)["rank"]
    return frame.assign(alone=groups.transform("count") < 2).to_dict("records")


def lines(
    name: str, rows: Mapping[Hashable, dict[str, Any]], columns: Mapping[str, Column], footnotes: Footnotes
) -> list[Line]:
    """The lines of one data set or method.

    Args:
        name: of the first line.
        rows: records by printed column.
        columns: metric -> how it is printed.
        footnotes: collects what the paper's cells cite.
    """

    def each(make) -> dict[Hashable, Cell]:
        return {key: make(row, columns[row["metric"]]) for key, row in rows.items()}

    out = [Line(name, each(lambda row, column: cell(row, column, row["alone"])))]
    intervals = each(interval_cell)
    if any(entry != EMPTY for entry in intervals.values()):
        out.append(Line(INTERVAL, intervals, below=True))
    if any(row["paper_status"] for row in rows.values()):
        out.append(Line(PAPER, each(lambda row, column: paper_cell(row, column, footnotes)), below=True))
    return out


def heading(column: Column) -> str:
    """``DSC ↑ (%)``."""
    return f"{column.metric} {'↑' if column.higher else '↓'} ({column.unit})"


def markdown_row(cells: list[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
