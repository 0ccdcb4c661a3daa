"""From scores of cases to one row per data set, architecture, method and metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.report.leader import NOTHING, leader
from spectralcal.report.pairing import tables
from spectralcal.report.printed import Lookup, by_method
from spectralcal.report.results import POOL, Results
from spectralcal.statistics import crossed

#: statuses whose score may be undefined: the class is not in the reference, or no voxel enters the metric
UNDEFINED = frozenset({"absent", "spurious", "undefined"})


@dataclass(frozen=True)
class Column:
    """How a metric is printed.

    Attributes:
        metric: its name in the scores.
        scale: from the stored value to the printed unit.
        unit: printed unit; of a distance that of most data sets, of which some have another.
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
    results: Results,
    experiment: str,
    columns: Sequence[Column],
    protocol: str,
    paper: str | Lookup | None = None,
    methods: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row per data set, architecture, metric and method of an experiment, complete or not.

    A case's score is the mean over its foreground classes, a seed's the mean over its cases. A class that is neither in
    the reference nor in the prediction has no score and is left out; a missed structure has Dice 0 and distances at the
    stored price; a spurious one has Dice 0 and no distance, or that price where it was scored so.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        columns: the metrics.
        protocol: of the scores. One that pools all voxels has one value per seed and no interval.
        paper: where the paper's numbers are: ``"table1"``, ``"table2"`` or a function; None: it has none.
        methods: canonical names in the order of the rows; None: the order of figures.

    Returns:
        dataset, architecture, method, label, metric, protocol, unit, mean (over seeds), sd_seeds (sample standard
        deviation of the seeds' means, NaN for one), seeds, seeds_expected, cases, patients, missed (structures, over
        all seeds), low and high (95 % interval of the mean over seeds and patients, over patients alone with one seed;
        NaN for fewer than two patients), pooled (one score of all voxels), rank (1 is best; printed values that are
        equal share a rank), gap, gap_low, gap_high, adjusted_p, detectable, shortage and distinct (of the best, see
        :func:`spectralcal.report.leader.leader`), paper_value, paper_note, paper_status, status (``ok``,
        ``incomplete``, ``missing``, ``undefined``).

    Raises:
        ResultError: a metric that no cell has, a score twice, a score that is not finite although its status is ok, or
            cells of one data set that were scored on different cases.
    """
    scores = results.scores(experiment)
    grid = results.config.experiments[experiment]
    lookup = by_method(results, paper) if isinstance(paper, str) else paper or (lambda *_: None)
    rows = []
    for dataset in results.datasets(experiment):
        paper_dataset = results.paper_dataset(dataset)
        for architecture in grid.architectures:
            block = scores[(scores.dataset == dataset) & (scores.architecture == architecture)]
            for column in columns:
                chosen = block[(block.metric == column.metric) & (block.protocol == protocol)]
                check_scores(chosen, block, f"{dataset}, {architecture}, {column.metric} ({protocol})")
                compared = []
                for method in results.ordered_methods(experiment) if methods is None else methods:
                    cell = lookup(paper_dataset, column.metric, method)
                    compared.append(
                        {
                            "dataset": dataset, "architecture": architecture, "method": method,
                            "label": results.label(method), "metric": column.metric, "protocol": protocol,
                            "unit": results.unit(dataset) if column.distance else column.unit,
                            **_statistics(chosen[chosen.method == method], block, column, grid.seeds),
                            "paper_value": cell.scaled(column.scale) if cell else None,
                            "paper_note": cell.note if cell else "", "paper_status": cell.status if cell else "",
                        }
                    )  # fmt: skip
                rows += _compared(compared, chosen, column)
    frame = pd.DataFrame(rows).astype({"paper_value": float, "rank": "Int64"})
    last = ["rank", *NOTHING, "paper_value", "paper_note", "paper_status", "status"]
    return frame[[*(name for name in frame if name not in last), *last]]


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
            f"{where}: expected one score per case and class, found two of {_name(twice, keys)}; collect again"
        )
    check_finite(chosen, where)
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


def check_finite(chosen: pd.DataFrame, where: str) -> None:
    """Refuse scores without a value that do not say why.

    Args:
        chosen: scores.
        where: what they are of, for the message.

    Raises:
        ResultError: a score is not finite although its status says that it is there.
    """
    broken = chosen[~np.isfinite(chosen.value.astype(float)) & ~chosen.status.isin(UNDEFINED)]
    if len(broken):
        raise ResultError(
            f"{where}: expected a finite score, found {broken.value.iloc[0]} with status '{broken.status.iloc[0]}' for "
            f"{_name(broken, ['method', 'seed', 'case', 'class'])}; evaluate that cell again"
        )


def case_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over classes for each method, seed and case: columns method, seed, case, patient, value."""
    finite = scores[np.isfinite(scores.value)]
    return finite.groupby(["method", "seed", "case", "patient"], as_index=False, sort=True).value.mean()


def _statistics(scores: pd.DataFrame, block: pd.DataFrame, column: Column, seeds: Sequence[int]) -> dict[str, Any]:
    cases = case_means(scores)
    scored = sorted(set(scores.seed))
    by_seed = cases.groupby("seed").value.mean().to_numpy() * column.scale
    status = "ok" if len(scored) == len(seeds) else "incomplete" if scored else "missing"
    if scored and not len(cases):
        status = "undefined"
    low, high = _interval(cases, column.scale)
    pooled = bool((cases.case == POOL).any())
    # A pool does not say what is in it; the other scores of the same cells do.
    counted = block[(block.case != POOL) & block.method.isin(set(scores.method))] if pooled else cases
    return {
        "mean": by_seed.mean() if len(by_seed) else np.nan,
        "sd_seeds": by_seed.std(ddof=1) if len(by_seed) > 1 else np.nan,
        "seeds": len(scored),
        "seeds_expected": len(seeds),
        "cases": counted.case.nunique(),
        "patients": counted.patient.nunique(),
        "missed": int((scores.status == "missed").sum()),
        "low": low,
        "high": high,
        "pooled": pooled,
        "status": status,
    }


def _interval(cases: pd.DataFrame, scale: float) -> tuple[float, float]:
    """95 % interval of a method's mean over seeds and patients; over patients alone with one seed."""
    if not len(cases):
        return float("nan"), float("nan")
    by_method, patients = tables(cases, cases.method.unique())
    mean = crossed(scale * next(iter(by_method.values())), patients)
    return mean.low, mean.high


def _compared(rows: list[dict[str, Any]], scores: pd.DataFrame, column: Column) -> list[dict[str, Any]]:
    """Rows of one comparison with their dense ranks and the best one's lead."""
    # Ranks of the printed text: ties are ties of what the reader sees.
    sign = -1.0 if column.higher else 1.0
    printed = [
        sign * float(f"{row['mean']:.{column.decimals}f}") if np.isfinite(row["mean"]) else np.nan for row in rows
    ]
    ranks = pd.Series(printed, dtype=float).rank(method="dense").astype("Int64")
    rows = [{**row, "rank": rank} for row, rank in zip(rows, ranks, strict=True)]
    against_leader = leader(rows, case_means(scores), column.scale, column.higher)
    return [{**row, **against_leader.get(row["method"], NOTHING)} for row in rows]


def _name(rows: pd.DataFrame, keys: Sequence[str]) -> str:
    return ", ".join(str(rows.iloc[0][key]) for key in keys)
