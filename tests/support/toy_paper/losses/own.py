"""Cross-entropy with a penalty on large logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from spectralcal.losses import SegmentationLoss


class OwnLoss(SegmentationLoss):
    """CE + strength * mean squared logit."""

    def __init__(self, strength: float = 0.01) -> None:
        super().__init__()
        self.strength = strength

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"ce": cross_entropy(logits, target), "size": self.strength * logits.square().mean()}


LOSS = OwnLoss
