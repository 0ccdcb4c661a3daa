"""Probabilities of one case, (C, R, A, S) float32: from nnU-Net's npz, a 4-D file, or one file per class."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from spectralcal.base.files import BROKEN_ARCHIVE
from spectralcal.datasets.volumes import BadFile, Grid, StoredGrid, read_channels, read_image, same_grid
from spectralcal.predictions.classes import BACKGROUND, Classes
from spectralcal.predictions.layout import Files

#: what rounding may add to 0 or 1, and what half precision may add to a sum: as CalibrationHistogram has it
_OUTSIDE, _SUM = 1e-5, 5e-3
#: of nnU-Net 2, and of nnU-Net 1
_NAMES = ("probabilities", "softmax")
_PICKLED = "arrays of Python objects are pickles, which are never opened; save plain numbers with numpy.savez"
_SUMS = (
    "probabilities are what softmax gives; sigmoids of classes that overlap (nnU-Net's regions) do not sum to 1, and "
    "their label maps are scored with --probabilities none"
)


def stored_dtype_floor(files: Files) -> float:
    """Smallest probability above 0 that the files can hold; a stored 0 stands for less than it."""
    if files.npz is not None and npz_header(files.npz)[2] == np.float16:
        return float(np.finfo(np.float16).smallest_subnormal)
    return float(np.finfo(np.float32).tiny)


def read_probabilities(files: Files, classes: Classes, reference: Grid | None, reference_path: Path | None) -> Grid:
    """Probabilities (C, R, A, S) float32 of a case, background first, with its grid (whose array they are).

    Args:
        files: of the prediction.
        classes: C - 1 of them.
        reference: labels that the grid is compared with; None: there are none.
        reference_path: their file, for messages.

    Raises:
        BadFile: files that cannot be read, or are on another grid, or hold anything but probabilities that sum to 1.
    """
    if files.npz is not None:
        grid = _from_npz(files, classes)
    elif files.volume is not None:
        first, channels = _channels(files.volume, classes)
        grid = Grid(channels, first.spacing_mm, first.affine)
    else:
        grid = _from_parts(files, classes)
    if reference is not None:
        same_grid(files.first, Grid(grid.array[0], grid.spacing_mm, grid.affine), reference_path, reference)
    check_probabilities(files.npz or files.first, grid.array)
    return grid


def check_probabilities(path: Path, values: np.ndarray) -> None:
    """Refuse (C, *spatial) values that are no probabilities: not finite, outside of [0, 1], or of another sum than 1.

    Raises:
        BadFile: with how many voxels are wrong.
    """
    size, bad, wrong = values[0].size, 0, 0
    low, high, worst = 0.0, 0.0, 1.0
    for plane in range(values.shape[1]):
        part = values[:, plane]
        total = part.sum(0, dtype=np.float64)
        if not np.isfinite(total).all():
            bad += int((~np.isfinite(part)).any(0).sum())
            continue
        low, high = min(low, float(part.min(initial=0))), max(high, float(part.max(initial=0)))
        off = np.abs(total - 1)
        wrong += int((off > _SUM).sum())
        if off.max(initial=0) > abs(worst - 1):
            worst = float(total.flat[off.argmax()])
    if bad:
        raise BadFile(path, "finite probabilities", f"{bad} of {size} voxels NaN or infinite", "predict the case again")
    if low < -_OUTSIDE or high > 1 + _OUTSIDE:
        hint = "these look like logits: apply softmax over the classes first" if low < -0.1 or high > 1.1 else _SUMS
        raise BadFile(path, "probabilities in [0, 1]", f"values from {low:.4g} to {high:.4g}", hint)
    if wrong:
        raise BadFile(
            path, "probabilities that sum to 1 over the classes", f"{wrong} of {size} voxels that do not, one with "
            f"{worst:.4g}", _SUMS
        )  # fmt: skip


def npz_header(path: Path) -> tuple[str, tuple[int, ...], np.dtype]:
    """Name, shape and type of the probabilities in an npz, before any of them is read.

    Raises:
        BadFile: no npz, no such array, or one of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy") for name in archive.namelist()}
            name = next((name for name in _NAMES if name in members), None)
            if name is not None:
                with archive.open(f"{name}.npy") as stream:
                    version = np.lib.format.read_magic(stream)
                    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
                        np.lib.format.read_array_header_2_0
                    )  # fmt: skip
                    shape, _, dtype = read(stream)
    except BROKEN_ARCHIVE as error:
        raise BadFile(path, "an npz", f"none that can be read ({' '.join(str(error).split())})") from error
    if name is None:
        listed = ", ".join(sorted(members)[:5]) or "nothing"
        raise BadFile(path, "an array 'probabilities'", listed, "predict with `nnUNetv2_predict --save_probabilities`")
    if dtype.hasobject:
        raise BadFile(path, "an array of numbers", "pickled objects", _PICKLED)
    if dtype.kind != "f":
        raise BadFile(path, "probabilities as floating-point numbers", str(dtype), "save them before argmax")
    return name, shape, dtype


def _from_npz(files: Files, classes: Classes) -> Grid:
    path, grid = files.npz, StoredGrid.of(files.volume)
    name, shape, _ = npz_header(path)
    expected = (classes.count, *grid.shape[::-1])
    where = f"({', '.join(map(str, expected))}) (classes, z, y, x) as {files.volume.name} has voxels"
    if shape != expected:
        if len(shape) == 4 and shape[1:] == expected[1:]:
            raise _wrong_count(path, shape[0], classes)
        if sorted(shape) == sorted(expected):
            raise BadFile(path, where, f"{shape}: another order of axes", "save (classes, z, y, x), as nnU-Net does")
        raise BadFile(path, where, f"{shape}", "the two are not of one prediction: predict the case again")
    try:
        with np.load(path, allow_pickle=False) as content:
            stored = content[name]
    except BROKEN_ARCHIVE as error:
        raise BadFile(path, "an npz", f"a damaged one ({' '.join(str(error).split())})") from error
    ras = grid.to_ras(stored.transpose(3, 2, 1, 0))
    values = np.ascontiguousarray(np.moveaxis(ras, -1, 0), np.float32)
    return Grid(values, *_place(files.volume))


def _place(path: Path) -> tuple[tuple[float, ...], np.ndarray]:
    """Spacing and affine of a volume in RAS order."""
    grid = StoredGrid.of(path).in_ras()
    return grid.spacing_mm, grid.affine


def _channels(path: Path, classes: Classes) -> tuple[Grid, np.ndarray]:
    try:
        return read_channels(path, classes.count)
    except BadFile as error:
        shape = str(error).partition("found shape ")[2].partition(";")[0]
        count = shape.strip("()").split(", ")
        if len(count) == 4 and count[3].isdecimal():
            raise _wrong_count(path, int(count[3]), classes) from error
        raise


def _from_parts(files: Files, classes: Classes) -> Grid:
    grids: dict[int, Grid] = {}
    for name, path in files.parts.items():
        if (channel := classes.channel(name)) is None:
            raise BadFile(path, f"a file for {BACKGROUND}, {', '.join(classes.names)}, or a channel's number", name)
        if channel in grids:
            raise BadFile(path, "one file per class", f"two of {(BACKGROUND, *classes.names)[channel]}", "remove one")
        grids[channel] = grid = read_image(path)
        same_grid(path, grid, files.first, next(iter(grids.values())))
    if lacking := [name for number, name in enumerate(classes.names, 1) if number not in grids]:
        raise BadFile(files.first.parent, f"a file for each of {len(classes.names)} classes", f"none for {lacking[0]}")
    first = next(iter(grids.values()))
    values = np.empty((classes.count, *first.array.shape), np.float32)
    for channel in range(1, classes.count):
        values[channel] = grids[channel].array
    # What no class claims is the background's, where no file says it.
    values[0] = grids[0].array if 0 in grids else 1 - values[1:].sum(0)
    return Grid(values, first.spacing_mm, first.affine)


def _wrong_count(path: Path, found: int, classes: Classes) -> BadFile:
    names = ", ".join((BACKGROUND, *classes.names))
    return BadFile(
        path, f"{classes.count} channels ({names:.200})", f"{found}", "name the foreground classes with --labels"
    )
