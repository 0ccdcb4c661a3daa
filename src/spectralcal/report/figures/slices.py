"""From volumes to the slice that is shown, cropped and turned the way radiologists look at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MARGIN = 0.2
SMALLEST = 24


@dataclass(frozen=True)
class SliceView:
    """One slice, rows downwards and columns to the right as on the page.

    Attributes:
        case, rule: which case it is, and why.
        index: number of the slice along the last axis of the volume; 0 for an image.
        aspect: height over width of a voxel.
        image: (H, W) intensities.
        reference: (H, W) labels.
        prediction: labels (H, W) by method.
        confidence: probability of the top label (H, W) by method.
    """

    case: str
    rule: str
    index: int
    aspect: float
    image: np.ndarray
    reference: np.ndarray
    prediction: dict[str, np.ndarray]
    confidence: dict[str, np.ndarray]


def best_slice(maps: dict[str, np.ndarray]) -> SliceView:
    """The slice with the largest reference area (the first of equals), cropped around everything labelled in it.

    Volumes have axes to right, anterior and superior; the page shows anterior up and the patient's right on the left.

    Args:
        maps: ``case``, ``rule``, ``spacing_mm`` (n,), ``image`` and ``reference`` (*S), ``methods`` (M,),
            ``prediction`` and ``confidence`` (M, *S).
    """
    reference, spacing = maps["reference"], maps["spacing_mm"]
    flat = reference.ndim == 2
    index = 0 if flat else int(np.argmax((reference > 0).sum(axis=(0, 1))))

    def turned(volume: np.ndarray) -> np.ndarray:
        return volume if flat else volume[..., index].T[::-1, ::-1]

    names = [str(name) for name in maps["methods"]]
    labels = turned(reference)
    predictions = {name: turned(volume) for name, volume in zip(names, maps["prediction"], strict=True)}
    window = _window(np.logical_or.reduce([labels > 0, *(predicted > 0 for predicted in predictions.values())]))
    return SliceView(
        case=str(maps["case"]),
        rule=str(maps["rule"]),
        index=index,
        aspect=float(spacing[0] / spacing[1]) if flat else float(spacing[1] / spacing[0]),
        image=turned(maps["image"])[window],
        reference=labels[window],
        prediction={name: predicted[window] for name, predicted in predictions.items()},
        confidence={n: turned(volume)[window] for n, volume in zip(names, maps["confidence"], strict=True)},
    )


def errors(prediction: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """0 correct, 1 missed (structure taken for background), 2 spurious, 3 wrong class."""
    kinds = np.zeros(reference.shape, dtype=np.uint8)
    wrong = prediction != reference
    kinds[wrong & (prediction == 0)] = 1
    kinds[wrong & (reference == 0)] = 2
    kinds[wrong & (prediction > 0) & (reference > 0)] = 3
    return kinds


def _window(labelled: np.ndarray) -> tuple[slice, slice]:
    """A square window around the labelled pixels with a margin, within the image."""
    if not labelled.any():
        return slice(None), slice(None)
    places = np.nonzero(labelled)
    bounds = [(int(axis.min()), int(axis.max()) + 1) for axis in places]
    side = max(round((1 + 2 * MARGIN) * max(stop - start for start, stop in bounds)), SMALLEST)
    window = []
    for (start, stop), length in zip(bounds, labelled.shape, strict=True):
        low = max(min((start + stop - side) // 2, length - side), 0)
        window.append(slice(low, min(low + side, length)))
    return tuple(window)
