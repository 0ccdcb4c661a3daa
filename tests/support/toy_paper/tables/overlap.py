"""The toy's only table."""

from __future__ import annotations

from spectralcal.report.columns import PROTOCOL, SEGMENTATION
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.render import Table, render

TITLE = "Overlap of the toy"


def overlap(results: Results, experiment: str) -> Table:
    """Dice, the paper's numbers below ours."""
    columns = [column for column in SEGMENTATION if column.metric == "DSC"]
    frame = summarize(results, experiment, columns, PROTOCOL, "overlap")
    return render(frame, columns, TITLE, caption(results, experiment, frame), titles(results, frame.dataset))


TABLE = overlap
