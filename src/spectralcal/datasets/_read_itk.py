"""Volumes through SimpleITK: MetaImage and NRRD, with their voxels in the same file or beside it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from spectralcal.datasets._checks import BadFile
from spectralcal.datasets._companions import companions, header_fields
from spectralcal.datasets._unreadable import missing
from spectralcal.datasets._voxels import axes_remedy, placeholder


def read_itk(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as stored, by SimpleITK; arguments and errors as :func:`._read_nibabel.read_nibabel`."""
    import SimpleITK

    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    for further in companions(path):
        if not further.is_file():
            raise missing(further)
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
    _as_long_as_stated(path, math.prod(reader.GetSize()) * itemsize)
    return SimpleITK.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0), affine


def _as_long_as_stated(path: Path, expected: int) -> None:
    """Refuse one plain file of voxels that has more or fewer bytes than its header says: ITK takes what it needs."""
    fields, further = header_fields(path), companions(path)
    meta = path.suffix.lower() in (".mhd", ".mha")
    packed = fields.get("compresseddata", "false").lower() == "true" if meta else fields.get("encoding", "") != "raw"
    skips = int(fields.get("headersize") or 0) if meta else any(name in fields for name in ("lineskip", "byteskip"))
    if len(further) != 1 or packed or skips:
        return
    size = further[0].stat().st_size
    if size != expected:
        found = f"a header of {expected:,} bytes of voxels, of which {further[0].name} has {size:,}"
        raise BadFile(path, "a readable volume", found, "the two do not belong together or are damaged: restore both")
