"""Accuracy against calibration: which methods are beaten by no other in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from spectralcal.report.figures.choose import counted, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.intervals import over_what, undecided
from spectralcal.report.figures.pareto_draw import crowded_parts, draw, has_dots
from spectralcal.report.results import Results
from spectralcal.statistics import Crossed
from spectralcal.statistics.crossed import LEVEL

TITLE = "Accuracy against calibration"
NEEDS = ()
#: columns of the numbers; empty where a row has none, and still whole numbers and truths elsewhere
TYPES = {
    "dataset": "", "architecture": "", "method": "", "label": "", "level": "", "seed": "Int64", "x": "float",
    "x_low": "float", "x_high": "float", "x_detectable": "float", "y": "float", "y_low": "float", "y_high": "float",
    "y_detectable": "float", "front": "boolean", "beaten_by": "", "seeds": "Int64", "patients": "Int64", "shortage": "",
    "status": "",
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
    """All methods by two metrics, with the Pareto front of their means, and the methods that another one beats.

    Intervals are of the difference to the baseline, paired by seed and patient: how hard the patients are is common to
    all methods and does not blur their comparison. A method is beaten if another one is better in both metrics and the
    intervals of both paired differences, at Bonferroni's level for all other methods, say so.

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
    baseline = results.label(results.baseline(experiment))
    statuses, labels = _statuses(table), dict(zip(table.method, table.label, strict=True))
    caption = (
        f"{opening(results, experiment, datasets, architecture)} Calibration under protocol '{protocol}'; "
        f"{cases_named(results, blocks)}. {_key(table, baseline)}{_beaten(table, names)}"
        f"{hole_sentences(statuses, labels)}"
    )
    columns = {(block.dataset, block.column.metric): block.column for block in blocks}
    return Drawn(draw(table, results.style, metrics, names, columns, results.baseline(experiment)), table, caption)


def _key(table: pd.DataFrame, baseline: str) -> str:
    """Sentences on what is drawn, and nothing else."""
    dots = has_dots(table)
    said = ["Markers: means over cases and seeds." if dots else "Markers: means over cases."]
    if dots:
        said.append("Small light dots, joined to their marker: the mean over cases of each seed.")
    if table.x_low.notna().any():
        said.append(
            f"Bars: 95 % intervals {over_what(table.seeds)} of the difference to {baseline}, paired by seed and "
            f"patient, drawn around the mean: a bar that does not reach the dotted line of {baseline} excludes 0."
        )
    if (table.front.fillna(False).groupby(table.dataset).sum() > 1).any():
        said.append("Stepped light grey line: through the methods whose means no other method beats in both.")
    if crowded_parts(table):
        said.append("Thin frame: the part that is drawn again, enlarged.")
    return " ".join(said)


def _beaten(table: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Sentences on hollow markers."""
    means = table[(table.level == "mean") & table.beaten_by.notna()]
    if means.empty:
        return ""
    others = int(means.groupby("dataset").size().max()) - 1
    labels = dict(zip(means.method, means.label, strict=True))
    rule = f"the intervals of both paired differences, with Bonferroni's correction for {counted(others, 'other')}"
    said = []
    for dataset, rows in means[means.beaten_by != ""].groupby("dataset", sort=False):
        listed = [f"{row.label} (by {', '.join(labels[name] for name in row.beaten_by.split('; '))})"
                  for row in rows.itertuples()]  # fmt: skip
        said.append((f"{names[dataset]}: " if len(names) > 1 else "") + ", ".join(listed))
    short = {names[dataset]: rows.shortage.iloc[0] * bool((rows.shortage != "").all())
             for dataset, rows in means.groupby("dataset", sort=False)}  # fmt: skip
    text = undecided(short, "No method is marked as beaten in both")
    if said:
        return f" Hollow markers: another method is better in both by {rule}: {'; '.join(said)}.{text}"
    return text if all(short.values()) else f" No method is beaten in both by {rule}.{text}"


def frame(
    results: Results, experiment: str, architecture: str, metrics: tuple[str, str], protocol: str
) -> tuple[pd.DataFrame, list[CaseScores]]:
    """Means by method, and by method and seed.

    Returns:
        dataset, architecture, method, label, level (``mean``: over cases and seeds, or ``seed``: over the cases of
        one), seed, x and y (the means of the two metrics in their printed units) with the 95 % interval of the paired
        difference to the baseline around them (low, high) and the smallest such difference that would be detected with
        80 % power (detectable; none for the baseline itself), front (no other method's means are at least as good in
        both and better in one), beaten_by (methods that are distinguishably better in both, divided by "; "; empty for
        none), seeds and patients of the intervals, shortage (why nothing is marked), status; and the scores that they
        were computed from. Rows of seeds have nothing but means.
    """
    rows, all_blocks = [], []
    for dataset in results.config.experiments[experiment].datasets:
        blocks = [case_scores(results, experiment, dataset, architecture, metric, protocol) for metric in metrics]
        all_blocks += blocks
        means = np.stack([block.means for block in blocks])  # (2, methods)
        compared = np.isfinite(means).all(0)
        signs = np.array([-1.0 if block.column.higher else 1.0 for block in blocks])
        front = np.zeros(len(compared), dtype=bool)
        if compared.any():
            front[compared] = undominated(signs[:, None] * means[:, compared])
        spans = [to_baseline(block, compared, results.baseline(experiment)) for block in blocks]
        beaten = beaten_by(blocks, compared)
        for index, method in enumerate(blocks[0].methods):
            common: dict[str, Any] = {"dataset": dataset, "architecture": architecture, "method": method}
            common |= {"label": results.label(method)}
            common |= {"status": overall_status([block.status[method] for block in blocks])}
            row: dict[str, Any] = {**common, "level": "mean", "front": bool(front[index])}
            for axis, mean, intervals in zip("xy", means, spans, strict=True):
                row[axis] = mean[index]
                if method in intervals:
                    one, shift = intervals[method], mean[index] - intervals[method].estimate
                    row |= {f"{axis}_low": one.low + shift, f"{axis}_high": one.high + shift}
                    row |= {f"{axis}_detectable": one.detectable or np.nan}
                    row |= {"seeds": one.seeds, "patients": one.patients}
            if method in beaten:
                short = [reason for block in blocks if (reason := block.mean(method).shortage)]
                row |= {"beaten_by": "; ".join(beaten[method]), "shortage": short[0] if short else ""}
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


def to_baseline(block: CaseScores, compared: np.ndarray, baseline: str) -> dict[str, Crossed]:
    """Paired difference of each compared method to the baseline; empty where the baseline has no result."""
    names = [method for method, there in zip(block.methods, compared, strict=True) if there]
    return {name: block.difference(name, baseline) for name in names} if baseline in names else {}


def beaten_by(blocks: Sequence[CaseScores], compared: np.ndarray) -> dict[str, list[str]]:
    """For each compared method those that are distinguishably better in every metric.

    Both differences must be, which needs no correction; that any of the other methods may be the one does.
    """
    names = [method for method, there in zip(blocks[0].methods, compared, strict=True) if there]
    level = 1 - (1 - LEVEL) / max(len(names) - 1, 1)

    def worse(block: CaseScores, method: str, other: str) -> bool:
        difference = block.difference(method, other).at(level)
        return not difference.shortage and (difference.high < 0 if block.column.higher else difference.low > 0)

    return {
        method: [name for name in names if name != method and all(worse(block, method, name) for block in blocks)]
        for method in names
    }


def _statuses(table: pd.DataFrame) -> dict[str, str]:
    return {method: overall_status(list(rows.status)) for method, rows in table.groupby("method", sort=False)}


FIGURE = pareto
