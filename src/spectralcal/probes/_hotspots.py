"""Hotspots of all cases: networks are compared case by case, and what is found is put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.base.console import progress
from spectralcal.data.manifest import PreparedCase
from spectralcal.engine.patches import extract
from spectralcal.scoring import hotspots as hot
from spectralcal.scoring.patch import patch_logits, patch_start
from spectralcal.scoring.probe import Probed, median_case
from spectralcal.study.resolved import ResolvedCell


@dataclass(frozen=True)
class _Networks:
    """Networks of the baseline, of the others and of the next seed, on the CPU until one is needed."""

    baseline: nn.Module
    others: list[nn.Module]
    following: list[nn.Module]
    patch: tuple[int, ...]
    device: torch.device

    def logits(self, network: nn.Module, case: PreparedCase) -> Tensor:
        logits = patch_logits(network.to(self.device), case, self.patch, device=self.device, precision="fp32")
        network.to("cpu")
        return logits


def measured(
    probed: Probed, plain: ResolvedCell, others: Sequence[ResolvedCell], following: Sequence[ResolvedCell]
) -> dict[str, np.ndarray]:
    """The arrays of a file of hotspots but for the baseline's name.

    Args:
        probed: data set, architecture and seed, with the cases.
        plain: cell of the baseline, which is scored.
        others: cells that it is compared with, the baseline's next seed among them.
        following: cells of the methods' next seed.
    """
    cases = probed.cases
    chosen = median_case(probed.scores(plain))
    baseline, *rest = map(probed.network, (plain, *others, *following))
    networks = _Networks(baseline, rest[: len(others)], rest[len(others) :], plain.patch, probed.device)
    by_case: list[dict[str, Any]] = []
    shown: dict[str, np.ndarray] = {}
    with progress(f"{probed}: hotspots", len(cases)) as bar:
        for case in cases:
            numbers, view = _case(networks, case)
            if by_case:  # one histogram of all cases: 16 kB a method, too much to keep of thousands
                by_case[0]["histogram"] += numbers["histogram"]
                numbers["histogram"] = None
            by_case.append(numbers)
            if case.id == chosen:
                shown = {"shown_case": np.array(case.id), **view}
            bar.advance(1, case.id)
    by_method = ("difference", "difference_profile", "following")
    stacked = {
        key: first if key == "histogram" else np.stack([entry[key] for entry in by_case])
        for key, first in by_case[0].items()
    }
    stacked |= {key: np.moveaxis(stacked[key], 1, 0) for key in by_method}
    return {
        "methods": np.array([cell.key.method for cell in others]),
        "following_methods": np.array([cell.key.method for cell in following], dtype=np.str_),
        "cases": np.array([case.id for case in cases]),
        "cutoff": np.array(hot.CUTOFF),
        "strengths": np.array(hot.STRENGTHS),
        "coefficients": np.array(hot.COEFFICIENTS),
        "strength_edges": hot.STRENGTH_EDGES,
        "difference_edges": hot.DIFFERENCE_EDGES,
        **stacked,
        "shown_rule": np.array(f"the test case with the median Dice of {plain.key.method}"),
        **shown,
    }


def _case(networks: _Networks, case: PreparedCase) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Numbers of a case, those of the methods on the first axis, and its slice."""
    start = patch_start(case, networks.patch)

    def cut(volume: np.ndarray) -> np.ndarray:
        return extract(volume[None], start, networks.patch, fill=0)[0]

    label, real = cut(np.asarray(case.label())), cut(np.ones(case.label().shape, bool))
    base = hot.baseline_of(networks.logits(networks.baseline, case), label, real, case.spacing_mm)
    index = hot.shown_slice(label)

    def section(volume: np.ndarray) -> np.ndarray:
        return volume if volume.ndim == 2 else volume[..., index : index + 1]

    def confidence_of(network: torch.nn.Module) -> np.ndarray:
        return torch.softmax(networks.logits(network, case)[0], 0).amax(0).cpu().numpy()

    difference, profiles, histograms, confidences = [], [], [], []
    for network in networks.others:
        confidence = confidence_of(network)
        change = base.confidence - confidence
        difference.append(hot.correlations(base, change))
        profiles.append(hot.profile(base, change))
        histograms.append(hot.joint_histogram(base, change))
        confidences.append(section(confidence).astype(np.float32))
    following = [hot.correlations(base, base.confidence - confidence_of(network)) for network in networks.following]
    numbers = {
        "difference": np.stack(difference),
        "following": np.array(following).reshape(len(following), len(hot.STRENGTHS), len(hot.COEFFICIENTS), 3),
        "difference_profile": np.stack(profiles),
        "histogram": np.stack(histograms),
        "error": hot.correlations(base, base.wrong),
        "error_profile": hot.profile(base, base.wrong),
        "distance": hot.distance_correlation(base),
        "voxels": np.bincount(base.strength_bins, minlength=len(hot.STRENGTH_EDGES) - 1),
    }
    image = extract(case.image(), start, networks.patch, fill=None)[0]
    padded = max(label.shape[-1] - case.shape[-1], 0) // 2
    view = {
        "shown_slice": np.array(0 if label.ndim == 2 else start[2] + index - padded),
        "shown_spacing_mm": np.array(case.spacing_mm, dtype=np.float64),
        "shown_image": section(image).astype(np.float32),
        "shown_reference": section(label),
        "shown_spectrum": hot.spectrum_section(base.field),
        "shown_hotspots": section(base.hotspots),
        "shown_baseline": section(base.confidence),
        "shown_confidence": np.stack(confidences),
    }
    return numbers, view
