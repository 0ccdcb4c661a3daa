"""Tables with methods in rows and every protocol side by side in columns, one for each data set and metric."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import pandas as pd

from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.report.leader import NOTHING
from spectralcal.report.results import Results
from spectralcal.report.summary import Column, summarize
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.cell import Cell, Footnotes
from spectralcal.report.tables.lines import Line, heading
from spectralcal.report.tables.render import Table
from spectralcal.report.tables.rows import Head, latex_rows, markdown_pages, sections


def by_protocol(
    results: Results,
    experiment: str,
    columns: Sequence[Column],
    title: str,
    signed: Collection[str] = (),
    note: str = "",
) -> Table:
    """Metrics of an experiment under every protocol that scored them.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        columns: the metrics in order, all of one unit.
        title: heading.
        signed: metrics of both signs, of which neither more nor less is better: no rank, no emphasis, no mark, a minus
            sign, and an interval without a dash.
        note: sentences about the metrics, for the caption.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    scores = results.scores(experiment)
    scored = set(scores[scores.metric.isin([column.metric for column in columns])].protocol)
    shown = [name for name in PROTOCOLS if name in scored or not scored]
    frame = pd.concat([summarize(results, experiment, columns, name) for name in shown], ignore_index=True)
    frame.loc[frame.metric.isin(list(signed)), ["rank", *NOTHING]] = [pd.NA, *NOTHING.values()]
    names, footnotes = titles(results, frame.dataset), Footnotes()
    said = " ".join(filter(None, [note, _meaning(shown)]))
    markdown, latex = [], []
    for dataset, printed in names.items():
        rows = frame[frame.dataset == dataset].assign(name=lambda kept: kept.label)
        architectures = dict.fromkeys(rows.architecture)
        found = sections(
            rows, ("architecture",), columns, {(a,): a if len(architectures) > 1 else "" for a in architectures},
            footnotes,
        )  # fmt: skip
        found = [replace(section, lines=[_signed(line, signed) for line in section.lines]) for section in found]
        heads = []
        for name in shown:
            for column in columns:
                text = _signed_heading(column) if column.metric in signed else heading(column)
                # In LaTeX a unit in each of a dozen columns would leave no room for numbers.
                under = text.partition(" (")[0]
                heads.append(Head((dataset, name, column.metric), f"{printed}, {text}", name, name, under))
        markdown += markdown_pages(heads, found)
        text = f"{caption(results, experiment, rows, 'column')} {said}"
        text = f"{title}, {printed}; all numbers {columns[0].unit}. {text}"
        latex.append(latex_rows(text, heads, found, footnotes.latex()))
    text = f"{caption(results, experiment, frame, 'column')} {said}"
    return Table(frame, "\n\n".join([f"# {title}", text, *markdown]) + "\n", "\n".join(latex))


def _meaning(shown: Sequence[str]) -> str:
    return "Protocols: " + "; ".join(f"'{name}': {PROTOCOLS[name].source}" for name in shown) + "."


def _signed_heading(column: Column) -> str:
    """A heading without an arrow."""
    return f"{column.metric.replace('_', ' ')} ({column.unit})"


def _signed(line: Line, metrics: Collection[str]) -> Line:
    """The line with its numbers of these metrics as numbers of both signs are printed."""
    cells = {key: _with_minus(cell) if key[-1] in metrics else cell for key, cell in line.cells.items()}
    return replace(line, cells=cells)


def _with_minus(cell: Cell) -> Cell:
    """``-7.4–-5.1`` as ``−7.4 to −5.1``; a negative number that is printed as zero has no sign."""

    def plain(text: str, dash: str, minus: str) -> str:
        text = re.sub(rf"(?<=\d){dash}(?=-?\d)", " to ", text)
        return re.sub(r"-(?=\d)", minus, re.sub(r"-(?=0(?:\.0+)?(?![\d.]))", "", text))

    return Cell(plain(cell.markdown, "–", "−"), plain(cell.latex, "--", "$-$"))
