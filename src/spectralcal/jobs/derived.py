"""Scores that follow from a cell's stored bins: predicted foreground and floors, of cells that were scored without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.metrics.between import Between
from spectralcal.metrics.curve import CurveHistogram
from spectralcal.metrics.floor import FLOOR
from spectralcal.metrics.from_bins import BOUND, NEEDS, derive
from spectralcal.records.light.files import read_arrays

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

#: field of :class:`~spectralcal.metrics.from_bins.Derived` -> the scores (metric, protocol) that it gives
SCORES = {
    "foreground_gap": (("signed_gap", "predicted_foreground"),),
    "foreground_ece": (("ECE", "predicted_foreground"),),
    "union_floor": (("ECE" + FLOOR, "union"), ("signed_gap" + FLOOR, "union")),
    "reference_floor_gap": (("signed_gap" + FLOOR, "crac-legacy"),),
    "reference_floor_ece": (("ECE" + FLOOR, "crac-legacy"),),
}


def derived_scores(table: pa.Table, path: Path) -> list[dict[str, Any]]:
    """Rows that a cell's scores lack and its bins say, each with a row of its bound.

    Args:
        table: scores of the cell.
        path: its calibration.npz, or where that is stood for.

    Raises:
        ResultError: the file is damaged.
    """
    given = set(zip(table["metric"].to_pylist(), table["protocol"].to_pylist(), strict=True))
    wanted = [(field, score) for field, scores in SCORES.items() for score in scores if score not in given]
    arrays = read_arrays(path) if wanted else None
    if arrays is None or any(f"{region}/cases/count" not in arrays for region in NEEDS):
        return []
    derived = derive(_cases(arrays), _curves(arrays))
    # Backwards: of a case that is called what the pool of all cases is called, its own rows stand first.
    patients = dict(zip(table["case"].to_pylist()[::-1], table["patient"].to_pylist()[::-1], strict=True))
    cell = {name: table[name][0].as_py() for name in ("dataset", "architecture", "method", "seed")}
    rows = []
    for place, case in enumerate(arrays["cases"].tolist()):
        if case not in patients:
            continue
        one = {**cell, "case": case, "patient": patients[case], "class": "all"}
        for field, (metric, protocol) in wanted:
            interval: Between = getattr(derived, field)
            for name, values in ((metric, interval.value), (metric + BOUND, interval.error)):
                value = float(values[place])
                status = "ok" if np.isfinite(value) else "undefined"
                rows.append({**one, "metric": name, "protocol": protocol, "value": value, "status": status})
    return rows


def _cases(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    names = ("count", "confidence", "accuracy")
    return {region: {name: arrays[f"{region}/cases/{name}"] for name in names} for region in NEEDS}


def _curves(arrays: Mapping[str, np.ndarray]) -> dict[str, CurveHistogram]:
    prefix = "all/pooled/"
    curve = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return {"all": CurveHistogram.from_arrays(curve)} if curve else {}
