"""The paper's Table 5: noise on the test images."""

from __future__ import annotations

from spectralcal.papers.spectral_correlation.columns import CONVENTIONS, DSC, HD95
from spectralcal.papers.spectral_correlation.tables._layout import Block, laid_out
from spectralcal.papers.spectral_correlation.tested import conditions
from spectralcal.report.results import Results
from spectralcal.report.tables.render import Table
from spectralcal.study.conditions import TEST

TITLE = "Noise on the test images: Dice and 95 % Hausdorff distance"


def table5(results: Results, experiment: str) -> Table:
    """Dice and HD95 without noise and under every condition of the study that is noise.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    blocks = [
        Block(dataset, condition, protocol, (DSC, HD95), reading)
        for protocol, reading in CONVENTIONS.items()
        for dataset in results.config.experiments[experiment].datasets
        for noisy in [conditions(results, dataset, noise=True)]
        for condition in ((TEST, *noisy) if noisy else ())
    ]
    return laid_out(results, experiment, blocks, "table5", TITLE)


TABLE = table5
