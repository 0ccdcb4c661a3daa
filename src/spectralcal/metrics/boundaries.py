"""Boundary voxels of masks and the distances between them: in NumPy or compiled, exact, with one result."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from spectralcal.metrics.compiled import kernel, read_only

_REACH = 2048  # steps that the compiled search tries before a tree answers: about what one query of a tree costs


def boundary_distances(
    prediction: np.ndarray, reference: np.ndarray, labels: Iterable[int], spacing: np.ndarray
) -> dict[int, tuple[np.ndarray | None, np.ndarray | None]]:
    """Distances between the boundaries of each label in two maps, by compiled loops.

    Args:
        prediction, reference: (H, W) or (D, H, W) uint8, contiguous.
        labels: in 1..255.
        spacing: (axes,) mm.

    Returns:
        label -> distances (P,) of the prediction's boundary to the reference's and (R,) back, in array order. Where a
        map lacks the label its entry is None, and the other's is empty.
    """
    planar = prediction.ndim == 2
    maps = [read_only(m[None] if planar else m) for m in (prediction, reference)]
    boxes = np.empty((2, 256, 6), np.int64)
    for m, box in zip(maps, boxes, strict=True):
        kernel("label_boxes")(m, box)
    steps, mm = _steps(tuple(spacing.tolist()))
    pad = np.abs(steps).max(axis=0)
    if planar:
        pad = np.concatenate([[0], pad])
    results = {}
    for label in labels:
        present = boxes[:, label, 0] >= 0
        if not present.all():
            results[label] = tuple(np.zeros(0) if here else None for here in present)
            continue
        first, last = boxes[:, label, ::2].min(axis=0), boxes[:, label, 1::2].max(axis=0)
        frames = [np.zeros(last - first + 1 + 2 * pad, np.uint8) for _ in maps]
        for m, frame in zip(maps, frames, strict=True):
            kernel("mark_boundary")(m, label, first, last, planar, frame, pad)
        strides = np.array(frames[0].strides)[1 if planar else 0 :]
        flat = [frame.reshape(-1) for frame in frames]
        points = [np.flatnonzero(frame.view(bool)) for frame in flat]
        scale = np.concatenate([[1.0], spacing]) if planar else spacing
        results[label] = tuple(
            _search(points[i], points[1 - i], flat[1 - i], steps @ strides, mm, frames[0].shape, scale) for i in (0, 1)
        )
    return results


def _search(points, targets, frame, steps, mm, shape, spacing) -> np.ndarray:
    distance = np.empty(points.size)
    kernel("nearest_marked")(points, read_only(frame), steps, mm, distance)
    far = np.flatnonzero(distance < 0)
    if far.size:
        distance[far] = _by_tree(*(np.stack(np.unravel_index(p, shape), -1) for p in (points[far], targets)), spacing)
    return distance


def bounding_box(mask: np.ndarray) -> tuple[slice, ...] | None:
    """Smallest box that holds every voxel of the mask; None for an empty mask."""
    box, view = [], mask
    for axis in range(mask.ndim):
        filled = np.flatnonzero(view.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        if filled.size == 0:
            return None
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
        view = mask[tuple(box)]  # each axis shrinks what the next one has to read
    return tuple(box)


def boundary_voxels(mask: np.ndarray) -> np.ndarray:
    """Voxels of the mask with a face neighbour outside the mask or outside the array."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        before, after, first, last = (
            (slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None), slice(0, 1), slice(-1, None))
        )
        inner[after] &= mask[before]
        inner[before] &= mask[after]
        inner[first] = False
        inner[last] = False
    return mask & ~inner


def nearest_mm(points: np.ndarray, targets: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance of each True of ``points``, in array order, to the nearest True of ``targets`` (not empty).

    Most boundary voxels of a usable prediction lie on or beside the reference's: these are found by looking at the
    neighbours in order of distance. A tree answers for the rest; both are exact.
    """
    steps, reach_mm = _neighbours(tuple(spacing.tolist()))
    pad = np.abs(steps).max(axis=0)
    frame = np.pad(targets, [(n, n) for n in pad.tolist()])
    strides = np.array(frame.strides) // frame.itemsize
    marked = np.flatnonzero(points)
    voxel = np.ravel_multi_index(np.unravel_index(marked, points.shape) + pad[:, None], frame.shape)
    distance, place = np.zeros(marked.size), np.arange(marked.size)
    started = place.size
    for i, (step, mm) in enumerate(zip((steps @ strides).tolist(), reach_mm.tolist(), strict=True)):
        hit = frame.ravel().take(voxel + step)
        distance[place[hit]] = mm
        voxel, place = voxel[~hit], place[~hit]
        if i % 8 == 7:
            if place.size > 0.92 * started:  # looking further would cost more than the tree
                break
            started = place.size
    if place.size:
        far = np.stack(np.unravel_index(marked[place], points.shape), -1)
        distance[place] = _by_tree(far, np.argwhere(targets), spacing)
    return distance


def _by_tree(points: np.ndarray, targets: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance of (n, axes) voxels to the nearest of (m, axes) voxels."""
    from scipy.spatial import cKDTree

    # Grid points need no balanced tree; building a plain one costs half.
    tree = cKDTree(targets * spacing, balanced_tree=False, compact_nodes=False, leafsize=32)
    nearest = tree.query(points * spacing)[1]
    # From the steps, as for near voxels, so that which way a distance was found does not change its last bit.
    return _length_mm(points - targets[nearest], spacing)


def _length_mm(steps: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    # Rounded far below any voxel: steps of one length (3, 4 and 5, 0) are then equal, and so is a tolerance of voxels.
    return np.round(np.sqrt(np.square(steps * spacing).sum(axis=-1)), 9)


@lru_cache(maxsize=64)
def _neighbours(spacing: tuple[float, ...], most: int = 96, reach: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(n, axes) steps to the nearest voxels in order of distance, itself first, and their (n,) distances in mm."""
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * len(spacing), indexing="ij"), -1)
    return _ordered(steps.reshape(-1, len(spacing)), spacing, (reach + 1) * min(spacing), most)


@lru_cache(maxsize=16)
def _steps(spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_neighbours`, for a ball that holds about ``_REACH`` voxels."""
    unit_ball = {2: np.pi, 3: 4 / 3 * np.pi}[len(spacing)]
    radius_mm = (_REACH / unit_ball * float(np.prod(spacing))) ** (1 / len(spacing))
    reach = [min(int(radius_mm / s), _REACH) for s in spacing]
    steps = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1)
    return _ordered(steps.reshape(-1, len(spacing)), spacing, radius_mm, 2 * _REACH)


def _ordered(steps, spacing, below_mm: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    mm = _length_mm(steps, np.asarray(spacing))
    order = np.argsort(mm, kind="stable")[:most]
    order = order[mm[order] < below_mm]  # beyond, a step outside the box could be nearer
    return steps[order], mm[order]
