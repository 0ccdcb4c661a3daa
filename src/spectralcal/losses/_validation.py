"""Checks of arguments and options. How targets of other forms are read is in :mod:`spectralcal.losses.targets`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: largest distance from 1 of a voxel's soft labels: half precision sums to one no better than this
SUM_TOLERANCE = 5e-3


def received(value: object) -> str:
    """What was passed, for messages: type and shape of a tensor, else the class."""
    if isinstance(value, Tensor):
        return f"received {value.dtype} of shape {tuple(value.shape)}"
    return f"received {type(value).__name__}"


def checked_logits(logits: Tensor, multilabel: bool = False) -> Tensor:
    """`logits` as float32 or float64 with at least two classes, after checking shape and type.

    A single channel becomes a pair of logits, and with `multilabel` each channel a sample with such a pair
    (:mod:`spectralcal.losses.targets`). Values are not looked at: a NaN passes through to the loss, where a training
    loop meets it on every device alike.

    Raises:
        ValueError: not floating point, or not (B, C, H, W) or (B, C, D, H, W).
    """
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        raise ValueError(f"logits: expected a floating-point tensor, {received(logits)}; pass the network's output")
    if logits.ndim not in (4, 5) or 0 in logits.shape:
        raise ValueError(
            f"logits: expected non-empty (B, C, H, W) or (B, C, D, H, W), received {tuple(logits.shape)}; "
            "add the batch or class axis that is missing"
        )
    if type(logits) is not Tensor:
        logits = logits.as_subclass(Tensor)
    if logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    if logits.shape[1] > 1 and not multilabel:
        return logits
    half = logits.reshape(-1, *logits.shape[2:]) / 2
    return torch.stack([-half, half], 1)


def checked_target(target: Tensor, logits: Tensor) -> Tensor:
    """Integer labels as int64 (B, *spatial), after checking them against `logits`; on the CPU also their range.

    A CUDA device is not made to wait for that; there an assertion of the kernel that reads the labels reports it.

    Raises:
        ValueError: not integer, another shape than the logits', or a label outside 0..C-1 (CPU).
    """
    shape, classes = tuple(logits.shape), logits.shape[1]
    plain, channel = (shape[0], *shape[2:]), (shape[0], 1, *shape[2:])
    if tuple(target.shape) not in (plain, channel):
        raise ValueError(
            f"target: expected labels {plain} or {channel}, or one-hot or soft labels {shape}, "
            f"for logits of shape {shape}, received {tuple(target.shape)}"
        )
    if target.device != logits.device:
        raise ValueError(f"target: expected device {logits.device} as the logits, received {target.device}")
    target = target.reshape(plain).long()
    if target.device.type == "cpu":
        low, high = (int(value) for value in target.aminmax())
        if low < 0 or high >= classes:
            raise ValueError(
                f"target: expected labels 0 to {classes - 1} for {classes} classes, received {low} to {high}; "
                "map the labels, name that of voxels that do not count with ignore_index, or give the network more "
                "output channels"
            )
    return target


def whole_labels(values: Tensor) -> Tensor:
    """Labels of any integer type, bool, or floats with whole values, as int64.

    Raises:
        ValueError: values with a fraction, or not finite.
    """
    if not values.is_floating_point():
        return values.long()
    odd = values != values.round()  # true for NaN, and infinity is caught by the range
    if bool(odd.any()) or not bool(values.isfinite().all()):
        example = float(values[odd | ~values.isfinite()][0])
        raise ValueError(
            f"target: expected labels with whole values, {received(values)} with {example:g}; soft labels have a "
            "class axis, (B, C, *spatial)"
        )
    return values.long()


def non_negative(name: str, value: float) -> float:
    """`value`, or ValueError when it is negative or not finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: expected a finite number >= 0, received {value!r}")
    return value


def at_least(name: str, value: int, minimum: int) -> int:
    """`value`, or ValueError when it is not an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name}: expected an integer >= {minimum}, received {value!r}")
    return value


def between(name: str, value: float, low: float, high: float) -> float:
    """`value`, or ValueError when it is outside [low, high]."""
    if not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, received {value!r}")
    return value


def choice(name: str, value: object, valid: tuple[object, ...]) -> None:
    """ValueError unless `value` is one of `valid`."""
    if value not in valid:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, valid))}, received {value!r}")
