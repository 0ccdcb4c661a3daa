"""The paper's Table 4: calibration, in and out of distribution."""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.columns import ECE, MCE, READINGS
from spectralcal.papers.spectral_correlation.tables._layout import Block, laid_out
from spectralcal.papers.spectral_correlation.tested import conditions
from spectralcal.report.results import Results
from spectralcal.report.tables.render import Table
from spectralcal.study.conditions import TEST

TITLE = "Calibration, in and out of distribution"


def table4(results: Results, experiment: str) -> Table:
    """ECE and MCE under four readings; the paper's numbers stand beside each, as it does not say which is its own.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    blocks = [
        Block(dataset, condition, protocol, (ECE, MCE), reading, always_printed=True)
        for protocol, reading in READINGS.items()
        for dataset in results.config.experiments[experiment].datasets
        for condition in (TEST, *conditions(results, dataset, noise=False))
    ]
    return laid_out(results, experiment, blocks, "table4", TITLE)


TABLE = table4
