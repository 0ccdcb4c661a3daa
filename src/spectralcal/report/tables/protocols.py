"""Calibration under every protocol side by side: does the order of the methods depend on how it is measured?"""

from __future__ import annotations

from spectralcal.report.columns import CALIBRATION as COLUMNS
from spectralcal.report.results import Results
from spectralcal.report.tables.by_protocol import by_protocol
from spectralcal.report.tables.render import Table

TITLE = "ECE, SCE and TACE under every protocol"


def protocols(results: Results, experiment: str) -> Table:
    """Calibration errors in thousandths: methods in rows, protocols in columns, a table for each data set.

    Protocols differ in the voxels that count, in how cases are put together and in TACE's bins
    (:mod:`spectralcal.metrics.protocols`); only numbers of one column can be compared.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    return by_protocol(results, experiment, COLUMNS, TITLE)


TABLE = protocols
