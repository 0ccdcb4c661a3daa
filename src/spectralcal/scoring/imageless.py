"""What the files that show images say in numbers: all that tables and verdicts read of them, and no voxel.

Maps and hotspots hold slices and volumes of patients, so they stay on the machine that made them; these numbers are
shared in their place (:mod:`spectralcal.sharing.shared`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: the share of doubt is taken within this many voxels of the true boundary
NEAR = 2
#: prefix of the arrays of a hotspot file that belong to its slice
_SLICE = "shown_"


def map_numbers(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The numbers of a file of maps.

    Args:
        arrays: ``case``, ``methods`` (M,), ``reference`` (*S) and ``confidence`` (M, *S).

    Returns:
        ``case``, ``methods`` and ``doubt_near_boundary`` (M,): the share of 1 - confidence that lies within `NEAR`
        voxels of the reference's boundary; 0 for a network without doubt.
    """
    from spectralcal.metrics.regions import boundary_band

    reference = arrays["reference"]
    band = boundary_band(reference, reference, np.ones(reference.ndim), NEAR)  # unit spacing: in voxels
    shares = []
    for confidence in arrays["confidence"]:
        doubt = 1.0 - confidence.astype(float)
        shares.append(float(doubt[band].sum() / doubt.sum()) if doubt.sum() > 0 else 0.0)
    return {"case": arrays["case"], "methods": arrays["methods"], "doubt_near_boundary": np.array(shares)}


def hotspot_numbers(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The numbers of a hotspot file: everything but the slice that Figure 8 shows."""
    return {name: array for name, array in arrays.items() if not name.startswith(_SLICE)}
