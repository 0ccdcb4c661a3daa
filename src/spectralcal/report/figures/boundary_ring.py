"""The paper's synthetic example (Fig. 1): a ball whose boundary ring has confidence alpha, and its spectrum.

Two readings of its confidence map differ in the background: the largest class probability is 1 where the background is
certain, the probability of the foreground is 0 there (docs/ambiguities.md, F1). The paper says that power in all bands
rises as alpha falls from 1 to 0.5; whether it does depends on the reading.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spectralcal.report.figures.psd import radial_psd

#: boundary confidence from certain to undecided, as in the paper's panel (b)
ALPHAS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
#: value of the background by reading
READINGS = {"confidence": 1.0, "foreground": 0.0}
BANDS = 5


def ring_map(shape: tuple[int, ...], radius: float, width: float, alpha: float, background: float) -> np.ndarray:
    """Confidence map of a ball in the middle of a field.

    Args:
        shape: of the field, 2-D or 3-D.
        radius: of the ball in voxels.
        width: of the ring inside its edge, in voxels.
        alpha: confidence in the ring.
        background: value outside of the ball; inside of the ring the value is 1.

    Raises:
        ValueError: a ring wider than the ball, or a ball that reaches the border.
    """
    if not 0 < width < radius < min(shape) / 2:
        raise ValueError(
            f"expected 0 < width < radius < half the shortest side, received width {width}, radius {radius}, shape "
            f"{shape}"
        )
    axes = np.meshgrid(*(np.arange(size) - (size - 1) / 2 for size in shape), indexing="ij", sparse=True)
    distance = np.sqrt(sum(axis**2 for axis in axes))
    field = np.full(shape, background, dtype=float)
    field[distance <= radius] = alpha
    field[distance <= radius - width] = 1.0
    return field


def band_powers(
    shape: tuple[int, ...],
    radius: float,
    width: float,
    reading: str,
    demean: bool,
    alphas: Sequence[float] = ALPHAS,
    bands: int = BANDS,
) -> np.ndarray:
    """(alphas, bands) mean power spectral density in equal bands of (0, 0.5] cycles/voxel, after a Hamming window.

    Args:
        shape, radius, width: as in :func:`ring_map`.
        reading: ``confidence`` (largest class probability) or ``foreground`` (probability of the foreground).
        demean: subtract the mean before the window.
        alphas: confidences of the ring.
        bands: their number.
    """
    maps = (ring_map(shape, radius, width, alpha, READINGS[reading]) for alpha in alphas)
    return np.stack([radial_psd(field, bands, demean)[1] for field in maps])


def trend(powers: np.ndarray) -> list[str]:
    """What each band does from the first to the last alpha: ``rises`` or ``falls`` at every step, else ``mixed``.

    Args:
        powers: (alphas, bands).
    """
    steps = np.diff(powers, axis=0)
    return [
        "rises" if (step > 0).all() else "falls" if (step < 0).all() else "mixed" for step in np.moveaxis(steps, 1, 0)
    ]
