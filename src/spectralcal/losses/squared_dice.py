"""Soft Dice with squared denominator: the control arm of the spectral correlation coefficient."""

from __future__ import annotations

from typing import Literal, Unpack

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss
from spectralcal.losses._overlap import base_terms, base_values, soft_dice, soft_dices
from spectralcal.losses._validation import choice, non_negative
from spectralcal.losses.targets import Common, Inputs


class SquaredDiceLoss(SegmentationLoss):
    """Cross-entropy plus weight * (1 - 2 sum(p y) / (sum p^2 + sum y^2)) (Milletari et al., 2016).

    Sums are weighted by voxels' weights. Soft labels are defined for it, but not for the Dice of base="ce_dice".
    By Plancherel's theorem this equals :class:`SpectralCorrelationLoss` over the full spectrum, in value and gradient.

    Args:
        weight: of the Dice term; default 0.2, that of the spectral correlation it is compared with.
        reduce: the ratio per image and class ("case", default) or of sums over the batch ("batch").
        include_background: count class 0; default False.
        base: "ce" (default), "ce_dice" or "none".
        eps: added above and below, so that a class neither present nor predicted scores 1; default 1e-6.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: an option outside its range.
    """

    def __init__(
        self,
        weight: float = 0.2,
        reduce: Literal["case", "batch"] = "case",
        include_background: bool = False,
        base: Literal["ce", "ce_dice", "none"] = "ce",
        eps: float = 1e-6,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.weight = non_negative("weight", weight)
        choice("reduce", reduce, ("case", "batch"))
        choice("base", base, ("ce", "ce_dice", "none"))
        self.reduce, self.include_background, self.base, self.eps = reduce, include_background, base, eps

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = base_terms(self.base, logits, target, self.include_background)
        dice = soft_dice(logits, target, True, self.include_background, self.reduce, self.eps)
        return terms | {"squared_dice": self.weight * (1 - dice)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = base_values(self.base, inputs, self.include_background)
        dice = soft_dices(inputs, True, self.include_background, self.reduce, self.eps)
        return terms | {"squared_dice": self.weight * (1 - dice)}


LOSS = SquaredDiceLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "Sq. Dice"
REFERENCE = "Milletari et al., V-Net, 3DV 2016"
