"""Whether an npz and the label map beside it are one prediction, voxel by voxel: a shape alone does not tell axes."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np

from spectralcal.datasets.volumes import BadFile

#: share of the foreground of either that may differ without further questions: ties, and float16
_ASK = 0.01
#: share at which the two are no longer one prediction; postprocessing that removes parts stays below it
_OTHER = 0.5


def differing_voxels(path: Path, most_probable: np.ndarray, label: np.ndarray) -> int:
    """Voxels whose most probable class is not the label map's.

    Args:
        path: of the npz, for messages.
        most_probable: (R, A, S) from the probabilities.
        label: (R, A, S) of the file beside them.

    Raises:
        BadFile: the array would fit the label map better with its axes swapped or reversed, or fits in no way.
    """
    differ = int(np.count_nonzero(most_probable != label))
    either = int(np.count_nonzero((most_probable != 0) | (label != 0)))
    if differ <= _ASK * either:
        return differ
    best, axes, flips = min(_others(most_probable, label), default=(differ, (0, 1, 2), ()))
    if best < differ / 2:
        moved = f"axes in the order {axes}" + (f", {flips} reversed" if flips else "")
        raise BadFile(
            path, "probabilities (classes, z, y, x) in the axes of the label map's file",
            f"an array that fits it with {moved}",
            "save the array in the order of the stored image, as nnU-Net with SimpleITK does",
        )  # fmt: skip
    if differ > _OTHER * either:
        raise BadFile(
            path, "the label map beside it to be its most probable classes",
            f"{differ} other voxels of {either} foreground",
            "the two are not of one prediction: predict the case again",
        )  # fmt: skip
    return differ


def _others(values: np.ndarray, label: np.ndarray):
    """(differing voxels, order of axes, reversed axes) of every other way to lay the array out."""
    for axes in permutations(range(3)):
        turned = values.transpose(axes)
        if turned.shape != label.shape:
            continue
        for mirrored in product((False, True), repeat=3):
            flips = tuple(axis for axis, one in enumerate(mirrored) if one)
            if axes != (0, 1, 2) or flips:
                yield int(np.count_nonzero(np.flip(turned, flips) != label)), axes, flips
