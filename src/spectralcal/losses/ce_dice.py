"""Cross-entropy and soft Dice: the usual spatial objective, and the base of terms that come on top of it."""

from __future__ import annotations

from typing import Literal, Unpack

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses._overlap import soft_dice, soft_dices
from spectralcal.losses._validation import choice, non_negative
from spectralcal.losses.targets import Common, Inputs


class CrossEntropyDiceLoss(SegmentationLoss):
    """Cross-entropy plus weight * (1 - Dice), Dice = 2 sum(p y) / (sum p + sum y) of softmax probabilities and labels.

    With ``squared=True, reduce="batch", include_background=True`` the Dice term is that of TransUNet's training up to
    its smoothing (Chen et al., 2021); with ``squared=True, weight=0.2`` the loss is :class:`SquaredDiceLoss`.

    Args:
        weight: of the Dice term; default 1, the sum as most write it.
        squared: squares in the denominator (Milletari et al., 2016); default False, the linear form.
        reduce: the ratio per image and class ("case", default), of sums over the batch ("batch"), or of sums over the
            batch and the classes ("all").
        include_background: count class 0; default False.
        base: "ce" (default), or "none" for Dice alone.
        eps: added above and below, so that a class neither present nor predicted scores 1; default 1e-6.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`. Soft labels only with squared=True.

    Raises:
        ValueError: an option outside its range.
    """

    def __init__(
        self,
        weight: float = 1.0,
        squared: bool = False,
        reduce: Literal["case", "batch", "all"] = "case",
        include_background: bool = False,
        base: Literal["ce", "none"] = "ce",
        eps: float = 1e-6,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.weight, self.eps = non_negative("weight", weight), non_negative("eps", eps)
        choice("reduce", reduce, ("case", "batch", "all"))
        choice("base", base, ("ce", "none"))
        self.squared, self.reduce = squared, reduce
        self.include_background, self.base = include_background, base

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = {"ce": cross_entropy(logits, target)} if self.base == "ce" else {}
        dice = soft_dice(logits, target, self.squared, self.include_background, self.reduce, self.eps)
        return terms | {"dice": self.weight * (1 - dice)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = {"ce": cross_entropies(inputs)} if self.base == "ce" else {}
        dice = soft_dices(inputs, self.squared, self.include_background, self.reduce, self.eps)
        return terms | {"dice": self.weight * (1 - dice)}


LOSS = CrossEntropyDiceLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "CE + Dice"
REFERENCE = "Milletari et al., V-Net, 3DV 2016; Isensee et al., nnU-Net, Nature Methods 2021"
