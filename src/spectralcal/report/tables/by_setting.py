"""Tables 3 and 4: settings in rows, metrics of each data set in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from spectralcal.report.results import Results
from spectralcal.report.summary import Column
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.cell import Footnotes
from spectralcal.report.tables.lines import heading
from spectralcal.report.tables.render import Table
from spectralcal.report.tables.rows import Head, latex_rows, markdown_pages, sections
from spectralcal.report.units import in_units


def by_setting(
    results: Results, frame: pd.DataFrame, columns: Sequence[Column], title: str, blocks: Mapping[str, str]
) -> Table:
    """Print a summary with settings in rows.

    Args:
        results: the study's results.
        frame: rows of :func:`spectralcal.report.summary.summarize` with ``experiment`` and ``name`` of the row.
        columns: the metrics in order.
        title: heading.
        blocks: experiment -> title of its block; empty for none.
    """
    names, footnotes = titles(results, frame.dataset), Footnotes()
    several = frame.architecture.nunique() > 1
    sectioned = {
        (architecture, experiment): ", ".join(filter(None, [architecture if several else "", block]))
        for architecture in dict.fromkeys(frame.architecture)
        for experiment, block in blocks.items()
    }
    keys = dict.fromkeys(zip(frame.dataset, frame.protocol, strict=True))
    heads = [
        Head((dataset, protocol, column.metric), names[dataset], heading(column), names[dataset], heading(column))
        for dataset, protocol in keys
        for column in in_units(results, columns, [dataset])
    ]
    ordered = frame.sort_values("architecture", key=lambda kept: kept.map(_position(kept)), kind="stable")
    parts = sections(ordered, ("architecture", "experiment"), columns, sectioned, footnotes)
    text = caption(results, list(blocks), frame, "column")
    markdown = "\n\n".join([f"# {title}", text, *markdown_pages(heads, parts), *footnotes.markdown()]) + "\n"
    return Table(frame.drop(columns="name"), markdown, latex_rows(f"{title}. {text}", heads, parts, footnotes.latex()))


def _position(values: pd.Series) -> dict[str, int]:
    return {value: index for index, value in enumerate(dict.fromkeys(values))}
