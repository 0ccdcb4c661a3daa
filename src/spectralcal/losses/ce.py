"""Cross-entropy: the baseline, and the base term of most other losses here."""

from __future__ import annotations

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses.targets import Inputs


class CrossEntropyLoss(SegmentationLoss):
    """Mean over all voxels, background included, of -log p_y, with p the softmax of the logits.

    Without weights and ignored labels (the defaults): the setting of every method compared in the paper (Eq. 10
    without its second term). With soft labels q: -sum_c q_c log p_c.
    """

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"ce": cross_entropy(logits, target)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {"ce": cross_entropies(inputs)}


LOSS = CrossEntropyLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "CE"
REFERENCE = "Bishop, Pattern Recognition and Machine Learning, Springer 2006, sec. 4.3.4"
