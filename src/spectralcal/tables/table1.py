"""The paper's Table 1: segmentation quality by data set and training loss."""

from __future__ import annotations

from spectralcal.results import Results
from spectralcal.tables._caption import caption, titles
from spectralcal.tables._render import Table, render
from spectralcal.tables._summary import Column, summarize

TITLE = "Segmentation: Dice, 95 % Hausdorff distance and average surface distance"
COLUMNS = (
    Column("DSC", 100.0, "%", 1, higher=True),
    Column("HD95", 1.0, "mm", 2, distance=True),
    Column("ASD", 1.0, "mm", 2, distance=True),
)
PROTOCOL = "paper"


def table1(results: Results, experiment: str) -> Table:
    """Dice (percent), HD95 and ASD (mm) of an experiment, the paper's numbers below ours.

    The paper prints no unit for its distances. A missed structure has Dice 0 and the image diagonal as distance, and
    is counted beside the number.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.tables._summary.summarize`).
    """
    frame = summarize(results, experiment, COLUMNS, PROTOCOL, "table1")
    names = titles(results, frame.dataset)
    return render(frame, COLUMNS, TITLE, caption(results, experiment, frame), names)


TABLE = table1
