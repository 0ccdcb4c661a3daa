"""Counting probabilities into cells, chunk by chunk: the one place where calibration touches voxels.

All sums are integers. A cell spans 2^15 neighbouring float32 values, so the sum of its probabilities is a multiple of
its count plus the sum of 15-bit remainders, exactly; probabilities below the floor are summed in units of 2^-45, Brier
score and log-likelihood in units of 2^-40. Sums of integers do not depend on order, so chunks, threads, and compiled or
plain loops give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spectralcal.metrics.cells import FLOOR, CellGrid
from spectralcal.metrics.compiled import read_only

CHUNK = 1 << 16  # voxels held in working precision at a time: a few MiB, whatever the size of the volume
RANGE_TOLERANCE = 1e-5  # sliding-window averages leave [0, 1] by rounding
SUM_TOLERANCE = 5e-3  # softmax in float16 or bfloat16 sums to one no better than this
_TINY = np.float32(np.finfo(np.float32).tiny)
_COUNT = 40  # bits below the count in a packed sum: remainders of 2^24 voxels fit
_FULL = (1 << 24) - CHUNK  # voxels after which packed sums are emptied
_UNIT = 2.0**40
_LOW_UNIT = 2.0**45
_SQUARE_UNIT = np.float32(2.0**30)  # a probability's square is then a 64-bit product of integers
_SPARE = 8


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


class Tally:
    """Integer sums over voxels.

    Attributes:
        packed: (2, C, cells + 8) int64, ``count << 40 | sum of remainders`` of the predicted class and of the others.
            What the last eight hold means nothing.
        hits: (2, C, cells) int32: wrong predictions in the cell of their own probability, by predicted class, and in
            the cell of the true class's probability, by true class.
        low: (C,) int64 sum of probabilities below the floor, in units of 2^-45.
        brier, nll: int, in units of 2^-40.
    """

    def __init__(self, num_classes: int, grid: CellGrid) -> None:
        self.grid = grid
        self.packed = np.zeros((2, num_classes, len(grid) + _SPARE), np.int64)
        self.hits = np.zeros((2, num_classes, len(grid)), np.int32)
        self.low = np.zeros(num_classes, np.int64)
        self.voxels = self.brier = self.nll = 0
        self._held = 0
        self._emptied: np.ndarray | None = None

    def add(self, probabilities: np.ndarray, labels: np.ndarray, mask: np.ndarray | None, count_voxels=None) -> None:
        """Add at most :data:`CHUNK` voxels.

        Args:
            probabilities: (C, n) float32.
            labels: (n,) integers.
            mask: (n,) booleans, True where a voxel counts; None for all.
            count_voxels: the compiled :func:`spectralcal.metrics.kernels.count_voxels`; NumPy without it.

        Raises:
            ValueError: probabilities outside [0, 1], not finite or not summing to one; labels that are no class. The
                tally is then of no more use.
        """
        added = labels.size if mask is None else int(np.count_nonzero(mask))
        if not added:
            return
        if self._held + added > _FULL:
            self._empty()
        if count_voxels is None:
            kept = (probabilities, labels) if mask is None else (probabilities[:, mask], labels[mask])
            brier, nll = _count_voxels(*kept, self)
        else:
            brier, nll = _count_compiled(count_voxels, probabilities, labels, mask, self)
        self.brier += brier
        self.nll += nll
        self.voxels += added
        self._held += added

    def row(self, label: int) -> np.ndarray:
        """(3, 2, cells) int64 count, sum of remainders and :attr:`hits` of a class."""
        packed = self.packed[:, label, :-_SPARE]
        row = np.stack([packed >> _COUNT, packed & ((1 << _COUNT) - 1), self.hits[:, label]])
        return row if self._emptied is None else row + self._emptied[:, :, label]

    def take(self, sums: np.ndarray) -> None:
        """Add (3, 2, C, cells) counts, sums of remainders and :attr:`hits` that were made elsewhere."""
        self._emptied = sums if self._emptied is None else self._emptied + sums

    def _empty(self) -> None:
        if self._emptied is None:
            self._emptied = np.zeros((3, *self.hits.shape), np.int64)
        for label in range(self.low.size):
            self._emptied[:, :, label] = self.row(label)
        self.packed[:], self.hits[:], self._held = 0, 0, 0


def collect(cells: Cells, tallies: Iterable[Tally]) -> None:
    """Add tallies to the sums per cell, rounding once, after every voxel of all of them is in."""
    tallies = list(tallies)
    grid, voxels = tallies[0].grid, sum(t.voxels for t in tallies)
    top = np.zeros((3, len(grid)), np.int64)

    def into(row: int, count: np.ndarray, remainder: np.ndarray, hits: np.ndarray) -> None:
        cells.count[row] += count
        cells.confidence[row] += count * grid.value + remainder * grid.step
        cells.hits[row] += hits

    for label in range(len(tallies[0].low)):
        count, remainder, hits = sum(t.row(label) for t in tallies)
        right = count[0] - hits[0]
        top += (count[0], remainder[0], right)
        count = count.sum(axis=0)
        into(label, count, remainder.sum(axis=0), right + hits[1])
        cells.count[label, 0] += voxels - count.sum()
        cells.confidence[label, 0] += sum(int(t.low[label]) for t in tallies) / _LOW_UNIT
    into(-1, *top)
    cells.brier += sum(t.brier for t in tallies) / _UNIT
    cells.nll += sum(t.nll for t in tallies) / _UNIT


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


def _count_compiled(count_voxels, probabilities, labels, mask, tally: Tally) -> tuple[int, int]:
    flat, strides = _flat(probabilities)
    if labels.dtype == bool:
        labels = labels.view(np.uint8)
    elif labels.dtype != np.uint8:
        labels = labels.astype(np.int64, copy=False)
    mask = np.zeros(0, np.uint8) if mask is None else np.ascontiguousarray(mask).view(np.uint8)
    labels = np.ascontiguousarray(labels)
    arguments = (read_only(flat), *strides, read_only(labels), read_only(mask), _limits(), tally.grid.layout)
    refused, brier, nll = count_voxels(*arguments, mantissa_tables(), tally.packed, tally.hits, tally.low)
    if refused:
        kept = (probabilities, labels) if not mask.size else (probabilities[:, mask != 0], labels[mask != 0])
        _check(*kept)
        raise ValueError("probabilities must be finite, in [0, 1] and sum to 1, and labels must be classes")
    return brier, nll


def _flat(rows: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The memory of (C, n) rows as one contiguous line, with the strides of classes and voxels in it."""
    strides = tuple(s // rows.itemsize for s in rows.strides)
    if min(strides) < 0 or any(s % rows.itemsize for s in rows.strides) or not rows.flags.aligned:
        rows = np.ascontiguousarray(rows)
        strides = (rows.shape[1], 1)
    size = sum((n - 1) * s for n, s in zip(rows.shape, strides, strict=True)) + 1
    return np.lib.stride_tricks.as_strided(rows, (size,), (rows.itemsize,), writeable=False), strides


@lru_cache(maxsize=1)
def _limits() -> tuple[np.float32, np.float32, np.float32, np.int32]:
    """The tolerances of :func:`_check` as the last float32 values inside them, that of sums by its bits; the floor."""
    lowest, highest, slack = (np.float32(x) for x in (-RANGE_TOLERANCE, 1 + RANGE_TOLERANCE, SUM_TOLERANCE))
    zero = np.float32(0)
    lowest = lowest if float(lowest) >= -RANGE_TOLERANCE else np.nextafter(lowest, zero)
    highest = highest if float(highest) <= 1 + RANGE_TOLERANCE else np.nextafter(highest, zero)
    slack = slack if float(slack) <= SUM_TOLERANCE else np.nextafter(slack, zero)
    return lowest, highest, FLOOR, slack.view(np.int32)


@lru_cache(maxsize=1)
def mantissa_tables() -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of each float32 mantissa cut to 8 bits, and what one unit of the remainder adds relative to it."""
    mantissa = 1 + np.arange(256) / 256
    return np.log(mantissa), 2.0**-23 / mantissa


def _count_voxels(probabilities: np.ndarray, labels: np.ndarray, tally: Tally) -> tuple[int, int]:
    """What :func:`spectralcal.metrics.kernels.count_voxels` does, in NumPy."""
    _check(probabilities, labels)
    num_classes, voxels = probabilities.shape
    labels, every = labels.astype(np.intp, copy=False), np.arange(voxels)
    grid, size = tally.grid, tally.packed.shape[2]
    p = np.empty(probabilities.shape, np.float32)  # C order whatever the input's, so that ravel is a view
    np.clip(probabilities, np.float32(0), np.float32(1), out=p)

    best, predicted = p[0].copy(), np.zeros(voxels, np.intp)
    for c in range(num_classes):
        if c:
            np.copyto(predicted, c, where=p[c] > best)  # ties go to the first class, as with argmax
            np.maximum(best, p[c], out=best)
    squared = 0
    for c in range(num_classes):
        units = (p[c] * _SQUARE_UNIT).astype(np.int64)
        squared += int((units * units >> 20).sum())
    truth = p.ravel().take(labels * voxels + every)

    def pack(which: int, index: np.ndarray, remainder: np.ndarray, rows: slice) -> None:
        packed = tally.packed[which, rows]
        packed += np.bincount(index, minlength=packed.size).reshape(packed.shape) << _COUNT
        # Sums of integers below 2^53 are exact in float64.
        packed += np.bincount(index, weights=remainder, minlength=packed.size).reshape(packed.shape).astype(np.int64)

    cell, remainder = grid.place(best)
    pack(0, cell + predicted * size, remainder, slice(None))
    wrong = predicted != labels
    # Along one axis and in the sums' own type, adding at places takes a thirtieth of the time.
    one, (predictions, truths) = np.int32(1), tally.hits.reshape(2, -1)
    np.add.at(predictions, predicted[wrong] * len(grid) + cell[wrong], one)
    np.add.at(truths, labels[wrong] * len(grid) + grid.place(truth[wrong])[0], one)
    for c in range(num_classes):
        small = p[c] < FLOOR  # most voxels of most classes: one cell, no look-up
        tally.low[c] += (p[c][small] * np.float32(_LOW_UNIT)).astype(np.int64).sum()
        pack(1, *grid.place(p[c][~small & (predicted != c)]), slice(c, c + 1))

    brier = squared - int(((truth * _SQUARE_UNIT).astype(np.int64) << 11).sum()) + (voxels << 40)
    bits = np.maximum(truth, _TINY).view(np.int32)
    logarithm, inverse = (table.take(bits >> 15 & 0xFF) for table in mantissa_tables())
    r = (bits & 0x7FFF) * inverse
    series = r * (1.0 - r * (0.5 - r * (1.0 / 3 - r * 0.25)))
    nll = (-(((bits >> 23) - 127) * 0.6931471805599453 + logarithm + series) * _UNIT + 0.5).astype(np.int64)
    return brier, int(nll.sum())


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):  # infinities of both signs
        off = float(np.abs(probabilities.sum(axis=0) - np.float32(1)).max())
    low, high = float(probabilities.min()), float(probabilities.max())
    check_values(low, high, off, int(labels.min()), int(labels.max()), probabilities.shape[0])


def check_values(low: float, high: float, off: float, first: int, last: int, num_classes: int) -> None:
    """Refuse voxels by their extremes.

    Args:
        low, high: smallest and largest probability.
        off: largest distance of a voxel's sum from 1.
        first, last: smallest and largest label.
        num_classes: C.

    Raises:
        ValueError: probabilities outside [0, 1], not finite or not summing to one; labels that are no class.
    """
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):  # also true for NaN
        raise ValueError(
            f"probabilities must be finite and in [0, 1], got {low:.6g} to {high:.6g}: apply softmax to logits "
            "(sigmoid to one channel)"
        )
    if off > SUM_TOLERANCE:
        raise ValueError(
            f"probabilities must sum to 1 over the class axis within {SUM_TOLERANCE:g}, got a sum off by {off:.4g}: "
            "check the axis of softmax, and give (C, *spatial) a batch axis where it could be read as (B, C, *spatial)"
        )
    if first < 0 or last >= num_classes:
        raise ValueError(
            f"target labels must be in 0..{num_classes - 1} for {num_classes} classes, got {first}..{last}: remap "
            "them, or leave such voxels out with mask or ignore_index"
        )
