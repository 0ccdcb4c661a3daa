"""A look at every case of a data set before anything is made of it: what is there, what is wrong, what is left out."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.datasets import Case, Dataset
from spectralcal.datasets.base import image_files
from spectralcal.datasets.listing import has_word, is_rubbish
from spectralcal.preparation import crop
from spectralcal.preparation._case import bad_ids, check_fits, unusable
from spectralcal.preparation._parallel import run_jobs
from spectralcal.preparation.intensity import Normalization, flat_channels, normalize
from spectralcal.preparation.resample import NoGridError, resampled_shape
from spectralcal.preparation.spacing import SpacingMode, target_spacing

#: mm between neighbouring voxels that a scanner may have
PLAUSIBLE_MM = (0.01, 50.0)


@dataclass(frozen=True)
class CaseSurvey:
    """The contents of one case, or why it cannot be read.

    Attributes:
        id, patient: as in the data set.
        shape, spacing_mm: in RAS axis order; empty if the case is unreadable.
        orientation: directions of the stored axes, for example ``"LPS"``.
        voxels: label -> voxels of it.
        digests: SHA-256 of the voxels of each scan, as float32 in RAS order, by its name: a channel is a scan, and the
            colours of one picture are one without a name. A scan of one single value is left out.
        constant: channels with a single value, which preparation sets to 0.
        error: why the case cannot be used; empty if it can.
    """

    id: str
    patient: str
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    orientation: str = ""
    voxels: dict[int, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    constant: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Survey:
    """What was found in the folder of a data set.

    Attributes:
        dataset: what was looked at; its facts give names to labels.
        root: its folder.
        cases: in natural order; without the unreadable ones.
        errors: one text for everything that a study must not run on, whatever preparation would refuse among it.
        warnings: what a person should know and a study may run on.
        left_out: reason -> volumes of the folder that no case uses.
    """

    dataset: Dataset
    root: Path
    cases: tuple[CaseSurvey, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    left_out: dict[str, tuple[Path, ...]]


def survey_dataset(
    dataset: Dataset,
    root: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    *,
    spacing: SpacingMode | tuple[float | None, ...] = "median_all",
    ct_clip: tuple[float, float] = (-1000.0, 400.0),
    crop_nonzero: bool | None = None,
    normalize: Normalization = "zscore",
    dtype: Literal["float32", "float16"] = "float32",
) -> Survey:
    """Read every case once and compare them; nothing is written, and no problem ends the survey early.

    Two cases are duplicates if they share a channel with the same voxels, however the files are named or compressed: an
    error if their patients differ, because they could then stand on two sides of a split.

    Args:
        dataset: what to survey.
        root: its folder, as :meth:`Dataset.locate` gives it.
        workers: processes; each needs memory for about one case.
        progress: called with (cases done, cases in all).
        spacing, ct_clip, crop_nonzero, normalize, dtype: of the preparation that is to follow, see
            :func:`~spectralcal.preparation.prepare.prepare_dataset`: what it would refuse is an error here.
    """
    root = Path(root)
    cropped = dataset.crop_nonzero if crop_nonzero is None else crop_nonzero
    try:
        cases = dataset.cases(root)
    except DataError as error:
        return Survey(dataset, root, (), (str(error),), (), {})
    order = {case.id: index for index, case in enumerate(cases)}
    surveyed = sorted(
        run_jobs(
            survey_case, [(dataset, case, ct_clip, cropped, normalize, dtype) for case in cases], workers, progress
        ),
        key=lambda one: order[one.id],
    )
    good = tuple(one for one in surveyed if not one.error)
    left_out = unused_volumes(dataset, root, cases)
    errors = [one.error for one in surveyed if one.error]
    errors += bad_ids(dataset.name, cases)
    errors += _duplicates(dataset, good, same_patient=False)
    errors += _without_grid(dataset, good, {case.id: case for case in cases}, spacing)
    warnings = dataset.remarks(root) + _odd_spacings(dataset, good) + _duplicates(dataset, good, same_patient=True)
    warnings += [f"{one.id}: no voxel has a label" for one in good if not any(one.voxels[v] for v in one.voxels if v)]
    warnings += [f"{one.id}: channel {name} has a single value" for one in good for name in one.constant]
    if dataset.expected_cases not in (None, len(cases)):
        warnings.insert(0, f"{len(cases)} cases, but a complete copy has {dataset.expected_cases}")
    return Survey(dataset, root, good, tuple(errors), tuple(warnings), left_out)


def survey_case(
    dataset: Dataset,
    case: Case,
    ct_clip: tuple[float, float] = (-1000.0, 400.0),
    crop_nonzero: bool = False,
    method: Normalization = "zscore",
    dtype: str = "float32",
) -> CaseSurvey:
    """Read one case; a case that cannot be used comes back with its `error`."""
    try:
        volume = dataset.load(case)
        orientation = dataset.orientation(case)
    except DataError as error:
        return CaseSurvey(case.id, case.patient, error=str(error))
    box = crop.nonzero_box(volume.image) if crop_nonzero else crop.full_box(volume.label.shape)
    try:
        image = crop.crop(volume.image, box)
        flat = flat_channels(image, dataset.channel_modalities, ct_clip)
        if dtype != "float32":  # float32 holds what was read as such
            check_fits(normalize(image, dataset.channel_modalities, method, ct_clip), dtype)
    except ValueError as error:
        return CaseSurvey(case.id, case.patient, error=unusable(dataset, case, error))
    counts = sum(np.bincount(slab.ravel(), minlength=dataset.num_classes) for slab in volume.label)
    return CaseSurvey(
        id=case.id,
        patient=case.patient,
        shape=volume.label.shape,
        spacing_mm=tuple(float(value) for value in volume.spacing_mm),
        orientation=orientation,
        voxels={label: int(count) for label, count in enumerate(counts) if count},
        digests={name: _digest(scan) for name, scan in _scans(dataset, case, volume.image) if np.ptp(scan) > 0},
        constant=tuple(dataset.channels[index] for index in flat),
    )


def unused_volumes(dataset: Dataset, root: Path, cases: Iterable[Case]) -> dict[str, tuple[Path, ...]]:
    """Volumes below `root` that no case reads, by the reason why; the last reason is that nothing explains them."""
    if not root.is_dir():
        return {}
    used = {os.path.realpath(path) for case in cases for path in _files(dataset, case)}
    reasons: dict[str, list[Path]] = defaultdict(list)
    for path in image_files(root, pictures=dataset.pictures is not None):
        if os.path.realpath(path) not in used:
            reasons[_reason(dataset, path.relative_to(root))].append(path)
    return {reason: tuple(paths) for reason, paths in sorted(reasons.items(), key=lambda item: item[0] == UNEXPLAINED)}


UNEXPLAINED = "not part of the layout"


def _reason(dataset: Dataset, path: Path) -> str:
    if is_rubbish(path):
        return "hidden files, such as those that macOS adds to archives"
    return next((reason for pattern, reason in dataset.left_out if _fits(path, pattern)), UNEXPLAINED)


def _fits(path: Path, pattern: str) -> bool:
    return fnmatch.fnmatch(path.as_posix().lower(), pattern) if "*" in pattern else has_word(path, pattern)


def _files(dataset: Dataset, case: Case) -> tuple[Path, ...]:
    try:
        return dataset.files(case)
    except DataError:  # said where the case is read
        return case.images if case.label is None else (*case.images, case.label)


def _scans(dataset: Dataset, case: Case, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Name and voxels of what was recorded in one piece: a channel (*spatial), or a colour picture (C, H, W)."""
    if dataset.pictures is not None and len(case.images) == 1:
        return [("", image)]
    return list(zip(dataset.channels, image, strict=True))


def _digest(scan: np.ndarray) -> str:
    digest = hashlib.sha256(repr(scan.shape).encode())
    for slab in scan:  # slab by slab: no second copy of a CT
        digest.update(np.ascontiguousarray(slab))
    return digest.hexdigest()


def _without_grid(
    dataset: Dataset,
    good: Iterable[CaseSurvey],
    cases: dict[str, Case],
    spacing: SpacingMode | tuple[float | None, ...],
) -> list[str]:
    """Cases that resampling to the common spacing would give a size that no image has."""
    good = list(good)
    try:
        target = target_spacing([one.spacing_mm for one in good], spacing) if good else None
    except ValueError as error:
        return [f"{dataset.name}: preparation.spacing: {error}"]
    texts = []
    for one in good if target is not None else ():
        try:
            resampled_shape(one.shape, one.spacing_mm, target)
        except NoGridError as error:
            texts.append(unusable(dataset, cases[one.id], error))
    return texts


def _odd_spacings(dataset: Dataset, cases: Iterable[CaseSurvey]) -> list[str]:
    low, high = PLAUSIBLE_MM
    return [
        f"{one.id}: spacing of ({', '.join(f'{value:g}' for value in one.spacing_mm)}) mm, which no scanner has: are "
        "the header's numbers mm?"
        for one in cases
        if dataset.unit == "mm"
        and dataset.modality != "synthetic"
        and any(size > 1 and not low <= value <= high for size, value in zip(one.shape, one.spacing_mm, strict=True))
    ]


def _duplicates(dataset: Dataset, cases: Iterable[CaseSurvey], same_patient: bool) -> list[str]:
    """One text for every set of scans with equal voxels, of one patient or of several."""
    holders: dict[str, list[tuple[CaseSurvey, str]]] = defaultdict(list)
    for case in cases:
        for name, digest in case.digests.items():
            holders[digest].append((case, name))
    texts = []
    for group in holders.values():
        one_patient = len({case.patient for case, _ in group}) == 1
        if len(group) > 1 and one_patient == same_patient:
            several = len(dataset.channels) > 1
            names = [f"{case.id} {name}" if name and several else case.id for case, name in group]
            remedy = "the same scan counts twice" if same_patient else "a split could put one scan on two sides"
            texts.append(f"{dataset.name}: {', '.join(names)}: the same voxels under {len(names)} names; {remedy}")
    return texts
