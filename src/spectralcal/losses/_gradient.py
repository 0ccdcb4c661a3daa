"""Scalars whose gradient is known in closed form and computed along with the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: (logits (B, C, V), wanted) -> scalar, and its gradient (B, C, V) where `wanted`
Measure = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]


def with_gradient(logits: Tensor, measure: Measure) -> Tensor:
    """The scalar that `measure` finds for logits (B, C, *spatial), differentiable once with respect to them.

    `measure` runs without autograd and sees the voxels flattened. Value and gradient of one pass share what they have
    in common and leave no intermediate tensor behind, which autograd would keep for each operation.
    """
    return _WithGradient.apply(logits, measure)


def through_softmax(probabilities: Tensor, slope: Tensor) -> None:
    """From the slope s by probabilities p to that by logits, p (s - sum_c p s) over axis 1, written over p.

    `slope` is spent too. For a :data:`Measure` that needs neither any more.
    """
    total = slope.mul_(probabilities).sum(1, keepdim=True)
    torch.sub(slope, probabilities.mul_(total), out=probabilities)


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, measure: Measure) -> Tensor:
        value, gradient = measure(logits.flatten(2), ctx.needs_input_grad[0])
        ctx.shape = logits.shape
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        # A view here would keep autograd from adding the gradient of the next term in place.
        return gradient.reshape(ctx.shape) * grad, None
