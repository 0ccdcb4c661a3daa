"""What the voxels of a volume must be, whichever library reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectralcal.datasets._checks import BadFile


def expected_axes(channels: int | None) -> str:
    """What is expected of the axes, for messages; None: any number of channels."""
    return "a three-dimensional volume" if channels in (1, None) else f"a volume of {channels} channels"


def axes_remedy(axes: int, stored: int, channels: int | None) -> str:
    """What to do about a volume of other axes."""
    if stored > 1 and channels == 1:
        return "wrong file for this case, or channels in one file: store or name each channel as the layout asks"
    if axes < 3:
        return "wrong file for this case, or one plane: store it with a third axis of one voxel"
    return "wrong file for this case"


def one_number(path: Path, dtype: np.dtype) -> None:
    """Refuse voxels that are no single real number, such as colours."""
    if dtype.fields is not None or dtype.kind not in "biuf":
        kind = f"colours ({', '.join(dtype.fields)})" if dtype.fields else f"{dtype} numbers"
        raise BadFile(path, "one real number per voxel", kind, "convert it to grey values, or to one file per channel")


def placeholder(shape: tuple[int, ...]) -> np.ndarray:
    """An array of that shape that takes no memory."""
    return np.broadcast_to(np.uint8(0), shape)
