"""Hotspots of every test case, and one slice to look at: the file behind Figure 8.

Every trained method is compared with the baseline, not the paper's alone: a loss that lowers confidence for another
reason may coincide with the hotspots just as well, and so may the baseline itself, trained with another seed. A method
of the same seed shares initial weights and batches with the baseline, and so some of its noise, which cancels in the
difference; the baseline of another seed shares none. To be compared with that control, a method must be of the other
seed too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spectralcal.base.console import progress, say
from spectralcal.base.files import write_arrays
from spectralcal.data.manifest import PreparedCase
from spectralcal.engine.patches import extract
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.maps import cells_of, dice_of, median_case
from spectralcal.jobs.networks import load_network
from spectralcal.machine.device import choose_device
from spectralcal.scoring import hotspots as hot
from spectralcal.scoring.patch import patch_logits, patch_start
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve


def hotspots_step(config: StudyConfig, dataset: str, architecture: str, seed: int) -> None:
    """Measure and store the hotspots of a data set, architecture and seed.

    Without a trained baseline, or without another method, the file names no method: figures show a hole.
    Memory: one case, and the weights of all methods.

    Stored, for M methods (the baseline among them is that of another seed, where the study has one) and N cases:
        ``baseline``, ``methods`` (M,), ``cases`` (N,), ``cutoff``, ``strengths`` (S,) and ``coefficients`` (R,);
        ``difference`` (M, N, S, R, 3): correlation of hotspot and confidence difference, mean and sd of its null;
        ``following_methods`` (F,) and ``following`` (F, N, S, R, 3): the same with the methods' next seed, without
        the baseline, of which ``difference`` has that;
        ``error`` (N, S, R, 3): the same with the baseline's errors; ``distance`` (N,): Spearman's correlation of the
        magnitude with the distance to the boundary; ``voxels`` (N, bins), ``difference_profile`` (M, N, 2, bins) and
        ``error_profile`` (N, 2, bins): sums by bin of signed strength, observed and expected; ``histogram`` (M, bins,
        bins) of all cases; ``strength_edges``, ``difference_edges``; and ``shown_*``, the slice of the case with the
        median Dice of the baseline (arrays (H, W), or (H, W, 1) of a volume). Definitions are in
        :mod:`spectralcal.scoring.hotspots`.
    """
    paths = StudyPaths(config)
    every = cells_of(config, dataset, architecture, seed)
    baseline = config.baseline_among([cell.method for cell in every])
    cells = [cell for cell in every if paths.cell(cell).weights.is_file()]
    plain = next((cell for cell in cells if cell.method == baseline and paths.cell(cell).cases.is_file()), None)
    others = [cell for cell in cells if cell.method != baseline] if plain else []
    control = other_seed(config, Cell(dataset, architecture, baseline, seed))
    if others and control and paths.cell(control).weights.is_file():
        others.append(control)
    following = _following(config, others, baseline)
    arrays = (
        _measured(config, plain, others, following) if plain and others else {"methods": np.array([], dtype=np.str_)}
    )
    path = paths.hotspots(dataset, architecture, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, {"baseline": np.array(baseline), **arrays})
    say(f"hotspots of {len(arrays.get('cases', ()))} cases, {len(others)} methods against {baseline}, in {path}")


def other_seed(config: StudyConfig, cell: Cell) -> Cell | None:
    """The same cell with the study's next seed, the first after the last; None if it has one seed only."""
    seeds = sorted({c.seed for c in study_cells(config) if replace(c, seed=cell.seed) == cell} | {cell.seed})
    following = seeds[(seeds.index(cell.seed) + 1) % len(seeds)]
    return None if following == cell.seed else replace(cell, seed=following)


def _following(config: StudyConfig, others: list[Cell], baseline: str) -> list[Cell]:
    """The trained cells of these methods with the next seed, the baseline's apart, which is among the others."""
    paths = StudyPaths(config)
    found = [other_seed(config, cell) for cell in others if cell.method != baseline]
    return [cell for cell in found if cell and paths.cell(cell).weights.is_file()]


@dataclass(frozen=True)
class _Networks:
    """Networks of the baseline, of the others and of the next seed, on the CPU until one is needed."""

    baseline: torch.nn.Module
    others: list[torch.nn.Module]
    following: list[torch.nn.Module]
    patch: tuple[int, ...]
    device: torch.device

    def logits(self, network: torch.nn.Module, case: PreparedCase) -> Tensor:
        found = patch_logits(network.to(self.device), case, self.patch, device=self.device, precision="fp32")
        network.to("cpu")
        return found


def _measured(config: StudyConfig, plain: Cell, others: list[Cell], following: list[Cell]) -> dict[str, np.ndarray]:
    cases = load_data(config, plain.dataset).scored
    chosen = median_case(dice_of(StudyPaths(config).cell(plain).cases))
    torch.set_num_threads(config.compute.threads)
    channels = cases[0].image().shape[0]
    baseline, *rest = (load_network(resolve(config, cell), channels).eval() for cell in (plain, *others, *following))
    patch = tuple(config.training_of(plain.dataset, plain.architecture).patch)
    same, next_seed = rest[: len(others)], rest[len(others) :]
    networks = _Networks(baseline, same, next_seed, patch, choose_device(config.compute.device))
    found: list[dict[str, Any]] = []
    shown: dict[str, np.ndarray] = {}
    with progress(f"{plain.dataset}, {plain.architecture}, seed {plain.seed}: hotspots", len(cases)) as bar:
        for case in cases:
            measured, view = _case(networks, case)
            if found:  # one histogram of all cases: 16 kB a method, too much to keep of thousands
                found[0]["histogram"] += measured["histogram"]
                measured["histogram"] = None
            found.append(measured)
            if case.id == chosen:
                shown = {"shown_case": np.array(case.id), **view}
            bar.advance(1, case.id)
    by_method = ("difference", "difference_profile", "following")
    stacked = {
        key: first if key == "histogram" else np.stack([entry[key] for entry in found])
        for key, first in found[0].items()
    }
    stacked |= {key: np.moveaxis(stacked[key], 1, 0) for key in by_method}
    return {
        "methods": np.array([cell.method for cell in others]),
        "following_methods": np.array([cell.method for cell in following], dtype=np.str_),
        "cases": np.array([case.id for case in cases]),
        "cutoff": np.array(hot.CUTOFF),
        "strengths": np.array(hot.STRENGTHS),
        "coefficients": np.array(hot.COEFFICIENTS),
        "strength_edges": hot.STRENGTH_EDGES,
        "difference_edges": hot.DIFFERENCE_EDGES,
        **stacked,
        "shown_rule": np.array(f"the test case with the median Dice of {plain.method}"),
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
