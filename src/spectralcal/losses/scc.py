"""Spectral correlation coefficient between probabilities and labels."""

from __future__ import annotations

from typing import Literal, Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, one_hot
from spectralcal.losses._gradient import with_gradient
from spectralcal.losses._overlap import base_terms, base_values, ratio, ratios, soft_dice, soft_dices
from spectralcal.losses._validation import between, choice, non_negative
from spectralcal.losses.targets import Common, Inputs
from spectralcal.spectral.correlation import BANDS, SPECTRA, correlation_sums


class SpectralCorrelationLoss(SegmentationLoss):
    """Cross-entropy plus weight * (1 - SCC) (Gorade et al., 2024, eq. 2).

    With Y and P the Fourier transforms of a class's labels and probabilities,
    SCC = 2 sum Re(Y conj P) / sum(|Y|^2 + |P|^2) over the frequencies of a band. Over the full spectrum this equals the
    soft Dice with squared denominator (:class:`SquaredDiceLoss`) by Plancherel's theorem, and is computed as that; only
    a part or another reading of the spectrum can make a difference. A spatial axis of length 1 counts as absent.

    Of ignored voxels what is transformed and the labels count as 0, of others they are scaled by the root of the
    weight. Soft labels are defined for it, but not for the Dice of base="ce_dice".

    Args:
        weight: lambda; default 0.2, the authors'.
        band: "all" frequencies (default), or the "low", "mid" or "high" third of the radii up to the corners, zero
            frequency in "low". The authors argue with the middle frequencies but sum over all.
        reduce: the ratio per image and class ("case", default), of sums over the batch ("batch"), or of sums over the
            batch and the classes ("all"); the text allows each.
        form: "one_minus" (default), 1 - SCC; "neg", -SCC, the same gradient; "raw", +SCC as printed, which rewards
            disagreement.
        include_background: count class 0; default False.
        base: "ce" (default, as every method here), "ce_dice" (closest to the authors') or "none".
        eps: added above and below, in squared units of the probabilities, so that a class neither present nor predicted
            scores 1; default 1e-6.
        combine: "add" (default), base + weight * term as printed; "interpolate", (1 - weight) * base + weight * term,
            what the authors call their weight.
        spectrum: "complex" (default, with phase), "amplitude" or "log_amplitude", which ignore shifts; see
            :func:`spectralcal.spectral.correlation.correlation_sums`.
        input: what is transformed beside the labels: "probabilities" (default), "logits", or "thresholded", the
            predicted class's indicator, whose gradient is zero.
        onesided: sum over the half spectrum of a real transform as it is stored, a slip that weighs frequencies
            unequally; default False.
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Raises:
        ValueError: an option outside its range; a band of sides below 6, where a third may contain no frequency.
    """

    def __init__(
        self,
        weight: float = 0.2,
        band: Literal["all", "low", "mid", "high"] = "all",
        reduce: Literal["case", "batch", "all"] = "case",
        form: Literal["one_minus", "neg", "raw"] = "one_minus",
        include_background: bool = False,
        base: Literal["ce", "ce_dice", "none"] = "ce",
        eps: float = 1e-6,
        combine: Literal["add", "interpolate"] = "add",
        spectrum: Literal["complex", "amplitude", "log_amplitude"] = "complex",
        input: Literal["probabilities", "logits", "thresholded"] = "probabilities",
        onesided: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.weight = non_negative("weight", weight)
        choice("band", band, ("all", *BANDS))
        choice("reduce", reduce, ("case", "batch", "all"))
        choice("form", form, ("one_minus", "neg", "raw"))
        choice("base", base, ("ce", "ce_dice", "none"))
        choice("combine", combine, ("add", "interpolate"))
        choice("spectrum", spectrum, SPECTRA)
        choice("input", input, ("probabilities", "logits", "thresholded"))
        if combine == "interpolate":
            between("weight of combine='interpolate'", weight, 0, 1)
        self.band, self.reduce, self.form = band, reduce, form
        self.include_background, self.base, self.eps = include_background, base, non_negative("eps", eps)
        self.combine, self.spectrum, self.input, self.onesided = combine, spectrum, input, onesided

    def similarity(self, probabilities: Tensor, labels: Tensor) -> Tensor:
        """SCC of (B, C, *spatial) probabilities and one-hot labels, with this loss's band, spectrum and reduction.

        A scalar from -1 to 1, differentiable in the probabilities.
        """
        sums = correlation_sums(probabilities, labels, self.band, self.spectrum, self.onesided)
        return ratio(*sums, self.reduce, self.eps)

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = base_terms(self.base, logits, target, self.include_background)
        return self._combined(terms, self._similarity(logits, target))

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = base_values(self.base, inputs, self.include_background)
        return self._combined(terms, self._similarities(inputs))

    def _combined(self, terms: dict[str, Tensor], similarity: Tensor) -> dict[str, Tensor]:
        """The terms of the base and that of a similarity."""
        if self.combine == "interpolate":
            terms = {name: (1 - self.weight) * term for name, term in terms.items()}
        penalty = {"one_minus": 1 - similarity, "neg": -similarity, "raw": similarity}[self.form]
        return terms | {"scc": self.weight * penalty}

    @property
    def _is_dice(self) -> bool:
        """Both sums are those over voxels (Plancherel): transforms would change nothing."""
        whole = self.band == "all" and self.spectrum == "complex" and not self.onesided
        return whole and self.input == "probabilities"

    def _similarities(self, inputs: Inputs) -> Tensor:
        """SCC of each image, or of the batch, with weights and soft labels."""
        if self._is_dice:
            return soft_dices(inputs, True, self.include_background, self.reduce, self.eps)
        first = 0 if self.include_background else 1
        logits = inputs.logits
        field = logits
        if self.input == "probabilities":
            field = logits.softmax(1)
        elif self.input == "thresholded":
            # A step function: its gradient is zero wherever it has one.
            field = one_hot(logits.argmax(1), logits.shape[1], logits.dtype) + 0 * logits
        field, labels = field[:, first:], inputs.shares()[:, first:]
        if inputs.weight is not None:
            root = inputs.weight.sqrt().unsqueeze(1)
            field, labels = field * root, labels * root
        return ratios(*correlation_sums(field, labels, self.band, self.spectrum, self.onesided), self.reduce, self.eps)

    def _similarity(self, logits: Tensor, target: Tensor) -> Tensor:
        """SCC of what is transformed and the labels."""
        if self._is_dice:
            return soft_dice(logits, target, True, self.include_background, self.reduce, self.eps)
        first = 0 if self.include_background else 1
        labels = one_hot(target, logits.shape[1], logits.dtype)[:, first:]
        if self.input == "probabilities":
            return self.similarity(logits.softmax(1)[:, first:], labels)
        if self.input == "logits":
            return self.similarity(logits[:, first:], labels)

        def of_prediction(flat: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            predicted = one_hot(flat.argmax(1), flat.shape[1], flat.dtype).reshape(logits.shape)
            # A step function: its gradient is zero wherever it has one.
            return self.similarity(predicted[:, first:], labels), torch.zeros_like(flat) if wanted else None

        return with_gradient(logits, of_prediction)


LOSS = SpectralCorrelationLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "SCC"
REFERENCE = "Gorade et al., Harmonized spatial and spectral learning, ICPR 2024 (arXiv 2401.10373)"
