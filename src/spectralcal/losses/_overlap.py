"""Soft overlap of probabilities and labels."""

from __future__ import annotations

import torch
from torch import Tensor


def ratio(numerator: Tensor, denominator: Tensor, reduce: str, eps: float) -> Tensor:
    """Mean of (2 numerator + eps) / (denominator + eps) over images and classes, (B, C) -> scalar.

    `reduce` "case" takes the ratio per image and class; "batch" sums over the images first. A class that is neither
    present nor predicted scores 1.
    """
    if reduce == "batch":
        numerator, denominator = numerator.sum(0), denominator.sum(0)
    return ((2 * numerator + eps) / (denominator + eps)).mean()


def soft_dice(probabilities: Tensor, labels: Tensor, squared: bool, reduce: str = "case", eps: float = 1e-6) -> Tensor:
    """Soft Dice of (B, C, *spatial) probabilities and one-hot labels, a scalar similarity from 0 to 1.

    The denominator is sum p^2 + sum y^2 when `squared` (Milletari et al., 2016), else sum p + sum y.
    """
    p, y = probabilities.flatten(2), labels.flatten(2)
    size = (p.square() if squared else p).sum(2) + y.sum(2)  # labels are 0 or 1: their squares are themselves
    return ratio((p * y).sum(2), size, reduce, eps)


def foreground(tensor: Tensor, include_background: bool) -> Tensor:
    """Class channels (B, C, *spatial) that count: all of them, or all but channel 0."""
    return tensor if include_background else tensor[:, 1:]


def base_terms(base: str, logits: Tensor, target: Tensor, probabilities: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The base objective of a regulariser: "ce", "ce_dice" (plus 1 - Dice of the given channels) or "none"."""
    if base == "none":
        return {}
    terms = {"ce": torch.nn.functional.cross_entropy(logits, target)}
    if base == "ce_dice":
        terms["dice"] = 1 - soft_dice(probabilities, labels, squared=False)
    return terms
