"""Scalar confidence maps of a segmentation: one number per voxel from C class logits (paper, Eq. 1; alternatives)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spectralcal.spectral._checks import member
from spectralcal.spectral.blocks import blocks

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
    """Maximum over the class axis, (B, C, *spatial) -> (B, *spatial), and the gradient goes to one class per voxel."""
    return _ClassMax.apply(logits)


def _widen(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


class _ClassMax(torch.autograd.Function):
    """`amax` forward, first winner backward: faster than a maximum with indices, and exact at ties.

    Ties are common in bfloat16. `amax` alone would split the gradient, and an equality mask alone would multiply it.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        return logits.amax(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        fields, rest = logits.detach().flatten(2), grad.flatten(1).unsqueeze(1)
        result = torch.empty_like(logits, memory_format=torch.contiguous_format)
        parts = result.flatten(2)
        for here in blocks(fields):
            # The first class that reaches the maximum takes the gradient and leaves zero to those after it.
            left = rest[here].clone()
            largest = fields[here].amax(1, keepdim=True)
            for part in torch.eq(fields[here], largest, out=parts[here]).split(1, 1):
                left.sub_(part.mul_(left))
        return result
