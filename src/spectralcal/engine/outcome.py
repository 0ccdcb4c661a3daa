"""How a training ends: with weights and a history, by a stop that was asked for, or because it diverged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spectralcal.base.errors import SpectralcalError


class Interrupted(SpectralcalError):
    """The run was asked to stop; its checkpoint is written and the same command continues it."""


class Diverged(SpectralcalError):
    """The loss or a gradient is NaN or infinite, in float32 too; the last good checkpoint is kept."""


@dataclass
class TrainingResult:
    """What a run leaves: the selected weights, its history and how it went.

    `in_float32` are the steps that were not finite in bfloat16 and were made again in float32; `limits` has a line for
    each bound that was reached (:attr:`spectralcal.losses.SegmentationLoss.limits_reached`).
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    validation: list[dict[str, float]]
    seconds: float
    resumes: int
    in_float32: list[int]
    limits: list[str]


@dataclass
class Progress:
    """State of a run that is neither weight nor optimiser."""

    step: int = 0
    seconds: float = 0.0
    resumes: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    in_float32: list[int] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_dice: float = -1.0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps as JSON."""
        names = ("seconds", "resumes", "history", "validation", "in_float32", "best_dice")
        return {name: getattr(self, name) for name in names}
