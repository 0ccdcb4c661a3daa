"""The spectral entropy term on maps that are made with the reference labels: an exploration beyond the paper.

The paper's map knows nothing of the truth: it can be rebalanced without being right more often. These maps cannot.
"""

from __future__ import annotations

from typing import Literal, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies
from spectralcal.losses._validation import at_least, choice, non_negative
from spectralcal.losses.spectral import SpectralEntropyLoss
from spectralcal.losses.targets import Common, Inputs, taken_from

MAPS = ("residual", "boundary")


class LabelledSpectralEntropyLoss(SpectralEntropyLoss):
    """:class:`SpectralEntropyLoss` of the largest probability set against the labels: of the call, or of `relate`.

    With soft labels correctness is the share of the predicted class; "boundary" has none.

    Args:
        map: "residual" (default): confidence minus correctness (1 where the predicted label is right, else 0). A
            calibrated network's residual has no local mean, so little power at low frequencies; power that gathers
            there is confidence that is wrong over entire neighbourhoods. "boundary": doubt, 1 - confidence, within
            `width` voxels of a reference boundary and zero elsewhere, which leaves easy voxels out of the spectrum.
        width: of "boundary", in voxels (a box); default 3.
        bands, window, reduce, target: as in :class:`SpectralEntropyLoss`. With reduce="mean" and target="maximum" the
            term asks for a white residual.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

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
        **common: Unpack[Common],
    ) -> None:
        super().__init__(bands=bands, window=window, reduce=reduce, target=target, confidence="max_prob", **common)
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

    def related(self, inputs: Inputs) -> LabelledSpectralEntropyLoss:
        """:meth:`relate` for labels that may be soft or unknown.

        Raises:
            ValueError: soft labels for the map "boundary".
        """
        if inputs.soft is None and inputs.weight is None:
            return self.relate(inputs.logits, inputs.labels)
        if self.map == "residual":
            with torch.no_grad():
                predicted = inputs.logits.argmax(1, keepdim=True)
                self._shift, self._scale = inputs.shares().gather(1, predicted).squeeze(1), None
            return self
        if inputs.soft is not None:
            raise ValueError("target: soft labels have no boundary; use map='residual', or labels")
        self._shift = torch.ones((), device=inputs.logits.device)
        self._scale = near_boundary(inputs.labels, self.width, inputs.counted)
        return self

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        self.relate(logits, target)
        return super()._terms(logits, target)

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        self.related(inputs)
        return super()._values(inputs)

    def power(self, field: Tensor, counted: Tensor | None = None) -> Tensor | None:
        """Band powers (B, K) of the confidence (B, *spatial) set against the labels."""
        if self._shift is None:
            raise ValueError("labels: expected a call of relate(logits, target) before this one, found none")
        field = field - self._shift
        return super().power(field if self._scale is None else field * self._scale, counted)


class LabelledSpectralEntropyCELoss(SegmentationLoss):
    """Cross-entropy plus `weight` times :class:`LabelledSpectralEntropyLoss`.

    Args:
        weight: default 1.0, where the term's gradient is of cross-entropy's size; config/explore.yaml chose 0.3 on
            validation cases of hippocampus (docs/replication.md).
        options: of :class:`LabelledSpectralEntropyLoss`, those of :class:`SegmentationLoss` included.

    Attributes:
        diagnostics: those of :class:`SpectralEntropyLoss`.
    """

    def __init__(self, weight: float = 1.0, **options: object) -> None:
        super().__init__(**taken_from(options))
        self.weight = non_negative("weight", weight)
        self.spectral = LabelledSpectralEntropyLoss(**options)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = {
            "ce": F.cross_entropy(logits, target),
            "spectral": self.weight * self.spectral.relate(logits, target)(logits),
        }
        self.diagnostics = dict(self.spectral.diagnostics)
        return terms

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = {
            "ce": cross_entropies(inputs),
            "spectral": self.weight * self.spectral.related(inputs).samples(inputs.logits, inputs.counted),
        }
        self.diagnostics = dict(self.spectral.diagnostics)
        return terms


def near_boundary(target: Tensor, width: int, counted: Tensor | None = None) -> Tensor:
    """1.0 where two labels lie within `width` voxels along the axes or diagonally, else 0.0: (B, *spatial).

    Voxels outside `counted` (B, *spatial) have no label.
    """
    pool = F.max_pool3d if target.ndim == 4 else F.max_pool2d
    labels = target.unsqueeze(1).float()
    known = None if counted is None else counted.unsqueeze(1)

    def extreme(sign: int) -> Tensor:
        field = sign * labels if known is None else torch.where(known, sign * labels, -torch.inf)
        return pool(field, 2 * width + 1, stride=1, padding=width) * sign

    highest, lowest = extreme(1), extreme(-1)
    return (highest > lowest).squeeze(1).float() if known is not None else (highest != lowest).squeeze(1).float()


LOSS = LabelledSpectralEntropyCELoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "Spectral, labelled map"
REFERENCE = "this project: an exploration of the idea of the ICLR 2026 paper on maps that know the truth"
