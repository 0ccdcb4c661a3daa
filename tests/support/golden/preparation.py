"""Preparation: formula volumes through `prepare_dataset`, normalised, resampled, cropped and stored in each way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from golden import formula
from golden.compare import summary
from spectralcal.data.manifest import PreparedCase, read_manifest
from spectralcal.datasets import Case, Dataset, Volume
from spectralcal.preparation import prepare_dataset

#: case -> shape and spacing in mm
VOLUMES = {
    "a": ((14, 12, 9), (1.0, 1.0, 2.5)),
    "b": ((11, 13, 10), (0.8, 1.2, 2.0)),
    "c": ((9, 9, 12), (1.5, 1.5, 1.5)),
}
#: name -> modality, and options of `prepare_dataset`
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "mr": ("mr", {}),
    "mr, cropped, finer": ("mr", {"crop_nonzero": True, "spacing": (0.7, 0.9, 1.1)}),
    "mr, coarser, half precision": ("mr", {"spacing": (2.0, 2.0, 3.0), "dtype": "float16"}),
    "mr, minmax": ("mr", {"normalize": "minmax", "spacing": "per_axis"}),
    "mr, as stored": ("mr", {"normalize": "none", "spacing": "original"}),
    "mr, few voxels kept": ("mr", {"spacing": "median_inplane", "foreground_samples": 20}),
    "ct": ("ct", {"spacing": "original"}),
    "ct, clipped, minmax": ("ct", {"spacing": "original", "normalize": "minmax", "ct_clip": (-100.0, 250.0)}),
    "ct, clipped alone": ("ct", {"spacing": "original", "normalize": "none", "ct_clip": (-100.0, 250.0)}),
}


class FormulaDataset(Dataset):
    """Three volumes of two channels with dark margins; nothing is read."""

    name, title, folder = "formula", "Formula", "Formula"
    channels = ("first", "second")
    classes = ("organ", "lesion")
    licence = citation = source = "none"

    def __init__(self, modality: str) -> None:
        self.modality = modality

    def cases(self, root: Path) -> list[Case]:
        """A case for each of :data:`VOLUMES`."""
        return [Case(name, name) for name in VOLUMES]

    def fingerprint(self, case: Case) -> str:
        """The case's name: it says all."""
        return case.id

    def geometry(self, case: Case) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Shape and spacing in mm."""
        return VOLUMES[case.id]

    def load(self, case: Case) -> Volume:
        """Intensities from -1000 to 1400, zero in the margins."""
        shape, spacing = VOLUMES[case.id]
        seed = list(VOLUMES).index(case.id)
        label = formula.labels(shape, 3, seed)
        body = np.zeros(shape, bool)
        body[tuple(slice(1 + seed, size - 1 - axis) for axis, size in enumerate(shape))] = True
        label = np.where(body, label, 0).astype(np.uint8)
        image = np.stack([
            np.where(body, 300 * formula.image(shape, label, 2 * seed + c, 1.0) - 200 * c, 0) for c in range(2)
        ]).astype(np.float32)  # fmt: skip
        weights = np.stack([1 + 7 * (label == c) for c in range(3)]).astype(np.float32)
        return Volume(image, label, spacing, np.diag([*spacing, 1.0]), weights / weights.sum(0))


def values() -> dict[str, Any]:
    """Golden values of the preparation part."""
    return {name: prepared(name) for name in SETTINGS}


def prepared(name: str) -> dict[str, Any]:
    """What the manifest says of each case, and its arrays."""
    modality, options = SETTINGS[name]
    with tempfile.TemporaryDirectory() as folder:
        manifest = prepare_dataset(FormulaDataset(modality), Path(folder), Path(folder) / "out", **options)
        return {case.id: _facts(case) for case in read_manifest(manifest)}


def _facts(case: PreparedCase) -> dict[str, Any]:
    label, foreground = np.asarray(case.label()), np.asarray(case.foreground()).astype(np.int64)
    order = 1 + np.arange(len(foreground)) % 997
    return {
        "shape": list(case.shape),
        "spacing": [repr(value) for value in case.spacing_mm],
        "crop": [list(ends) for ends in case.crop],
        "labels": np.bincount(label.ravel(), minlength=3).tolist(),
        "label": int((label.ravel().astype(np.int64) * (1 + np.arange(label.size) % 9973)).sum()),
        "reference": np.bincount(np.asarray(case.reference()).ravel(), minlength=3).tolist(),
        "foreground": [len(foreground), *(foreground * order[:, None]).sum(0).tolist()],
        "type": str(case.image().dtype),
        "image": [summary(channel) for channel in np.asarray(case.image(), np.float64)],
        "posterior": summary(case.posterior()),
    }
