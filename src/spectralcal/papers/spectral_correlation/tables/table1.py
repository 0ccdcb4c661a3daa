"""The paper's Table 1: Dice, intersection over union, sensitivity and specificity."""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.columns import AVERAGES, OVERLAP
from spectralcal.papers.spectral_correlation.tables._layout import Block, laid_out
from spectralcal.report.results import Results
from spectralcal.report.tables.render import Table
from spectralcal.study.conditions import TEST

TITLE = "Segmentation: Dice, intersection over union, sensitivity and specificity"


def table1(results: Results, experiment: str) -> Table:
    """Overlap of both networks with and without the term: means over images, then of all pixels together.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    blocks = [
        Block(dataset, TEST, protocol, OVERLAP, reading)
        for protocol, reading in AVERAGES.items()
        for dataset in results.config.experiments[experiment].datasets
    ]
    return laid_out(results, experiment, blocks, "table1", TITLE)


TABLE = table1
