"""Probes: what is measured on images, with networks whose weights come from a seed and a formula."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from studies import experiment, tiny

from golden import formula
from golden.compare import COUNTED, rounded, summary
from spectralcal.engine.state import unique_state
from spectralcal.jobs import steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.networks import build_network
from spectralcal.jobs.probe import probe_step
from spectralcal.study.config import StudyConfig, parse_config
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve

#: counts in bins, and ranks: the last bit of a number can move a voxel
BINNED = ("prediction", "voxels", "histogram", "difference", "difference_profile", "following", "error",
           "error_profile", "distance")  # fmt: skip


def values(name: str) -> dict[str, Any]:
    """Golden values of a probe."""
    with tempfile.TemporaryDirectory() as folder:
        config = study(folder)
        probe_step(config, name, "phantom", "unet", 0)
        return _arrays(StudyPaths(config).probe(name, "phantom", "unet", 0))


def study(folder: str) -> StudyConfig:
    """A tiny study on disk: prepared phantoms, and cells whose weights and Dice scores are made up."""
    base = tiny(folder, experiments=experiment(seeds=[0, 1])["experiments"])
    base["datasets"] = {"phantom": {"options": {"cases": 18, "shape": [20, 18, 20]}}}
    base["training"] |= {"patch": [14, 14, 14], "precision": "fp32"}
    base["compute"] = {"device": "cpu", "threads": 1}
    config = parse_config(base, "golden values")
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    tested = [case.id for case in load_data(config, "phantom").scored]
    for index, cell in enumerate(study_cells(config)):
        _write(config, cell, index, tested)
    return config


def _write(config: StudyConfig, cell: Cell, index: int, tested: list[str]) -> None:
    files = StudyPaths(config).cell(cell)
    files.folder.mkdir(parents=True)
    weights = unique_state(build_network(resolve(config, cell), in_channels=1))
    for number, name in enumerate(sorted(weights)):
        factor = 1 + 0.4 * (formula.noise(weights[name].shape, 100 * index + number) - 0.5)
        weights[name] = (weights[name] * torch.from_numpy(factor).float()).contiguous()
    save_file(weights, files.weights)
    rows = [
        {"case": case, "patient": case, "class": "organ", "metric": "DSC", "protocol": "paper", "value": value}
        for case, value in zip(tested, (0.7, 0.5, 0.6), strict=True)
    ]
    pd.DataFrame(rows).to_csv(files.cases, index=False)


def _arrays(path: Path) -> dict[str, Any]:
    """Each array of a file: text and single numbers as they are, the others summed up."""
    found: dict[str, Any] = {}
    with np.load(path) as arrays:
        for name in sorted(arrays.files):
            array = arrays[name]
            if array.dtype.kind == "U":
                found[name] = array.tolist()
            elif array.ndim == 0:
                found[name] = int(array) if array.dtype.kind in "iu" else rounded(float(array))
            else:
                found[name] = {"shape": list(array.shape), **summary(array, COUNTED if name in BINNED else None)}
    return found
