"""A true posterior, transformed: how spectral entropy and calibration respond when one thing at a time is changed.

The posterior of a phantom is perfectly calibrated. Each transformation takes it away from there, or leaves it there, by
one strength; entropy of the maximum logit, entropy of the largest probability and the true calibration error are read
off along the way. Constructions: nothing is trained and no data are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectralcal.metrics import true_calibration_error as calibration_error
from spectralcal.report.figures.spectrum import band_power, spectral_entropy

#: logits of impossible classes: the phantom's posterior has exact zeros
SMALLEST = 1e-6
#: standard deviation, in voxels, of the weight that sharpening has around a boundary
REACH = 2.0

#: logits (C, *S), strength, random numbers -> logits (C, *S)
Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Transformation:
    """One way to change the true posterior.

    Attributes:
        name: identifier in tables.
        title: what is done.
        short: title of an image, with a place for the strength.
        strength: what its number means.
        change: how it is done.
        strengths: the values that are tried, in order.
        neutral: the strength at which nothing changes.
    """

    name: str
    title: str
    short: str
    strength: str
    change: Change
    strengths: tuple[float, ...]
    neutral: float


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (C, *S) of logits (C, *S)."""
    shares = np.exp(logits - logits.max(0))
    return shares / shares.sum(0)


def log_posterior(posterior: np.ndarray) -> np.ndarray:
    """The logarithm of a posterior (C, *S), zeros raised to :data:`SMALLEST`: logits whose softmax is calibrated."""
    raised = np.maximum(np.asarray(posterior, np.float64), SMALLEST)
    return np.log(raised / raised.sum(0))


def tempered(logits: np.ndarray, temperature: float, random: np.random.Generator) -> np.ndarray:
    """All logits divided by a temperature: below 1 overconfident, above 1 underconfident."""
    return logits / temperature


def shared_field(logits: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """White noise added to the logits of all classes of a voxel alike: no probability changes."""
    return logits + deviation * random.standard_normal(logits.shape[1:])


def logit_noise(logits: np.ndarray, deviation: float, random: np.random.Generator) -> np.ndarray:
    """Independent white noise added to each logit."""
    return logits + deviation * random.standard_normal(logits.shape)


def sharper_boundaries(logits: np.ndarray, gain: float, random: np.random.Generator) -> np.ndarray:
    """Logits multiplied by ``1 + gain`` at the boundary of the most likely classes, by 1 far from it.

    The gain falls with the distance to the boundary as a Gaussian of :data:`REACH` voxels. The most likely class stays.
    """
    from scipy.ndimage import distance_transform_edt

    winner, edge = logits.argmax(0), np.zeros(logits.shape[1:], bool)
    for axis in range(winner.ndim):
        before, after = (_along(winner.ndim, axis, part) for part in (slice(None, -1), slice(1, None)))
        differs = winner[before] != winner[after]
        edge[before] |= differs
        edge[after] |= differs
    if not edge.any():
        return logits
    distance = distance_transform_edt(~edge)
    return logits * (1 + gain * np.exp(-(distance**2) / (2 * REACH**2)))


def blurred(logits: np.ndarray, width: float, random: np.random.Generator) -> np.ndarray:
    """Probabilities smoothed by a Gaussian of `width` voxels, as logits."""
    from scipy.ndimage import gaussian_filter

    if width == 0:
        return logits
    return log_posterior(np.stack([gaussian_filter(share, width, mode="nearest") for share in softmax(logits)]))


TRANSFORMATIONS = (
    Transformation("temperature", "temperature", "temperature {:g}", "T", tempered,
                   (0.4, 0.5, 0.63, 0.8, 1.0, 1.26, 1.58, 2.0, 2.5), 1.0),
    Transformation("shared_field", "field shared by all classes", "shared field, sd {:g}", "sd", shared_field,
                   (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0), 0.0),
    Transformation("logit_noise", "white noise on each logit", "noise, sd {:g}", "sd", logit_noise,
                   (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), 0.0),
    Transformation("sharper_boundaries", "sharpened boundaries", "sharpened, gain {:g}", "gain", sharper_boundaries,
                   (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0), 0.0),
    Transformation("blur", "blurred probabilities", "blurred, σ {:g}", "σ", blurred,
                   (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0), 0.0),
)  # fmt: skip


def posteriors(cases: int, side: int, seed: int = 0) -> list[np.ndarray]:
    """True posteriors (C, side, side, side) of phantoms with cubic voxels."""
    from spectralcal.datasets.phantom import Phantom

    phantom = Phantom(cases=cases, shape=(side, side, side), seed=seed, anisotropic_share=0.0)
    return [phantom.load(case).posterior for case in phantom.cases(".")]


def frame(cases: int = 8, side: int = 40, bands: int = 5, seed: int = 0) -> pd.DataFrame:
    """Entropies and calibration error by transformation and strength, means over cases.

    Args:
        cases: phantoms.
        side: their edge in voxels.
        bands: shells K.
        seed: of phantoms and noise.

    Returns:
        method (the transformation), title, parameter, strength, neutral, entropy_max_logit and entropy_max_prob (nats),
        calibration_error (of probabilities), gap (the largest probability minus that of being right, mean over voxels),
        cases, status.
    """
    rows = []
    logits = [log_posterior(posterior) for posterior in posteriors(cases, side, seed)]
    for each in TRANSFORMATIONS:
        for strength in each.strengths:
            by_case = [
                measured(each.change(start, strength, np.random.default_rng([seed, number])), softmax(start), bands)
                for number, start in enumerate(logits)
            ]
            means = {name: float(np.mean([one[name] for one in by_case])) for name in by_case[0]}
            rows.append({"method": each.name, "title": each.title, "parameter": each.strength, "strength": strength,
                         "neutral": strength == each.neutral, **means, "cases": cases, "status": "ok"})  # fmt: skip
    return pd.DataFrame(rows)


#: what a higher entropy goes with on a path -> in words
WORDS = {
    "better": "better calibration",
    "worse": "worse calibration",
    "mixed": "better on one part and worse on another",
    "none": "nothing, because one of the two never moves",
}
#: changes along a path that count as none: nats, and calibration error of probabilities
LEAST_ENTROPY, LEAST_ERROR = 0.02, 1e-4


def legs(table: pd.DataFrame) -> pd.DataFrame:
    """What a higher entropy goes with on each path away from the calibrated posterior.

    Args:
        table: as :func:`frame` returns it.

    Returns:
        leg (the path; those of the temperature end below and above 1), rows (their positions in `table`), and a key of
        :data:`WORDS` for each map, in entropy_max_logit and entropy_max_prob.
    """
    readings = []
    for method, rows in table.groupby("method", sort=False):
        start = int(np.flatnonzero(rows.neutral)[0])
        title = rows.title.iloc[0]
        parts = [(title, rows.iloc[start:])]
        if start:
            parts = [(f"{title} below 1", rows.iloc[: start + 1]), (f"{title} above 1", rows.iloc[start:])]
        for leg, part in parts:
            reading = {
                name: _relation(part[name].to_numpy(), part.calibration_error.to_numpy())
                for name in ("entropy_max_logit", "entropy_max_prob")
            }
            readings.append({"method": method, "leg": leg, "rows": list(part.index), **reading})
    return pd.DataFrame(readings)


def _relation(entropy: np.ndarray, error: np.ndarray) -> str:
    if np.ptp(entropy) < LEAST_ENTROPY or np.ptp(error) < LEAST_ERROR:
        return "none"
    steps = np.sign(np.diff(entropy) * np.diff(error))
    return "worse" if (steps >= 0).all() else "better" if (steps <= 0).all() else "mixed"


def measured(logits: np.ndarray, posterior: np.ndarray, bands: int = 5) -> dict[str, float]:
    """The four numbers of one case."""
    probabilities = softmax(logits)
    largest, winner = probabilities.max(0), probabilities.argmax(0)[None]
    return {
        "entropy_max_logit": spectral_entropy(band_power(logits.max(0), bands)),
        "entropy_max_prob": spectral_entropy(band_power(largest, bands)),
        "calibration_error": calibration_error(probabilities, posterior),
        "gap": float((largest - np.take_along_axis(posterior, winner, 0)[0]).mean()),
    }


def _along(axes: int, axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if one == axis else slice(None) for one in range(axes))
