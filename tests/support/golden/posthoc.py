"""Post-hoc steps: the voxels that they are fitted to (a part of the engine), and what each step makes of logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden import formula
from golden.compare import floats, summary
from golden.memory_case import MemoryCase
from golden.networks import FormulaNetwork
from spectralcal.base import registry
from spectralcal.engine.fit_post_hoc import fit_post_hoc

CPU = {"device": torch.device("cpu"), "precision": "fp32"}


class Recorder:
    """A post-hoc step that keeps what it is fitted to."""

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Keep logits (N, C) and labels (N,)."""
        self.logits, self.labels = logits, labels


def fit_values() -> dict[str, Any]:
    """Golden values of the part "post-hoc fit": more voxels than are drawn, several windows, padding, and a plane."""
    return {
        "one large window": fitted_to([MemoryCase("a", (40, 38, 36), seed=1)], (40, 40, 40)),
        "several windows": fitted_to(
            [MemoryCase("b", (14, 11, 9), seed=2), MemoryCase("c", (6, 15, 8), seed=3)], (8, 8, 8)
        ),
        "planes": fitted_to([MemoryCase("d", (21, 17), seed=4)], (9, 12)),
    }


def fitted_to(cases: list[MemoryCase], patch: tuple[int, ...]) -> dict[str, Any]:
    """Logits and labels of the drawn voxels."""
    step = Recorder()
    fit_post_hoc(step, FormulaNetwork(dims=len(patch)), cases, patch, **CPU)
    order = torch.arange(len(step.labels))
    return {
        "voxels": len(step.labels),
        "of each label": torch.bincount(step.labels).tolist(),
        "order of labels": int((step.labels * (order % 997)).sum()),
        "logits": summary(step.logits),
    }


def values(name: str) -> dict[str, Any]:
    """Golden values of a registered post-hoc step: fitted to logits that are too sharp, and to some too mild."""
    return {f"logits times {factor}": fitted(name, factor) for factor in (0.4, 3.0)}


def fitted(name: str, factor: float) -> dict[str, Any]:
    """Parameters, and what becomes of other logits."""
    label = formula.labels((12, 11, 10), 4, 3)
    right = np.stack([(1.0 + 0.3 * c) * (label == c) for c in range(4)])
    rough = np.stack([4 * (formula.noise(label.shape, 30 + c) - 0.5) for c in range(4)])
    sharp = torch.from_numpy((factor * (right + rough)).astype(np.float32))
    step = registry.load("posthoc", name)()
    step.fit(sharp.flatten(1).T, torch.from_numpy(label.astype(np.int64)).flatten())
    parameters = {key: floats(_flat(value)) for key, value in step.parameters().items()}
    others = torch.from_numpy(formula.logits(np.stack([label, label]), 4, 2))
    return {**parameters, "logits": summary(step(others)), "planes": summary(step(others[..., 0]))}


def _flat(value: Any) -> list[float]:
    """A number, or the numbers of lists within lists."""
    return [number for each in value for number in _flat(each)] if isinstance(value, list) else [value]
