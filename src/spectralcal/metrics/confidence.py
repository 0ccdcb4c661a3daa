"""Where a model is over- or under-confident: by bin, class and region, from histograms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.metrics.calibration import CalibrationHistogram

#: Class of the top label in :func:`confidence_gaps`.
TOP = "top"


def confidence_gaps(histograms: Mapping[str, CalibrationHistogram]) -> list[dict[str, object]]:
    """One row per region, class and bin, empty bins included.

    Args:
        histograms: region -> histogram, of a case or merged over cases.

    Returns:
        Rows with ``region``; ``class`` (``"top"`` or a label); ``bin``; ``lower`` and ``upper`` edge; ``count`` voxels;
        mean ``confidence`` and ``accuracy`` (nan in an empty bin); ``gap``, confidence - accuracy times the bin's share
        of the region's voxels. Over a class the gaps' absolute values sum to its calibration error in that region;
        positive ones are over-confidence.
    """
    rows: list[dict[str, object]] = []
    for region, histogram in histograms.items():
        for label in (None, *range(histogram.num_classes)):
            diagram, gaps = histogram.reliability(label), histogram.signed_gaps(label)
            for index, values in enumerate(zip(*diagram, gaps, strict=True)):
                lower, upper, count, confidence, accuracy, gap = (np.asarray(v).item() for v in values)
                rows.append(
                    {"region": region, "class": TOP if label is None else label, "bin": index, "lower": lower,
                     "upper": upper, "count": count, "confidence": confidence, "accuracy": accuracy, "gap": gap}
                )  # fmt: skip
    return rows
