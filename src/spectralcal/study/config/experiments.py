"""Architectures, and the grids of cells that they are part of."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from spectralcal.study.config.section import Section


class ArchitectureConfig(Section):
    """One architecture of the study: its options and what it overrides."""

    network: str | None = Field(
        None,
        description="The registered network; null: the entry's own name. With it, one network can stand in a study "
        "under several names, with other options or another optimiser.",
    )
    options: dict[str, Any] = Field({}, description="Options of the network (keyword arguments of its class).")
    training: dict[str, Any] = Field({}, description="Keys of `training` that differ for this architecture.")


class ExperimentConfig(Section):
    """A grid of cells: every combination of data set, architecture, method and seed."""

    description: str = Field("", description="What the experiment asks.")
    datasets: tuple[str, ...] = Field(min_length=1, description="Names under `datasets`.")
    architectures: tuple[str, ...] = Field(min_length=1, description="Names under `architectures`.")
    methods: tuple[str, ...] = Field(
        min_length=1,
        description="Losses, with options as in `spectral@window=1`, post-hoc steps as in `ce+temperature`, and "
        "ensembles as in `ensemble(ce)`: seed k of one is made of the seeds 5k to 5k+4 of its loss, or nk to nk+n-1 "
        "with `@members=n`.",
    )
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, description="Seeds; comparisons are paired within a seed.")

    @field_validator("methods", "datasets", "architectures", "seeds")
    @classmethod
    def _distinct(cls, values: tuple) -> tuple:
        if len(set(values)) != len(values):
            raise ValueError(f"names an entry twice: {list(values)}")
        return values
