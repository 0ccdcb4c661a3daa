"""One case: read, crop, normalise, resample and write, or recognise that nothing changed."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.base.files import atomic_folder, read_json
from spectralcal.base.integrity import seal_holds, sealed
from spectralcal.data.manifest import PreparedCase, case_from_row, hash_arrays
from spectralcal.datasets import Case, Dataset, Volume
from spectralcal.preparation import crop, resample
from spectralcal.preparation.intensity import normalize

#: voxels that are counted at a time
_PART = 1 << 20


@dataclass(frozen=True)
class Settings:
    """What decides a prepared case besides its source; the options of :func:`~.prepare.prepare_dataset`, resolved."""

    spacing_mm: tuple[float | None, ...] | None
    normalize: str
    ct_clip: tuple[float, float]
    crop_nonzero: bool
    dtype: str
    foreground_samples: int
    code: str = ""

    def record(self, dataset: Dataset) -> dict:
        """As stored in ``case.json``, with the facts of the data set that change arrays."""
        modality = dataset.modality if dataset.modalities is None else dataset.modalities
        facts = {"modality": modality, "label_map": dataset.label_map, "classes": dataset.classes}
        if dataset.pictures is not None:  # records of volumes have no such key
            facts["pictures"] = asdict(dataset.pictures)
        return json.loads(json.dumps({**asdict(self), **facts}))


def prepare_case(dataset: Dataset, case: Case, settings: Settings, out: Path) -> PreparedCase:
    """The prepared case in ``out/cases/<id>``, made now unless source, settings and arrays are as they were.

    Raises:
        DataError: the case cannot be used; what an earlier run prepared is left as it was.
    """
    folder = out / "cases" / case.id
    source, record = dataset.fingerprint(case), settings.record(dataset)
    kept = _kept(folder, case, record, source)
    if kept is not None and _on_its_grid(kept, dataset.geometry(case), settings):
        return kept
    volume = dataset.load(case)
    if volume.label is None:
        raise DataError(f"{dataset.name}: case {case.id}: expected a reference label, found none; leave out the case")
    try:
        arrays, facts = prepare_arrays(volume, case.id, dataset.channel_modalities, settings)
    except (ValueError, MemoryError) as error:
        raise DataError(unusable(dataset, case, error)) from error
    identity = {"id": case.id, "patient": case.patient, "stratum": case.stratum, "source_sha256": source}
    return _write(folder, arrays, identity | facts, record)


def prepare_arrays(
    volume: Volume, case_id: str, modality: str | Sequence[str], settings: Settings
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The arrays of one case and the facts about its grids; nothing is written.

    Raises:
        ValueError: the image cannot be normalised or does not fit the number format.
    """
    box = crop.nonzero_box(volume.image) if settings.crop_nonzero else crop.full_box(volume.label.shape)
    image = normalize(crop.crop(volume.image, box), modality, settings.normalize, settings.ct_clip)
    label = crop.crop(volume.label, box)
    shape = label.shape
    if settings.spacing_mm is not None:
        shape = resample.resampled_shape(label.shape, volume.spacing_mm, settings.spacing_mm)
    spacing = resample.resampled_spacing(label.shape, volume.spacing_mm, shape)
    check_fits(image, settings.dtype)
    image = resample.resample_image(image, shape).astype(settings.dtype)
    label = resample.resample_label(label, shape).astype(np.uint8)
    arrays = {
        "image.npy": image,
        "label.npy": label,
        "reference.npy": volume.label.astype(np.uint8),
        "foreground.npy": foreground_voxels(label, settings.foreground_samples, case_id),
    }
    if volume.posterior is not None:
        arrays["posterior.npy"] = volume.posterior.astype(np.float16)
    facts = {
        "shape": shape,
        "spacing_mm": tuple(round(value, 6) for value in spacing),
        "original_shape": volume.label.shape,
        "original_spacing_mm": tuple(round(float(value), 6) for value in volume.spacing_mm),
        "affine": volume.affine.tolist(),
        "crop": box,
        "labels": present_labels(arrays["reference.npy"]),
    }
    return arrays, facts


def check_fits(image: np.ndarray, dtype: str) -> None:
    """Refuse normalised intensities (C, *spatial) that the stored number format does not hold; resampling lies between.

    Raises:
        TooLarge: as said, with the channel.
    """
    most = float(np.finfo(dtype).max)
    for index, channel in enumerate(image):
        largest = max(abs(float(channel.min())), abs(float(channel.max())))
        if not largest <= most:
            raise TooLarge(f"intensities up to {largest:g} do not fit {dtype}, which holds {most:g} at most", index)


class TooLarge(ValueError):
    """Intensities that a number format does not hold, of the channel with that index."""

    def __init__(self, message: str, channel: int) -> None:
        super().__init__(message)
        self.channel, self.remedy = channel, "prepare with dtype float32"


def unusable(dataset: Dataset, case: Case, error: Exception) -> str:
    """What is said of a case whose arrays cannot be made: the file of the channel that it lies in, and the remedy."""
    channel = getattr(error, "channel", None) or 0
    where = case.images[min(channel, len(case.images) - 1)] if case.images else "generated volume"
    reason = str(error) or "more voxels than memory holds"
    return f"{dataset.name}: case {case.id}: {where}: {reason}; {getattr(error, 'remedy', 'leave out the case')}"


def bad_ids(dataset: str, cases: Iterable[Case]) -> list[str]:
    """What is wrong with the ids of cases, which name folders; a text each, none if all are good."""
    problems, seen = [], set()
    for case in cases:
        if not re.fullmatch(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*", case.id) or len(case.id.encode()) > 200:
            problems.append(
                f"{dataset}: case id {case.id!r}: expected at most 200 bytes without slashes, control characters and a "
                "leading dot, because it names a folder; rename the file"
            )
        elif case.id in seen:
            problems.append(f"{dataset}: case id '{case.id}' occurs twice; remove or rename one of the files")
        seen.add(case.id)
    return problems


def foreground_voxels(label: np.ndarray, samples: int, case_id: str) -> np.ndarray:
    """Up to `samples` voxels of each foreground class of `label` (*spatial), drawn evenly and always the same.

    Returns:
        (N, 1 + ndim) int32: class, then index; sorted by class and index.
    """
    rows = []
    flat = label.ravel()
    for value in present_labels(label):
        if value == 0:
            continue
        voxels = np.flatnonzero(flat == value)
        if len(voxels) > samples:
            random = np.random.default_rng([zlib.crc32(case_id.encode()), int(value)])
            voxels = np.sort(random.choice(voxels, samples, replace=False))
        index = np.stack(np.unravel_index(voxels, label.shape), axis=1)
        rows.append(np.column_stack([np.full(len(voxels), value), index]))
    return np.concatenate(rows).astype(np.int32) if rows else np.empty((0, 1 + label.ndim), np.int32)


def present_labels(label: np.ndarray) -> list[int]:
    """The values in `label` (*spatial) uint8, ascending."""
    # Part by part: counting over a CT at once would first copy it to int64.
    step = max(1, _PART // max(label[:1].size, 1))
    parts = (label[start : start + step] for start in range(0, len(label), step))
    counts = sum((np.bincount(part.ravel(), minlength=256) for part in parts), np.zeros(256, np.int64))
    return np.flatnonzero(counts).tolist()


def _kept(folder: Path, case: Case, record: dict, source: str) -> PreparedCase | None:
    """The case as an earlier run left it, if that is still what this run would make."""
    earlier = read_json(folder / "case.json")
    try:
        prepared = case_from_row(earlier["case"], folder)
    except (KeyError, TypeError, ValueError):
        return None
    if seal_holds(earlier) is False:  # of an earlier version there is none
        return None
    same = (prepared.id, prepared.patient, prepared.stratum) == (case.id, case.patient, case.stratum)
    same = same and prepared.source_sha256 == source and earlier.get("settings") == record
    return prepared if same and hash_arrays(folder) == prepared.sha256 else None


def _on_its_grid(kept: PreparedCase, geometry: tuple[tuple[int, ...], tuple[float, ...]], settings: Settings) -> bool:
    """Whether a case has the grid that its header asks for now: headers are read better than they once were."""
    shape, spacing = geometry
    if kept.original_shape != tuple(shape) or not np.allclose(kept.original_spacing_mm, spacing, rtol=0, atol=1e-6):
        return False
    size = tuple(stop - start for start, stop in kept.crop)
    wanted = settings.spacing_mm
    try:
        return kept.shape == (size if wanted is None else resample.resampled_shape(size, spacing, wanted))
    except resample.NoGridError:
        return False  # said with the case's name when it is made


def _write(folder: Path, arrays: dict[str, np.ndarray], row: dict, record: dict) -> PreparedCase:
    """Write the arrays and the record of a case into its folder, all of them or none."""
    with atomic_folder(folder) as temporary:
        for name, array in arrays.items():
            if name != "reference.npy" or not _linked(temporary, arrays):
                np.save(temporary / name, array, allow_pickle=False)
        prepared = case_from_row(row | {"sha256": hash_arrays(temporary)}, folder)
        content = json.dumps(sealed({"settings": record, "case": prepared.row()}), indent=1, sort_keys=True)
        (temporary / "case.json").write_text(content + "\n", encoding="utf-8")
        if folder.exists():
            # The manifest speaks of the old arrays: it goes first, so that the two never disagree.
            (folder.parent.parent / "manifest.csv").unlink(missing_ok=True)
    return prepared


def _linked(folder: Path, arrays: dict[str, np.ndarray]) -> bool:
    """Give the label file of a case that keeps its grid the reference's name too: their bytes are the same. It saves a
    fifth of an image's space, and the making of a file, which on some disks takes longer than everything else."""
    label, reference = arrays["label.npy"], arrays["reference.npy"]
    if not (label.flags.c_contiguous and reference.flags.c_contiguous and np.array_equal(label, reference)):
        return False
    try:
        os.link(folder / "label.npy", folder / "reference.npy")
    except OSError:  # a file system without links
        return False
    return True
