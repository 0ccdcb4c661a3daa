"""Numbers of Figure 8: correlations of hotspots with confidence differences and errors, and their joint histogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spectralcal.report.figures.choose import in_order, patients_of
from spectralcal.report.figures.slices import SliceView, best_slice
from spectralcal.report.results import Results
from spectralcal.statistics import crossed, crossed_many, pooled_ratio
from spectralcal.study.methods import method_of

#: what a network of the study's next seed is called: it shares no initial weights and no batches with the baseline
OTHER_SEED = ", other seed"
COLUMNS = (
    "level", "method", "label", "target", "strength", "coefficient", "case", "patient", "value", "low", "high", "null",
    "excess", "excess_low", "excess_high", "x_low", "x_high", "y_low", "y_high", "count", "cases", "seeds", "status",
)  # fmt: skip


def compared_methods(results: Results, experiment: str) -> list[str]:
    """Trained methods of an experiment but the baseline, in the order of figures; of a post-hoc step its network."""
    baseline = results.baseline(experiment)
    names = [str(method_of(results.config, name).trained) for name in results.methods(experiment)]
    return [name for name in results.style.ordered(dict.fromkeys(names)) if name != baseline]


def control_of(baseline: str) -> str:
    """The baseline of another seed: how well hotspots and differences agree when only chance differs."""
    return baseline + OTHER_SEED


def hotspot_frame(
    results: Results, experiment: str, dataset: str, architecture: str, method: str, coefficient: str
) -> pd.DataFrame:
    """Tidy numbers of all seeds.

    Args:
        method: whose joint histogram and profile are wanted.
        coefficient: ``"spearman"`` or ``"pearson"``.

    Returns:
        One row per number, with the columns of :data:`COLUMNS` that it has. ``level``: ``case`` (mean over seeds),
        ``mean`` (over cases that every seed has, with 95 % intervals over seeds and patients), ``profile`` (mean
        difference and its expectation under the null, by bin of strength) and ``histogram`` (voxels). ``target``: the
        confidence ``difference``, or the baseline's ``error``. ``null`` is what correlates through the distance to the
        boundary, ``excess`` what is left of the value. ``status`` is ``ok``, ``missing``, or ``undefined`` if a map is
        constant.
    """
    baseline, patients = results.baseline(experiment), patients_of(results, experiment, dataset)
    seeds = results.config.experiments[experiment].seeds
    place = ("hotspots", dataset, architecture)
    files = {seed: stored for seed in seeds if (stored := results.probe_numbers(*place, seed)) is not None}
    files = {seed: stored for seed, stored in files.items() if stored["methods"].size}
    cases = [str(name) for name in next(iter(files.values()))["cases"]] if files else []
    orders = {seed: in_order(cases, stored["cases"], f"hotspots of seed {seed}") for seed, stored in files.items()}
    entries = {seed: _Of(files[seed], orders[seed], baseline) for seed in files}
    names = {name: results.label(name) for name in compared_methods(results, experiment)}
    if any(baseline in entry.methods for entry in entries.values()):
        if any(method in entry.following for entry in entries.values()):
            names[method + OTHER_SEED] = results.label(method) + OTHER_SEED
        names[control_of(baseline)] = results.label(baseline) + OTHER_SEED
    owners = [patients.get(case, case) for case in cases]
    rows: list[dict[str, Any]] = []
    for name, label in names.items():
        arrays = {seed: values for seed, entry in entries.items() if (values := entry.difference(name)) is not None}
        have = [entries[seed] for seed in arrays]
        identity = {"method": name, "label": label, "target": "difference", "seeds": len(have)}
        rows += _correlations(list(arrays.values()), have, identity, coefficient, cases, owners)
        if name == method and have:
            rows += _profile(have, name, identity, owners) + _histogram(have, name, identity)
    identity = {"method": baseline, "label": results.label(baseline), "target": "error", "seeds": len(entries)}
    errors = [entry.arrays["error"][entry.order] for entry in entries.values()]
    rows += _correlations(errors, list(entries.values()), identity, coefficient, cases, owners)
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table.insert(0, "architecture", architecture)
    table.insert(0, "dataset", dataset)
    return table


def shown_view(arrays: Mapping[str, np.ndarray], method: str) -> SliceView | None:
    """The slice, with ``hotspots``, ``baseline`` and, if it is there, ``method`` in place of confidences."""
    if "shown_case" not in arrays:
        return None
    names = {"hotspots": arrays["shown_hotspots"], "baseline": arrays["shown_baseline"]}
    if method in arrays["methods"]:
        names["method"] = arrays["shown_confidence"][list(arrays["methods"]).index(method)]
    return best_slice(
        {
            "case": arrays["shown_case"],
            "rule": arrays["shown_rule"],
            "spacing_mm": arrays["shown_spacing_mm"],
            "image": arrays["shown_image"],
            "reference": arrays["shown_reference"],
            "methods": np.array(list(names)),
            "prediction": np.stack([arrays["shown_reference"]] * len(names)),
            "confidence": np.stack(list(names.values())),
        }
    )


class _Of:
    """Arrays of one seed, cases in the common order."""

    def __init__(self, arrays: dict[str, np.ndarray], order: np.ndarray, baseline: str) -> None:
        self.arrays, self.order, self.baseline = arrays, order, baseline
        self.methods = [str(name) for name in arrays["methods"]]
        self.following = [str(name) for name in arrays.get("following_methods", ())]

    def of(self, name: str, method: str) -> np.ndarray:
        """An array of a method, cases on the first axis."""
        return self.arrays[name][self.methods.index(method)][self.order]

    def difference(self, name: str) -> np.ndarray | None:
        """Correlations of the confidence difference to a method of this seed or of the next, if there is one."""
        method = name.removesuffix(OTHER_SEED)
        if name != method and method in self.following:
            return self.arrays["following"][self.following.index(method)][self.order]
        # The baseline among the methods is that of the next seed.
        is_there = method in self.methods and (name == method or method == self.baseline)
        return self.of("difference", method) if is_there else None


def _correlations(
    values: list[np.ndarray], have: list[_Of], identity: dict[str, Any], coefficient: str, cases: list[str],
    owners: list[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of one method: each case, and the mean of the cases."""
    if not values:
        return [{**identity, "level": "mean", "status": "missing", "cases": 0}]
    rows = []
    first = have[0].arrays
    column = [str(name) for name in first["coefficients"]].index(coefficient)
    for place, strength in enumerate(str(name) for name in first["strengths"]):
        # (seeds, cases, [value, mean and sd of the null])
        stack = np.stack([array[:, place, column] for array in values])
        there = np.isfinite(stack[..., 0])
        count = there.sum(0)
        value, null = (
            np.divide(
                np.where(there, stack[..., i], 0).sum(0), count, out=np.full(count.shape, np.nan), where=count > 0
            )
            for i in (0, 1)
        )
        common = {**identity, "strength": strength, "coefficient": coefficient}
        rows += [
            {**common, "level": "case", "case": case, "patient": owner, "value": v, "null": n, "excess": v - n,
             "status": "ok" if np.isfinite(v) else "undefined"}
            for case, owner, v, n in zip(cases, owners, value, null, strict=True)
        ]  # fmt: skip
        mean, excess = (crossed(array, owners) for array in (stack[..., 0], stack[..., 0] - stack[..., 1]))
        rows.append(
            {**common, "level": "mean", "value": mean.estimate, "low": mean.low, "high": mean.high,
             "null": mean.estimate - excess.estimate, "excess": excess.estimate, "excess_low": excess.low,
             "excess_high": excess.high, "cases": int(there.all(0).sum()),
             "status": "ok" if np.isfinite(mean.estimate) else "undefined"}
        )  # fmt: skip
    return rows


def _profile(have: list[_Of], method: str, identity: dict[str, Any], owners: list[str]) -> list[dict[str, Any]]:
    """Mean difference by bin of strength, voxels of all cases and seeds pooled."""
    sums = np.stack([entry.of("difference_profile", method) for entry in have])  # (seeds, cases, 2, bins)
    voxels = np.stack([entry.arrays["voxels"][entry.order].astype(float) for entry in have]).transpose(2, 0, 1)
    edges = have[0].arrays["strength_edges"]
    observed, low, high = crossed_many(pooled_ratio(sums[:, :, 0].transpose(2, 0, 1), voxels, owners))
    total = voxels.sum((1, 2))
    expected = np.divide(sums[:, :, 1].sum((0, 1)), total, out=np.full_like(total, np.nan), where=total > 0)
    return [
        {**identity, "level": "profile", "strength": "signed", "x_low": edges[i], "x_high": edges[i + 1],
         "value": observed[i], "low": low[i], "high": high[i], "null": expected[i], "excess": observed[i] - expected[i],
         "count": total[i], "status": "ok"}
        for i in range(len(edges) - 1)
    ]  # fmt: skip


def _histogram(have: list[_Of], method: str, identity: dict[str, Any]) -> list[dict[str, Any]]:
    """Bins that hold voxels."""
    arrays = have[0].arrays
    x, y = arrays["strength_edges"], arrays["difference_edges"]
    counts = sum(entry.arrays["histogram"][entry.methods.index(method)] for entry in have)
    common = {**identity, "level": "histogram", "strength": "signed", "status": "ok"}
    return [
        {**common, "x_low": x[i], "x_high": x[i + 1], "y_low": y[j], "y_high": y[j + 1], "count": counts[i, j]}
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
