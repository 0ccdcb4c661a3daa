"""Pictures as images and masks: PNG, JPEG and TIFF through Pillow, checked as strictly as volumes are.

A picture is an array (H, W): rows from top to bottom, then columns from left to right. Figures draw it that way up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from spectralcal.datasets._checks import BadFile, Grid, finite, same_grid
from spectralcal.datasets._picture_files import DEEP, is_lossy, opened, orientation, stored_values

#: endings of the files that are read as pictures, in lower case
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
#: names of the channels of a colour picture
COLOURS = ("red", "green", "blue")


def is_picture(path: Path | str) -> bool:
    """Whether a file is called like a picture."""
    return str(path).lower().endswith(PICTURES)


@dataclass(frozen=True)
class PictureReader:
    """How the pictures of a data set are read.

    A viewer turns a picture by the orientation in its EXIF data, most programs that make masks do not, and for a square
    picture nothing tells which was done: by default such a file is refused.

    Attributes:
        channels: of an image; 1 is grey, 3 are red, green and blue of one file, any number are that many grey files.
        spacing_mm: distance of neighbouring rows and columns, in the data set's unit; 1 where that is a pixel.
        mask_threshold: values from here on are class 1, others background: for masks that were stored as JPEG or
            blurred. None: a mask contains the values of its classes and nothing else.
        exif_orientation: ``"apply"`` turns every file, image or mask, by its own orientation; ``"refuse"`` takes none
            that has one.
    """

    channels: int = 3
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    mask_threshold: float | None = None
    exif_orientation: Literal["refuse", "apply"] = "refuse"

    def geometry(self, path: Path) -> tuple[tuple[int, int], tuple[float, float]]:
        """Shape (H, W) and spacing of a picture, from its header alone.

        Raises:
            BadFile: missing, unreadable, too large, of several pages, or with an orientation that is refused.
        """
        with opened(path) as picture:
            width, height = picture.size
            # Pillow's TIFF reader says the size after turning, its other readers before.
            if orientation(path, picture, self._applies) >= 5 and picture.format != "TIFF":
                width, height = height, width
        return (height, width), self.spacing_mm

    def image(self, paths: Sequence[Path]) -> tuple[Grid, np.ndarray]:
        """The grid and the image (C, H, W) float32 of a case: one file with all channels, or one grey file per channel.

        A grey file serves where red, green and blue are asked for, and a colour file whose three channels are equal
        where grey is asked for. Colours of a palette are looked up.

        Raises:
            BadFile: as :meth:`geometry`; transparent or damaged; other channels; several files that differ in shape.
        """
        if len(paths) == 1:
            image = self._channels(paths[0], self.channels)
            return self._grid(image[0]), image
        if len(paths) != self.channels:
            raise BadFile(paths[0], f"{self.channels} files or one with all channels", f"{len(paths)} files")
        grids = [self._grid(self._channels(path, 1)[0]) for path in paths]
        for path, grid in zip(paths[1:], grids[1:], strict=True):
            same_grid(path, grid, paths[0], grids[0])
        return grids[0], np.stack([grid.array for grid in grids])

    def mask(self, path: Path) -> Grid:
        """A mask (H, W) as stored, of a palette the indices; after a threshold 0 and 1.

        Raises:
            BadFile: as :meth:`geometry`; transparent or damaged; colours; a JPEG without :attr:`mask_threshold`; or a
                threshold that cannot be meant for this mask.
        """
        with opened(path) as picture:
            orientation(path, picture, self._applies)
            lossy, values = is_lossy(picture), stored_values(path, picture, indices=True)
        if values.ndim == 3 and _equal(values):
            values = values[..., 0]
        if self.mask_threshold is not None:
            return self._grid(_thresholded(path, values, self.mask_threshold))
        if lossy:
            raise BadFile(
                path,
                "a mask stored without loss (PNG or TIFF)",
                "a JPEG, whose values lie between those of the classes",
                "convert the masks from their source or state mask_threshold (128 for masks of 0 and 255)",
            )
        if values.ndim == 3:
            raise BadFile(path, "a mask of one channel", _differing(values), "store one value per class")
        return self._grid(values)

    def channel_count(self, path: Path) -> int:
        """1 for a grey file, 3 for one with colours or a palette; raises :class:`BadFile` as :meth:`geometry` does."""
        with opened(path) as picture:
            return 1 if picture.mode in ("1", "L", "LA", *DEEP) else 3

    def _channels(self, path: Path, count: int) -> np.ndarray:
        """(count, H, W) float32 of one file."""
        with opened(path) as picture:
            orientation(path, picture, self._applies)
            values = stored_values(path, picture, indices=False)
        if values.ndim == 2:
            values = values[..., None]
        stored = values.shape[-1]
        if count == 1 and stored == 3 and not _equal(values):
            raise BadFile(path, "a grey picture", _differing(values), "name three channels or convert the picture")
        if count not in (1, 3):
            raise BadFile(path, f"{count} channels", f"{stored}", "name one channel, or three for red, green and blue")
        values = np.broadcast_to(values[..., :count], (*values.shape[:2], count))
        image = np.ascontiguousarray(np.moveaxis(values, -1, 0), dtype=np.float32)
        finite(path, image)
        return image

    @property
    def _applies(self) -> bool:
        return self.exif_orientation == "apply"

    def _grid(self, array: np.ndarray) -> Grid:
        return Grid(array, tuple(float(value) for value in self.spacing_mm), np.diag([*self.spacing_mm, 1.0]))


def _equal(values: np.ndarray) -> bool:
    return bool((values == values[..., :1]).all())


def _differing(values: np.ndarray) -> str:
    different = int((values != values[..., :1]).any(-1).sum())
    return f"{values.shape[-1]} channels that differ in {different} of {values[..., 0].size} pixels"


def _thresholded(path: Path, values: np.ndarray, threshold: float) -> np.ndarray:
    """1 where the mean of a mask's channels is at least the threshold, else 0."""
    mean = values.mean(-1) if values.ndim == 3 else values
    high = mean >= threshold
    if not high.any() and mean.any():
        raise BadFile(
            path,
            f"a mask of zeros or with values from mask_threshold {threshold:g} on",
            f"{float(mean.max()):g} at most",
            "correct mask_threshold, or leave it out for masks of class labels",
        )
    return high.astype(np.uint8)
