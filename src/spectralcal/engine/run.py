"""What one run of a training is given besides network, objective, data and settings: where it runs, whom it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Run:
    """What makes one run of a training differ from another.

    Attributes:
        stream: names of the random streams of augmentation and dropout, for example ``("hippocampus", 0)``.
        device: where to run.
        precision: "bf16" or "fp32"; the objective is always computed in float32.
        checkpoint: file of the rolling checkpoint; deleted by the caller once the results are written.
        fingerprint: a checkpoint of another fingerprint is set aside, not continued.
    """

    stream: tuple[str | int, ...]
    device: torch.device
    precision: str
    checkpoint: Path
    fingerprint: str


@dataclass(frozen=True)
class Hooks:
    """What a run calls.

    Attributes:
        validation_batches: patches of validation cases (images, labels), for objectives that learn from them.
        validation_dice: mean Dice on the validation cases, called every `validation_interval` epochs.
        report: called at each logged step with the row of the history.
        notify: called with what a person should know, in one line.
    """

    validation_batches: Callable[[], Iterator[tuple[Tensor, Tensor]]] | None = None
    validation_dice: Callable[[nn.Module], float] | None = None
    report: Callable[[int, dict[str, float]], None] = lambda step, row: None
    notify: Callable[[str], None] = lambda message: None
