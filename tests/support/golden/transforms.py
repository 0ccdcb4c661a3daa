"""Golden values of transforms: an image after each, with the defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden.compare import summary
from spectralcal.base import registry
from spectralcal.transforms.contract import build_transform, corrupted

SHAPES = ((2, 9, 8), (1, 7, 6, 5))


def values(name: str) -> dict[str, Any]:
    """Summaries of a picture and of a volume, of two cases."""
    transform = build_transform(name, registry.defaults("transforms", name))
    found = {}
    for shape in SHAPES:
        image = np.random.default_rng(3).normal(size=shape).astype(np.float32)
        for number in (0, 1):
            found[f"{len(shape) - 1}-D, case {number}"] = summary(corrupted(image, [transform], f"case {number}"))
    return found
