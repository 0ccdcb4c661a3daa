"""Calibration errors of segmentation probabilities from one mergeable histogram.

Accumulating ones in float32 stops at 2^24 voxels, a size that one CT volume passes; here counts are 64-bit integers and
sums are float64. The probabilities are read once and not kept: every error below, and every reliability diagram, comes
from the histogram, also after merging cases and seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np

from spectralcal.metrics.accumulate import Cells, Tally, collect, slabs, to_numpy
from spectralcal.metrics.adaptive import equal_count_bound, equal_count_error
from spectralcal.metrics.cells import cell_grid
from spectralcal.metrics.compiled import kernel_if_it_pays
from spectralcal.metrics.labels import labelled

_VERSION = 1
MAX_CLASSES = 4096  # the top probability is then above the floor under which all share one cell


class Reliability(NamedTuple):
    """A reliability diagram: (bins,) arrays; ``confidence`` and ``accuracy`` are nan in empty bins."""

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


class OverUnder(NamedTuple):
    """Gaps with their sign: ``signed = over - under``, and ``over + under`` is the calibration error."""

    signed: float
    over: float
    under: float


class CalibrationHistogram:
    """Calibration of a segmentation, voxel by voxel, in bounded memory.

    Probabilities are rounded to float32. Bin ``k`` of ``bins`` equal widths is ``(k / bins, (k + 1) / bins]`` with the
    edges rounded to float32 too, so 0.2 is in the third of 15 bins in every precision; the first bin also holds 0.
    The top label of a tie is the first class.

    Without a voxel every error is nan.

    Args:
        num_classes: C, the background (label 0) included.
        bins: equal-width bins; 15 as in Guo et al. 2017 and the replicated paper.

    Raises:
        ValueError: fewer than two classes, or bins outside 1..100.
    """

    def __init__(self, num_classes: int, bins: int = 15) -> None:
        if not isinstance(num_classes, int) or not 2 <= num_classes <= MAX_CLASSES:
            raise ValueError(
                f"num_classes must be an integer of at least 2 (background included) and at most {MAX_CLASSES}, got "
                f"{num_classes!r}"
            )
        self.num_classes, self.bins = num_classes, bins
        self._grid = cell_grid(bins)
        self._cells = Cells.zeros(num_classes, self._grid)

    @property
    def count(self) -> int:
        """Voxels seen."""
        return int(self._cells.count[-1].sum())

    def update(
        self,
        probabilities: object,
        target: object,
        mask: object | None = None,
        threads: int = 1,
        ignore_index: int | None = None,
        multilabel: bool = False,
    ) -> CalibrationHistogram:
        """Count voxels. Nothing is counted when an error is raised.

        Probabilities on a CUDA device are counted there, in the same integers; only the cells are copied.

        Args:
            probabilities: (B, C, *spatial) with target (B, *spatial), or (C, *spatial) with target (*spatial);
                NumPy arrays or torch tensors, any float type, any memory layout. Shapes that fit both (a volume of
                C slices) are read as batched: give such a volume a batch axis. Each voxel's values are in [0, 1] (1e-5
                for rounding) and sum to 1 (5e-3 for half precision). With two classes, one channel is the foreground's
                probability.
            target: labels in 0..C-1: integers, booleans or whole floats, with or without a class axis of length 1, or
                one-hot (:mod:`spectralcal.metrics.labels`). Soft labels are not defined: voxels are counted.
            mask: booleans, or 0 and 1, in target's shape, True where a voxel counts; labels elsewhere may be anything.
                A mask without a True adds nothing. Weights are not defined.
            threads: how many count at once on a CPU; every number of threads gives the same bits. 1 by default, because
                studies run a process per core; more helps where the loops are compiled.
            ignore_index: label of voxels that do not count. None by default: every label must be a class.
            multilabel: each channel is a yes-or-no question of its own, with target 0 or 1 in the probabilities' shape;
                all are counted together, in two classes. False by default.

        Raises:
            ValueError: shapes, types or values other than these, or arrays without a voxel.
        """
        in_place = _in_place(probabilities)
        if in_place:
            from spectralcal.metrics.on_device import CHUNK, as_tensor, count_tensors

            target, mask = (x if x is None else as_tensor(x, probabilities.device) for x in (target, mask))
        else:
            target, mask = (x if x is None else to_numpy(x) for x in (target, mask))
        if multilabel:
            probabilities, target, mask = self._questions(probabilities, target, mask)
        shape = tuple(probabilities.shape)
        classes, rest = self._class_axis(shape, tuple(target.shape))
        single = shape[classes] == 1
        target, counted = labelled(target, rest, classes, ignore_index)
        if 0 in rest:
            raise ValueError(f"target must hold at least one voxel, got shape {rest}")
        mask = counted if mask is None else _both(_as_mask(mask, rest, classes), counted)
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads must be an integer of at least 1, got {threads!r}")

        def where(box: tuple[slice, ...]) -> tuple[slice, ...]:
            return (slice(None), *box) if classes == 0 else (box[0], slice(None), *box[1:])

        rows = 1 if single else self.num_classes
        if in_place:
            values = probabilities.detach()
            parts = (
                (_pair(values[where(box)].swapaxes(0, classes).reshape(rows, -1), single),
                 target[box].reshape(-1), None if mask is None else mask[box].reshape(-1))
                for box in slabs(rest, CHUNK)
            )  # fmt: skip
            collect(self._cells, [count_tensors(parts, self.num_classes, self._grid)])
            return self
        count_voxels = kernel_if_it_pays("count_voxels", target.size * self.num_classes)

        def count(boxes: Sequence[tuple[slice, ...]]) -> Tally:
            tally = Tally(self.num_classes, self._grid)
            for box in boxes:
                keep = None if mask is None else mask[box].reshape(-1)
                if keep is not None and not keep.any():
                    continue
                values = to_numpy(probabilities[where(box)])
                p = values.swapaxes(0, classes).reshape(rows, -1).astype(np.float32, copy=False)
                tally.add(_pair(p, single), target[box].reshape(-1), keep, count_voxels)
            return tally

        boxes = list(slabs(rest))
        if threads == 1 or len(boxes) == 1:
            tallies = [count(boxes)]
        else:
            with ThreadPoolExecutor(threads) as pool:
                tallies = list(pool.map(count, [boxes[i::threads] for i in range(min(threads, len(boxes)))]))
        collect(self._cells, tallies)
        return self

    def _class_axis(self, shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The axis of the classes, and the shape of the voxels."""
        rests = {axis: (*shape[:axis], *shape[axis + 1 :]) for axis in (1, 0) if len(shape) > 1}
        lengths = (self.num_classes, 1) if self.num_classes == 2 else (self.num_classes,)
        for with_classes in (False, True):  # targets with a class axis come second
            for axis, rest in rests.items():
                forms = [(*rest[:axis], n, *rest[axis:]) for n in (1, self.num_classes)] if with_classes else [rest]
                if shape[axis] in lengths and target in forms:
                    return axis, rest
        raise ValueError(
            f"expected probabilities (B, {self.num_classes}, *spatial) with target (B, *spatial), or "
            f"({self.num_classes}, *spatial) with target (*spatial); got {shape} and {target}"
        )

    def _questions(self, probabilities: object, target: object, mask: object | None) -> tuple[object, object, object]:
        """Channels of a multi-label task as voxels with one channel."""
        shape = tuple(probabilities.shape)
        if self.num_classes != 2 or tuple(target.shape) != shape:
            raise ValueError(
                "multilabel: expected a histogram of 2 classes, and target of 0 and 1 in the probabilities' shape "
                f"{shape}; got {self.num_classes} classes and {tuple(target.shape)}"
            )
        if mask is not None and tuple(mask.shape) != shape:
            # Without its class axis, which is the second where there is a batch.
            axis = next((a for a in (1, 0) if (*shape[:a], *shape[a + 1 :]) == tuple(mask.shape)), None)
            if axis is not None:
                mask = mask.reshape(*shape[:axis], 1, *shape[axis + 1 :])
            # Broadcast by an operation that arrays and tensors share.
            mask = mask & (target == target) if _is_mask(mask) else mask
        return probabilities.reshape(1, -1), target.reshape(-1), None if mask is None else mask.reshape(-1)

    def merge(self, other: CalibrationHistogram) -> CalibrationHistogram:
        """Add the voxels of another histogram (in place; returns self).

        Raises:
            ValueError: other classes or other bins.
        """
        if (other.num_classes, other.bins) != (self.num_classes, self.bins):
            raise ValueError(
                f"histograms must agree in classes and bins to be merged: {self.num_classes} classes and {self.bins} "
                f"bins against {other.num_classes} and {other.bins}"
            )
        self._cells.add(other._cells)
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays for ``np.savez_compressed``: the cells that are not empty, and the sums."""
        filled = np.flatnonzero(self._cells.count.ravel() + self._cells.hits.ravel())
        return {
            "layout": np.array([_VERSION, self.num_classes, self.bins, len(self._grid)], np.int64),
            "cell": filled.astype(np.int32),
            "count": self._cells.count.ravel()[filled],
            "confidence": self._cells.confidence.ravel()[filled],
            "hits": self._cells.hits.ravel()[filled],
            "sums": np.array([self._cells.brier, self._cells.nll]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> CalibrationHistogram:
        """The histogram that :meth:`arrays` described.

        Raises:
            ValueError: arrays are missing, or were written with another grid of cells.
        """
        missing = {"layout", "cell", "count", "confidence", "hits", "sums"} - set(arrays)
        if missing:
            raise ValueError(f"a stored histogram needs the arrays {', '.join(sorted(missing))}, got {sorted(arrays)}")
        version, num_classes, bins, size = (int(v) for v in arrays["layout"])
        histogram = cls(num_classes, bins)
        if version != _VERSION or size != len(histogram._grid):
            raise ValueError(
                f"expected a histogram of layout {_VERSION} with {len(histogram._grid)} cells, got layout {version} "
                f"with {size}: evaluate the cell again"
            )
        for name in ("count", "confidence", "hits"):
            getattr(histogram._cells, name).reshape(-1)[arrays["cell"]] = arrays[name]
        histogram._cells.brier, histogram._cells.nll = (float(v) for v in arrays["sums"])
        return histogram

    def __reduce__(self) -> tuple:
        # Between processes only filled cells travel.
        return CalibrationHistogram.from_arrays, (self.arrays(),)

    def _binned(self, row: int, start: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(bins,) count, confidence and hits of a row, of its cells from ``start`` on."""
        sums = []
        for name in ("count", "confidence", "hits"):
            values = getattr(self._cells, name)[row].copy()
            values[:start] = 0
            sums.append(np.add.reduceat(values, self._grid.bin_starts))
        return tuple(sums)

    def _row(self, label: int | None) -> int:
        if label is not None and not 0 <= label < self.num_classes:
            raise ValueError(f"label must be None (top label) or in 0..{self.num_classes - 1}, got {label}")
        return -1 if label is None else label

    def _gap(self, row: int, start: int = 0) -> float:
        count, confidence, hits = self._binned(row, start)
        return float(np.abs(hits - confidence).sum() / count.sum()) if count.any() else 0.0

    def _classes(self, include_background: bool) -> range:
        return range(0 if include_background else 1, self.num_classes)

    def _mean(self, values: np.ndarray, include_background: bool) -> float:
        return float(np.mean(values[self._classes(include_background).start :])) if self.count else float("nan")

    def ece(self) -> float:
        """Expected calibration error of the top label: sum over bins of count/N |accuracy - confidence| (Guo 2017)."""
        return self._gap(-1) if self.count else float("nan")

    def mce(self, over: Literal["max", "mean"] = "max") -> float:
        """Maximum calibration error: the largest top-label gap of a non-empty bin (Guo 2017); or, as some expand the
        letters, their unweighted "mean".

        Raises:
            ValueError: `over` is neither.
        """
        if over not in ("max", "mean"):
            raise ValueError(f"over must be 'max' or 'mean', got {over!r}")
        diagram = self.reliability()
        gaps = np.abs(diagram.accuracy - diagram.confidence)[diagram.count > 0]
        return float(gaps.max() if over == "max" else gaps.mean()) if self.count else float("nan")

    def signed_gaps(self, label: int | None = None) -> np.ndarray:
        """(bins,) confidence - accuracy of each bin times its share of the voxels: over-confident where positive.

        Of the top label, where ``abs().sum()`` is :meth:`ece`, or of the probability of class ``label``, where it is
        its :meth:`classwise_ece`. 0 in empty bins; nan without a voxel.

        Raises:
            ValueError: ``label`` is no class.
        """
        _, confidence, hits = self._binned(self._row(label))
        return (confidence - hits) / self.count if self.count else np.full(self.bins, np.nan)

    def over_under(self, label: int | None = None) -> OverUnder:
        """Sums of :meth:`signed_gaps`, of the top label or of class ``label``: all, the positive and the negative."""
        gap = self.signed_gaps(label)
        if not self.count:
            return OverUnder(float("nan"), float("nan"), float("nan"))
        return OverUnder(float(gap.sum()), float(gap[gap > 0].sum()), float(-gap[gap < 0].sum()))

    def classwise_ece(self) -> np.ndarray:
        """(C,) error of each class's probability, over all N voxels; nan without a voxel."""
        values = np.array([self._gap(c) for c in range(self.num_classes)])
        return values if self.count else np.full_like(values, np.nan)

    def sce(self, include_background: bool = True) -> float:
        """Static calibration error: mean of :meth:`classwise_ece` (Nixon et al. 2019).

        A class without a voxel in the reference stays in the mean: its probability has to be 0. The background stays
        in by default, as in Nixon's sum over all classes.
        """
        return self._mean(self.classwise_ece(), include_background)

    def ace(self, include_background: bool = True) -> float:
        """Average calibration error: per class the unweighted mean gap of the non-empty equal-width bins, then the
        mean over classes (Neumann et al. 2018; ``average`` in MONAI). For Nixon's adaptive error, ``tace(0)``.
        """
        values = np.zeros(self.num_classes)
        for c in range(self.num_classes):
            count, confidence, hits = self._binned(c)
            values[c] = np.mean((np.abs(hits - confidence) / np.maximum(count, 1))[count > 0]) if count.any() else 0.0
        return self._mean(values, include_background)

    def classwise_tace(self, threshold: float = 1e-3) -> np.ndarray:
        """(C,) thresholded adaptive error of each class; 0 for a class without a probability above the threshold."""
        start = self._grid.first_above(threshold)
        rows = [[x[c, start:] for x in self._sums()] for c in range(self.num_classes)]
        values = np.array([equal_count_error(*row, self.bins) for row in rows])
        return values if self.count else np.full_like(values, np.nan)

    def tace(self, threshold: float = 1e-3, include_background: bool = True) -> float:
        """Thresholded adaptive calibration error (Nixon et al. 2019).

        Per class: the probabilities above ``threshold`` in ``bins`` equal-count bins, unweighted mean over non-empty
        bins of |accuracy - confidence|; then the mean over all classes. Bins are shared out by cells, not by a sort:
        :meth:`tace_bound` says how far that can be off (measured: below 1e-5 from a million voxels on).

        Raises:
            ValueError: a threshold other than 0, 1e-3, 1e-2 or a bin edge.
        """
        return self._mean(self.classwise_tace(threshold), include_background)

    def tace_bound(self, threshold: float = 1e-3, include_background: bool = True) -> float:
        """Worst-case distance of :meth:`tace` from the value by sorting, computed from this histogram's cells."""
        start = self._grid.first_above(threshold)
        count, _, hits = self._sums()
        rows = [
            equal_count_bound(count[c, start:], hits[c, start:], self._grid.width[start:], self.bins)
            for c in range(self.num_classes)
        ]
        return self._mean(np.array(rows), include_background)

    def classwise_tace_equal_width(self, threshold: float = 1e-3) -> np.ndarray:
        """(C,) equal-width error over the probabilities above the threshold; 0 for a class without one."""
        start = self._grid.first_above(threshold)
        values = np.array([self._gap(c, start) for c in range(self.num_classes)])
        return values if self.count else np.full_like(values, np.nan)

    def tace_equal_width(self, threshold: float = 1e-3, include_background: bool = True) -> float:
        """What published evaluation code calls TACE: :meth:`sce` over the probabilities above ``threshold``, with
        equal-width bins weighted by their share of the survivors (Murugesan et al. 2024, CRaC).
        """
        return self._mean(self.classwise_tace_equal_width(threshold), include_background)

    def label_counts(self) -> np.ndarray:
        """(C,) voxels of each class in the reference."""
        return self._cells.hits[:-1].sum(axis=1)

    def brier(self) -> float:
        """Multi-class Brier score in [0, 2]: mean over voxels of sum_c (p_c - [y = c])^2."""
        return self._cells.brier / self.count if self.count else float("nan")

    def nll(self) -> float:
        """Negative log-likelihood in nats per voxel; a probability of 0 counts as the smallest normal float32."""
        return self._cells.nll / self.count if self.count else float("nan")

    def reliability(self, label: int | None = None) -> Reliability:
        """The reliability diagram of the top label, or of the probability of class ``label``.

        Raises:
            ValueError: ``label`` is no class.
        """
        count, confidence, hits = self._binned(self._row(label))
        with np.errstate(invalid="ignore"):
            means = confidence / count, hits / count
        edges = self._grid.edges.astype(np.float64)
        return Reliability(edges[:-1], edges[1:], count, *means)

    def _sums(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._cells.count, self._cells.confidence, self._cells.hits


def _in_place(probabilities: object) -> bool:
    """Whether to count where the probabilities are, instead of copying them to the CPU."""
    return bool(getattr(probabilities, "is_cuda", False))


def _is_mask(array: object) -> bool:
    return str(array.dtype).removeprefix("torch.") == "bool"


def _as_mask(mask: object, rest: tuple[int, ...], axis: int) -> object:
    """A mask of the voxels' shape `rest`, from booleans or from 0 and 1, perhaps with a class axis of length 1."""
    if tuple(mask.shape) == (*rest[:axis], 1, *rest[axis:]):
        mask = mask.reshape(rest)
    if tuple(mask.shape) == rest and not _is_mask(mask) and bool(((mask == 0) | (mask == 1)).all()):
        mask = mask == 1
    if not _is_mask(mask) or tuple(mask.shape) != rest:
        raise ValueError(
            f"mask must be boolean in the target's shape {rest}, or hold 0 and 1, got {mask.dtype} "
            f"{tuple(mask.shape)}: voxels are counted, weights are not defined"
        )
    return mask


def _both(mask: object, counted: object | None) -> object:
    return mask if counted is None else mask & counted


def _pair(rows: object, single: bool) -> object:
    """(C, n) probabilities; those of two classes from (1, n) of the foreground if `single`."""
    if not single:
        return rows
    if isinstance(rows, np.ndarray):
        return np.concatenate([1 - rows, rows])
    rows = rows.float().repeat(2, 1)
    rows[0] = 1 - rows[0]
    return rows
