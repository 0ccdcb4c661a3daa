"""Confidence and accuracy by distance to a boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.metrics.distance_bands import BANDS, ENDS_MM, band_sums, boundary_distance, signed_bands
from spectralcal.plot._axes import REFERENCE, axes, note_once

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def boundary_bands(
    probabilities: Any,
    reference: Any = None,
    spacing_mm: Sequence[float] = (),
    by: str = "prediction",
    ax: Axes | None = None,
    ignore_index: int | None = None,
    **line: Any,
) -> Axes:
    """Mean confidence minus accuracy in bands of distance to the boundary: above 0 is overconfident.

    Args:
        probabilities: (C, *spatial) of one case, array or tensor; or the sums of cases that were added up, a mapping
            as :func:`spectralcal.metrics.distance_bands.band_sums` returns, and then nothing else is needed.
        reference: (*spatial) integer labels.
        spacing_mm: distance of neighbouring voxel centres along each axis.
        by: whose boundary: of the "prediction" (default; a calibrated network has no gap in any band) or of the
            "reference" (it has, because the labels choose the bands).
        ax: axes to draw on; new ones by default.
        ignore_index: label of voxels that do not count. None by default.
        line: of the line, for example label or color.

    Returns:
        The axes: ten bands from far outside to deep inside. Empty bands have no point.

    Raises:
        ValueError: an unknown `by`, shapes that do not fit, or no voxel near a boundary.
    """
    sums = probabilities if isinstance(probabilities, Mapping) else _sums(
        probabilities, reference, spacing_mm, by, ignore_index
    )  # fmt: skip
    count, confidence, hits = (
        np.asarray(sums[name]).reshape(BANDS, -1).sum(1) for name in ("count", "confidence", "hits")
    )
    if not count.any():
        raise ValueError("expected at least one voxel near a boundary, received none: there is a single label")
    ax = axes(ax, "distance to the boundary (mm)", "confidence − accuracy")
    if note_once(ax, "bands"):
        ax.axhline(0, **REFERENCE)
        ax.axvline(BANDS / 2 - 0.5, **REFERENCE)
        ax.set_xticks(range(BANDS), _names(), rotation=45, ha="right")
    filled = count > 0
    ax.plot(
        np.flatnonzero(filled),
        ((confidence - hits)[filled] / count[filled]),
        **{"marker": "o", "markersize": 3.5, **line},
    )
    return ax


def _sums(
    probabilities: Any, reference: Any, spacing_mm: Sequence[float], by: str, ignore_index: int | None
) -> dict[str, np.ndarray]:
    from spectralcal.metrics.accumulate import to_numpy

    if by not in ("prediction", "reference"):
        raise ValueError(f"by: expected 'prediction' or 'reference', received {by!r}")
    p, r = to_numpy(probabilities), to_numpy(reference)
    if p.ndim != r.ndim + 1 or p.shape[1:] != r.shape:
        raise ValueError(
            f"expected probabilities (C, *spatial) and reference (*spatial), received {p.shape} and {r.shape}"
        )
    prediction = p.argmax(0)
    labels = prediction if by == "prediction" else r
    ignored = ignore_index if by == "reference" else None
    bands = signed_bands(labels, boundary_distance(labels, spacing_mm, ignore_index=ignored), ignored)
    if ignore_index is not None:
        bands[r == ignore_index] = -1
    return band_sums(p, prediction, r, bands)


def _names() -> list[str]:
    ends = [f"{end:g}" for end in ENDS_MM]
    inside = [f"≤ {ends[0]}", *(f"{a}–{b}" for a, b in pairwise(ends)), f"> {ends[-1]}"]
    return [f"{name} out" for name in inside[::-1]] + [f"{name} in" for name in inside]
