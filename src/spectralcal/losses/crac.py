"""Class and region-adaptive constraints, with multipliers learned on validation data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, Unpack

import torch
from torch import Tensor

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses._gradient import with_gradient
from spectralcal.losses._neighbourhood import (
    BORDERS,
    class_counts,
    class_shares,
    heterogeneous,
    mixed,
    window_size,
)
from spectralcal.losses._validation import at_least, choice, non_negative
from spectralcal.losses.targets import Common, Inputs, as_inputs
from spectralcal.spectral.blocks import blocks

#: multipliers and penalty weights have one row per region, in this order
REGIONS = ("boundary", "interior")
#: least and largest multiplier
SMALLEST, LARGEST = 1e-6, 1e6


class CRaCLoss(SegmentationLoss):
    """Cross-entropy plus an augmented Lagrangian on logit distances, per class and region (Murugesan et al., 2024).

    With t_c the share of class c in the 3-voxel-wide window, a voxel lies at a "boundary" when its window contains
    several classes and in the "interior" otherwise. The constraint is h_c = 0 with h_c = |t_c - z_c| at boundaries and
    |margin * t_c - z_c| inside. Each class c and region r has a multiplier lambda and a penalty weight rho, and

        L = CE + mean over voxels and 2C channels of (lambda h + rho h^2 / 2) 1[voxel in r],

    which is the PHR penalty (max(0, lambda + rho h)^2 - lambda^2) / (2 rho) since h and lambda are not negative.

    After every epoch the multipliers are refreshed on validation batches: with v the mean of h 1[in r] over all
    validation voxels, lambda <- clamp(lambda + rho v, 1e-6, 1e6), and then, at every `rho_interval`-th refresh,
    rho <- clamp(gamma rho, rho at the start, rho_max) where v exceeds mu times its value of the epoch before. Since
    h >= 0, lambda never falls. The method thus learns from validation data: compare it on test data only.

    The windows are 3x3x3 in 3-D, the natural extension of the authors' 2-D code. There the test for a boundary compares
    a rounded mean and misses part of the mixed windows; here it is exact, and :meth:`penalty` takes another mask.
    With soft labels t is their mean in the window, and a window of several classes is one where no class has all of it;
    ignored voxels are left out of windows and of v.

    Args:
        margin: logit of the true class inside a region; default 5.0.
        gamma: growth of rho; default 1.2.
        mu: required decrease of the constraint, below which rho grows; default 0.9.
        rho: initial and smallest penalty weight; default 0.1.
        rho_max: largest penalty weight; default 10.0.
        rho_interval: refreshes (epochs) between two looks at rho; default 10.
        border: labels outside the image are "background" (the authors' code, default), no class ("zero"), or those of
            the outermost voxels ("replicate").
        common: ignore_index, multilabel, reduction; see :class:`SegmentationLoss`.

    Attributes:
        multipliers, rho, violation: (2, C) buffers, rows in the order of :data:`REGIONS`; sized at the first batch and
            part of ``state_dict`` together with updates, the number of refreshes.

    Raises:
        ValueError: a negative option, or batches of different numbers of classes.
    """

    learns_from_validation = True
    multipliers: Tensor
    rho: Tensor
    violation: Tensor
    updates: Tensor

    def __init__(
        self,
        margin: float = 5.0,
        gamma: float = 1.2,
        mu: float = 0.9,
        rho: float = 0.1,
        rho_max: float = 10.0,
        rho_interval: int = 10,
        border: Literal["background", "zero", "replicate"] = "background",
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.margin = non_negative("margin", margin)
        self.gamma = non_negative("gamma", gamma)
        self.mu = non_negative("mu", mu)
        self.rho_min = non_negative("rho", rho)
        self.rho_max = non_negative("rho_max", rho_max)
        if rho_max < rho:
            raise ValueError(f"rho_max: expected at least rho = {rho!r}, received {rho_max!r}")
        self.rho_interval = at_least("rho_interval", rho_interval, 1)
        choice("border", border, BORDERS)
        self.border = border
        for name in ("multipliers", "rho", "violation"):
            self.register_buffer(name, torch.zeros(2, 0))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self._sums: Tensor | None = None
        self._voxels: float = 0

    def _terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        terms = {"ce": cross_entropy(logits, target), "constraint": self.penalty(logits, target)}
        self.diagnostics = {"multiplier_mean": self.multipliers.mean(), "rho_mean": self.rho.mean()}
        return terms

    def _values(self, inputs: Inputs) -> dict[str, Tensor]:
        self._size_for(inputs.logits)
        excess, boundary = self._distances(inputs)
        linear, square = (
            torch.where(boundary.unsqueeze(1), *(row.reshape(-1, *[1] * (excess.ndim - 2)) for row in table))
            for table in (self.multipliers.to(excess.dtype), self.rho.to(excess.dtype))
        )
        penalty = (linear * excess.abs() + square * excess.square() / 2).sum(1) / (2 * excess.shape[1])
        self.diagnostics = {"multiplier_mean": self.multipliers.mean(), "rho_mean": self.rho.mean()}
        return {"ce": cross_entropies(inputs), "constraint": penalty}

    def _distances(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """As :meth:`_excess`: signed distances (B, C, *spatial), and (B, *spatial) True at boundaries."""
        shares = class_shares(inputs, self.border)
        boundary = mixed(shares)
        return inputs.logits - shares * torch.where(boundary, 1.0, self.margin).unsqueeze(1), boundary

    def penalty(self, logits: Tensor, target: Tensor, boundary: Tensor | None = None) -> Tensor:
        """The second term of the loss as a scalar.

        Args:
            logits: (B, C, *spatial).
            target: (B, *spatial) int64.
            boundary: (B, *spatial) bool, voxels to treat as boundary; default the exact test of the window.
        """
        self._size_for(logits)
        # A voxel is in one region, so C of its 2C channels are zero.
        entries = 2 * logits.numel()
        tables = (table.to(logits.dtype)[:, None, :, None] / entries for table in (self.multipliers, self.rho))
        # The interior's coefficient and what a boundary adds: a sum costs less than a choice for each voxel.
        (linear, linear_more), (square, square_more) = ((inside, edge - inside) for edge, inside in tables)

        def phr(logits: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            gradient = torch.empty_like(logits) if wanted else None
            total = logits.new_zeros((), dtype=torch.float64)
            for here, excess, at_boundary in self._excess(logits, target, boundary):
                first = (at_boundary * linear_more).add_(linear).mul_(excess.sign())
                second = (at_boundary * square_more).add_(square).mul_(excess)
                slope = torch.add(first, second, out=None if gradient is None else gradient[here])
                total += first.add_(slope).mul_(excess).sum() / 2
            return total.to(logits.dtype), gradient

        return with_gradient(logits, phr)

    def start_epoch_update(self) -> None:
        """Forget what was observed and begin a pass over validation batches."""
        self._sums, self._voxels = None, 0

    @torch.no_grad()
    def observe(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Add a validation batch: arguments as of :meth:`forward`, the network in evaluation mode."""
        inputs = as_inputs(logits, target, weight, self.ignore_index, self.multilabel)
        logits = inputs.logits
        self._size_for(logits)
        with torch.autocast(logits.device.type, enabled=False):
            sums = torch.zeros(2, logits.shape[1], dtype=torch.float64, device=logits.device)
            if not inputs.plain:
                excess, boundary = self._distances(inputs)
                distance = excess.abs().flatten(2) * (1 if inputs.weight is None else inputs.weight.flatten(1)[:, None])
                total, border = (
                    part.sum((0, 2)).double() for part in (distance, distance * boundary.flatten(1)[:, None])
                )
                sums += torch.stack([border, total - border])
                voxels = boundary.numel() if inputs.weight is None else float(inputs.weight.sum())
            else:
                for _, excess, at_boundary in self._excess(logits.flatten(2), inputs.labels):
                    distance = excess.abs_()
                    total, border = distance.sum((0, 2)).double(), (distance * at_boundary).sum((0, 2)).double()
                    sums += torch.stack([border, total - border])
                voxels = inputs.labels.numel()
        self._sums = sums if self._sums is None else self._sums + sums
        self._voxels += voxels

    @torch.no_grad()
    def finish_epoch_update(self) -> None:
        """Refresh the multipliers, and rho when its turn has come, from what was observed.

        Raises:
            ValueError: nothing was observed since :meth:`start_epoch_update`.
        """
        if self._sums is None:
            raise ValueError(
                "observe: expected at least one validation batch before finish_epoch_update, received none"
            )
        violation = (self._sums / (self._voxels or 1)).to(self.rho)
        self.multipliers.copy_((self.multipliers + self.rho * violation).clamp(SMALLEST, LARGEST))
        self.updates.add_(1)
        due = (self.updates % self.rho_interval == 0) & (self.updates > 1)  # the first refresh has no epoch before it
        grown = (self.gamma * self.rho).clamp(self.rho_min, self.rho_max)
        self.rho.copy_(torch.where(due & (violation > self.mu * self.violation), grown, self.rho))
        self.violation.copy_(violation)
        self.start_epoch_update()

    def update_multipliers(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """One refresh from (logits, target) pairs of the validation set; once per epoch."""
        self.start_epoch_update()
        for logits, target in batches:
            self.observe(logits, target)
        self.finish_epoch_update()

    def end_of_epoch(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """One refresh, as :meth:`update_multipliers`."""
        self.update_multipliers(batches)

    @property
    def limits_reached(self) -> list[str]:
        """Multipliers and penalty weights that the last refresh left at their largest value, and multipliers that were
        never refreshed."""
        lines = super().limits_reached
        if self.rho.shape[1] and not self.updates:
            lines.append("CRaC's multipliers were never refreshed: training ended before its first epoch did")
        lines += _at_limit("multiplier", self.multipliers, LARGEST)
        if self.rho_max > self.rho_min:
            lines += _at_limit("penalty weight rho", self.rho, self.rho_max)
        return lines

    def _excess(
        self, logits: Tensor, target: Tensor, boundary: Tensor | None = None
    ) -> Iterator[tuple[tuple[slice, ...], Tensor, Tensor]]:
        """In portions of logits (B, C, V): where, the signed distance z - t or z - margin t, and 1 at boundaries."""
        counts = class_counts(target, logits.shape[1], self.border)
        window = window_size(counts)
        boundary = (heterogeneous(counts) if boundary is None else boundary).flatten(1).unsqueeze(1)
        counts = counts.flatten(2)
        for here in blocks(logits):
            at_boundary = boundary[here].to(logits.dtype)
            factor = (1 - self.margin) / window * at_boundary + self.margin / window
            yield here, logits[here] - counts[here].to(logits.dtype).mul_(factor), at_boundary

    def _size_for(self, logits: Tensor) -> None:
        """Begin the per-class state with the first batch, and follow its device."""
        classes = logits.shape[1]
        if self.rho.device != logits.device:
            self.to(logits.device)
        if self.rho.shape[1] == 0:
            # State first made inside inference mode could not be used by a later training step.
            with torch.inference_mode(False), torch.no_grad():
                start = torch.ones(2, classes, dtype=self.rho.dtype, device=self.rho.device)
                self.multipliers, self.rho, self.violation = (
                    SMALLEST * start,
                    self.rho_min * start,
                    torch.zeros_like(start),
                )
        elif self.rho.shape[1] != classes:
            raise ValueError(
                f"logits: expected {self.rho.shape[1]} classes as in earlier batches, received {tuple(logits.shape)}; "
                "use one loss object per task"
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # The number of classes is known only once a batch or a saved state has been seen.
        for name in ("multipliers", "rho", "violation"):
            saved = state_dict.get(prefix + name)
            if saved is not None:
                setattr(self, name, getattr(self, name).new_zeros(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _at_limit(name: str, table: Tensor, largest: float) -> list[str]:
    """One line if entries of a (2, C) table lie at their largest value."""
    places = [f"class {label} ({REGIONS[region]})" for region, label in (table >= largest).nonzero().tolist()]
    return [f"CRaC's {name} is at its limit {largest:g} for {', '.join(places)}"] if places else []


LOSS = CRaCLoss
NUMERICS = 1  # see spectralcal.study.numerics
LABEL = "CRaC"
REFERENCE = "Murugesan et al., Class and region-adaptive constraints for network calibration, MICCAI 2024"
