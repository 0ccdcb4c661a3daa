"""Cross-entropy: the baseline, and the base term of most other losses here."""

from __future__ import annotations

from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropy


class CrossEntropyLoss(SegmentationLoss):
    """Mean over all voxels, background included, of -log p_y, with p the softmax of the logits.

    No class weights and no ignored label: the setting of every method compared in the paper (Eq. 10 without its second
    term).
    """

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"ce": cross_entropy(logits, target)}


LOSS = CrossEntropyLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "CE"
REFERENCE = "Bishop, Pattern Recognition and Machine Learning, Springer 2006, sec. 4.3.4"
