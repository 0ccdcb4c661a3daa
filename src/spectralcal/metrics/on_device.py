"""Counting probabilities where a tensor lies: what :mod:`spectralcal.metrics.accumulate` does, in torch operations.

Only the cells leave the device, once, at the end. Sums are the same integers as on the CPU: every operation below
rounds once, as NumPy's does, and integers add up in any order.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from spectralcal.metrics.accumulate import Tally, check_values, mantissa_tables
from spectralcal.metrics.cells import FLOOR, SHIFT, CellGrid

CHUNK = 1 << 20  # voxels: enough to keep a device busy, some 100 MiB of working precision
_LEAD = 20  # bits: a sum over a chunk in units of 2^-40 is kept in two parts, since together they pass 64 bits


def count_tensors(
    parts: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]], num_classes: int, grid: CellGrid
) -> Tally:
    """Count voxels on the device of their probabilities.

    Args:
        parts: (C, n) probabilities of any float type, (n,) integer labels and (n,) booleans, True where a voxel counts,
            or None; of at most :data:`CHUNK` voxels and on one device.
        num_classes: C.
        grid: the cells.

    Returns:
        The sums, on the CPU.

    Raises:
        ValueError: as :meth:`spectralcal.metrics.accumulate.Tally.add`.
    """
    sums = None
    for probabilities, labels, mask in parts:
        p, labels = probabilities.float(), labels.long()
        if mask is not None:
            p, labels = p[:, mask], labels[mask]
        if labels.numel():
            sums = sums or _Sums(num_classes, grid, p.device)
            sums.add(p, labels)
    return Tally(num_classes, grid) if sums is None else sums.tally()


class _Sums:
    """Integer sums on the device; the last cell of a row takes what is to be forgotten."""

    def __init__(self, num_classes: int, grid: CellGrid, device: torch.device) -> None:
        self.grid, self.classes, self.cells, self.voxels = grid, num_classes, len(grid), 0
        self.sums = torch.zeros((3, 2, num_classes, self.cells + 1), dtype=torch.int64, device=device)
        self.low = torch.zeros(num_classes, dtype=torch.int64, device=device)
        self.scores = torch.zeros((2, 2), dtype=torch.int64, device=device)
        self.tables = [torch.from_numpy(table).to(device) for table in mantissa_tables()]
        # A tensor, since a device divides by a number of the host through its inverse, which rounds twice.
        self.bins = torch.full((), float(grid.layout[0]), device=device)
        # Smallest and largest probability, their sum's largest distance from one; smallest and largest label.
        self.seen = torch.tensor([torch.inf, -torch.inf, 0.0], device=device)
        self.labels = torch.tensor([0, 0], device=device)

    def add(self, p: torch.Tensor, labels: torch.Tensor) -> None:
        self.voxels += labels.numel()
        # NaN survives both minimum and maximum.
        off = (p.sum(0) - 1).abs().amax()
        low, high = torch.minimum(self.seen[0], p.amin()), torch.maximum(self.seen[1], p.amax())
        self.seen = torch.stack([low, high, torch.maximum(self.seen[2], off)])
        low, high = torch.minimum(self.labels[0], labels.amin()), torch.maximum(self.labels[1], labels.amax())
        self.labels = torch.stack([low, high])
        p, labels = p.clamp(0, 1), labels.clamp(0, self.classes - 1)

        best, predicted = p[0], torch.zeros_like(labels)
        for c in range(1, self.classes):  # ties go to the first class
            predicted = torch.where(p[c] > best, c, predicted)
            best = torch.maximum(best, p[c])
        truth = p.gather(0, labels[None])[0]
        wrong = predicted != labels
        cell, remainder = self._place(best)
        self._scatter(0, 0, predicted, cell, torch.ones_like(cell))
        self._scatter(1, 0, predicted, cell, remainder)
        self._scatter(2, 0, predicted, cell, wrong.long())
        self._scatter(2, 1, labels, self._place(truth)[0], wrong.long())
        brier = torch.full_like(labels, 1 << 40) - ((truth * 2.0**30).long() << 11)
        for c in range(self.classes):
            brier += (p[c] * 2.0**30).long().square() >> 20
            small = p[c] < float(FLOOR)
            self.low[c] += torch.where(small, p[c] * 2.0**45, 0).long().sum()
            cell, remainder = self._place(p[c])
            rest = (~small & (predicted != c)).long()
            row = torch.full_like(labels, c)
            self._scatter(0, 1, row, cell, rest)
            self._scatter(1, 1, row, cell, remainder * rest)
        for i, values in enumerate((brier, self._nll(truth))):
            self.scores[i, 0] += (values >> _LEAD).sum()
            self.scores[i, 1] += (values & ((1 << _LEAD) - 1)).sum()

    def tally(self) -> Tally:
        """The sums on the CPU."""
        low, high, off = self.seen.tolist()
        check_values(low, high, off, *self.labels.tolist(), self.classes)
        tally = Tally(self.classes, self.grid)
        tally.take(self.sums[..., :-1].cpu().numpy())
        tally.low += self.low.cpu().numpy()
        tally.brier, tally.nll = ((lead << _LEAD) + rest for lead, rest in self.scores.tolist())
        tally.voxels = self.voxels
        return tally

    def _scatter(self, kind: int, which: int, row: torch.Tensor, cell: torch.Tensor, values: torch.Tensor) -> None:
        self.sums[kind, which].view(-1).scatter_add_(0, row * (self.cells + 1) + cell, values)

    def _place(self, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """:meth:`spectralcal.metrics.cells.CellGrid.place`."""
        _, first, second, lower, upper, last = self.grid.layout
        bits = torch.minimum(p, 1 - p).view(torch.int32)
        leading = bits >> SHIFT
        edge = (p * self.bins + 0.5).int()
        splits = edge + (p > edge.float() / self.bins).int() + (p > float(first)).int() + (p > float(second)).int()
        cell = torch.where(p > 0.5, upper - leading, leading - lower) + splits
        return cell.clamp(0, last).long(), (bits & ((1 << SHIFT) - 1)).long()

    def _nll(self, truth: torch.Tensor) -> torch.Tensor:
        bits = truth.clamp_min(torch.finfo(torch.float32).tiny).view(torch.int32)
        logarithm, inverse = (table[(bits >> 15 & 0xFF).long()] for table in self.tables)
        r = (bits & 0x7FFF).double() * inverse
        series = r * (1.0 - r * (0.5 - r * (1.0 / 3 - r * 0.25)))
        return (-(((bits >> 23) - 127).double() * 0.6931471805599453 + logarithm + series) * 2.0**40 + 0.5).long()


def as_tensor(array: object, device: torch.device) -> torch.Tensor:
    """Labels or a mask on the device of the probabilities."""
    if isinstance(array, torch.Tensor):
        return array.detach().to(device)
    array = np.asarray(array)
    return torch.from_numpy(np.array(array)).to(device)
