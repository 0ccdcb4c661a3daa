"""Calibration under every protocol side by side: does the order of the methods depend on how it is measured?"""

from __future__ import annotations

import pandas as pd

from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.results import Results
from spectralcal.tables._caption import caption, titles
from spectralcal.tables._cell import Footnotes
from spectralcal.tables._lines import heading
from spectralcal.tables._render import Table
from spectralcal.tables._rows import Head, latex_rows, markdown_pages, sections
from spectralcal.tables._summary import Column, summarize
from spectralcal.tables.table2 import COLUMNS

TITLE = "ECE, SCE and TACE under every protocol"


def protocols(results: Results, experiment: str) -> Table:
    """Calibration errors in thousandths: methods in rows, protocols in columns, a table for each data set.

    Protocols differ in the voxels that count, in how cases are put together and in TACE's bins
    (:mod:`spectralcal.metrics.protocols`); only numbers of one column can be compared.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.tables._summary.summarize`).
    """
    scores = results.scores(experiment)
    scored = set(scores[scores.metric.isin([column.metric for column in COLUMNS])].protocol)
    shown = [name for name in PROTOCOLS if name in scored or not scored]
    frame = pd.concat([summarize(results, experiment, COLUMNS, name) for name in shown], ignore_index=True)
    names, footnotes = titles(results, frame.dataset), Footnotes()
    markdown, latex = [], []
    for dataset, title in names.items():
        rows = frame[frame.dataset == dataset].assign(name=lambda kept: kept.label)
        architectures = dict.fromkeys(rows.architecture)
        found = sections(
            rows, ("architecture",), COLUMNS, {(a,): a if len(architectures) > 1 else "" for a in architectures},
            footnotes,
        )  # fmt: skip
        columns = [(protocol, column) for protocol in shown for column in COLUMNS]
        heads = [
            Head((dataset, name, column.metric), f"{title}, {heading(column)}", name, name, _under(column))
            for name, column in columns
        ]
        markdown += markdown_pages(heads, found)
        text = f"{caption(results, experiment, rows, 'column')} {_meaning(shown)}"
        text = f"{TITLE}, {title}; all numbers {COLUMNS[0].unit}. {text}"
        latex.append(latex_rows(text, heads, found, footnotes.latex()))
    text = f"{caption(results, experiment, frame, 'column')} {_meaning(shown)}"
    return Table(frame, "\n\n".join([f"# {TITLE}", text, *markdown]) + "\n", "\n".join(latex))


def _under(column: Column) -> str:
    """Heading in LaTeX: twelve units in a row would leave no room for numbers."""
    return heading(column).partition(" (")[0]


def _meaning(shown: list[str]) -> str:
    return "Protocols: " + "; ".join(f"'{name}': {PROTOCOLS[name].source}" for name in shown) + "."


TABLE = protocols
