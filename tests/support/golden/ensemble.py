"""Ensembles: what several networks with weights from formulas predict together."""

from __future__ import annotations

from typing import Any

import torch

from golden import formula
from golden.compare import summary
from golden.networks import FormulaNetwork
from spectralcal.engine.ensemble import Ensemble
from spectralcal.engine.predict import predict_probabilities
from spectralcal.study.config import InferenceConfig


def values() -> dict[str, Any]:
    """Golden values of the part "ensemble": its logits, of few and many and of sharp members, and a volume."""
    return {
        **{f"{members} members": logits(members, 3) for members in (1, 2, 5)},
        "sharp members": logits(3, 3, factor=40.0),
        "planes": logits(5, 2),
        "a volume": predicted(),
    }


def networks(members: int, dims: int) -> list[FormulaNetwork]:
    """Networks with different weights."""
    return [FormulaNetwork(dims=dims, seed=10 * member) for member in range(members)]


def logits(members: int, dims: int, factor: float = 1.0) -> dict[str, Any]:
    """What an ensemble gives for a batch of two images of `factor` times the usual contrast."""
    label = formula.labels((2, *(11, 9, 8)[:dims]), 3)
    images = torch.from_numpy(factor * formula.image(label.shape, label))[:, None]
    with torch.inference_mode():
        return summary(Ensemble(networks(members, dims))(images))


def predicted() -> dict[str, Any]:
    """Probabilities of a volume of several windows."""
    label = formula.labels((13, 17, 9), 3)
    image = formula.image(label.shape, label)[None]
    found = predict_probabilities(
        Ensemble(networks(5, 3)).eval(), image, (8, 8, 6), InferenceConfig(), device=torch.device("cpu"),
        precision="fp32",
    )  # fmt: skip
    return {"shape": list(found.shape), **summary(found)}
