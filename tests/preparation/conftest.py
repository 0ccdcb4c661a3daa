from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from spectralcal.datasets.hippocampus import Hippocampus


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., tuple[Hippocampus, Path]]:
    """A data set of small NIfTI files: ``make_set(count=3, shape=(8, 10, 6), spacing=(1, 1, 2))``."""

    def make(
        count: int = 3, shape: tuple[int, ...] = (8, 10, 6), spacing: tuple[float, ...] = (1.0, 1.0, 2.0)
    ) -> tuple[Hippocampus, Path]:
        root = tmp_path / "Task04_Hippocampus"
        for number in range(1, count + 1):
            random = np.random.default_rng(number)
            label = np.zeros(shape, np.uint8)
            label[2:5, 2:7, 1:4] = 1
            label[4:6, 3:7, 2:5] = 2
            image = (100 + 40 * label + random.normal(0, 10, shape)).astype(np.float32)
            for folder, array in (("imagesTr", image), ("labelsTr", label)):
                path = root / folder / f"hippocampus_{number:03d}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                nibabel.save(nibabel.Nifti1Image(array, np.diag([*spacing, 1.0])), path)
        return Hippocampus(), root

    return make


@pytest.fixture
def real_data() -> Path:
    """The folder that holds the real data sets, or a skip."""
    folder = os.environ.get("SPECTRALCAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set SPECTRALCAL_DATA to the folder that holds Task04_Hippocampus and ACDC")
    return Path(folder)
