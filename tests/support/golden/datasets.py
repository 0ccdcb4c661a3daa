"""Data sets: facts that decide arrays, how files pair into cases, and what is read or generated."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import raw_layouts

from golden.compare import summary
from spectralcal.base import registry
from spectralcal.datasets import Case, Dataset

FACTS = ("modality", "channels", "classes", "label_map", "crop_nonzero", "nested", "spatial_dims")
#: of a data set that is generated: options that are tried, beside the defaults
GENERATED: dict[str, dict[str, dict[str, Any]]] = {
    "phantom": {
        "defaults": {},
        "small": {"shape": (16, 18, 20), "cases": 5},
        "noisy, thick slices": {"shape": (18, 16, 20), "noise": 0.6, "anisotropic_share": 1.0, "cases": 2},
        "another seed and scale": {"shape": (16, 16, 16), "seed": 3, "spacing": 1.2, "correlation": 8.0, "cases": 2},
        "a channel for each structure": {"shape": (16, 18, 20), "channels": "per_structure", "cases": 2},
        "vague": {"shape": (16, 16, 16), "sharpest": 1.0, "vaguest": 6.0, "cases": 2},
    }
}
#: files beside those of the layout's writer, for what a data set knows of its own folders
FURTHER = {"acdc": lambda root: raw_layouts.acdc(root, patients=(74, 76))}
#: cases that are loaded of each
LOADED = 3


def values(name: str) -> dict[str, Any]:
    """Golden values of a registered data set.

    Raises:
        LookupError: nothing here can make its files.
    """
    entry = registry.load("datasets", name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if name in GENERATED:
            sets = {key: entry(**options) for key, options in GENERATED[name].items()}
        elif name in raw_layouts.WRITERS:
            options = raw_layouts.WRITERS[name](root)
            FURTHER.get(name, lambda root: None)(root)
            sets = {"tiny folder": entry(**options)}
        else:
            raise LookupError(
                f"datasets/{name}: nothing writes a tiny folder of it; add a writer to tests/support/raw_layouts.py, "
                "or options to GENERATED in tests/support/golden/datasets.py"
            )
        return {key: _read(dataset, root) for key, dataset in sets.items()}


def _read(dataset: Dataset, data_root: Path) -> dict[str, Any]:
    root = dataset.locate(data_root)
    cases = dataset.cases(root)
    return {
        "facts": {name: _plain(getattr(dataset, name, None)) for name in FACTS},
        "cases": [f"{case.id}, patient {case.patient}, stratum '{case.stratum}'" for case in cases],
        **{case.id: _case(dataset, case) for case in [*cases[: LOADED - 1], cases[-1]]},
    }


def _case(dataset: Dataset, case: Case) -> dict[str, Any]:
    volume = dataset.load(case)
    shape, spacing = dataset.geometry(case)
    label = volume.label.ravel().astype(np.int64)
    found = {
        "shape": list(shape),
        "spacing": [round(float(value), 6) for value in spacing],
        "orientation": dataset.orientation(case),
        "affine": summary(volume.affine),
        "labels": np.bincount(label, minlength=dataset.num_classes).tolist(),
        "label": int((label * (1 + np.arange(label.size) % 9973)).sum()),
        "image": [summary(channel) for channel in volume.image],
    }
    return found if volume.posterior is None else {**found, "posterior": summary(volume.posterior)}


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
