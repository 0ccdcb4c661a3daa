"""Prediction: whole volumes by sliding windows, of sizes that no window divides, in 3-D and 2-D."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from golden import formula
from golden.compare import summary
from golden.networks import FormulaNetwork
from spectralcal.engine.predict import predict_probabilities
from spectralcal.study.config import InferenceConfig

#: name -> (volume, window)
SIZES = {
    "odd sizes": ((13, 17, 9), (8, 8, 6)),
    "longest axis last": ((9, 8, 21), (6, 8, 8)),
    "smaller than a window": ((7, 12, 5), (8, 10, 8)),
    "plane": ((23, 14), (9, 8)),
    "small plane": ((6, 19), (9, 8)),
}


def values() -> dict[str, Any]:
    """Golden values of the prediction part."""
    settings = itertools.product(SIZES, (0.25, 0.5), ("gaussian", "constant"))
    found = {f"{size}, overlap {overlap}, {blending}": predicted(size, overlap, blending)
             for size, overlap, blending in settings}  # fmt: skip
    found["three windows a pass"] = predicted("odd sizes", 0.5, "gaussian", batch_size=3)
    found["with a transform of the logits"] = predicted("odd sizes", 0.5, "gaussian", transform=lambda z: z / 2)
    return found


def predicted(size: str, overlap: float, blending: str, batch_size: int = 1, **options: Any) -> dict[str, Any]:
    """Probabilities of one formula image."""
    shape, window = SIZES[size]
    label = formula.labels(shape, 3)
    image = formula.image(shape, label)[None]
    settings = InferenceConfig(overlap=overlap, blending=blending, batch_size=batch_size)
    found = predict_probabilities(
        FormulaNetwork(dims=len(shape)), image, window, settings,
        device=torch.device("cpu"), precision="fp32", **options,
    )  # fmt: skip
    return {"shape": list(found.shape), **summary(found)}
