"""Label maps of one case: one file, or one mask per structure; in RAS order, classes 0, 1, 2, ..."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from spectralcal.datasets.volumes import BadFile, Grid, map_label, read_label, same_grid
from spectralcal.predictions.classes import BACKGROUND, Classes
from spectralcal.predictions.layout import Files

_UNKNOWN = (
    "name every label with --labels; voxels without a label (255, or nnU-Net's ignore) are not scored here, "
    "spectralcal.metrics takes them with ignore_index"
)


def read_labels(files: Files, classes: Classes) -> Grid:
    """Labels (R, A, S) uint8 of a case, with its grid.

    Raises:
        BadFile: a file that cannot be read, other labels, a structure that is missing, or structures that overlap.
    """
    if files.volume is not None:
        grid = _read(files.volume)
        return replace(grid, array=map_label(files.volume, grid.array, classes.by_value, _UNKNOWN))
    whole = None
    for number, name in enumerate(classes.names, 1):
        if name not in files.parts:
            folder = files.first.parent
            raise BadFile(folder, f"a file for every class, {name}.nii.gz among them", _listed(files), _NAME)
        path = files.parts[name]
        grid = read_label(path)
        mask = map_label(path, grid.array, {0: 0, 1: 1}, "a structure is a mask of 0 and 1") != 0
        if whole is None:
            whole, first = replace(grid, array=np.zeros(mask.shape, np.uint8)), path
        else:
            same_grid(path, grid, first, whole)
        if both := int((mask & (whole.array != 0)).sum()):
            raise BadFile(
                path, "one structure per voxel", f"{both} voxels of another one, too", "leave one out with --labels"
            )
        whole.array[mask] = number
    return whole


_NAME = "restore it, or leave the class out with --labels"


def _read(path: Path) -> Grid:
    try:
        return read_label(path)
    except BadFile as error:
        if "three-dimensional" not in str(error):
            raise
        hint = "four-dimensional files are probabilities: --probabilities nifti"
        raise BadFile(path, "a label map of three dimensions", f"another ({_found(error)})", hint) from error


def _found(error: BadFile) -> str:
    return str(error).partition(", found ")[2].partition(";")[0]


def _listed(files: Files) -> str:
    names = sorted(name for name in files.parts if name != BACKGROUND)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
