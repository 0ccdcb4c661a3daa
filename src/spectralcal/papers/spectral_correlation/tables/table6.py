"""The paper's Table 6: the weight of the term."""

from __future__ import annotations

import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.papers.spectral_correlation.arms import SPATIAL, TERM, is_arm
from spectralcal.papers.spectral_correlation.columns import DSC, HD95, IOU
from spectralcal.papers.spectral_correlation.tables._layout import as_printed, with_printed
from spectralcal.report.printed import paper_values
from spectralcal.report.results import Results
from spectralcal.report.summary import summarize
from spectralcal.report.tables.by_setting import by_setting
from spectralcal.report.tables.render import Table
from spectralcal.study.methods import loss_options, method_of

TITLE = "The weight of the spectral term"
COLUMNS = (DSC, HD95, IOU)


def table6(results: Results, experiment: str, experiments: tuple[str, ...] = ()) -> Table:
    """Dice, HD95 and intersection over union by weight, one block for each experiment; rows by weight.

    Args:
        results: the study's results.
        experiment: the first block, the sweep of the printed form.
        experiments: further ones, such as other readings of the formula; none by default.

    Raises:
        ConfigError: an experiment that the study does not have.
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"table6, options.experiments: unknown experiment '{name}'; expected {known}")
    frame = pd.concat([_block(results, name) for name in names], ignore_index=True)
    made = by_setting(results, frame, COLUMNS, TITLE, {name: name if len(names) > 1 else "" for name in names})
    return Table(made.frame, made.markdown + as_printed(results, "table6"), made.latex)


def weight_of(results: Results, method: str) -> float | None:
    """Weight of the printed form of the term: 0 for the spatial loss alone, None for anything else."""
    config = results.config
    if is_arm(config, method, SPATIAL):
        return 0.0
    options = loss_options(config, method)
    weight = options.get("weight")
    is_form = method_of(config, method).loss == "scc" and is_arm(config, method, f"{TERM},weight={weight}")
    return float(weight) if is_form else None


def _block(results: Results, experiment: str) -> pd.DataFrame:
    weights = {name: weight_of(results, name) for name in results.methods(experiment)}
    ordered = sorted(weights, key=lambda name: (weights[name] is None, weights[name] or 0.0))
    frame = summarize(results, experiment, COLUMNS, "paper", methods=ordered)
    rows = [(results.paper_dataset(row.dataset), f"lambda={weights[row.method]}") for row in frame.itertuples()]
    frame = with_printed(frame, COLUMNS, paper_values(results.paper_folder, "table6"), rows)
    shown = {name: _name(results, name, weight) for name, weight in weights.items()}
    return frame.assign(experiment=experiment, weight=frame.method.map(weights), name=frame.method.map(shown))


def _name(results: Results, method: str, weight: float | None) -> str:
    if weight is None:
        return results.label(method)
    return f"λ = {weight:g}" if weight else "no term"


TABLE = table6
