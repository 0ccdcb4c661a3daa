"""Golden values of transforms: an image after each, with the defaults."""

from __future__ import annotations

from typing import Any

import numpy as np

from golden.compare import summary
from spectralcal.base import registry
from spectralcal.transforms.contract import build_transform, corrupted

SHAPES = ((2, 9, 8), (1, 7, 6, 5))
#: transform -> sets of options that are watched beside its defaults
FURTHER: dict[str, tuple[dict[str, Any], ...]] = {
    "geometry": (
        {"flip_probability": 1.0},
        {"rotation_probability": 1.0},
        {"scaling_probability": 1.0, "scaling_factor": [0.7, 0.8]},
    )
}


def values(name: str) -> dict[str, Any]:
    """Summaries of a picture and of a volume, of two cases."""
    values: dict[str, Any] = {}
    for options in ({}, *FURTHER.get(name, ())):
        transform = build_transform(name, registry.defaults("transforms", name) | options)
        said = "".join(f", {key} {value}" for key, value in options.items())
        for shape in SHAPES:
            image = np.random.default_rng(3).normal(size=shape).astype(np.float32)
            for number in (0, 1):
                key = f"{len(shape) - 1}-D, case {number}{said}"
                values[key] = summary(corrupted(image, [transform], f"case {number}"))
    return values
