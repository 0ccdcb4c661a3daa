"""What the losses accept: logits (B, C, *spatial) with integer targets (B, *spatial) or (B, 1, *spatial)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def checked_logits(logits: Tensor) -> Tensor:
    """`logits` as float32 or float64, after checking shape and type.

    Values are not looked at: a NaN passes through to the loss, where a training loop meets it on every device alike.

    Raises:
        ValueError: not floating point, not (B, C, H, W) or (B, C, D, H, W), or fewer than two classes.
    """
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        received = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"logits: expected a floating-point tensor, received {received}; pass the network's output")
    if logits.ndim not in (4, 5) or 0 in logits.shape:
        raise ValueError(
            f"logits: expected non-empty (B, C, H, W) or (B, C, D, H, W), received {tuple(logits.shape)}; "
            "add the batch or class axis that is missing"
        )
    if logits.shape[1] < 2:
        raise ValueError(
            f"logits: expected at least 2 classes on axis 1, received {tuple(logits.shape)}; "
            "give a binary task a background and a foreground channel"
        )
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()


def checked_target(target: Tensor, logits: Tensor) -> Tensor:
    """`target` as int64 (B, *spatial), after checking it against `logits`; on the CPU also the range of its values.

    A CUDA device is not made to wait for that; there an assertion of the kernel that reads the labels reports it.

    Raises:
        ValueError: not integer, another shape than the logits', or a label outside 0..C-1 (CPU).
    """
    shape, classes = tuple(logits.shape), logits.shape[1]
    plain, channel = (shape[0], *shape[2:]), (shape[0], 1, *shape[2:])
    if (
        not isinstance(target, Tensor)
        or target.is_floating_point()
        or target.is_complex()
        or target.dtype == torch.bool
    ):
        received = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise ValueError(f"target: expected an integer tensor of labels, received {received}; convert it with .long()")
    if tuple(target.shape) not in (plain, channel):
        raise ValueError(
            f"target: expected {plain} or {channel} for logits {shape}, received {tuple(target.shape)}; "
            "pass labels, not one-hot channels, of the logits' spatial size"
        )
    if target.device != logits.device:
        raise ValueError(f"target: expected device {logits.device} as the logits, received {target.device}")
    target = target.reshape(plain).long()
    if target.device.type == "cpu":
        low, high = (int(value) for value in target.aminmax())
        if low < 0 or high >= classes:
            raise ValueError(
                f"target: expected labels 0 to {classes - 1} for {classes} classes, received {low} to {high}; "
                "map the labels or give the network more output channels"
            )
    return target


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
