"""Volumes through nibabel: NIfTI, Analyze and what else it knows."""

from __future__ import annotations

import gzip
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.datasets._checks import BadFile, positive_spacing
from spectralcal.datasets._nifti_grid import nifti_affine
from spectralcal.datasets._voxels import axes_remedy, expected_axes, one_number, placeholder

#: bytes that are decompressed at a time
_PART = 1 << 22
#: a byte of a gzip file stands for no more than this many
_DENSEST = 1040


def read_nibabel(path: Path, dtype: type | None, voxels: bool, channels: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Array and affine as stored, by nibabel.

    Args:
        path: the file.
        dtype: of the voxels; None: as stored.
        voxels: False: only the shape of the array means something.
        channels: on the fourth axis; None: any number.

    Raises:
        BadFile: other axes, voxels that are no single number, or a header that contradicts itself.
        Exception: nearly any, of a damaged file.
    """
    import nibabel

    with _quiet():
        image = _loaded(path)
        shape = image.shape[:3]
        stored = math.prod(image.shape[3:])
        if image.ndim < 3 or 0 in image.shape or stored != (channels or stored):
            raise BadFile(
                path, expected_axes(channels), f"shape {image.shape}", axes_remedy(image.ndim, stored, channels)
            )
        one_number(path, image.get_data_dtype())
        shape = shape if stored == 1 else (*shape, stored)
        if isinstance(image.header, nibabel.Nifti1Header):
            affine = nifti_affine(path, image)
        else:
            affine = np.asarray(image.affine, np.float64)
            positive_spacing(path, affine, tuple(float(zoom) for zoom in image.header.get_zooms()[:3]))
        if not voxels:
            return placeholder(shape), affine
        if path.suffix.lower() in (".gz", ".mgz"):
            image = _checked_gzip(path, image)
        array = image.get_fdata(dtype=dtype, caching="unchanged") if dtype else np.asanyarray(image.dataobj)
    return array.reshape(shape), affine


@contextmanager
def _quiet() -> Iterator[None]:
    """Without nibabel's own lines on the terminal: what it repairs is either harmless or refused here."""
    from nibabel.imageglobals import logger

    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def _loaded(path: Path) -> Any:
    """The image in a file. A quaternion longer than 1 makes nibabel give up: it is left to :mod:`._nifti_grid`."""
    import nibabel

    try:
        return nibabel.load(path)
    except ValueError as error:
        if "w2" not in str(error):
            raise
    for kind in (nibabel.Nifti1Image, nibabel.Nifti1Pair, nibabel.Nifti2Image, nibabel.Nifti2Pair):
        if kind.path_maybe_image(path)[0]:
            header = type(kind.header_class.__name__, (kind.header_class,), {"quaternion_threshold": -np.inf})
            return type(kind.__name__, (kind,), {"header_class": header}).from_filename(path)
    raise ValueError("a NIfTI header with a quaternion that is longer than 1")


def _checked_gzip(path: Path, image: Any) -> Any:
    """The image read from memory: nibabel stops at the last voxel and so never compares gzip's checksum."""
    itemsize = image.get_data_dtype().itemsize
    most = int(getattr(image.dataobj, "offset", 0)) + math.prod(image.shape) * itemsize
    if most > _DENSEST * path.stat().st_size + _PART:
        raise BadFile(
            path,
            f"the {most:,} bytes of a {' x '.join(map(str, image.shape))} volume",
            f"{path.stat().st_size:,} bytes, which cannot hold them",
            "correct the sizes in its header or restore the file from its source",
        )
    parts, size = [], 0
    with gzip.open(path, "rb") as stream:
        while part := stream.read(_PART):
            if size < most:  # what follows the voxels is read for the checksum alone
                parts.append(part)
            size += len(part)
    return type(image).from_bytes(b"".join(parts)) if hasattr(image, "from_bytes") else image
