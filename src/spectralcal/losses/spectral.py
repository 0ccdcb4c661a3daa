"""Power spectral entropy regularisation (Rethinking Model Calibration through Spectral Entropy ..., ICLR 2026).

Every choice that the paper leaves open is an argument whose default is the reading closest to its text.
"""

from __future__ import annotations

import warnings
from typing import Literal, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies
from spectralcal.losses._history import SizedHistory
from spectralcal.losses._validation import at_least, checked_logits, choice, non_negative
from spectralcal.losses.targets import Common, Inputs, taken_from
from spectralcal.spectral.confidence import KINDS, confidence_map
from spectralcal.spectral.entropy import band_shares, spectral_entropy
from spectralcal.spectral.power import band_power
from spectralcal.spectral.shells import empty_shells
from spectralcal.spectral.taper import tapered


class SpectralEntropyLoss(SegmentationLoss):
    """Squared hinge that pulls each sample's spectral entropy up to that of a moving reference (Eq. 9, Algorithm 1).

    With S_b the band powers of sample b's confidence map, S~ their mean over the batches of a window, P = S / sum S and
    H(P) = -sum_k P^(k) log(P^(k) + eps):  L = mean_b max(0, H(P~) - H(P_b))^2, in nats squared, at most (log K)^2.

    In training mode each call appends its batch to the window before using it, as Algorithm 1 does. In evaluation mode,
    and where no gradients are recorded, the loss is what that batch would give, and the window stays as it was. The
    window is in ``state_dict``, so that
    training resumes where it stopped. With one sample a batch and ``window=1`` the loss is zero.

    Labels enter by what they leave out alone: ignored voxels, and those of weight 0, have the mean of the sample's
    other voxels in the map; other weights only say how much a sample counts in the mean. Once a loss has seen a map
    with room for all `bands`, smaller ones (coarser heads of deep supervision) get as many as fit, with one warning,
    and the term is 0 where a side has one voxel.

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
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

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
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
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
        self._partition = {"edges": edges, "include_dc": include_dc, "beyond": beyond, "frequency": frequency}
        self.history = SizedHistory(bands=bands, window=window, kind=history, init=history_init, momentum=momentum)
        self._warned = self._had_room = False

    def forward(self, logits: Tensor, target: Tensor | None = None, weight: Tensor | None = None) -> Tensor:
        """The loss as a scalar, or (B, *spatial) for reduction "none".

        Args:
            logits: (B, C, H, W) or (B, C, D, H, W) floating point, computed in float32 under autocast too; C = 1 is
                the foreground's logit.
            target, weight: as for :meth:`SegmentationLoss.forward`; default None, every voxel counts.

        Raises:
            ValueError: wrong shape or type, or a first map with more bands than leave no shell empty.
        """
        if target is not None or weight is not None or self.reduction != "mean":
            if target is None:
                target = torch.zeros_like(logits if self.multilabel else logits[:, :1], dtype=torch.uint8)
            return super().forward(logits, target, weight)
        logits = checked_logits(logits, self.multilabel)
        with torch.autocast(logits.device.type, enabled=False):
            return self.samples(logits).mean()

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"spectral": self.samples(logits).mean()}

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        return {"spectral": self.samples(inputs.logits, inputs.counted)}

    def samples(self, logits: Tensor, counted: Tensor | None = None) -> Tensor:
        """The loss of each sample (B,), for checked logits with autocast off.

        Args:
            logits: (B, C, *spatial), C >= 2.
            counted: (B, *spatial) bool, the voxels that count; default None, all.
        """
        left_out = () if counted is None else (counted,)
        power = self.power(confidence_map(logits, self.confidence), *left_out)
        if power is None:
            return logits.flatten(1).sum(1) * 0
        entropy = spectral_entropy(power, self.eps)  # (B,)
        goal = self._target_entropy(power, tuple(logits.shape[2:]), *(c.flatten(1).any(1) for c in left_out))
        gap = (goal - entropy).clamp_min(0)
        self.diagnostics = {
            "target_entropy": goal.detach(),
            "sample_entropy": entropy.detach().mean(),
            "penalised_fraction": (gap.detach() > 0).to(entropy.dtype).mean(),
        }
        return gap.square()

    def power(self, field: Tensor, counted: Tensor | None = None) -> Tensor | None:
        """Band powers (B, K) of a confidence map (B, *spatial), with this loss's taper and shells.

        None for a map without room for a single band. Voxels that do not count have the mean of the others.
        """
        bands = self._bands(tuple(field.shape[1:]))
        if bands == 0:
            return None
        if counted is not None:
            field = _filled(field, counted)
        field = field if self.taper is None else tapered(field, self.taper)
        return band_power(field, **(self.shells if bands == self.bands else self.shells | {"bands": bands}))

    def _bands(self, shape: tuple[int, ...]) -> int:
        """How many bands a map of this shape gets."""
        sides = _without_single(shape)
        room = min(sides) // 2
        if room < self.bands and min(sides) > 1 and not empty_shells(sides, self.bands, **self._partition):
            room = self.bands  # as on 9 x 11 x 13 voxels
        if room >= self.bands:
            self._had_room = True
        if room >= self.bands or not self._had_room:
            return self.bands
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"bands: maps of {shape} have room for {room} of {self.bands}, and get {room}; so do others too small",
                stacklevel=2,
            )
        return room

    @property
    def limits_reached(self) -> list[str]:
        """Windows that never became full, maps that had fewer bands, and shells without any frequency."""
        lines = [*super().limits_reached, *(self.history.limits_reached if self.target == "history" else ())]
        for size, history in self.history.sizes.items():
            shape, bands = size.replace("x", " x "), history.values.shape[1]
            if bands < self.bands:
                lines.append(f"maps of {shape} have room for {bands} of {self.bands} bands")
            empty = empty_shells(_without_single(tuple(map(int, size.split("x")))), bands, **self._partition)
            if empty:
                numbers = ", ".join(map(str, empty))
                edges = self._partition["edges"]
                lines.append(f"maps of {shape} have no frequency in shells {numbers} of {bands} (edges: {edges})")
        return lines

    def _target_entropy(self, power: Tensor, size: tuple[int, ...], with_voxels: Tensor | None = None) -> Tensor:
        pooled = power if self.pool == "power" else band_shares(power, self.eps)
        if with_voxels is None:
            batch = pooled.mean(0)
        else:
            # A batch without any voxel is not a number, which the history never keeps.
            batch = torch.where(with_voxels.unsqueeze(1), pooled, 0).sum(0) / with_voxels.sum()
        if self.detach_target:
            batch = batch.detach()
        if self.sync:
            batch = _across_processes(batch if with_voxels is None else batch.nan_to_num())
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
        options: of :class:`SpectralEntropyLoss`, those of :class:`SegmentationLoss` included.

    Attributes:
        diagnostics: those of :class:`SpectralEntropyLoss` and entropy_max_prob (mean over the batch).
    """

    steps: Tensor

    def __init__(self, weight: float = 0.01, warmup_steps: int = 0, monitor: bool = True, **options: object) -> None:
        super().__init__(**taken_from(options))
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
        self._note(log_probabilities)
        return terms

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        terms = {
            "ce": cross_entropies(inputs),
            "spectral": self._weight_now(inputs.logits) * self.spectral.samples(inputs.logits, inputs.counted),
        }
        self._note(inputs.logits.log_softmax(1), inputs.counted)
        return terms

    def _note(self, log_probabilities: Tensor, counted: Tensor | None = None) -> None:
        self.diagnostics = dict(self.spectral.diagnostics)
        if self.monitor and self.monitoring:
            with torch.no_grad():
                power = self.spectral.power(log_probabilities.amax(1).exp(), counted)
                if power is not None:
                    self.diagnostics["entropy_max_prob"] = spectral_entropy(power, self.spectral.eps).mean()

    @property
    def limits_reached(self) -> list[str]:
        """Those of the term, and a weight that was still rising when training ended."""
        lines, steps = super().limits_reached, int(self.steps)
        if steps < self.warmup_steps:
            lines.append(f"the weight was still rising: {steps} of {self.warmup_steps} warmup_steps")
        return lines

    def _weight_now(self, logits: Tensor) -> float | Tensor:
        if self.warmup_steps == 0:
            return self.weight
        if self.steps.device != logits.device:
            self.to(logits.device)
        share = (self.steps / self.warmup_steps).clamp_max(1).to(logits.dtype)
        if self.training and torch.is_grad_enabled():
            self.steps.add_(1)
        return self.weight * share


def _without_single(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that a spectrum has: a single slice of a volume has that of a 2-D slice."""
    sides = list(shape)
    if len(sides) == 3 and 1 in sides:
        sides.remove(1)
    return tuple(sides)


def _filled(field: Tensor, counted: Tensor) -> Tensor:
    """(B, *spatial) with the mean of a sample's counted voxels where a voxel does not count."""
    axes = tuple(range(1, field.ndim))
    kept = torch.where(counted, field, 0)
    mean = kept.sum(axes, keepdim=True) / counted.sum(axes, keepdim=True).clamp_min(1)
    return torch.where(counted, field, mean)


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
