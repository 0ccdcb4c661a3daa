"""The voxel spacing that a data set is resampled to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

SpacingMode = Literal["median_all", "median_inplane", "per_axis", "original"]
Spacing = tuple[float, ...]
#: a target spacing; None along an axis leaves that axis of every case as it is
Target = tuple[float | None, ...]


def target_spacing(spacings_mm: Sequence[Spacing], mode: SpacingMode | Target = "median_all") -> Target | None:
    """The common spacing, mm.

    The paper asks for a unified isotropic spacing equal to "the median spacing of the dataset", which leaves open
    what the median runs over.

    Args:
        spacings_mm: spacing of every case, each (D,).
        mode: ``"median_all"``: isotropic, the median of all axis values of all cases (the default: isotropic as
            stated, and in-plane detail survives in sets with thick slices); ``"median_inplane"``: isotropic, the
            median over the two finest axes of each case; ``"per_axis"``: the median of each axis, not isotropic;
            ``"original"``: None, every case keeps its grid; a tuple: that spacing, where None along an axis keeps
            each case's own (slices that lie 5 mm apart in one case and 10 mm in another are then never interpolated).

    Returns:
        (D,) rounded to 0.1 micrometre, so that noise in headers does not change it; None for ``"original"``.

    Raises:
        ValueError: an unknown mode, no case, or a given spacing of the wrong length or not positive.
    """
    values = np.asarray(spacings_mm, np.float64)
    if values.ndim != 2 or not values.size:
        raise ValueError("expected the spacing of at least one case, got none")
    axes = values.shape[1]
    if not isinstance(mode, str):
        given = tuple(None if value is None else float(value) for value in mode)
        if len(given) != axes or not all(value is None or (np.isfinite(value) and value > 0) for value in given):
            raise ValueError(f"expected {axes} positive values in mm (or null) as spacing, got {given}")
        return given
    if mode == "original":
        return None
    if mode == "median_all":
        median = np.full(axes, np.median(values))
    elif mode == "median_inplane":
        median = np.full(axes, np.median(np.sort(values, axis=1)[:, :2]))
    elif mode == "per_axis":
        median = np.median(values, axis=0)
    else:
        raise ValueError(
            f"expected spacing 'median_all', 'median_inplane', 'per_axis', 'original' or values in mm, got '{mode}'"
        )
    return tuple(float(value) for value in np.round(median, 4))
