from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest


def _write(
    path: Path,
    array: np.ndarray,
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    affine: np.ndarray | None = None,
    image: type = nibabel.Nifti1Image,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image(array, np.diag([*spacing, 1.0]) if affine is None else affine), path)
    return path


@pytest.fixture
def write_volume() -> Callable[..., Path]:
    """Writes an array as a NIfTI (or other nibabel) file."""
    return _write


@pytest.fixture
def volumes() -> tuple[np.ndarray, np.ndarray]:
    """A float32 image and a uint8 label with values 0, 1, 2, shape (7, 9, 5)."""
    random = np.random.default_rng(3)
    image = random.normal(100, 20, (7, 9, 5)).astype(np.float32)
    return image, (np.arange(image.size).reshape(image.shape) % 3).astype(np.uint8)


@pytest.fixture
def hippocampus_root(tmp_path: Path, volumes: tuple[np.ndarray, np.ndarray]) -> Path:
    """Four cases in the layout of the Decathlon, without dataset.json."""
    root = tmp_path / "Task04_Hippocampus"
    image, label = volumes
    for number in (1, 3, 10, 20):
        _write(root / "imagesTr" / f"hippocampus_{number:03d}.nii.gz", image + number)
        _write(root / "labelsTr" / f"hippocampus_{number:03d}.nii.gz", label)
    return root


@pytest.fixture
def real_data() -> Path:
    """The folder that holds the real data sets, or a skip."""
    folder = os.environ.get("SPECTRALCAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SPECTRALCAL_DATA to the folder that holds Task04_Hippocampus and ACDC")
    return Path(folder)
