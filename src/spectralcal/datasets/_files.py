"""Reading medical volumes into RAS order: NIfTI and Analyze through nibabel, MetaImage and NRRD through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectralcal.datasets._checks import BadFile, Grid, finite, positive_spacing
from spectralcal.datasets._companions import ITK
from spectralcal.datasets._unreadable import missing, unreadable
from spectralcal.datasets._voxels import placeholder

#: a plane that is thicker than this many of its pixels has no thickness: nnU-Net's converter writes 999 mm
_THICKEST = 10


def read_image(path: Path) -> Grid:
    """An image as (*spatial) float32 with finite voxels.

    Raises:
        BadFile: missing, unreadable, not three-dimensional, not finite, or without a positive spacing.
    """
    grid = _read(path, np.float32)
    finite(path, grid.array)
    return grid


def read_label(path: Path) -> Grid:
    """A label as stored, (*spatial); raises :class:`BadFile` as :func:`read_image` does."""
    return _read(path, None)


def read_channels(path: Path, count: int) -> tuple[Grid, np.ndarray]:
    """The grid and the image (C, *spatial) float32 of a file with `count` channels on its fourth axis.

    Raises:
        BadFile: as :func:`read_image`, or another number of channels.
    """
    grid = _read(path, np.float32, channels=count)
    finite(path, grid.array)
    image = grid.array if count > 1 else grid.array[..., None]
    image = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    return Grid(image[0], grid.spacing_mm, grid.affine), image


def read_geometry(path: Path, channels: int = 1) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Shape (*spatial) and spacing in mm, in RAS axis order, from the header alone."""
    grid = _read(path, None, voxels=False, channels=channels)
    return grid.array.shape[:3], grid.spacing_mm


def stored_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape and affine (4, 4), index to RAS mm, of the three axes as stored, from the header alone."""
    array, affine = _open(path, None, voxels=False, channels=None)
    return array.shape[:3], affine


def place_of(shape: tuple[int, ...], affine: np.ndarray) -> Grid:
    """The grid in RAS order of a volume that is stored with that shape and affine; its array takes no memory."""
    array, affine = _to_ras(placeholder(shape), affine)
    affine = _of_one_plane(array.shape, affine)
    return Grid(array, tuple(float(length) for length in np.linalg.norm(affine[:3, :3], axis=0)), affine)


def read_orientation(path: Path) -> str:
    """The directions of the stored axes, one letter each: R or L, A or P, S or I."""
    import nibabel

    return "".join(nibabel.aff2axcodes(_open(path, None, voxels=False, channels=None)[1]))


def _read(path: Path, dtype: type | None, voxels: bool = True, channels: int = 1) -> Grid:
    array, affine = _open(path, dtype, voxels, channels)
    array, affine = _to_ras(array, affine)
    if voxels:
        array = np.ascontiguousarray(array, dtype=dtype)
    affine = _of_one_plane(array.shape[:3], affine)
    return Grid(array, positive_spacing(path, affine), affine)


def _of_one_plane(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """The affine, along an axis of one voxel with a spacing that is none: the largest of the other axes stands there.

    Distances are not between such voxels, but the size of the image prices a missed structure.
    """
    if 1 not in shape:
        return affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    pixel = max((value for size, value in zip(shape, spacing, strict=True) if size > 1), default=None)
    if pixel is None:
        return affine
    stated = [size > 1 or value <= _THICKEST * pixel for size, value in zip(shape, spacing, strict=True)]
    return affine if all(stated) else affine @ np.diag([*np.where(stated, 1.0, pixel / spacing), 1.0])


def _open(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as stored; with several channels they are the array's fourth axis. None: any number of them."""
    if not path.is_file():
        raise missing(path)
    from spectralcal.datasets._read_itk import read_itk
    from spectralcal.datasets._read_nibabel import read_nibabel

    reader = read_itk if path.suffix.lower() in ITK else read_nibabel
    try:
        array, affine = reader(path, dtype, voxels, channels)
    except BadFile:
        raise
    except Exception as error:  # a damaged file makes readers raise nearly anything
        raise unreadable(path, error) from error
    if 0 in array.shape:
        raise BadFile(path, "a volume", f"one of no voxels, {array.shape}", "correct the sizes in its header")
    positive_spacing(path, affine)
    return array, affine


def _to_ras(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and swap axes until they point to right, anterior and superior; no voxel value changes."""
    import nibabel

    orientation = nibabel.io_orientation(affine)
    moved = nibabel.apply_orientation(array, orientation)
    return moved, affine @ nibabel.orientations.inv_ornt_aff(orientation, array.shape)
