"""A probe measured on the trained networks of a data set, architecture and seed, and its file written."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.base.console import say
from spectralcal.base.errors import ConfigError, ResultError, choices
from spectralcal.base.files import write_arrays
from spectralcal.engine.predict import predict_probabilities
from spectralcal.jobs.cell_data import CellData, load_data
from spectralcal.jobs.collect import read_scores
from spectralcal.jobs.networks import load_network
from spectralcal.jobs.trained import trained_network
from spectralcal.machine.device import choose_device
from spectralcal.scoring.probe import Probed, load_probe, measured_by
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, cells_trained_on, other_seed
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import ResolvedCell, resolve

if TYPE_CHECKING:
    import pandas as pd


def probe_step(config: StudyConfig, name: str, dataset: str, architecture: str, seed: int) -> None:
    """Measure a probe and write what it found.

    Args:
        config: the study.
        name: registered or dotted name of the probe.
        dataset, architecture, seed: whose networks are looked at.

    Raises:
        ConfigError: there is no such probe, or the study trains nothing of the kind.
        ResultError: the probe cannot be measured, or gives something else than arrays.
    """
    options = config.probes.get(name, {})
    load_probe(name, options)  # a wrong name is said before anything is read
    probed = _probed(config, dataset, architecture, seed)
    torch.set_num_threads(config.compute.threads)
    arrays = measured_by(name, probed, options)
    path = StudyPaths(config).probe(name, dataset, architecture, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)
    say(f"{name} of {probed}: {len(probed.cells)} trained methods, in {path}")


def maps_step(config: StudyConfig, dataset: str, architecture: str, seed: int) -> None:
    """:func:`probe_step` of the maps, under its name of before there were probes."""
    probe_step(config, "maps", dataset, architecture, seed)


def _probed(config: StudyConfig, dataset: str, architecture: str, seed: int) -> Probed:
    keys = cells_trained_on(config, dataset, architecture, seed)
    if not keys:
        raise _nothing_trained(config, dataset, architecture, seed)
    paths = StudyPaths(config)
    present = [resolve(config, key) for key in keys if paths.cell(key).weights.is_file()]

    @cache
    def data() -> CellData:
        return load_data(config, dataset)

    def network(cell: ResolvedCell) -> nn.Module:
        return load_network(cell, data().in_channels).eval()

    def predictor(cell: ResolvedCell) -> Callable[[np.ndarray], Tensor]:
        trained = trained_network(cell, data().in_channels)
        return lambda image: predict_probabilities(
            trained.model, image, cell.patch, cell.inference, device=trained.device, precision=trained.precision
        )

    def next_seed(cell: ResolvedCell) -> ResolvedCell | None:
        key = other_seed(config, cell.key)
        return resolve(config, key) if key and paths.cell(key).weights.is_file() else None

    return Probed(
        dataset=dataset,
        architecture=architecture,
        seed=seed,
        cells=tuple(present),
        baseline=config.baseline_among([key.method for key in keys]),
        device=choose_device(config.compute.device),
        load_cases=lambda: data().scored,
        scores=_scores,
        network=network,
        predictor=predictor,
        next_seed=next_seed,
        cell_of=lambda method: resolve(config, Cell(dataset, architecture, method, seed)),
    )


def _scores(cell: ResolvedCell) -> pd.DataFrame:
    """Scores of a cell's cases.

    Raises:
        ResultError: the file is no table of scores.
    """
    path = cell.files.cases
    try:
        return read_scores(path, ("case", "class", "metric", "protocol", "value")).to_pandas()
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ResultError(f"{path}: expected scores of cases, got: {reason}; evaluate the cell again") from None


def _nothing_trained(config: StudyConfig, dataset: str, architecture: str, seed: int) -> ConfigError:
    """Which of the three the study does not train, and what it does."""
    cells = cells_trained_on(config)
    for key, name, value in (("--dataset", "dataset", dataset), ("--arch", "architecture", architecture)):
        known = list(dict.fromkeys(getattr(cell, name) for cell in cells))
        if value not in known:
            return ConfigError(f"{key}: the study '{config.study}' does not train '{value}'; expected {choices(known)}")
        cells = [cell for cell in cells if getattr(cell, name) == value]
    known = [str(each) for each in sorted({cell.seed for cell in cells})]
    where = f"on '{dataset}' with '{architecture}'"
    return ConfigError(f"--seed: the study '{config.study}' trains no seed {seed} {where}; expected {choices(known)}")
