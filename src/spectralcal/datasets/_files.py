"""Reading medical volumes into RAS order: NIfTI and Analyze through nibabel, MetaImage through SimpleITK."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from spectralcal.datasets._checks import BadFile, Grid, brief, finite, positive_spacing

_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, RuntimeError)
_DAMAGED = "truncated or damaged: restore the file from its source"


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


def read_geometry(path: Path) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Shape and spacing in mm, in RAS axis order, from the header alone."""
    grid = _read(path, None, voxels=False)
    return grid.array.shape, grid.spacing_mm


def _read(path: Path, dtype: type | None, voxels: bool = True) -> Grid:
    if not path.is_file():
        raise BadFile(path, "a file", "nothing")
    reader = _itk if path.suffix in (".mhd", ".mha") else _nibabel
    try:
        array, affine = reader(path, dtype, voxels)
    except _UNREADABLE as error:
        raise BadFile(path, "a readable volume", brief(error), _DAMAGED) from error
    positive_spacing(path, affine)
    array, affine = _to_ras(array, affine)
    if voxels:
        array = np.ascontiguousarray(array, dtype=dtype)
    return Grid(array, positive_spacing(path, affine), affine)


def _nibabel(path: Path, dtype: type | None, voxels: bool) -> tuple[np.ndarray, np.ndarray]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nibabel.load(path)
    except ImageFileError as error:
        raise BadFile(path, "a readable volume", brief(error), _DAMAGED) from error
    shape = image.shape[:3]
    if image.ndim < 3 or 0 in shape or any(size != 1 for size in image.shape[3:]):
        raise BadFile(path, "a three-dimensional volume", f"shape {image.shape}", "wrong file for this case")
    affine = np.asarray(image.affine, np.float64)
    positive_spacing(path, affine, tuple(float(zoom) for zoom in image.header.get_zooms()[:3]))
    if not voxels:
        return _placeholder(shape), affine
    if path.suffix == ".gz" and hasattr(image, "from_bytes"):
        # nibabel stops at the last voxel and so never compares gzip's checksum: a flipped bit would go unseen
        image = type(image).from_bytes(gzip.decompress(path.read_bytes()))
    array = image.get_fdata(dtype=dtype, caching="unchanged") if dtype else np.asanyarray(image.dataobj)
    return array.reshape(shape), affine


def _itk(path: Path, dtype: type | None, voxels: bool) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        found = f"{reader.GetDimension()} dimensions, {reader.GetNumberOfComponents()} components"
        raise BadFile(path, "a three-dimensional volume", found, "wrong file for this case")
    affine = np.eye(4)
    affine[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) * np.array(reader.GetSpacing())
    affine[:3, 3] = reader.GetOrigin()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's axes point to left and posterior
    if not voxels:
        return _placeholder(reader.GetSize()), affine
    return SimpleITK.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0), affine


def _to_ras(array: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flip and swap axes until they point to right, anterior and superior; no voxel value changes."""
    import nibabel

    orientation = nibabel.io_orientation(affine)
    moved = nibabel.apply_orientation(array, orientation)
    return moved, affine @ nibabel.orientations.inv_ornt_aff(orientation, array.shape)


def _placeholder(shape: tuple[int, ...]) -> np.ndarray:
    """An array of that shape that takes no memory."""
    return np.broadcast_to(np.uint8(0), shape)
