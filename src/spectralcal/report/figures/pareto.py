"""Accuracy against calibration: which methods no other one beats in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.case_scores import (
    CaseScores,
    case_scores,
    cases_named,
    hole_sentences,
    nan_mean,
    overall_status,
)
from spectralcal.report.figures.choose import opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.pareto_draw import crowded_parts, draw, has_dots
from spectralcal.report.results import Results
from spectralcal.statistics.weighted import patient_draws

TITLE = "Accuracy against calibration"
NEEDS = ()
#: columns of the numbers; empty where a row has none, and still whole numbers and truths elsewhere
TYPES = {
    "dataset": "", "architecture": "", "method": "", "label": "", "level": "", "seed": "Int64", "x": "float",
    "x_low": "float", "x_high": "float", "y": "float", "y_low": "float", "y_high": "float", "front": "boolean",
    "share": "float", "status": "",
}  # fmt: skip


def pareto(
    results: Results,
    experiment: str,
    *,
    architecture: str = "",
    accuracy: str = "DSC",
    calibration: str = "ECE",
    protocol: str = "",
) -> Drawn:
    """All methods by two metrics, with the Pareto front of their means.

    Intervals are of the difference to the mean of all compared methods, patient by patient: how hard the patients are
    is common to all methods and does not blur their comparison.

    Args:
        results: the study's results.
        experiment: name of the experiment; a panel for each of its data sets.
        architecture: architecture to show; empty: the experiment's first.
        accuracy: metric along the page.
        calibration: metric up the page.
        protocol: protocol of the calibration error; empty: the headline one.

    Raises:
        ConfigError: an unknown metric.
        ResultError: the protocol was not scored, or not by case.
    """
    architecture = pick(results, experiment, "architectures", architecture)
    metrics = (accuracy, calibration)
    protocol = protocol or results.protocol
    table, blocks = frame(results, experiment, architecture, metrics, protocol)
    datasets = results.config.experiments[experiment].datasets
    names = {dataset: results.title(dataset) for dataset in datasets}
    statuses, labels = _statuses(table), dict(zip(table.method, table.label, strict=True))
    shares = table[table.share.notna()].groupby("dataset", sort=False)
    listed = "; ".join(
        (f"{names[dataset]}: " if len(names) > 1 else "")
        + ", ".join(f"{row.label} {100 * row.share:.0f}" for row in rows.itertuples() if row.share >= 0.005)
        for dataset, rows in shares
    )
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. {_key(table)} Per cent of samples of resampled patients in which a "
        f"method would have a filled marker: {listed or 'none'}.{hole_sentences(statuses, labels)}"
    )
    columns = {(block.dataset, block.column.metric): block.column for block in blocks}
    return Drawn(draw(table, results.style, metrics, names, columns), table, caption)


def _key(table: pd.DataFrame) -> str:
    """Sentences on what is drawn; only on what there is."""
    dots = has_dots(table)
    said = ["Markers: means over cases and seeds." if dots else "Markers: means over cases."]
    if dots:
        said.append("Small light dots, joined to their marker: the mean over cases of each seed.")
    said.append(
        f"Bars: 95 % bootstrap intervals over patients{', seeds averaged,' if dots else ''} of the difference to the "
        "mean of all methods, so that what the patients have in common does not count"
        + ("; the spread over seeds is not in them, the dots show it." if dots else ".")
    )
    said.append(
        "Filled markers: no other method is at least as good in both means and better in one; hollow markers: another "
        "method is."
    )
    if (table.front.fillna(False).groupby(table.dataset).sum() > 1).any():
        said.append("Stepped light grey line: through the filled markers; no method's mean lies on its better side.")
    if crowded_parts(table):
        said.append("Thin frame: the part that is drawn once more, enlarged.")
    return " ".join(said)


def frame(
    results: Results, experiment: str, architecture: str, metrics: tuple[str, str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Means by method, and by method and seed.

    Returns:
        dataset, architecture, method, label, level (``mean``: over cases and seeds, or ``seed``: over the cases of
        one), seed, x and y (the means of the two metrics in their printed units) with intervals, front (no other method
        is at least as good in both and better in one), share (of samples of resampled patients in which it is on the
        front), status; and the scores that they were computed from. Seeds have no interval, front or share.
    """
    rows, all_blocks = [], []
    for dataset in results.config.experiments[experiment].datasets:
        blocks = [case_scores(results, experiment, dataset, architecture, metric, protocol) for metric in metrics]
        all_blocks += blocks
        means = np.stack([block.means for block in blocks])  # (2, methods)
        compared = np.isfinite(means).all(0)
        signs = np.array([-1.0 if block.column.higher else 1.0 for block in blocks])
        front, share = np.zeros(len(compared), dtype=bool), np.full(len(compared), np.nan)
        if compared.any():
            front[compared] = undominated(signs[:, None] * means[:, compared])
            drawn = [block.resampled(patient_draws(block.patients))[:, compared] for block in blocks]
            share[compared] = undominated(signs[:, None, None] * np.stack(drawn)).mean(0)
        spans = [_intervals(block, compared) for block in blocks]
        for index, method in enumerate(blocks[0].methods):
            common: dict[str, Any] = {"dataset": dataset, "architecture": architecture, "method": method}
            common |= {"label": results.label(method)}
            common |= {"status": overall_status([block.status[method] for block in blocks])}
            row: dict[str, Any] = {**common, "level": "mean", "front": bool(front[index]), "share": share[index]}
            for axis, mean, (low, high) in zip("xy", means, spans, strict=True):
                row |= {axis: mean[index], f"{axis}_low": low[index], f"{axis}_high": high[index]}
            x, y = (nan_mean(block.values[index].T) for block in blocks)
            rows.append(row)
            rows += [
                {**common, "level": "seed", "seed": seed, "x": x[i], "y": y[i]}
                for i, seed in enumerate(blocks[0].seeds)
                if np.isfinite([x[i], y[i]]).any()
            ]
    table = pd.DataFrame(rows, columns=list(TYPES))
    return table.astype({name: kind for name, kind in TYPES.items() if kind}), all_blocks


def undominated(values: np.ndarray) -> np.ndarray:
    """Methods that no other one beats: (..., methods) boolean.

    Args:
        values: (metrics, ..., methods), lower is better; a method dominates another if it is nowhere worse and
            somewhere better.
    """
    mine, theirs = values[..., :, None], values[..., None, :]
    dominated = (theirs <= mine).all(0) & (theirs < mine).any(0)
    return ~dominated.any(-1)


def _intervals(block: CaseScores, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(methods,) ends of the intervals around the means: of each method less the mean of all, by patient."""
    from spectralcal.statistics import bootstrap_mean

    low, high = np.full((2, len(compared)), np.nan)
    if not compared.any():
        return low, high
    relative = block.by_case - block.by_case[compared].mean(0)  # NaN for a case that a method lacks
    for index in np.flatnonzero(compared):
        found = bootstrap_mean(relative[index], np.array(block.patients))
        shift = block.means[index] - found.estimate
        low[index], high[index] = found.low + shift, found.high + shift
    return low, high


def _statuses(table: pd.DataFrame) -> dict[str, str]:
    return {method: overall_status(list(rows.status)) for method, rows in table.groupby("method", sort=False)}


FIGURE = pareto
