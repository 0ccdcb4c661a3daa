"""Samples: which predictions are drawn of a case, and what their mean is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from golden import formula
from golden.compare import summary
from golden.networks import FormulaNetwork
from spectralcal.scoring.samples import Drawn, log_mean, sample_seed


class DrawingNetwork(FormulaNetwork):
    """One whose drawn predictions are moved by one number per class."""

    def draw(self, images: Tensor, seed: int) -> Tensor:
        """(B, classes, *spatial) logits."""
        logits = self(images)
        latent = np.random.default_rng(seed).normal(size=logits.shape[1])
        return logits + torch.from_numpy(latent).float().reshape(-1, *[1] * (images.ndim - 2))


def values() -> dict[str, Any]:
    """Golden values of the part "samples": logits of two cases' samples, and of their mean."""
    logits = {case: drawn(case, 3) for case in ("case 0", "case 1")}
    return {
        **{f"{case}, sample {k}": summary(one) for case, each in logits.items() for k, one in enumerate(each)},
        **{f"{case}, mean": summary(log_mean(each)) for case, each in logits.items()},
    }


def drawn(case: str, count: int) -> list[Tensor]:
    """Logits of a case's samples, each for a batch of two planes."""
    label = formula.labels((2, 11, 9), 3)
    images = torch.from_numpy(formula.image(label.shape, label))[:, None]
    network = DrawingNetwork(dims=2)
    with torch.inference_mode():
        return [Drawn(network, sample_seed(case, number))(images) for number in range(count)]
