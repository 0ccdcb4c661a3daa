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


def read_orientation(path: Path) -> str:
    """The directions of the stored axes, one letter each: R or L, A or P, S or I."""
    import nibabel

    return "".join(nibabel.aff2axcodes(_open(path, None, voxels=False, channels=None)[1]))


def _read(path: Path, dtype: type | None, voxels: bool = True, channels: int = 1) -> Grid:
    array, affine = _open(path, dtype, voxels, channels)
    array, affine = _to_ras(array, affine)
    if voxels:
        array = np.ascontiguousarray(array, dtype=dtype)
    return Grid(array, positive_spacing(path, affine), affine)


def _open(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as stored; with several channels they are the array's fourth axis. None: any number of them."""
    if not path.is_file():
        raise BadFile(path, "a file", "nothing")
    reader = _itk if path.suffix in (".mhd", ".mha", ".nrrd") else _nibabel
    try:
        array, affine = reader(path, dtype, voxels, channels)
    except _UNREADABLE as error:
        raise BadFile(path, "a readable volume", brief(error), _DAMAGED) from error
    positive_spacing(path, affine)
    return array, affine


def _nibabel(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nibabel.load(path)
    except ImageFileError as error:
        raise BadFile(path, "a readable volume", brief(error), _DAMAGED) from error
    shape = image.shape[:3]
    stored = int(np.prod(image.shape[3:]))
    if image.ndim < 3 or 0 in image.shape or stored != (channels or stored):
        expected = "a three-dimensional volume" if channels in (1, None) else f"a volume of {channels} channels"
        raise BadFile(path, expected, f"shape {image.shape}", "wrong file for this case")
    shape = shape if stored == 1 else (*shape, stored)
    affine = np.asarray(image.affine, np.float64)
    positive_spacing(path, affine, tuple(float(zoom) for zoom in image.header.get_zooms()[:3]))
    if not voxels:
        return _placeholder(shape), affine
    if path.suffix == ".gz" and hasattr(image, "from_bytes"):
        # nibabel stops at the last voxel and so never compares gzip's checksum: a flipped bit would go unseen
        image = type(image).from_bytes(gzip.decompress(path.read_bytes()))
    array = image.get_fdata(dtype=dtype, caching="unchanged") if dtype else np.asanyarray(image.dataobj)
    return array.reshape(shape), affine


def _itk(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetDimension() != 3 or reader.GetNumberOfComponents() != 1:
        kind = f"{reader.GetDimension()} dimensions, {reader.GetNumberOfComponents()} components"
        raise BadFile(path, "a three-dimensional volume", kind, "wrong file for this case")
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
