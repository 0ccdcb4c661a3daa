"""From the scores of cases to one row per class, metric and protocol: mean over patients with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.scoring import POOLED
from spectralcal.scoring.all_cases import POOL
from spectralcal.statistics import crossed

#: class of rows that are means over the foreground classes of each case
MEAN = "mean of classes"
#: metric -> unit, where it is not a share
UNITS = {"HD95": "mm", "ASD": "mm", "ASSD": "mm", "HD": "mm", "NLL": "nat"}
COLUMNS = ("class", "metric", "protocol", "region", "unit", "mean", "low", "high", "over", "cases", "patients",
           "missed", "spurious", "absent", "undefined")  # fmt: skip
#: protocol of overlap and distances in cases.csv of every study
SEGMENTATION = "paper"
STATES = ("missed", "spurious", "absent", "undefined")


def summarize(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per class, metric and protocol.

    A case without a value (a class that is absent, a spurious structure's distance, a region without a voxel) is left
    out of the mean and counted. Intervals are of the mean over patients: a folder of predictions is one training, and
    says nothing of another. Scores of all voxels in one pool have none.

    Args:
        rows: of cases.csv, as :class:`spectralcal.scoring.all_cases.CellScores` has them.

    Returns:
        Rows with the keys :data:`COLUMNS`, classes first, in the order of the scorers; with several classes also
        their mean of each case, as rows of the class :data:`MEAN`.
    """
    by_score: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_score.setdefault((row["class"], row["metric"], row["protocol"]), []).append(row)
    summary = [_summed(*score, scored) for score, scored in by_score.items()]
    classes = {name for name, _, _ in by_score if name != POOLED}
    means = _means(by_score) if len(classes) > 1 else {}
    of_means = [
        {**_summed(MEAN, *score, scored), **_states(row for key, rows in by_score.items() if key[1:] == score
                                                    for row in rows if key[0] != POOLED)}
        for score, scored in means.items()
    ]  # fmt: skip
    return [*of_means, *summary]


def interval(values: Sequence[float], patients: Sequence[str]) -> dict[str, Any]:
    """``mean``, ``low``, ``high``, ``over`` and ``patients`` of cases' values; nan where there is none."""
    result = crossed(np.asarray(values, float)[None], list(patients))
    return {"mean": result.estimate, "low": result.low, "high": result.high, "over": result.over,
            "patients": result.patients}  # fmt: skip


def _summed(name: str, metric: str, protocol: str, scored: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    row = {
        "class": name, "metric": metric, "protocol": protocol, "unit": UNITS.get(metric, ""),
        "region": PROTOCOLS[protocol].region if name == POOLED and protocol in PROTOCOLS else "",
        "cases": sum(bool(np.isfinite(each["value"])) for each in scored),
        **_states(scored),
    }  # fmt: skip
    if [each["case"] for each in scored] == [POOL] and scored[0]["patient"] == POOL:
        return {**row, "mean": scored[0]["value"], "low": np.nan, "high": np.nan, "over": "all voxels in one pool",
                "patients": ""}  # fmt: skip
    return {**row, **interval([each["value"] for each in scored], [each["patient"] for each in scored])}


def _states(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many structures, or cases, have each status other than "ok"."""
    counts = Counter(row["status"] for row in rows)
    return {state: counts[state] for state in STATES}


def _means(by_score: Mapping[tuple[str, str, str], list[Mapping[str, Any]]]) -> dict[tuple[str, str], list[dict]]:
    """(metric, protocol) -> a row per case, the mean over its classes."""
    by_case: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for (name, metric, protocol), scored in by_score.items():
        if name != POOLED:
            cases = by_case.setdefault((metric, protocol), {})
            for row in scored:
                cases.setdefault(row["case"], []).append(row)
    return {score: [_mean(case, scored) for case, scored in cases.items()] for score, cases in by_case.items()}


def _mean(case: str, scored: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    known = [row["value"] for row in scored if np.isfinite(row["value"])]
    value = float(np.mean(known)) if known else float("nan")
    return {"case": case, "patient": scored[0]["patient"], "value": value, "status": "ok" if known else "undefined"}
