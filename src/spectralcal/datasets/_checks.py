"""The checks that every volume passes before anything is computed from it, and the one line said when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectralcal.base.errors import DataError

#: two grids agree when no corner is further apart than this share of the smallest voxel edge: no voxel changes its name
CORNER_TOLERANCE = 0.1
#: stored label values further than this from an integer are errors; scaling factors in headers leave less
INTEGER_TOLERANCE = 1e-3
#: what is said about unknown label values
OTHER_VALUES = "wrong file or another label convention: restore the file"
#: of them a message spells out as many
SHOWN = 5


@dataclass
class Grid:
    """An array (*spatial) with its position: the spacing, and the (n + 1, n + 1) affine to RAS mm (of pictures: px)."""

    array: np.ndarray
    spacing_mm: tuple[float, ...]
    affine: np.ndarray


class BadFile(Exception):
    """A file that cannot be used: path, what was expected, what was found, remedy."""

    def __init__(self, path: Path, expected: str, found: str, remedy: str = "restore the file from its source"):
        super().__init__(f"{path}: expected {expected}, found {found}; {remedy}")


def bad_file(dataset: str, case: str, path: Path, expected: str, found: str) -> DataError:
    """The DataError of an unusable file."""
    return DataError(f"{dataset}: case {case}: {BadFile(path, expected, found)}")


@contextmanager
def reading(dataset: str, case: str) -> Iterator[None]:
    """Turn a :class:`BadFile` into a DataError that names data set and case."""
    try:
        yield
    except BadFile as error:
        raise DataError(f"{dataset}: case {case}: {error}") from error


def brief(error: BaseException) -> str:
    """The first line of an error's text, or its type."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def positive_spacing(path: Path, affine: np.ndarray, stored: tuple[float, ...] | None = None) -> tuple[float, ...]:
    """The spacing of an affine, mm.

    Every axis of it, and of the header's own spacing, must be positive and finite, and its position finite.
    """
    spacing = tuple(float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    for values in (spacing, stored or ()):
        if not all(np.isfinite(value) and value > 0 for value in values):
            shown = ", ".join(f"{value:g}" for value in values)
            raise BadFile(path, "a positive spacing on every axis", f"({shown}) mm", "correct the header")
    if not np.isfinite(affine).all():
        position = ", ".join(f"{value:g}" for value in affine[:3, 3])
        raise BadFile(path, "a finite position", f"({position}) mm", "correct the header")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-6 * np.prod(spacing):
        raise BadFile(path, "an affine with three independent axes", "a singular one", "correct the header")
    return spacing


def finite(path: Path, image: np.ndarray) -> None:
    """Refuse an image with NaN or infinite voxels."""
    # The sum is finite only if every voxel is (float64 does not overflow); it spares a boolean copy of the volume.
    with np.errstate(invalid="ignore"):
        total = image.sum(dtype=np.float64)
    if not np.isfinite(total):
        count = int(image.size - np.isfinite(image).sum())
        raise BadFile(path, "finite voxels", f"{count} of {image.size} NaN or infinite", "repair or leave out the case")


def same_grid(path: Path, grid: Grid, other_path: Path, other: Grid) -> None:
    """Refuse two volumes of one case that differ in shape or position."""
    if grid.array.shape != other.array.shape:
        raise BadFile(
            path,
            f"shape {other.array.shape} of {other_path.name}",
            f"{grid.array.shape}",
            "the pair does not belong together or was resampled: restore both files",
        )
    axes = grid.array.ndim
    corners = np.stack(np.meshgrid(*[(0, size - 1) for size in grid.array.shape], indexing="ij"), -1).reshape(-1, axes)
    corners = np.c_[corners, np.ones(len(corners))]
    distance = np.linalg.norm((corners @ (grid.affine - other.affine).T)[:, :axes], axis=1).max()
    if not distance <= CORNER_TOLERANCE * min(other.spacing_mm):
        raise BadFile(
            path,
            f"the position of {other_path.name} (corners within {CORNER_TOLERANCE:g} voxel)",
            f"an affine that moves a corner by {distance:.3g} mm",
            "the pair does not belong together or a header is wrong: restore both files",
        )


def map_label(
    path: Path,
    stored: np.ndarray,
    values: dict[int, int],
    remedy: str = OTHER_VALUES,
) -> np.ndarray:
    """Stored label values -> labels 0, 1, ..., uint8.

    Args:
        path: for the message.
        stored: (*spatial) any real type.
        values: every value that may occur -> its label.
        remedy: what is said about other values.

    Raises:
        BadFile: a value is no integer or not among `values`; the message counts the voxels.
    """
    if not np.issubdtype(stored.dtype, np.integer):
        finite(path, stored)
        rounded = np.rint(stored)
        if not np.abs(stored - rounded).max(initial=0) <= INTEGER_TOLERANCE:
            worst = float(stored.flat[np.abs(stored - rounded).argmax()])
            raise BadFile(path, "integer label values", f"{worst:g}", "was the label interpolated? restore the file")
        stored = rounded.astype(np.int64)
    if int(stored.min()) >= 0 and int(stored.max()) <= max(values) and _present(stored, max(values)) <= set(values):
        table = np.zeros(max(values) + 1, np.uint8)
        table[list(values)] = list(values.values())
        return table[stored]
    counts = zip(*(part.tolist() for part in np.unique(stored, return_counts=True)), strict=True)
    unknown = [f"{value} ({count} of {stored.size})" for value, count in counts if value not in values]
    more = f" and {len(unknown) - SHOWN} more values" if len(unknown) > SHOWN else ""
    expected = f"label values {', '.join(map(str, sorted(values)))}"
    raise BadFile(path, expected, f"{', '.join(unknown[:SHOWN])}{more}", remedy)


def _present(stored: np.ndarray, high: int) -> set[int]:
    # Slab by slab: counting over a CT at once would first copy it to int64.
    counts = np.zeros(high + 1, np.int64)
    for slab in stored:
        counts += np.bincount(slab.ravel(), minlength=high + 1)
    return set(np.flatnonzero(counts).tolist())
