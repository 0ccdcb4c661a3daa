"""The paper's Table 4: how much the weight, the window and the number of bands matter."""

from __future__ import annotations

import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.papers.spectral_entropy.swept import SWEPT, by_value
from spectralcal.papers.spectral_entropy.tables.table1 import COLUMNS as SEGMENTATION
from spectralcal.papers.spectral_entropy.tables.table1 import PROTOCOL
from spectralcal.papers.spectral_entropy.tables.table2 import COLUMNS as CALIBRATION
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.sweep import swept_option
from spectralcal.report.tables.by_setting import by_setting
from spectralcal.report.tables.render import Table
from spectralcal.study.methods import loss_options

TITLE = "Sensitivity to the options of the spectral loss"
SYMBOLS = {"weight": "λ", "window": "W", "bands": "K"}
COLUMNS = tuple(column for column in (*SEGMENTATION, *CALIBRATION) if column.metric in ("DSC", "ECE"))


def table4(results: Results, experiment: str, experiments: tuple[str, ...] = ()) -> Table:
    """Dice and ECE of several experiments that each vary one option of a loss, one block per experiment.

    Which option an experiment varies is read from its methods (``spectral@weight=0.1`` and ``spectral`` vary the
    weight); rows are in the order of its values. The default stands in every block and is one training.

    Args:
        results: the study's results.
        experiment: the first block.
        experiments: further blocks; none by default.

    Raises:
        ConfigError: an experiment that the study does not have, or one named twice.
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"table4, options.experiments: unknown experiment '{name}'; expected {known}")
    if len(set(names)) != len(names):
        raise ConfigError(f"table4, options.experiments: expected each experiment once, found {', '.join(names)}")
    blocks = {name: _block(results, name) for name in names}
    frame = pd.concat([block for _, block in blocks.values()], ignore_index=True)
    return by_setting(results, frame, COLUMNS, TITLE, {name: title for name, (title, _) in blocks.items()})


def _block(results: Results, experiment: str) -> tuple[str, pd.DataFrame]:
    """Title and rows of one experiment."""
    option, values = swept_option(results, experiment)
    methods = results.methods(experiment)
    if all(isinstance(value, int | float) for value in values.values()):
        # Methods without a value come first, as a baseline does.
        methods = sorted(methods, key=lambda name: values.get(name, float("-inf")))
    paper = by_value(results, option if option in SWEPT else None)
    frame = summarize(results, experiment, COLUMNS, PROTOCOL, paper, methods)
    shown = {name: str(values[name]) if name in values else results.label(name) for name in methods}
    setting = frame.method.map({name: str(value) for name, value in values.items()})
    frame = frame.assign(experiment=experiment, option=option, setting=setting, name=frame.method.map(shown))
    return _title(results, experiment, option, next(iter(values), "")), frame


def _title(results: Results, experiment: str, option: str, method: str) -> str:
    """``weight λ (W = 50, K = 5)``: the option, and the values of the others."""
    if option not in SYMBOLS:
        return option or experiment
    options = loss_options(results.config, method)
    others = [f"{SYMBOLS[key]} = {options[key]}" for key in SYMBOLS if key != option and key in options]
    return f"{option} {SYMBOLS[option]} ({', '.join(others)})" if others else f"{option} {SYMBOLS[option]}"


TABLE = table4
