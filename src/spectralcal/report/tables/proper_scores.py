"""Proper scores under every protocol: is a better calibrated method a better one, or only a less certain one?"""

from __future__ import annotations

from spectralcal.report.results import Results
from spectralcal.report.summary import Column
from spectralcal.report.tables.by_protocol import by_protocol
from spectralcal.report.tables.render import Table

TITLE = "Brier score, negative log-likelihood and signed gap under every protocol"
COLUMNS = (
    Column("Brier", 1e3, "×10⁻³", 1),
    Column("NLL", 1e3, "×10⁻³", 1),
    Column("signed_gap", 1e3, "×10⁻³", 1),
)
SIGNED = ("signed_gap",)
NOTE = (
    "Brier: over all classes, from 0 to 2; NLL: in nats per voxel. Signed gap: mean confidence - accuracy of the top "
    "label, overconfident above zero, underconfident below; neither higher nor lower is better, so it is not marked."
)


def proper_scores(results: Results, experiment: str) -> Table:
    """Brier score, negative log-likelihood and signed gap in thousandths: methods in rows, protocols in columns, a
    table for each data set.

    Brier score and negative log-likelihood are proper: on average they are lowest for the true probabilities, so they
    price what a calibration error does not see: how well the probabilities separate the classes. The signed gap is the
    mean confidence of the top label minus its accuracy (:meth:`spectralcal.metrics.CalibrationHistogram.over_under`),
    positive where the network is over-confident. Zero is best, and even that may be two errors in balance: it has
    intervals, but no rank, no emphasis and no mark. Protocols differ in the voxels that count and in how cases are put
    together (:mod:`spectralcal.metrics.protocols`); only numbers of one column can be compared.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    return by_protocol(results, experiment, COLUMNS, TITLE, SIGNED, NOTE)


TABLE = proper_scores
