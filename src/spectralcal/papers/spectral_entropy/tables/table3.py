"""The paper's Table 3: what the spectral term and its window add to cross-entropy."""

from __future__ import annotations

from spectralcal.papers.spectral_entropy.swept import by_term
from spectralcal.papers.spectral_entropy.tables.table1 import COLUMNS as SEGMENTATION
from spectralcal.papers.spectral_entropy.tables.table1 import PROTOCOL
from spectralcal.papers.spectral_entropy.tables.table2 import COLUMNS as CALIBRATION
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.tables.by_setting import by_setting
from spectralcal.report.tables.render import Table

TITLE = "Ablation of the spectral term and its window"


def table3(results: Results, experiment: str) -> Table:
    """Dice, HD95, ASD, ECE, SCE and TACE of an experiment, one row per method in the order of the configuration.

    The paper prints fractions here; its numbers stand below ours in the units of Tables 1 and 2. A window of one batch
    is its row "w/o W" (docs/ambiguities.md, M16).

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    columns = (*SEGMENTATION, *CALIBRATION)
    methods = results.methods(experiment)
    frame = summarize(results, experiment, columns, PROTOCOL, by_term(results), methods)
    frame = frame.assign(experiment=experiment, name=frame.label)
    return by_setting(results, frame, columns, TITLE, {experiment: ""})


TABLE = table3
