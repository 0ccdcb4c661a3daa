"""The paper's Table 2: Dice and HD95 of every structure."""

from __future__ import annotations

from dataclasses import replace

from spectralcal.papers.spectral_correlation.columns import CONVENTIONS, DSC, HD95
from spectralcal.papers.spectral_correlation.tables._layout import Block, laid_out
from spectralcal.papers.spectral_correlation.tested import STRUCTURES
from spectralcal.report.results import Results
from spectralcal.report.summary import Column
from spectralcal.report.tables.render import Table
from spectralcal.study.conditions import TEST

TITLE = "Segmentation by structure: Dice and 95 % Hausdorff distance"


def table2(results: Results, experiment: str) -> Table:
    """Dice and HD95, mean and by structure, of both networks with and without the term.

    Twice: a missed structure priced with the image's diagonal, as everywhere in this project, and under the convention
    of TransUNet's evaluation, which the printed distances seem to follow.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    blocks = [
        Block(dataset, TEST, protocol, _columns(results, dataset), reading, by_class=True)
        for protocol, reading in CONVENTIONS.items()
        for dataset in results.config.experiments[experiment].datasets
    ]
    return laid_out(results, experiment, blocks, "table2", TITLE)


def _columns(results: Results, dataset: str) -> tuple[Column, ...]:
    names = [STRUCTURES.get(name, name) for name in results.classes(dataset)]
    every = [column if not name else replace(column, metric=f"{column.metric} {name}")
             for column in (DSC, HD95) for name in ("", *names)]  # fmt: skip
    return tuple(every)


TABLE = table2
