"""Label smoothing."""

from __future__ import annotations

from typing import Unpack

import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies
from spectralcal.losses._validation import between
from spectralcal.losses.targets import Common, Inputs


class LabelSmoothingLoss(SegmentationLoss):
    """Cross-entropy with the target (1 - alpha) one-hot + alpha / C: (1 - alpha) CE + alpha * mean_c(-log p_c).

    The true class's target is 1 - alpha + alpha / C (Szegedy et al., 2016, sec. 7), at every voxel alike, however far
    from a border. Soft labels take the place of the one-hot ones.

    Args:
        alpha: mass spread over all classes; default 0.1, the setting of the paper's baseline. 0 is cross-entropy.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: `alpha` outside [0, 1].
    """

    def __init__(self, alpha: float = 0.1, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.alpha = between("alpha", alpha, 0.0, 1.0)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        log_probabilities = logits.log_softmax(1)
        return {
            "ce": (1 - self.alpha) * F.nll_loss(log_probabilities, target),
            "smoothing": -self.alpha * log_probabilities.mean(),
        }

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {
            "ce": (1 - self.alpha) * cross_entropies(inputs),
            "smoothing": -self.alpha * inputs.logits.log_softmax(1).mean(1),
        }


LOSS = LabelSmoothingLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "LS"
REFERENCE = "Szegedy et al., Rethinking the inception architecture, CVPR 2016; Müller et al., NeurIPS 2019"
