"""Spectral correlation coefficient between probabilities and labels."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, one_hot
from spectralcal.losses._overlap import base_terms, base_values, ratio, ratios, soft_dice, soft_dices
from spectralcal.losses._validation import choice, non_negative
from spectralcal.losses.targets import Common, Inputs
from spectralcal.spectral.power import shell_power
from spectralcal.spectral.shells import shells

BANDS = ("low", "mid", "high")


class SpectralCorrelationLoss(SegmentationLoss):
    """Cross-entropy plus weight * (1 - SCC) (Gorade et al., 2024, eq. 2).

    With Y and P the Fourier transforms of a class's labels and probabilities,
    SCC = 2 sum Re(Y conj P) / sum(|Y|^2 + |P|^2) over the frequencies of a band. Over the full spectrum this equals the
    soft Dice with squared denominator (:class:`SquaredDiceLoss`) by Plancherel's theorem; only a part of the spectrum
    can make a difference. Of ignored voxels labels and probabilities count as 0, of others they are scaled by the root
    of the weight. Soft labels are defined for it, but not for the Dice of base="ce_dice".

    Args:
        weight: lambda; default 0.2, the authors'.
        band: "all" frequencies (default), or the "low", "mid" or "high" third of the radii up to the corners, zero
            frequency in "low". The authors argue with the middle frequencies but sum over all.
        reduce: the ratio per image and class ("case", default) or of batch sums ("batch"); the text allows both.
        form: "one_minus" (default), 1 - SCC; "neg", -SCC, the same gradient; "raw", +SCC as printed, which rewards
            disagreement.
        include_background: count class 0; default False.
        base: "ce" (default, as every method here), "ce_dice" (closest to the authors') or "none".
        eps: added above and below, in squared units of the probabilities, so that a class neither present nor predicted
            scores 1; default 1e-6.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: an option outside its range; a band of sides below 6, where a third may contain no frequency.
    """

    def __init__(
        self,
        weight: float = 0.2,
        band: Literal["all", "low", "mid", "high"] = "all",
        reduce: Literal["case", "batch"] = "case",
        form: Literal["one_minus", "neg", "raw"] = "one_minus",
        include_background: bool = False,
        base: Literal["ce", "ce_dice", "none"] = "ce",
        eps: float = 1e-6,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.weight = non_negative("weight", weight)
        choice("band", band, ("all", *BANDS))
        choice("reduce", reduce, ("case", "batch"))
        choice("form", form, ("one_minus", "neg", "raw"))
        choice("base", base, ("ce", "ce_dice", "none"))
        self.band, self.reduce, self.form = band, reduce, form
        self.include_background, self.base, self.eps = include_background, base, eps

    def similarity(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        """SCC of (B, C, *spatial) probabilities and one-hot labels over the frequencies of this loss's band.

        A scalar from -1 to 1, differentiable in the probabilities. The band is a third of the radii: for "all" see
        :func:`spectralcal.losses._overlap.soft_dice`, which needs no transform.
        """
        return ratio(*self._sums(probabilities, labels), self.reduce, self.eps)

    def _sums(self, probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Products and powers in the band, (B, C) each."""
        shape = tuple(probabilities.shape[2:])
        count, index = len(BANDS), BANDS.index(self.band)
        if min(shape) < 2 * count:
            raise ValueError(
                f"band: expected spatial sides >= {2 * count} for {self.band!r}, received {shape}; use band='all'"
            )
        group = shells(shape, count, "corner", True, "drop", "cycles", probabilities.device).group
        p, y = probabilities.flatten(0, 1), labels.flatten(0, 1)  # (B * C, *spatial)
        power = (shell_power(p, group, count) + shell_power(y, group, count))[:, index] / math.prod(shape)
        # One factor restricted to the band restricts the product: the sum stays linear in the probabilities.
        product = (_restricted(y, group, count, index) * p).flatten(1).sum(1)
        table = probabilities.shape[:2]
        return product.reshape(table), power.reshape(table)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = base_terms(self.base, logits, target, self.include_background)
        if self.band == "all":
            # Both sums are those over voxels (Plancherel): the transforms would change nothing.
            similarity = soft_dice(logits, target, True, self.include_background, self.reduce, self.eps)
        else:
            first = 0 if self.include_background else 1
            labels = one_hot(target, logits.shape[1], logits.dtype)
            similarity = self.similarity(logits.softmax(1)[:, first:], labels[:, first:])
        return terms | {"scc": self.weight * self._penalty(similarity)}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = base_values(self.base, inputs, self.include_background)
        if self.band == "all":
            similarity = soft_dices(inputs, True, self.include_background, self.reduce, self.eps)
        else:
            first = 0 if self.include_background else 1
            p, y = inputs.logits.softmax(1)[:, first:], inputs.shares()[:, first:]
            if inputs.weight is not None:
                root = inputs.weight.sqrt().unsqueeze(1)
                p, y = p * root, y * root
            similarity = ratios(*self._sums(p, y), self.reduce, self.eps)
        return terms | {"scc": self.weight * self._penalty(similarity)}

    def _penalty(self, similarity: Tensor) -> Tensor:
        return {"one_minus": 1 - similarity, "neg": -similarity, "raw": similarity}[self.form]


@torch.no_grad()
def _restricted(field: Tensor, group: Tensor, bands: int, index: int) -> Tensor:
    """`field` (N, *spatial) with the frequencies of one shell alone."""
    axes = tuple(range(1, field.ndim))
    spectrum = torch.fft.rfftn(field, dim=axes)
    keep = ((group == index) | (group == bands + index)).reshape(spectrum.shape[1:])
    return torch.fft.irfftn(spectrum * keep, s=field.shape[1:], dim=axes)


LOSS = SpectralCorrelationLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "SCC"
REFERENCE = "Gorade et al., Harmonized spatial and spectral learning, ICPR 2024 (arXiv 2401.10373)"
