"""Where cells run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spectralcal.study.config.section import Section


class ComputeConfig(Section):
    """Where cells run. Nothing here can change a result beyond rounding."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is one, else CPU.")
    threads: int = Field(1, ge=1, description="CPU threads of one cell.")
    memory_mb: int = Field(4000, ge=100, description="Memory that the scheduler reserves for one cell.")
    gpu_memory_mb: int | None = Field(
        None,
        ge=1,
        description="GPU memory of one cell, in MiB: as many cells share a GPU as fit (peak_gpu_memory_mb in a cell's "
        "run.json says what it took). null: a GPU to each cell.",
    )
    resident_mb: int = Field(
        0,
        ge=0,
        description="Hold a cell's training volumes in memory if they take at most this many MiB. 0: read by memory "
        "map, which cells on one machine share; more pays where the disk is a network's.",
    )
    deterministic: bool = Field(
        False,
        description="On a GPU, only algorithms that give the same bits each time, where there are such; slower. A CPU "
        "always does.",
    )
