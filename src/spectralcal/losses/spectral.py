"""Power spectral entropy regularisation (Rethinking Model Calibration through Spectral Entropy ..., ICLR 2026).

Every choice that the paper leaves open is an argument whose default is the reading closest to its text.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spectralcal.losses._base import SegmentationLoss
from spectralcal.losses._history import SizedHistory
from spectralcal.losses._validation import at_least, checked_logits, choice, non_negative
from spectralcal.spectral.confidence import KINDS, confidence_map
from spectralcal.spectral.entropy import band_shares, spectral_entropy
from spectralcal.spectral.power import band_power
from spectralcal.spectral.taper import tapered


class SpectralEntropyLoss(nn.Module):
    """Squared hinge that pulls each sample's spectral entropy up to that of a moving reference (Eq. 9, Algorithm 1).

    With S_b the band powers of sample b's confidence map, S~ their mean over the batches of a window, P = S / sum S and
    H(P) = -sum_k P^(k) log(P^(k) + eps):  L = mean_b max(0, H(P~) - H(P_b))^2, in nats squared, at most (log K)^2.

    In training mode each call appends its batch to the window before using it, as Algorithm 1 does. In evaluation mode
    the loss is what that batch would give, and the window stays as it was. The window is in ``state_dict``, so that
    training resumes where it stopped. With one sample a batch and ``window=1`` the loss is zero.

    Args:
        bands: shells K (Eq. 4); default 5, the paper's.
        window: batches W in the window, the current one included (Eq. 6); default 50, the paper's. 1 is its ablation
            without a window.
        confidence: the scalar map, see :func:`spectralcal.spectral.confidence_map`; default "max_logit" (Eq. 1), which
            the softmax's invariance to class-common shifts lets a network move without changing one probability.
        edges: shell radii, "inscribed" | "corner" | "as_printed", see :func:`spectralcal.spectral.band_power`.
        include_dc: count zero frequency in the first shell; default False (strict inequality of Eq. 4).
        beyond: "drop" (default) or "merge" the frequencies outside the last shell.
        frequency: "cycles" per voxel (default) or integer "index" as the radius; equal on cubes.
        reduce: "sum" (Eq. 5) or "mean" over a shell.
        taper: None (default; the paper speaks of a window for its Fig. 1 only) or "hamming", with the mean removed.
        history: "window" (default) or "ema", an exponential moving average with `momentum`.
        history_init: a window not yet full is averaged over what is there ("running", Algorithm 1, default), as if the
            first batch had filled it ("fill_first"), or as if the current one filled its gaps ("pad_current"; the
            sentence below Eq. 6 can be read either way).
        momentum: of "ema"; default 0.98, whose mean age is that of a window of about 99 batches.
        pool: average raw "power" over samples and batches (Eq. 6, default) or each sample's normalised "profile",
            which keeps samples with large logits from setting the reference.
        target: the entropy to reach is the "history" reference's (default) or the constant "maximum" log K.
        detach_target: keep the current batch's part of the reference out of the gradient; default True, since part of
            the gradient would otherwise lower the reference. Past batches never carry gradients.
        sync: average the batch's powers over all processes of ``torch.distributed`` (no gradient passes between them);
            default False, one window per process.
        eps: in Eqs. 7 and 8; default 1e-6, as printed.

    Attributes:
        diagnostics: detached scalars of the last call: target_entropy, sample_entropy (mean over the batch),
            penalised_fraction (share of samples below the target).

    Raises:
        ValueError: an option outside its range.
    """

    def __init__(
        self,
        bands: int = 5,
        window: int = 50,
        confidence: Literal["max_logit", "max_log_prob", "max_prob", "margin", "entropy"] = "max_logit",
        edges: Literal["inscribed", "corner", "as_printed"] = "inscribed",
        include_dc: bool = False,
        beyond: Literal["drop", "merge"] = "drop",
        frequency: Literal["cycles", "index"] = "cycles",
        reduce: Literal["sum", "mean"] = "sum",
        taper: Literal["hamming"] | None = None,
        history: Literal["window", "ema"] = "window",
        history_init: Literal["running", "fill_first", "pad_current"] = "running",
        momentum: float = 0.98,
        pool: Literal["power", "profile"] = "power",
        target: Literal["history", "maximum"] = "history",
        detach_target: bool = True,
        sync: bool = False,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        at_least("bands", bands, 1)
        choice("confidence", confidence, KINDS)
        choice("edges", edges, ("inscribed", "corner", "as_printed"))
        choice("beyond", beyond, ("drop", "merge"))
        choice("frequency", frequency, ("cycles", "index"))
        choice("reduce", reduce, ("sum", "mean"))
        choice("taper", taper, (None, "hamming"))
        choice("pool", pool, ("power", "profile"))
        choice("target", target, ("history", "maximum"))
        if not eps > 0:
            raise ValueError(f"eps: expected a positive number, received {eps!r}; the paper uses 1e-6")
        self.confidence, self.taper, self.pool, self.target = confidence, taper, pool, target
        self.detach_target, self.sync, self.eps, self.bands = detach_target, sync, eps, bands
        self.shells = {
            "bands": bands,
            "edges": edges,
            "include_dc": include_dc,
            "beyond": beyond,
            "frequency": frequency,
            "reduce": reduce,
        }
        self.history = SizedHistory(bands=bands, window=window, kind=history, init=history_init, momentum=momentum)
        self.diagnostics: dict[str, Tensor] = {}

    def forward(self, logits: Tensor) -> Tensor:
        """The loss as a scalar.

        Args:
            logits: (B, C, H, W) or (B, C, D, H, W) floating point, C >= 2; computed in float32 under autocast too.

        Raises:
            ValueError: wrong shape or type, or more bands than the shortest side allows.
        """
        logits = checked_logits(logits)
        with torch.autocast(logits.device.type, enabled=False):
            power = self.power(confidence_map(logits, self.confidence))
            entropy = spectral_entropy(power, self.eps)  # (B,)
            goal = self._target_entropy(power, tuple(logits.shape[2:]))
            gap = (goal - entropy).clamp_min(0)
        self.diagnostics = {
            "target_entropy": goal.detach(),
            "sample_entropy": entropy.detach().mean(),
            "penalised_fraction": (gap.detach() > 0).to(entropy.dtype).mean(),
        }
        return gap.square().mean()

    def power(self, field: Tensor) -> Tensor:
        """Band powers (B, K) of a confidence map (B, *spatial), with this loss's taper and shells."""
        return band_power(field if self.taper is None else tapered(field, self.taper), **self.shells)

    def _target_entropy(self, power: Tensor, size: tuple[int, ...]) -> Tensor:
        pooled = power if self.pool == "power" else band_shares(power, self.eps)
        batch = pooled.mean(0)
        if self.detach_target:
            batch = batch.detach()
        if self.sync:
            batch = _across_processes(batch)
        reference = self.history(batch, size)
        if self.target == "maximum":
            reference = torch.ones_like(reference)
        return spectral_entropy(reference, self.eps)


class SpectralEntropyCELoss(SegmentationLoss):
    """Cross-entropy plus `weight` times :class:`SpectralEntropyLoss` (Eq. 10): the paper's method.

    Args:
        weight: lambda of Eq. 10; default 0.01, the value that the paper's tables use.
        warmup_steps: training batches over which the weight rises linearly from 0; default 0, constant as in the paper.
        monitor: log the spectral entropy of the largest softmax probability too, "entropy_max_prob", which unlike that
            of the largest logit cannot change without a change of the prediction; default True.
        options: of :class:`SpectralEntropyLoss`.

    Attributes:
        diagnostics: those of :class:`SpectralEntropyLoss` and entropy_max_prob (mean over the batch).
    """

    steps: Tensor

    def __init__(self, weight: float = 0.01, warmup_steps: int = 0, monitor: bool = True, **options: object) -> None:
        super().__init__()
        self.weight = non_negative("weight", weight)
        self.warmup_steps = at_least("warmup_steps", warmup_steps, 0)
        self.monitor = monitor
        self.spectral = SpectralEntropyLoss(**options)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        log_probabilities = logits.log_softmax(1)
        terms = {
            "ce": F.nll_loss(log_probabilities, target),
            "spectral": self._weight_now(logits) * self.spectral(logits),
        }
        self.diagnostics = dict(self.spectral.diagnostics)
        if self.monitor and self.monitoring:
            with torch.no_grad():
                power = self.spectral.power(log_probabilities.amax(1).exp())
                self.diagnostics["entropy_max_prob"] = spectral_entropy(power, self.spectral.eps).mean()
        return terms

    def _weight_now(self, logits: Tensor) -> float | Tensor:
        if self.warmup_steps == 0:
            return self.weight
        if self.steps.device != logits.device:
            self.to(logits.device)
        share = (self.steps / self.warmup_steps).clamp_max(1).to(logits.dtype)
        if self.training:
            self.steps.add_(1)
        return self.weight * share


def _across_processes(batch: Tensor) -> Tensor:
    """Mean of `batch` over the processes of the default group; itself when there is none."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return batch
    mean = batch.detach().clone()
    distributed.all_reduce(mean)
    mean /= distributed.get_world_size()
    # Value of the mean over processes, gradient of this process's own share in it.
    own = batch / distributed.get_world_size()
    return mean + own - own.detach()


LOSS = SpectralEntropyCELoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "Spectral"
REFERENCE = (
    "Rethinking Model Calibration through Spectral Entropy Regularization in Medical Image Segmentation, ICLR 2026"
)
