"""Arrays of a hotspots file that look real and can be recomputed: no network, no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

STRENGTH_EDGES = np.linspace(-5.0, 5.0, 42)
DIFFERENCE_EDGES = np.concatenate([-np.geomspace(1, 1e-3, 25), np.geomspace(1e-3, 1, 25)])


def hotspots(
    methods: Sequence[str], cases: Sequence[str], volume, seed: int = 0, value: float | None = None
) -> dict[str, np.ndarray]:
    """What `spectralcal hotspots` writes.

    Args:
        methods: compared with cross-entropy; none gives the file of a hole.
        cases: names of the test cases.
        volume: with ``image`` (C, *S), ``label`` (*S) and ``spacing_mm``, for the slice that is shown.
        seed: of the numbers.
        value: every correlation, if given.
    """
    if not methods:
        return {"baseline": np.array("ce"), "methods": np.array([], dtype=np.str_)}
    random = np.random.default_rng([seed, len(methods)])
    count, bins = (len(methods), len(cases)), len(STRENGTH_EDGES) - 1

    def correlations(*shape: int) -> np.ndarray:
        found = np.empty((*shape, 2, 2, 3))
        found[..., 0] = random.normal(0.2, 0.05, (*shape, 2, 2)) if value is None else value
        found[..., 1] = random.normal(0.05, 0.02, (*shape, 2, 2))
        found[..., 2] = 0.005
        return found

    voxels = np.round(2000 * np.exp(-0.5 * ((STRENGTH_EDGES[1:] + STRENGTH_EDGES[:-1]) / 2) ** 2)).astype(np.int64)
    voxels = np.tile(voxels, (len(cases), 1))
    middle = np.abs(DIFFERENCE_EDGES[1:] + DIFFERENCE_EDGES[:-1]) / 2
    density = np.exp(-0.5 * (np.log10(middle + 1e-4) + 3) ** 2 / 0.5)
    histogram = np.round(voxels[0][:, None] * density / density.sum()).astype(np.int64)
    profiles = random.normal(0.004, 0.001, (*count, 2, bins)) * voxels[None, :, None]
    index = int((volume.label > 0).sum((0, 1)).argmax())
    section = (slice(None), slice(None), slice(index, index + 1))
    shape = volume.label[section].shape
    later = [name for name in methods if name != "ce"] if "ce" in methods else []
    following = {"following_methods": np.array(later, dtype=np.str_), "following": correlations(len(later), len(cases))}
    return {
        "baseline": np.array("ce"),
        "methods": np.array(list(methods)),
        "cases": np.array(list(cases)),
        "cutoff": np.array(0.3),
        "strengths": np.array(["signed", "magnitude"]),
        "coefficients": np.array(["spearman", "pearson"]),
        "strength_edges": STRENGTH_EDGES,
        "difference_edges": DIFFERENCE_EDGES,
        "difference": correlations(*count),
        **following,
        "difference_profile": profiles,
        "histogram": np.tile(histogram, (len(methods), 1, 1)),
        "error": correlations(len(cases)),
        "error_profile": np.abs(profiles[0]),
        "distance": random.uniform(-0.5, -0.3, len(cases)),
        "voxels": voxels,
        "shown_case": np.array(cases[0]),
        "shown_rule": np.array("the test case with the median Dice of ce"),
        "shown_slice": np.array(index),
        "shown_spacing_mm": np.array(volume.spacing_mm, dtype=np.float64),
        "shown_image": volume.image[0][section].astype(np.float32),
        "shown_reference": volume.label[section],
        "shown_spectrum": random.exponential(1.0, shape[:2]),
        "shown_hotspots": random.normal(0, 0.3, shape).astype(np.float32),
        "shown_baseline": random.uniform(0.6, 1, shape).astype(np.float32),
        "shown_confidence": random.uniform(0.6, 1, (len(methods), *shape)).astype(np.float32),
    }
