"""The spectral entropy term on maps that are made with the reference labels: an exploration beyond the paper.

The paper's map knows nothing of the truth: it can be rebalanced without being right more often. These maps cannot.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss
from spectralcal.losses._validation import at_least, choice, non_negative
from spectralcal.losses.spectral import SpectralEntropyLoss

MAPS = ("residual", "boundary")


class LabelledSpectralEntropyLoss(SpectralEntropyLoss):
    """:class:`SpectralEntropyLoss` of the largest probability, after `relate` has set it against the labels.

    Args:
        map: "residual" (default): confidence minus correctness (1 where the predicted label is right, else 0). A
            calibrated network's residual has no local mean, so little power at low frequencies; power that gathers
            there is confidence that is wrong over entire neighbourhoods. "boundary": doubt, 1 - confidence, within
            `width` voxels of a reference boundary and zero elsewhere, which leaves easy voxels out of the spectrum.
        width: of "boundary", in voxels (a box); default 3.
        bands, window, reduce, target: as in :class:`SpectralEntropyLoss`. With reduce="mean" and target="maximum" the
            term asks for a white residual.

    Raises:
        ValueError: an option outside its range.
    """

    def __init__(
        self,
        map: Literal["residual", "boundary"] = "residual",
        width: int = 3,
        bands: int = 5,
        window: int = 50,
        reduce: Literal["sum", "mean"] = "sum",
        target: Literal["history", "maximum"] = "history",
    ) -> None:
        super().__init__(bands=bands, window=window, reduce=reduce, target=target, confidence="max_prob")
        choice("map", map, MAPS)
        self.map, self.width = map, at_least("width", width, 1)
        self._shift: Tensor | None = None
        self._scale: Tensor | None = None

    def relate(self, logits: Tensor, target: Tensor) -> LabelledSpectralEntropyLoss:
        """Set the labels (B, *spatial) that the next call compares its logits (B, C, *spatial) with."""
        with torch.no_grad():
            if self.map == "residual":
                self._shift, self._scale = (logits.argmax(1) == target).to(logits.dtype), None
            else:
                self._shift, self._scale = torch.ones((), device=logits.device), near_boundary(target, self.width)
        return self

    def power(self, field: Tensor) -> Tensor:
        """Band powers (B, K) of the confidence (B, *spatial) set against the labels."""
        if self._shift is None:
            raise ValueError("labels: expected a call of relate(logits, target) before this one, found none")
        field = field - self._shift
        return super().power(field if self._scale is None else field * self._scale)


class LabelledSpectralEntropyCELoss(SegmentationLoss):
    """Cross-entropy plus `weight` times :class:`LabelledSpectralEntropyLoss`.

    Args:
        weight: default 1.0, where the term's gradient is of cross-entropy's size; config/explore.yaml chose 0.3 on
            validation cases of hippocampus (docs/replication.md).
        options: of :class:`LabelledSpectralEntropyLoss`.

    Attributes:
        diagnostics: those of :class:`SpectralEntropyLoss`.
    """

    def __init__(self, weight: float = 1.0, **options: object) -> None:
        super().__init__()
        self.weight = non_negative("weight", weight)
        self.spectral = LabelledSpectralEntropyLoss(**options)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = {
            "ce": F.cross_entropy(logits, target),
            "spectral": self.weight * self.spectral.relate(logits, target)(logits),
        }
        self.diagnostics = dict(self.spectral.diagnostics)
        return terms


def near_boundary(target: Tensor, width: int) -> Tensor:
    """1.0 where another label lies within `width` voxels along the axes or diagonally, else 0.0: (B, *spatial)."""
    pool = F.max_pool3d if target.ndim == 4 else F.max_pool2d
    labels = target.unsqueeze(1).float()
    highest, lowest = (pool(sign * labels, 2 * width + 1, stride=1, padding=width) * sign for sign in (1, -1))
    return (highest != lowest).squeeze(1).float()


LOSS = LabelledSpectralEntropyCELoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "Spectral, labelled map"
REFERENCE = "this project: an exploration of the idea of the ICLR 2026 paper on maps that know the truth"
