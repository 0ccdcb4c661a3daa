"""Prepared data sets of thousands of small images, written in a second: most cases are links to a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectralcal.data.manifest import PreparedCase, write_manifest

ARRAYS = ("image", "label", "reference", "foreground")


def write_cases(root: Path, count: int, shape: tuple[int, int] = (16, 16), distinct: int = 16) -> Path:
    """The manifest of `count` cases under `root`, of which the first `distinct` differ and the others repeat them.

    Images are of integers, so that their bytes are the same on every machine. Two cases belong to each patient.
    """
    cases = []
    for index in range(count):
        folder = root / "cases" / f"case{index:05d}"
        if index < distinct:
            folder.mkdir(parents=True)
            _write(folder, index, shape)
        else:
            folder.symlink_to(f"case{index % distinct:05d}")
        cases.append(
            PreparedCase(
                id=folder.name,
                patient=f"patient{index // 2:05d}",
                stratum="",
                shape=shape,
                spacing_mm=(1.0, 1.0),
                original_shape=shape,
                original_spacing_mm=(1.0, 1.0),
                affine=tuple(map(tuple, np.eye(4).tolist())),
                crop=tuple((0, size) for size in shape),
                labels=(0, 1, 2),
                source_sha256="0" * 64,
                sha256="0" * 64,
                folder=folder,
            )
        )
    return write_manifest(cases, root)


def _write(folder: Path, index: int, shape: tuple[int, int]) -> None:
    """One case: a bright square of class 1 and a brighter stripe of class 2; every fifth case has only background."""
    random = np.random.default_rng(index)
    label = np.zeros(shape, np.uint8)
    if index % 5 != 4:
        row, column = random.integers(0, np.array(shape) // 2)
        label[row : row + 5, column : column + 5] = 1
        label[-2:, 3:-3] = 2
    image = (random.integers(0, 40, shape) + 60 * label.astype(np.int64)).astype(np.float32)
    foreground = np.argwhere(label)
    foreground = np.column_stack([label[label > 0], foreground]).astype(np.int32)
    arrays = image[None] / 64, label, label, foreground[np.argsort(foreground[:, 0], kind="stable")]
    for name, array in zip(ARRAYS, arrays, strict=True):
        np.save(folder / f"{name}.npy", array)
