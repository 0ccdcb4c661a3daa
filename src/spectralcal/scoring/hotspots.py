"""High frequencies of a network's confidence, and whether another network is less confident where they are strong.

The paper's Figure 8 shows one slice: the high-frequency power of cross-entropy's logits, the map reconstructed from it
("hotspots"), and how much less confident the other network is. Here the same is measured on every test case, against
the null that both maps only share the distance to the boundary. Definitions (the paper gives none; docs/ambiguities.md,
F6):

* The field is the maximum logit of cross-entropy (Eq. 1) on the fixed patch of a case, in one pass; a sliding window
  blends probabilities and has no logits. The network runs in float32, because rounding to half precision is
  high-frequency power itself.
* High are the frequencies above 0.3 cycles/voxel: the upper 40 % of the radii, bands 4 and 5 of 5.
* The strength of a hotspot is the reconstruction itself, positive where high frequencies raise the confidence
  ("signed", the literal reading of the paper's maps), or its absolute value ("magnitude").
* The confidence difference is the largest softmax probability of cross-entropy minus the other network's. What is
  random in cross-entropy's confidence is in the strength and in the difference alike, so a positive signed
  correlation is to be expected for any second network, and a smaller one of a network that shares initial weights and
  batches with cross-entropy: the control is cross-entropy of another seed, for methods of that seed too, and the null
  is not enough.
* Voxels that padding added, and those within a filter's width of the patch's faces (where the transform's periodicity
  shows), do not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from spectralcal.metrics.distance_bands import boundary_distance
from spectralcal.spectral import confidence_map, high_pass
from spectralcal.statistics.matched import NOTHING, matched_correlation, ranks, stratum_means

#: cycles/voxel, the lower end of the fourth of five bands
CUTOFF = 0.3
FIELD = "max_logit"
STRENGTHS = ("signed", "magnitude")
COEFFICIENTS = ("spearman", "pearson")
#: ends of the bins of the signed strength, in root mean squares of the case
STRENGTH_EDGES = np.linspace(-5.0, 5.0, 42)
#: ends of the bins of the confidence difference, fine at zero, where most voxels are
DIFFERENCE_EDGES = np.concatenate([-np.geomspace(1, 1e-3, 25), np.geomspace(1e-3, 1, 25)])


@dataclass(frozen=True)
class Baseline:
    """What does not depend on the other network, for one case.

    Attributes:
        field: (*patch) the confidence map whose high frequencies are taken.
        hotspots: (*patch) their reconstruction, signed.
        confidence: (*patch) largest softmax probability.
        wrong: (*patch) the top label is not the reference's.
        counted: (*patch) voxels that enter the numbers.
        strata: (n,) voxels of one label are on one side of the boundary, at one distance.
        distance_mm: (n,) to the boundary.
    """

    field: np.ndarray
    hotspots: np.ndarray
    confidence: np.ndarray
    wrong: np.ndarray
    counted: np.ndarray
    strata: np.ndarray
    distance_mm: np.ndarray

    @cached_property
    def strengths(self) -> dict[str, np.ndarray]:
        """(n,) by name, as :data:`STRENGTHS`."""
        field = self.hotspots[self.counted].astype(np.float64)
        return {"signed": field, "magnitude": np.abs(field)}

    @cached_property
    def strength_ranks(self) -> dict[str, np.ndarray]:
        """(n,) ranks of :attr:`strengths`."""
        return {name: ranks(values) for name, values in self.strengths.items()}

    @cached_property
    def strength_bins(self) -> np.ndarray:
        """(n,) bin of :data:`STRENGTH_EDGES`; the outer bins include what lies beyond."""
        strength = self.strengths["signed"]
        scale = float(np.sqrt(np.mean(strength**2))) if strength.size else 0.0
        return _bin(strength / (scale or 1.0), STRENGTH_EDGES)


def baseline_of(
    logits: Tensor, label: np.ndarray, real: np.ndarray, spacing_mm: Sequence[float], cutoff: float = CUTOFF
) -> Baseline:
    """The high frequencies of one case.

    Args:
        logits: (1, C, *patch) of the baseline network.
        label: (*patch) reference.
        real: (*patch) voxels that padding did not add.
        spacing_mm: distance of neighbouring voxel centres along each axis.
        cutoff: cycles/voxel; frequencies above it are kept.

    Returns:
        No voxel is counted where the patch has no boundary.
    """
    field = confidence_map(logits, FIELD)
    hotspots = high_pass(field, cutoff)[0].cpu().numpy()
    probabilities = torch.softmax(logits[0].float(), 0)
    counted = real & _interior(label.shape, math.ceil(1 / cutoff))
    distance = boundary_distance(label, spacing_mm, math.inf)
    if distance is None:
        counted = np.zeros_like(counted)
        millimetres = np.zeros(label.shape)
    else:
        millimetres = distance.millimetres
    # One stratum per voxel width: the grid resolves nothing finer.
    step = np.floor(millimetres[counted] / min(spacing_mm) + 0.5).astype(np.int64)
    return Baseline(
        field=field[0].cpu().numpy(),
        hotspots=hotspots,
        confidence=probabilities.amax(0).cpu().numpy(),
        wrong=probabilities.argmax(0).cpu().numpy() != label,
        counted=counted,
        strata=np.unique(2 * step + (label[counted] != 0), return_inverse=True)[1].ravel(),
        distance_mm=millimetres[counted],
    )


def correlations(baseline: Baseline, values: np.ndarray) -> np.ndarray:
    """(strengths, coefficients, 3): value, mean and standard deviation of the null of each correlation with `values`.

    Args:
        baseline: one case.
        values: (*patch), for example a confidence difference, or the errors.
    """
    chosen = values[baseline.counted].astype(np.float64)
    measured = np.empty((len(STRENGTHS), len(COEFFICIENTS), len(NOTHING)))
    ranked = ranks(chosen)
    for row, name in zip(measured, STRENGTHS, strict=True):
        row[0] = matched_correlation(baseline.strength_ranks[name], ranked, baseline.strata)
        row[1] = matched_correlation(baseline.strengths[name], chosen, baseline.strata)
    return measured


def distance_correlation(baseline: Baseline) -> float:
    """Spearman's correlation of a hotspot's magnitude with its distance to the boundary."""
    strength = baseline.strength_ranks["magnitude"]
    return matched_correlation(strength, ranks(baseline.distance_mm), np.zeros(strength.size, np.int64)).value


def profile(baseline: Baseline, values: np.ndarray) -> np.ndarray:
    """(2, bins): sum of `values` over the voxels of each bin of strength, and its expectation under the null."""
    chosen, place = values[baseline.counted].astype(np.float64), baseline.strength_bins
    size = len(STRENGTH_EDGES) - 1
    expected = stratum_means(chosen, baseline.strata)
    return np.stack([np.bincount(place, weights=column, minlength=size) for column in (chosen, expected)])


def joint_histogram(baseline: Baseline, difference: np.ndarray) -> np.ndarray:
    """(strength bins, difference bins) int64 voxels, in the bins of the module's edges."""
    shape = len(STRENGTH_EDGES) - 1, len(DIFFERENCE_EDGES) - 1
    place = baseline.strength_bins * shape[1] + _bin(difference[baseline.counted], DIFFERENCE_EDGES)
    return np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)


def shown_slice(label: np.ndarray) -> int:
    """The slice along the last axis with the largest reference area, the first of equals; 0 for an image."""
    return 0 if label.ndim == 2 else int(np.argmax((label > 0).sum(axis=(0, 1))))


def spectrum_section(field: np.ndarray) -> np.ndarray:
    """(H, W) power of the field without its mean, zero frequency in the middle; of a volume the plane through the zero
    frequency of its last axis."""
    plane = field - field.mean()
    if field.ndim == 3:
        plane = plane.sum(axis=2)
    return np.fft.fftshift(np.abs(np.fft.fft2(plane)) ** 2) / field.size


def _bin(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each value; the outer ones also hold what lies beyond."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _interior(shape: Sequence[int], margin: int) -> np.ndarray:
    """Mask without the voxels next to the faces; of a short axis half remains."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(m, size - m) for size in shape for m in [min(margin, size // 4)])] = True
    return mask
