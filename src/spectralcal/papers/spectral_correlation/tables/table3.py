"""The paper's Table 3: the same networks on other data than they were trained on."""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.columns import AVERAGES, OVERLAP
from spectralcal.papers.spectral_correlation.tables._layout import Block, laid_out
from spectralcal.papers.spectral_correlation.tested import conditions
from spectralcal.report.results import Results
from spectralcal.report.tables.render import Table

TITLE = "Out of distribution: Dice, intersection over union, sensitivity and specificity"


def table3(results: Results, experiment: str) -> Table:
    """Overlap under every condition of the study that is a shift and no noise, as Table 1 has it.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    blocks = [
        Block(dataset, condition, protocol, OVERLAP, reading)
        for protocol, reading in AVERAGES.items()
        for dataset in results.config.experiments[experiment].datasets
        for condition in conditions(results, dataset, noise=False)
    ]
    return laid_out(results, experiment, blocks, "table3", TITLE)


TABLE = table3
