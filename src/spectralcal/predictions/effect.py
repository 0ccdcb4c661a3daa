"""What a post-hoc map did: scores before and after it, paired by case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spectralcal.posthoc import PostHocStep
from spectralcal.predictions.summary import MEAN, summarize

COLUMNS = ("class", "metric", "protocol", "region", "unit", "before", "after", "difference", "low", "high", "over",
           "cases", "patients")  # fmt: skip
_HEADLINES = (("DSC", "paper"), ("ECE", "paper"), ("ECE", "predicted_foreground"), ("NLL", "paper"))


def effect(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per class, metric and protocol, with the keys :data:`COLUMNS`.

    `difference` is the mean over patients of after minus before, of the cases that have both, with its 95 % interval;
    `before` and `after` are the means that ``spectralcal score`` gives of either.

    Args:
        before, after: rows of cases.csv of the same cases in the same order.
    """
    first, second = list(before), list(after)
    pairs = [
        {**one, "value": two["value"] - one["value"], "status": "ok"} for one, two in zip(first, second, strict=True)
    ]
    rows = []
    for one, two, difference in zip(summarize(first), summarize(second), summarize(pairs), strict=True):
        rows.append(
            {**{name: difference[name] for name in COLUMNS if name in difference}, "before": one["mean"],
             "after": two["mean"], "difference": difference["mean"]}
        )  # fmt: skip
    return rows


def effect_lines(rows: Sequence[Mapping[str, Any]], step: PostHocStep, without: int) -> list[str]:
    """The headline of it for the terminal.

    Args:
        rows: of :func:`effect`; none where no case has a reference.
        step: the map.
        without: cases without a reference.
    """
    lines = []
    for metric, protocol in _HEADLINES:
        matching = [row for row in rows if (row["metric"], row["protocol"]) == (metric, protocol)]
        row = next((row for row in matching if row["class"] == MEAN), matching[0] if matching else None)
        if row is not None and np.isfinite(row["difference"]):
            ends = f" [{row['low']:.3g}, {row['high']:.3g}]" if np.isfinite(row["low"]) else ""
            of = row["class"] if metric == "DSC" else protocol
            lines.append(
                f"{metric} ({of}): {row['before']:.4g} -> {row['after']:.4g}, difference "
                f"{row['difference']:.3g}{ends}, {row['cases']} cases"
            )
    if step.preserves_argmax:
        lines.append("The map keeps the most probable class of every voxel, and with it Dice and distances.")
    if not rows:
        lines.append("No case has a reference: what the map did to Dice and ECE is not known.")
    elif without:
        lines.append(f"{without} cases without a reference are not in these numbers.")
    return lines
