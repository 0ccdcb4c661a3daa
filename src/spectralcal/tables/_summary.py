"""From scores of cases to one row per data set, architecture, method and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectralcal import registry
from spectralcal.errors import ResultError
from spectralcal.figures.style import ordered
from spectralcal.results import Results
from spectralcal.tables._paper import paper_values

#: statuses whose score may be undefined: the class is not in the reference, or no voxel enters the metric
UNDEFINED = frozenset({"absent", "spurious", "undefined"})


@dataclass(frozen=True)
class Column:
    """How a metric is printed.

    Attributes:
        metric: its name in the scores.
        scale: from the stored value to the printed unit.
        unit: printed unit.
        decimals: printed decimals, as in the paper.
        higher: higher is better.
        distance: a missed structure is priced, and counted beside the number.
    """

    metric: str
    scale: float
    unit: str
    decimals: int
    higher: bool = False
    distance: bool = False


def summarize(
    results: Results, experiment: str, columns: Sequence[Column], protocol: str, paper_table: str | None = None
) -> pd.DataFrame:
    """One row per data set, architecture, metric and method of an experiment, complete or not.

    A case's score is the mean over its foreground classes, a seed's the mean over its cases. A class that is neither in
    the reference nor in the prediction has no score and is left out; a missed structure has Dice 0 and distances at the
    stored price; a spurious one has Dice 0 and no distance.

    Returns:
        dataset, architecture, method, label, metric, protocol, unit, mean (over seeds), sd_seeds (sample standard
        deviation of the seeds' means, NaN for one), seeds, seeds_expected, cases, missed (structures, over all seeds),
        low and high (95 % bootstrap interval of the mean over patients, NaN for fewer than two), rank (1 is best;
        printed values that are equal share a rank), paper_value, paper_note, paper_status, status (``ok``,
        ``incomplete``, ``missing``, ``undefined``).

    Raises:
        ResultError: a metric that no cell has, a score twice, a score that is not finite although its status is ok, or
            cells of one data set that were scored on different cases.
    """
    scores = results.scores(experiment)
    grid = results.config.experiments[experiment]
    printed = paper_values(paper_table) if paper_table else {}
    rows = []
    for dataset in grid.datasets:
        paper_dataset = registry.load("datasets", dataset).paper_name
        for architecture in grid.architectures:
            block = scores[(scores.dataset == dataset) & (scores.architecture == architecture)]
            for column in columns:
                chosen = block[(block.metric == column.metric) & (block.protocol == protocol)]
                check_scores(chosen, block, f"{dataset}, {architecture}, {column.metric} ({protocol})")
                for method in ordered(results.methods(experiment)):
                    cell = printed.get((paper_dataset, column.metric, results.paper_name(method)))
                    rows.append(
                        {
                            "dataset": dataset, "architecture": architecture, "method": method,
                            "label": results.label(method), "metric": column.metric, "protocol": protocol,
                            "unit": column.unit, **_statistics(chosen[chosen.method == method], column, grid.seeds),
                            "paper_value": cell.value if cell else None, "paper_note": cell.note if cell else "",
                            "paper_status": cell.status if cell else "",
                        }
                    )  # fmt: skip
    frame = pd.DataFrame(rows)
    frame["paper_value"] = frame.paper_value.astype(float)
    frame.insert(frame.columns.get_loc("paper_value"), "rank", _ranks(frame, columns))
    return frame[[*(name for name in frame if name != "status"), "status"]]


def check_scores(chosen: pd.DataFrame, block: pd.DataFrame, where: str) -> None:
    """Refuse scores whose mean would hide something.

    Args:
        chosen: scores of one metric.
        block: all scores of the same cells.
        where: names the data set, architecture and metric in messages.

    Raises:
        ResultError: see :func:`summarize`.
    """
    if len(block) and not len(chosen):
        kinds = sorted(
            {f"{metric} ({protocol})" for metric, protocol in zip(block.metric, block.protocol, strict=True)}
        )
        raise ResultError(
            f"{where}: expected scores of this metric and protocol, found only {', '.join(kinds)}; evaluate again"
        )
    keys = ["method", "seed", "case", "class"]
    twice = chosen[chosen.duplicated(keys)]
    if len(twice):
        raise ResultError(
            f"{where}: expected one score a case and class, found two of {_name(twice, keys)}; collect again"
        )
    broken = chosen[~np.isfinite(chosen.value) & ~chosen.status.isin(UNDEFINED)]
    if len(broken):
        raise ResultError(
            f"{where}: expected a finite score, found {broken.value.iloc[0]} with status '{broken.status.iloc[0]}' for "
            f"{_name(broken, keys)}; evaluate that cell again"
        )
    scored = {
        name: frozenset(zip(group.case, group["class"], strict=True))
        for name, group in chosen.groupby(["method", "seed"])
    }
    for name in block[["method", "seed"]].drop_duplicates().itertuples(index=False, name=None):
        if scored and scored.get(name, frozenset()) != next(iter(scored.values())):
            first = next(iter(scored))
            raise ResultError(
                f"{where}: expected the same test cases in every cell, found {len(scored.get(name, ()))} scores for "
                f"{name[0]}, seed {name[1]} and {len(scored[first])} for {first[0]}, seed {first[1]}, or other cases; "
                "evaluate those cells again"
            )


def case_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over classes for each method, seed and case: columns method, seed, case, patient, value."""
    finite = scores[np.isfinite(scores.value)]
    return finite.groupby(["method", "seed", "case", "patient"], as_index=False, sort=True).value.mean()


def _statistics(scores: pd.DataFrame, column: Column, seeds: Sequence[int]) -> dict:
    cases = case_means(scores)
    found = sorted(set(scores.seed))
    by_seed = cases.groupby("seed").value.mean().to_numpy() * column.scale
    status = "ok" if len(found) == len(seeds) else "incomplete" if found else "missing"
    if found and not len(cases):
        status = "undefined"
    low, high = _interval(cases, column.scale)
    return {
        "mean": by_seed.mean() if len(by_seed) else np.nan,
        "sd_seeds": by_seed.std(ddof=1) if len(by_seed) > 1 else np.nan,
        "seeds": len(found),
        "seeds_expected": len(seeds),
        "cases": cases.case.nunique(),
        "missed": int((scores.status == "missed").sum()),
        "low": low,
        "high": high,
        "status": status,
    }


def _interval(cases: pd.DataFrame, scale: float) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over patients, each a mean over its seeds and cases."""
    from spectralcal.statistics.bootstrap import bootstrap_mean

    by_case = cases.groupby(["case", "patient"], as_index=False).value.mean()
    found = bootstrap_mean(by_case.value.to_numpy() * scale, by_case.patient.to_numpy())
    return found.low, found.high


def _ranks(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.Series:
    """Dense ranks of the printed means within data set, architecture and metric."""
    decimals = {column.metric: column.decimals for column in columns}
    signs = {column.metric: -1.0 if column.higher else 1.0 for column in columns}
    # Through the printed text: ties are ties of what the reader sees.
    printed = [
        signs[row.metric] * float(f"{row.mean:.{decimals[row.metric]}f}") if np.isfinite(row.mean) else np.nan
        for row in frame[["metric", "mean"]].itertuples(index=False)
    ]
    groups = [frame.dataset, frame.architecture, frame.metric]
    return pd.Series(printed, index=frame.index).groupby(groups).rank(method="dense").astype("Int64")


def _name(rows: pd.DataFrame, keys: Sequence[str]) -> str:
    return ", ".join(str(rows.iloc[0][key]) for key in keys)
