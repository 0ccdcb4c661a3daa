"""Scalar confidence maps of a segmentation: one number a voxel from C class logits (paper, Eq. 1, and alternatives)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spectralcal.spectral._checks import member

Confidence = Literal["max_logit", "max_log_prob", "max_prob", "margin", "entropy"]
KINDS = ("max_logit", "max_log_prob", "max_prob", "margin", "entropy")


def confidence_map(logits: Tensor, kind: Confidence = "max_logit") -> Tensor:
    """A confidence map from logits.

    Args:
        logits: (B, C, H, W) or (B, C, D, H, W) floating point, C >= 2.
        kind: "max_logit" max_c z_c (Eq. 1, default; moves when a constant is added to all classes of a voxel, which the
            softmax ignores); "max_log_prob" log of the largest softmax probability; "max_prob" that probability;
            "margin" largest minus second largest logit; "entropy" entropy of the softmax in nats, high where the
            prediction is unsure. All but the first are blind to class-common shifts.

    Returns:
        (B, *spatial), float32 (float64 for float64 logits). Where classes tie for the maximum, the first one receives
        the gradient.

    Raises:
        ValueError: wrong shape or type of `logits`, or an unknown `kind`.
    """
    member("kind", kind, KINDS)
    if not isinstance(logits, Tensor) or not logits.is_floating_point():
        received = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"logits: expected a floating-point tensor, received {received}")
    if logits.ndim not in (4, 5) or logits.shape[1] < 2:
        raise ValueError(
            f"logits: expected (B, C, H, W) or (B, C, D, H, W) with C >= 2 classes, received {tuple(logits.shape)}"
        )
    with torch.autocast(logits.device.type, enabled=False):
        if kind == "max_logit":
            return _widen(class_max(logits))
        logits = _widen(logits)
        if kind == "margin":
            first, second = logits.topk(2, dim=1).values.unbind(1)
            return first - second
        if kind == "entropy":
            log_probabilities = logits.log_softmax(1)
            return -(log_probabilities.exp() * log_probabilities).sum(1)
        log_probability = class_max(logits) - logits.logsumexp(1)
        return log_probability if kind == "max_log_prob" else log_probability.exp()


def class_max(logits: Tensor) -> Tensor:
    """Maximum over the class axis, (B, C, *spatial) -> (B, *spatial), with the gradient given to one class a voxel."""
    return _ClassMax.apply(logits)


def _widen(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


class _ClassMax(torch.autograd.Function):
    """`amax` forward, first winner backward: faster than a maximum with indices, and exact at ties.

    Ties are common in bfloat16. `amax` alone would split the gradient, and an equality mask alone would multiply it.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        largest = logits.amax(1)
        if ctx.needs_input_grad[0]:
            # The winner's index counts the classes before it that are not the largest; a byte holds it.
            winner = torch.zeros_like(largest, dtype=torch.uint8 if logits.shape[1] <= 256 else torch.int64)
            below = torch.ones_like(largest, dtype=torch.bool)
            for index in range(logits.shape[1] - 1):
                below.logical_and_(logits[:, index] != largest)
                winner.add_(below.view(torch.uint8))
            ctx.save_for_backward(winner)
            ctx.shape = logits.shape
        return largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (winner,) = ctx.saved_tensors
        result = grad.new_zeros(ctx.shape)
        for sample, index, value in zip(result, winner, grad, strict=True):
            sample.scatter_(0, index.long().unsqueeze(0), value.unsqueeze(0))
        return result
