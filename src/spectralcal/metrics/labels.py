"""Whatever users pass as reference labels, in one form: the only place of the metrics that knows the variants.

For voxels of shape ``*S`` (or ``(B, *S)``) a reference may be labels of that shape or with a class axis of length 1, of
any integer type, bool, or floats with whole values; or one-hot, with a class axis of C zeros and ones. Metrics count
labels, so soft labels are not defined for them (:mod:`spectralcal.metrics.truth` compares with a known posterior).
Voxels with the label ``ignore_index`` do not count, nor do one-hot voxels without a class where it is given.

NumPy arrays and torch tensors of any device stay where they are; torch is never imported here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: marks of voxels without a label in other people's files, beside negative numbers
UNLABELLED = 255


def labelled(
    array: Any, shape: tuple[int, ...], axis: int = 0, ignore_index: int | None = None, name: str = "target"
) -> tuple[Any, Any]:
    """Labels of voxels, and which of them count.

    Args:
        array: NumPy array or tensor in any accepted form.
        shape: of the voxels.
        axis: where a class axis may stand.
        ignore_index: label of voxels that do not count; None if every voxel has a label.
        name: of the argument, for messages.

    Returns:
        Integer or boolean labels of `shape`, and booleans of `shape`, True where a voxel counts, or None for all. The
        input itself where it has this form already.

    Raises:
        ValueError: another shape, or values that are no labels.
    """
    given = tuple(array.shape)
    if given == shape:
        values = array
    elif given == (*shape[:axis], 1, *shape[axis:]):
        values = array.reshape(shape)
    elif len(given) == len(shape) + 1 and (*given[:axis], *given[axis + 1 :]) == shape:
        return _from_one_hot(array, axis, ignore_index, name)
    else:
        one_hot = (*shape[:axis], "C", *shape[axis:])
        raise ValueError(
            f"{name} must hold labels of one shape with the prediction, {shape}, or be one-hot, "
            f"({', '.join(map(str, one_hot))}); got {array.dtype} {given}"
        )
    counted = None if ignore_index is None else _differs(values, ignore_index)
    return _whole(values, counted, name), counted


def refuse_unknown(labels: Any, counted: Any, num_classes: int | None, name: str = "target") -> None:
    """ValueError for labels that are no class: outside 0..num_classes - 1, or where that is not given, negative or
    :data:`UNLABELLED`, which mark voxels without a label."""
    if labels.dtype.kind == "b" or labels.size == 0:
        return
    known = labels if counted is None else labels[counted]
    # Read as unsigned, negative labels are huge: one pass says that all is well.
    if known.size == 0 or int(known.view(f"u{known.itemsize}").max()) < (num_classes or UNLABELLED):
        return
    low = 0 if labels.dtype.kind == "u" else int(known.min())
    high = int(known.max())
    if num_classes is not None and (low < 0 or high >= num_classes):
        raise ValueError(
            f"{name} labels must be in 0..{num_classes - 1} for {num_classes} classes, got {low}..{high}: remap them, "
            "or name the label of voxels that do not count with ignore_index"
        )
    if num_classes is None and (low < 0 or bool((known == UNLABELLED).any())):
        raise ValueError(
            f"{name} has the label {low if low < 0 else UNLABELLED}, which usually marks voxels without a label: name "
            "it with ignore_index, or give num_classes if it is a class"
        )


def _from_one_hot(array: Any, axis: int, ignore_index: int | None, name: str) -> tuple[Any, Any]:
    ones, zeros = array == 1, array == 0
    classes = array.shape[axis]
    counted = (ones.sum(axis) == 1) & (zeros.sum(axis) == classes - 1)
    if ignore_index is None:
        without, end = ~counted, ""
    else:
        unlabelled = zeros.all(axis) | (~_differs(array, ignore_index)).all(axis)
        without, end = ~(counted | unlabelled), f" (or 0, or {ignore_index}, throughout)"
    if bool(without.any()):
        raise ValueError(
            f"{name} must be one-hot along axis {axis}, one 1 per voxel and 0 elsewhere{end}, got {array.dtype} "
            f"{tuple(array.shape)} with other values: these metrics count labels, soft ones are not defined for them"
        )
    labels = _as_bytes(ones).argmax(axis)
    return labels, None if ignore_index is None or bool(counted.all()) else counted


def _whole(values: Any, counted: Any, name: str) -> Any:
    """Labels of an integer type, or the floats as such."""
    kind = _kind(values)
    if kind in "iub":
        return values
    if kind == "f":
        known = values if counted is None else values[counted]
        largest = float(abs(known).max()) if 0 not in known.shape else 0.0
        if bool((known == known.round()).all()) and largest < 2.0**53:
            return values.long() if hasattr(values, "detach") else values.astype(np.int64)
    raise ValueError(
        f"{name} must hold integer labels, or floats with whole values, got {values.dtype} {tuple(values.shape)} with "
        "others: metrics count labels, soft ones are not defined for them"
    )


def _differs(values: Any, label: int) -> Any:
    if _kind(values) in "iu" and hasattr(values, "detach"):
        values = values.long()  # a byte is never -100, and torch would refuse to ask
    return values != label


def _as_bytes(mask: Any) -> Any:
    return mask.byte() if hasattr(mask, "detach") else mask


def _kind(array: Any) -> str:
    """The kind of an array's type as NumPy has it: "b", "i" (also unsigned), "f" or "c"."""
    if isinstance(array, np.ndarray):
        return array.dtype.kind
    if array.is_complex():
        return "c"
    return "f" if array.is_floating_point() else "b" if str(array.dtype) == "torch.bool" else "i"
