"""Calibration as torchmetrics metrics: update, compute, reset, merging over processes and checkpoints.

The state is the cells of :class:`~spectralcal.metrics.CalibrationHistogram`, whose counts add up
exactly: the value over several processes is that of one process that saw every voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from spectralcal.metrics import CalibrationHistogram

#: what a metric may report, by name
MEASURES: dict[str, Callable[[CalibrationHistogram], float]] = {
    "ece": CalibrationHistogram.ece,
    "mce": CalibrationHistogram.mce,
    "sce": CalibrationHistogram.sce,
    "ace": CalibrationHistogram.ace,
    "tace": CalibrationHistogram.tace,
    "brier": CalibrationHistogram.brier,
    "nll": CalibrationHistogram.nll,
}


class CalibrationError(Metric):
    """A calibration error of segmentation probabilities over all voxels that were seen.

    ::

        metric = CalibrationError(num_classes=4, measure="ece")
        metric.update(logits.softmax(1), target)
        metric.compute()

    Metrics of one :class:`torchmetrics.MetricCollection` share their state and count once.

    Args:
        num_classes: C, the background included; 2 for one sigmoid channel and for multi-label tasks.
        measure: a key of :data:`MEASURES`, or a function of the histogram; default "ece".
        bins: equal-width bins; default 15.
        ignore_index: label of voxels that do not count. Default None.
        multilabel: each channel is a yes-or-no question. Default False.
        options: of torchmetrics' ``Metric``, for example dist_sync_on_step.

    Raises:
        ValueError: an unknown measure, or as :class:`~spectralcal.metrics.CalibrationHistogram`.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    sums: Tensor

    def __init__(
        self,
        num_classes: int,
        measure: str | Callable[[CalibrationHistogram], float] = "ece",
        bins: int = 15,
        ignore_index: int | None = None,
        multilabel: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if isinstance(measure, str) and measure not in MEASURES:
            raise ValueError(f"measure: expected one of {', '.join(MEASURES)} or a function, received {measure!r}")
        self.num_classes, self.bins, self.measure = num_classes, bins, measure
        self.ignore_index, self.multilabel = ignore_index, multilabel
        empty = CalibrationHistogram(num_classes, bins)
        size = (num_classes + 1) * int(empty.arrays()["layout"][-1])
        self.add_state("counts", torch.zeros(2, size, dtype=torch.int64), dist_reduce_fx="sum")
        # Per cell the sum of probabilities, then the sums of the Brier score and of the log-likelihood.
        self.add_state("sums", torch.zeros(size + 2, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Count voxels: arguments as of :meth:`CalibrationHistogram.update`, probabilities first."""
        new = CalibrationHistogram(self.num_classes, self.bins)
        new.update(preds, target, mask, ignore_index=self.ignore_index, multilabel=self.multilabel)
        arrays = {name: torch.from_numpy(value).to(self.counts.device) for name, value in new.arrays().items()}
        cell = arrays["cell"].long()
        self.counts[:, cell] += torch.stack([arrays["count"], arrays["hits"]])
        self.sums[cell] += arrays["confidence"]
        self.sums[-2:] += arrays["sums"]

    def compute(self) -> Tensor:
        """The measure as a float32 scalar; nan without a voxel."""
        measure = MEASURES[self.measure] if isinstance(self.measure, str) else self.measure
        return torch.tensor(measure(self.histogram()), device=self.device)

    def histogram(self) -> CalibrationHistogram:
        """What was counted so far, for other measures and for :func:`spectralcal.plot.reliability`."""
        counts, sums = self.counts.cpu().numpy(), self.sums.cpu().numpy()
        filled = np.flatnonzero(counts.any(axis=0))
        layout = CalibrationHistogram(self.num_classes, self.bins).arrays()["layout"]
        return CalibrationHistogram.from_arrays(
            {
                "layout": layout, "cell": filled, "count": counts[0, filled], "hits": counts[1, filled],
                "confidence": sums[filled], "sums": sums[-2:],
            }
        )  # fmt: skip
