"""The paper's Table 2: calibration by data set and training loss."""

from __future__ import annotations

from spectralcal.report.columns import CALIBRATION as COLUMNS
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.render import Table, render

TITLE = "Calibration: ECE, SCE and TACE"


def table2(results: Results, experiment: str, protocol: str = "paper") -> Table:
    """Calibration errors of an experiment in thousandths, the paper's numbers below ours.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        protocol: which voxels count and how cases are put together (:mod:`spectralcal.metrics.protocols`). The default
            takes all voxels and the mean over cases; the paper's text leaves both open (docs/ambiguities.md, E1, E2).

    Raises:
        ResultError: the protocol is not in the scores, or they cannot be averaged honestly.
    """
    frame = summarize(results, experiment, COLUMNS, protocol, "table2")
    names = titles(results, frame.dataset)
    return render(frame, COLUMNS, TITLE, caption(results, experiment, frame), names)


TABLE = table2
