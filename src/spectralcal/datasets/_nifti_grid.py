"""The grid of a NIfTI file, which may say its spacing three times: in sform, qform and pixdim.

nibabel takes the sform and compares it with nothing. ITK takes the spacing from pixdim, and MONAI puts the qform in
the place of an sform of another spacing. Here three that agree are one; of two that differ, the one that is no spacing
gives way; and where both could be meant, the file is refused with both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.datasets._checks import BadFile

#: spacings of a file agree within this share of each other: headers round
AGREE = 1e-3
#: a quaternion may be longer than 1 by this share; rounding makes it so by less
_LONG = 1e-2
#: of the squared first component, as nibabel has it
_ROUNDING = 3 * float(np.finfo(np.float32).eps)
#: millimetres of the units that a header can state; others are taken for mm
_MM = {1: 1000.0, 3: 0.001}
_POSITIVE = "a positive spacing on every axis"


def nifti_affine(path: Path, image: Any) -> np.ndarray:
    """(4, 4) float64, index to RAS mm, of an image that nibabel has opened.

    Raises:
        BadFile: no usable spacing or orientation, or two that differ.
    """
    header = _as_stored(image)
    scale = _MM.get(int(header["xyzt_units"]) & 7, 1.0)
    affine = _chosen(path, header).copy()
    affine[:3] *= scale
    return affine


def _as_stored(image: Any) -> Any:
    """The header without nibabel's repairs, which make 1 mm of a spacing of 0."""
    holder = image.file_map.get("header", image.file_map["image"])
    with holder.get_prepare_fileobj("rb") as stream:
        return type(image.header).from_fileobj(stream, check=False)


def _chosen(path: Path, header: Any) -> np.ndarray:
    pixdim = np.abs(np.asarray(header["pixdim"][1:4], np.float64))  # a negative one is taken without its sign by all
    known = bool((np.isfinite(pixdim) & (pixdim > 0)).all())
    sform = _sform(header)
    stated = int(header["sform_code"]) > 0 and bool(sform[:3, :3].any())
    if stated and _usable(sform):
        spacing = np.linalg.norm(sform[:3, :3], axis=0)
        if not known or np.allclose(spacing, pixdim, rtol=AGREE, atol=0):
            return sform
        if not np.allclose(spacing, 1, rtol=AGREE, atol=0):
            raise BadFile(
                path,
                "one spacing in its header",
                f"{_mm(spacing)} in its sform and {_mm(pixdim)} in its pixdim",
                "find out which is right and correct the header",
            )
        # A matrix of directions alone, as in ACDC.
        if int(header["qform_code"]) > 0:
            return _qform(path, header, pixdim)
        return sform @ np.diag([*pixdim, 1.0])
    if stated and not (known and int(header["qform_code"]) > 0):
        return sform  # refused with what is wrong with it, as affines of all formats are
    if not known:
        raise BadFile(path, _POSITIVE, f"{_mm(header['pixdim'][1:4])} in its pixdim", "correct the header")
    return _qform(path, header, pixdim) if int(header["qform_code"]) > 0 else _unplaced(header, pixdim)


def _sform(header: Any) -> np.ndarray:
    return np.array([*(header[f"srow_{axis}"] for axis in "xyz"), (0, 0, 0, 1)], np.float64)


def _usable(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return bool((spacing > 0).all() and abs(np.linalg.det(affine[:3, :3])) >= 1e-6 * np.prod(spacing))


def _qform(path: Path, header: Any, pixdim: np.ndarray) -> np.ndarray:
    from nibabel.quaternions import quat2mat

    vector = np.array([header[f"quatern_{name}"] for name in "bcd"], np.float64)
    offset = np.array([header[f"qoffset_{name}"] for name in "xyz"], np.float64)
    length = float(vector @ vector)
    if not (np.isfinite(length) and np.isfinite(offset).all() and length <= 1 + _LONG):
        found = f"({', '.join(f'{value:g}' for value in vector)}) at ({', '.join(f'{value:g}' for value in offset)})"
        raise BadFile(path, "an orientation in its qform (a unit quaternion)", found, "correct the header")
    # A first component of nothing but rounding is 0: half a turn, which quat2mat brings to length 1.
    first = 0.0 if 1 - length < _ROUNDING else np.sqrt(1 - length)
    rotation = quat2mat([first, *vector])
    affine = np.eye(4)
    mirrored = -1.0 if float(header["pixdim"][0]) < 0 else 1.0
    affine[:3, :3] = rotation * pixdim * (1, 1, mirrored)
    affine[:3, 3] = offset
    return affine


def _unplaced(header: Any, pixdim: np.ndarray) -> np.ndarray:
    """As nibabel places a volume that says its spacing alone: around the origin, first axis to the left."""
    shape = np.array([*header.get_data_shape()[:3], 1, 1, 1][:3], np.float64)
    affine = np.diag([-pixdim[0], pixdim[1], pixdim[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    return affine


def _mm(spacing: np.ndarray) -> str:
    return f"({', '.join(f'{float(value):g}' for value in spacing)}) mm"
