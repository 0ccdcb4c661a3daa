"""Volumes that belong to no data set, for who reads or writes files of other programs.

What is read points to right, anterior and superior whatever the file stores, as everything of a data set does. A
:class:`StoredGrid` is the way back: the file's own axes and position.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectralcal.base.files import write_bytes
from spectralcal.datasets._checks import BadFile, Grid, map_label, same_grid
from spectralcal.datasets._files import place_of, read_channels, read_image, read_label, stored_grid

#: of gzip: larger ones take twice the time for a percent or two
_COMPRESSION = 4


@dataclass(frozen=True, eq=False)
class StoredGrid:
    """The axes of a file as it stores them.

    Attributes:
        shape: (x, y, z) voxels, first axis fastest in the file.
        affine: (4, 4) index to RAS mm.
    """

    shape: tuple[int, ...]
    affine: np.ndarray

    @classmethod
    def of(cls, path: Path) -> StoredGrid:
        """The grid of a file, from its header alone.

        Raises:
            BadFile: as :func:`read_image`.
        """
        return cls(*stored_grid(path))

    def in_ras(self) -> Grid:
        """Spacing and affine of what :meth:`to_ras` gives, as readers give them, with an array that takes no memory."""
        return place_of(self.shape, self.affine)

    def to_ras(self, stored: np.ndarray) -> np.ndarray:
        """Values (x, y, z, ...) in the file's order, turned as what is read is turned; a view."""
        import nibabel

        return nibabel.apply_orientation(stored, nibabel.io_orientation(self.affine))

    def from_ras(self, values: np.ndarray) -> np.ndarray:
        """Values (R, A, S, ...) in the file's order (x, y, z, ...); a view."""
        import nibabel

        ras = np.array([[axis, 1] for axis in range(3)])
        stored = nibabel.io_orientation(self.affine)
        return nibabel.apply_orientation(values, nibabel.orientations.ornt_transform(ras, stored))


def write_volume(path: Path, values: np.ndarray, grid: StoredGrid) -> None:
    """Write values (R, A, S) or, with channels, (R, A, S, C) as NIfTI on a file's grid, in one atomic step.

    Equal values make equal bytes: the compressed file holds no time.
    """
    import nibabel

    image = nibabel.Nifti1Image(np.ascontiguousarray(grid.from_ras(values)), grid.affine)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    write_bytes(path, gzip.compress(content, _COMPRESSION, mtime=0) if path.suffix == ".gz" else content)


__all__ = ["BadFile", "Grid", "StoredGrid", "map_label", "read_channels", "read_image", "read_label", "same_grid",
           "write_volume"]  # fmt: skip
