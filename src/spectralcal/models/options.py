"""Options that a network takes from the cell that it is trained in, unless the configuration names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spectralcal.base import registry


def takes(architecture: str, option: str) -> bool:
    """Whether an architecture has an option of that name."""
    return option in registry.options_model("models", architecture).model_fields


def resolved_options(
    architecture: str,
    options: Mapping[str, Any],
    patch: Sequence[int],
    spacing_mm: Sequence[float] | None = None,
) -> dict[str, Any]:
    """`options` with the cell's own `patch` and `spacing_mm` where the architecture takes them and none is given.

    Args:
        architecture: registered name.
        options: as in the configuration; what they say stands.
        patch: training patch in voxels per axis.
        spacing_mm: voxel spacing of the prepared images per axis; None: leave it to the architecture's default.
    """
    resolved = dict(options)
    for name, value in (("patch", patch), ("spacing_mm", spacing_mm)):
        if value is not None and resolved.get(name) is None and takes(architecture, name):
            resolved[name] = tuple(value)
    return resolved


def typical_spacing_mm(spacings_mm: Iterable[Sequence[float]]) -> tuple[float, ...]:
    """Median per axis over cases, to 0.1 micrometre; the spacing itself where preparation gave all cases one."""
    return tuple(round(float(middle), 4) for middle in np.median(np.array(list(spacings_mm)), axis=0))


def check_patch(patch: Sequence[int], spatial_dims: int) -> None:
    """Raise ValueError unless a patch has a size for each axis of the images."""
    if len(patch) != spatial_dims:
        raise ValueError(f"expected {spatial_dims} sizes for {spatial_dims}-D images, found {list(patch)}")
