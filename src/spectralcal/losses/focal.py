"""Focal loss."""

from __future__ import annotations

from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss
from spectralcal.losses._validation import non_negative
from spectralcal.losses.targets import Common, Inputs


class FocalLoss(SegmentationLoss):
    """Mean over voxels of -(1 - p_y)^gamma log p_y (Lin et al., 2017, eq. 4, without class weights).

    The gradient flows through the factor. Unlike cross-entropy it is not a proper score: its minimum is less confident
    than the label frequencies, which is why it is used against overconfidence (Mukhoti et al., 2020). With soft labels
    q: -sum_c q_c (1 - p_c)^gamma log p_c.

    Args:
        gamma: focusing exponent; default 3.0, the setting of the paper's baseline. 0 is cross-entropy.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: a negative `gamma`.
    """

    def __init__(self, gamma: float = 3.0, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.gamma = non_negative("gamma", gamma)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"focal": self._focal(F.cross_entropy(logits, target, reduction="none")).mean()}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        if inputs.soft is None:
            return {"focal": self._focal(F.cross_entropy(inputs.logits, inputs.labels, reduction="none"))}
        return {"focal": (inputs.soft * self._focal(-inputs.logits.log_softmax(1))).sum(1)}

    def _focal(self, negative_log: Tensor) -> Tensor:
        # 1 - p without cancellation; the floor keeps the slope of powers below 1 finite where p rounds to 1.
        doubt = -torch.expm1(-negative_log)
        return doubt.clamp_min(torch.finfo(doubt.dtype).tiny) ** self.gamma * negative_log


LOSS = FocalLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "FL"
REFERENCE = "Lin et al., Focal loss for dense object detection, ICCV 2017; Mukhoti et al., NeurIPS 2020"
