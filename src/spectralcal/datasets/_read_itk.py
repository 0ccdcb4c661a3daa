"""Volumes through SimpleITK: MetaImage and NRRD, with their voxels in the same file or beside it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from spectralcal.datasets._checks import BadFile
from spectralcal.datasets._companions import companions
from spectralcal.datasets._itk_header import as_long_as_stated, check_header
from spectralcal.datasets._library_output import kept_output
from spectralcal.datasets._unreadable import missing
from spectralcal.datasets._voxels import axes_remedy, placeholder


def read_itk(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as stored, by SimpleITK; arguments and errors as :func:`._read_nibabel.read_nibabel`."""
    import SimpleITK

    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    with kept_output() as printed:
        try:
            return _read(path, voxels)
        except RuntimeError as error:
            # MetaIO prints what is wrong; the exception says that no reader was found.
            raise RuntimeError(next(iter(printed()), str(error))) from error


def _read(path: Path, voxels: bool) -> tuple[np.ndarray, np.ndarray]:
    import SimpleITK

    for further in companions(path):
        if not further.is_file():
            raise missing(further)
    check_header(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        kind = f"{reader.GetNumberOfComponents()} numbers per voxel, such as colours or channels"
        raise BadFile(path, "one real number per voxel", kind, "store each channel as a file of its own")
    if reader.GetDimension() != 3:
        remedy = axes_remedy(reader.GetDimension(), reader.GetDimension() - 2, 1)
        raise BadFile(path, "a three-dimensional volume", f"{reader.GetDimension()} dimensions", remedy)
    if "complex" in SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()):
        raise BadFile(path, "one real number per voxel", "complex numbers", "convert it to their magnitude")
    affine = np.eye(4)
    affine[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) * np.array(reader.GetSpacing())
    affine[:3, 3] = reader.GetOrigin()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's axes point to left and posterior
    if not voxels:
        return placeholder(reader.GetSize()), affine
    itemsize = SimpleITK.Image([1, 1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
    as_long_as_stated(path, math.prod(reader.GetSize()) * itemsize)
    return SimpleITK.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0), affine
