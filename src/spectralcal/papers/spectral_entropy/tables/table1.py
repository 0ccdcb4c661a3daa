"""The paper's Table 1: segmentation quality by data set and training loss."""

from __future__ import annotations

from spectralcal.report.columns import PROTOCOL
from spectralcal.report.columns import SEGMENTATION as COLUMNS
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.render import Table, render
from spectralcal.report.units import in_units

TITLE = "Segmentation: Dice, 95 % Hausdorff distance and average surface distance"


def table1(results: Results, experiment: str) -> Table:
    """Dice (percent), HD95 and ASD (mm, or px) of an experiment, the paper's numbers below ours.

    The paper prints no unit for its distances. A missed structure has Dice 0 and the image diagonal as distance, and
    is counted beside the number.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    frame = summarize(results, experiment, COLUMNS, PROTOCOL, "table1")
    names = titles(results, frame.dataset)
    columns = in_units(results, COLUMNS, frame.dataset.unique())
    return render(frame, columns, TITLE, caption(results, experiment, frame), names)


TABLE = table1
