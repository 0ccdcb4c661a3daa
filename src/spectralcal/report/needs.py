"""Which probes the figures and claims of a study read, and of which networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spectralcal.base import registry
from spectralcal.scoring.probe import load_probe
from spectralcal.study.config import ExperimentConfig, StudyConfig

#: data set, architecture and seed of a probe's file
Key = tuple[str, str, int]


def figure_needs(config: StudyConfig, name: str) -> dict[str, list[Key]]:
    """What a figure reads beside scores, of the data set and architecture that it shows.

    A figure says it as ``NEEDS = ("maps",)``.

    Returns:
        Probe -> its files. Of one that is not read of every seed that of the first seed of the experiment.

    Raises:
        ConfigError: there is no such probe.
    """
    output = config.figures[name]
    grid, options = config.experiments[output.experiment], output.options
    dataset = options.get("dataset") or grid.datasets[0]
    architecture = options.get("architecture") or grid.architectures[0]
    needs = _needs(config, "figures", output.source or name) or ()
    _require(config, needs, f"figures.{name}")
    return {need: [(dataset, architecture, seed) for seed in _seeds(config, need, grid)] for need in needs}


def claims_needs(config: StudyConfig) -> dict[str, list[Key]]:
    """What the claims of the study's paper read beside scores, as :func:`figure_needs` for figures.

    A file of claims says it as ``NEEDS = {"hotspots": "main"}``: the role whose experiment it reads them of, on the
    first architecture.
    """
    wanted: dict[str, list[Key]] = {}
    for entry in registry.entries("claims", config.paper) if config.claims is not None else ():
        needs = _needs(config, "claims", entry.name) or {}
        _require(config, needs, f"claims of {entry.file.name}")
        for need, role in needs.items():
            if (name := config.claims.get(role)) is not None:
                grid = config.experiments[name]
                keys = [
                    (each, grid.architectures[0], seed) for each in grid.datasets for seed in _seeds(config, need, grid)
                ]
                wanted[need] = list(dict.fromkeys([*wanted.get(need, ()), *keys]))
    return wanted


def study_probes(config: StudyConfig) -> tuple[str, ...]:
    """Names of all probes that a study can have files of: registered ones, and those that something needs."""
    needed = [need for name in config.figures for need in figure_needs(config, name)]
    return tuple(dict.fromkeys([*registry.names("probes", config.paper), *needed, *claims_needs(config)]))


def _needs(config: StudyConfig, kind: str, name: str) -> Any:
    return registry.constant(kind, name, "NEEDS", config.paper)


def _require(config: StudyConfig, needs: Iterable[str], where: str) -> None:
    for need in needs:
        registry.require("probes", need, f"{where}: NEEDS", config.paper)


def _seeds(config: StudyConfig, need: str, grid: ExperimentConfig) -> tuple[int, ...]:
    return grid.seeds if load_probe(need, config.probes.get(need, {})).every_seed else grid.seeds[:1]
