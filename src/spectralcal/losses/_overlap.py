"""Soft overlap of probabilities and labels."""

from __future__ import annotations

import torch
from torch import Tensor

from spectralcal.losses._base import cross_entropies, cross_entropy, one_hot
from spectralcal.losses._gradient import through_softmax, with_gradient
from spectralcal.losses.targets import Inputs
from spectralcal.spectral.blocks import blocks


def ratio(numerator: Tensor, denominator: Tensor, reduce: str, eps: float) -> Tensor:
    """Mean of (2 numerator + eps) / (denominator + eps) over images and classes, (B, C) -> scalar.

    `reduce` "case" takes the ratio per image and class; "batch" sums over the images first, "all" over images and
    classes. A class that is neither present nor predicted scores 1.
    """
    if reduce == "batch":
        numerator, denominator = numerator.sum(0), denominator.sum(0)
    elif reduce == "all":
        numerator, denominator = numerator.sum(), denominator.sum()
    return ((2 * numerator + eps) / (denominator + eps)).mean()


def ratios(numerator: Tensor, denominator: Tensor, reduce: str, eps: float) -> Tensor:
    """:func:`ratio` of each image, (B, C) -> (B,), for "case"; of the batch, a scalar, for "batch" and "all"."""
    if reduce != "case":
        return ratio(numerator, denominator, reduce, eps)
    return ((2 * numerator + eps) / (denominator + eps)).mean(1)


def soft_dice(
    logits: Tensor, target: Tensor, squared: bool, include_background: bool, reduce: str = "case", eps: float = 1e-6
) -> Tensor:
    """Soft Dice of the softmax of logits (B, C, *spatial) and labels (B, *spatial), a scalar similarity from 0 to 1.

    The denominator is sum p^2 + sum y^2 when `squared` (Milletari et al., 2016), else sum p + sum y.
    """
    labels = one_hot(target, logits.shape[1], torch.uint8).flatten(2)
    first = 0 if include_background else 1

    def measure(logits: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
        probabilities = logits.softmax(1)
        product, size = torch.zeros(2, *labels.shape[:2], dtype=torch.float64, device=logits.device).unbind()
        for here in blocks(logits):
            p, y = probabilities[here], labels[here].to(logits.dtype)
            product[here[0]] += (p * y).sum(2)
            # Labels are 0 or 1: their squares are themselves.
            size[here[0]] += (torch.addcmul(y, p, p) if squared else p + y).sum(2)
        with torch.enable_grad():
            product.requires_grad_()
            size.requires_grad_()
            value = ratio(product[:, first:], size[:, first:], reduce, eps)
        if not wanted:
            return value.detach().to(logits.dtype), None
        slopes = torch.autograd.grad(value, (product, size))
        by_product, by_size = (slope.unsqueeze(2).to(logits.dtype) for slope in slopes)
        for here in blocks(logits):
            p, y, sample = probabilities[here], labels[here].to(logits.dtype), here[0]
            by_p = y.mul_(by_product[sample])
            by_p = by_p.addcmul_(p, 2 * by_size[sample]) if squared else by_p.add_(by_size[sample])
            through_softmax(p, by_p)
        return value.detach().to(logits.dtype), probabilities

    return with_gradient(logits, measure)


def soft_dices(
    inputs: Inputs, squared: bool, include_background: bool, reduce: str = "case", eps: float = 1e-6
) -> Tensor:
    """:func:`soft_dice` with weighted sums and soft labels, as :func:`ratios`.

    Raises:
        ValueError: soft labels where not `squared`: that ratio is not largest where the probabilities are the labels.
    """
    if inputs.soft is not None and not squared:
        raise ValueError(
            "target: soft labels have no Dice with sum p + sum y, which is not largest at p = y; use base='ce'"
        )
    first = 0 if include_background else 1
    p, y = inputs.logits.softmax(1)[:, first:].flatten(2), inputs.shares()[:, first:].flatten(2)
    size = p.square() + y.square() if squared else p + y
    product = p * y
    if inputs.weight is not None:
        weight = inputs.weight.flatten(1).unsqueeze(1)
        product, size = product * weight, size * weight
    return ratios(product.sum(2), size.sum(2), reduce, eps)


def base_values(base: str, inputs: Inputs, include_background: bool) -> dict[str, Tensor]:
    """:func:`base_terms` before reduction."""
    if base == "none":
        return {}
    terms = {"ce": cross_entropies(inputs)}
    if base == "ce_dice":
        terms["dice"] = 1 - soft_dices(inputs, False, include_background)
    return terms


def base_terms(base: str, logits: Tensor, target: Tensor, include_background: bool) -> dict[str, Tensor]:
    """The base objective of a regulariser: "ce", "ce_dice" (plus 1 - Dice) or "none"."""
    if base == "none":
        return {}
    terms = {"ce": cross_entropy(logits, target)}
    if base == "ce_dice":
        terms["dice"] = 1 - soft_dice(logits, target, False, include_background)
    return terms
