"""Counting probabilities into cells, chunk by chunk: the one place where calibration touches voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spectralcal.metrics.cells import FLOOR, CellGrid

CHUNK = 1 << 16  # voxels held in working precision at a time: a few MiB, whatever the size of the volume
RANGE_TOLERANCE = 1e-5  # sliding-window averages leave [0, 1] by rounding
SUM_TOLERANCE = 5e-3  # softmax in float16 or bfloat16 sums to one no better than this
_TINY = float(np.finfo(np.float32).tiny)


@dataclass
class Cells:
    """Sums per cell. Row ``c < C`` belongs to class ``c``, row ``C`` to the top label.

    Attributes:
        count: (C + 1, cells) int64 voxels.
        confidence: (C + 1, cells) float64 sum of their probabilities.
        hits: (C + 1, cells) int64 voxels whose label is the row's class (top row: is the predicted class).
        brier, nll: float64 sums over voxels.
    """

    count: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray
    brier: float = 0.0
    nll: float = 0.0

    @classmethod
    def zeros(cls, num_classes: int, grid: CellGrid) -> Cells:
        shape = (num_classes + 1, len(grid))
        return cls(np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, np.int64))

    def add(self, other: Cells) -> None:
        self.count += other.count
        self.confidence += other.confidence
        self.hits += other.hits
        self.brier += other.brier
        self.nll += other.nll


def slabs(shape: tuple[int, ...], limit: int = CHUNK) -> Iterator[tuple[slice, ...]]:
    """Slices that tile ``shape`` with boxes of about ``limit`` voxels, so that no view needs a full copy."""
    item = int(np.prod(shape[1:], dtype=np.int64))
    if len(shape) > 1 and item > limit:
        for i in range(shape[0]):
            for rest in slabs(shape[1:], limit):
                yield (slice(i, i + 1), *rest)
        return
    step = max(1, limit // max(item, 1))
    for start in range(0, shape[0], step):
        yield (slice(start, start + step),)


def to_numpy(array: object) -> np.ndarray:
    """A NumPy array or a torch tensor of any device and precision, as NumPy; torch itself is never imported here."""
    if hasattr(array, "detach"):
        array = array.detach()
        if array.is_floating_point():
            array = array.float()
        array = array.cpu().numpy()
    return np.asarray(array)


def accumulate(cells: Cells, grid: CellGrid, probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Add one chunk: ``probabilities`` (C, n) float32, ``labels`` (n,) integers.

    Raises:
        ValueError: probabilities outside [0, 1], not finite or not summing to one; labels that are no class.
    """
    num_classes, voxels = probabilities.shape
    _check(probabilities, labels)
    size, place = len(grid), np.arange(voxels)
    p = np.empty(probabilities.shape, np.float32)  # C order whatever the input's, so that ravel is a view
    np.clip(probabilities, np.float32(0), np.float32(1), out=p)

    best, predicted = p[0].copy(), np.zeros(voxels, np.intp)
    for c in range(num_classes):
        if c:
            np.copyto(predicted, c, where=p[c] > best)  # ties go to the first class, as with argmax
            np.maximum(best, p[c], out=best)
        cells.brier += float(np.einsum("i,i->", p[c], p[c], dtype=np.float64))
    truth = p.ravel().take(labels * voxels + place)

    # The top probability of a voxel is also its predicted class's, and the true class's where that is right: it is
    # looked up once and serves three rows.
    index, best64 = grid.index(best), best.astype(np.float64)
    flat = predicted * size + index
    count = np.bincount(flat, minlength=num_classes * size).reshape(num_classes, size)
    confidence = np.bincount(flat, weights=best64, minlength=num_classes * size).reshape(num_classes, size)
    correct = predicted == labels
    hits = np.bincount(flat[correct], minlength=num_classes * size).reshape(num_classes, size)
    for rest, top in ((cells.count, count), (cells.confidence, confidence), (cells.hits, hits)):
        rest[:-1] += top
        rest[-1] += top.sum(axis=0)
    wrong = ~correct
    np.add.at(cells.hits, (labels[wrong], grid.index(truth[wrong])), 1)

    p.ravel()[predicted * voxels + place] = 0
    predictions = np.bincount(predicted, minlength=num_classes)
    for c in range(num_classes):
        kept = p[c][p[c] >= FLOOR]  # most voxels of most classes lie below: one cell, no look-up
        index, kept64 = grid.index(kept), kept.astype(np.float64)
        cells.count[c] += np.bincount(index, minlength=size)
        cells.confidence[c] += np.bincount(index, weights=kept64, minlength=size)
        cells.count[c, 0] += voxels - predictions[c] - kept.size
        cells.confidence[c, 0] += max(p[c].sum(dtype=np.float64) - kept64.sum(), 0.0)

    truth64 = truth.astype(np.float64)
    cells.brier += voxels - 2.0 * float(truth64.sum())
    cells.nll -= float(np.log(np.maximum(truth64, _TINY)).sum())


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    num_classes = probabilities.shape[0]
    low, high = float(probabilities.min()), float(probabilities.max())
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):  # also true for NaN
        raise ValueError(
            f"probabilities must be finite and in [0, 1], got {low:.6g} to {high:.6g}: apply softmax to logits"
        )
    total = probabilities.sum(axis=0)
    off = float(np.abs(total - np.float32(1)).max())
    if off > SUM_TOLERANCE:
        raise ValueError(
            f"probabilities must sum to 1 over the class axis within {SUM_TOLERANCE:g}, got a sum off by {off:.4g}: "
            "check the axis of softmax, and give (C, *spatial) a batch axis where it could be read as (B, C, *spatial)"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"target labels must be in 0..{num_classes - 1} for {num_classes} classes, got {int(labels.min())}.."
            f"{int(labels.max())}: remap them, or leave such voxels out with mask"
        )
