"""Which files of a folder belong to which case: label maps, nnU-Net's npz beside them, probability maps, structures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spectralcal.base.errors import ConfigError, DataError, choices
from spectralcal.datasets.listing import files_in, is_rubbish, nfc
from spectralcal.predictions.classes import BACKGROUND, Classes

#: how probabilities are stored; "none": there are label maps alone
Kind = Literal["npz", "nifti", "none"]
KINDS: tuple[Kind, ...] = ("npz", "nifti", "none")
VOLUMES = (".nii.gz", ".nii")
#: folder of a case in which TotalSegmentator's data set has its structures
_SEGMENTATIONS = "segmentations"
_SHOWN = 3


@dataclass(frozen=True)
class Files:
    """The files of one case.

    Attributes:
        volume: a label map, or a 4-D file of probabilities.
        npz: probabilities as nnU-Net writes them, beside the label map.
        parts: name -> file, one per structure, or one per class of probabilities.
    """

    volume: Path | None = None
    npz: Path | None = None
    parts: Mapping[str, Path] = field(default_factory=dict)

    @property
    def first(self) -> Path:
        """A file that stands for the case in messages, and whose grid is the case's."""
        return self.volume if self.volume is not None else next(iter(self.parts.values()))


@dataclass(frozen=True)
class Pair:
    """A case with both sides.

    Attributes:
        id: name of its files.
        patient: cases of one patient are one observation.
        prediction, reference: their files.
    """

    id: str
    patient: str
    prediction: Files
    reference: Files


def find_references(folder: Path, option: str = "--references") -> dict[str, Files]:
    """Case -> label map, or its structures, a file each.

    Raises:
        DataError: no such folder, nothing in it, or both kinds in it.
    """
    volumes, structures = _volumes(folder, option), _structures(folder)
    if volumes and structures:
        raise _mixed(folder, option, "label maps or folders of structures", volumes, structures)
    if not volumes and not structures:
        raise DataError(f"{option} {folder}: expected CASE.nii.gz, or CASE/STRUCTURE.nii.gz, found none")
    return volumes or structures


def find_predictions(
    folder: Path, kind: str | None, known: Iterable[str], classes: Classes | None, option: str = "--predictions"
) -> tuple[Kind, dict[str, Files]]:
    """How probabilities are stored, and case -> files.

    Args:
        folder: of the predictions.
        kind: one of :data:`KINDS`; None: "npz" where the folder has such files, else "none".
        known: names of the references' cases, which say where the name of a case ends and that of a class begins.
        classes: their names, if the user named any.
        option: for messages.

    Raises:
        ConfigError: another kind.
        DataError: no such folder, nothing in it, or a mixture.
    """
    if kind not in (None, *KINDS):
        raise ConfigError(f"--probabilities: expected {choices(KINDS)}, found '{kind}'")
    archives = {nfc(path.name.removesuffix(".npz")): path for path in files_in(folder) if path.name.endswith(".npz")}
    if kind == "npz" or (kind is None and archives):
        return "npz", _with_archives(folder, option, archives)
    if kind == "nifti":
        return "nifti", _probability_maps(folder, option, set(known), classes)
    return "none", find_references(folder, option)


def pair(
    predictions: Mapping[str, Files],
    references: Mapping[str, Files],
    patient: str | None,
    folder: Path,
    option: str = "--references",
) -> list[Pair]:
    """Every prediction with its reference, in the order of their names; further references are left alone.

    Args:
        predictions, references: case -> files.
        patient: regular expression whose first group, found in a case's name, is the patient; None: each case is one.
        folder: of the references, for messages.
        option: that names it.

    Raises:
        ConfigError: `patient` is no such expression.
        DataError: a prediction has no reference, or no patient is found in its name.
    """
    if lacking := sorted(set(predictions) - set(references)):
        raise DataError(
            f"{option} {folder}: expected a reference for each of {len(predictions)} predictions, found none for "
            f"{_some(lacking)}; name the references like the predictions, or take the predictions out"
        )
    return [Pair(case, patient_of(case, patient), predictions[case], references[case]) for case in sorted(predictions)]


def patient_of(case: str, pattern: str | None) -> str:
    """The patient of a case: the first group of a regular expression in its name, or the name.

    Raises:
        ConfigError: no such expression.
        DataError: it is not in the name.
    """
    if pattern is None:
        return case
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--patient: expected a regular expression, found '{pattern}' ({error})") from None
    if not compiled.groups:
        raise ConfigError(f"--patient: expected a group in brackets, such as '(patient\\d+)', found '{pattern}'")
    if (match := compiled.search(case)) is None or not match[1]:
        raise DataError(f"--patient: expected '{pattern}' in the name of every case, found none in '{case}'")
    return match[1]


def _volumes(folder: Path, option: str) -> dict[str, Files]:
    if not folder.is_dir():
        raise DataError(f"{option}: expected a folder, found {'a file' if folder.exists() else 'nothing'} at {folder}")
    by_case: dict[str, Files] = {}
    for path in files_in(folder):
        if (ending := next((e for e in VOLUMES if path.name.endswith(e)), None)) is None:
            continue
        case = nfc(path.name.removesuffix(ending))
        if case in by_case:
            other = by_case[case].volume
            raise DataError(f"{option} {folder}: expected one file of case {case}, found {other.name} and {path.name}")
        by_case[case] = Files(volume=path)
    return by_case


def _structures(folder: Path) -> dict[str, Files]:
    """Case -> files of the folders that hold volumes, themselves or in a folder `segmentations`."""
    by_case = {}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and not is_rubbish(path.name)):
        place = inner / _SEGMENTATIONS if (inner / _SEGMENTATIONS).is_dir() else inner
        parts = {name: files.volume for name, files in _volumes(place, str(inner)).items()}
        if parts:
            by_case[nfc(inner.name)] = Files(parts=parts)
    return by_case


def _with_archives(folder: Path, option: str, archives: Mapping[str, Path]) -> dict[str, Files]:
    volumes = _volumes(folder, option)
    if not archives:
        raise DataError(
            f"{option} {folder}: expected CASE.npz with the probabilities, found none; predict with "
            "`nnUNetv2_predict --save_probabilities`, or score label maps with --probabilities none"
        )
    if without := sorted(set(volumes) - set(archives)):
        raise DataError(
            f"{option} {folder}: expected CASE.npz beside every label map, found none for {_some(without)}; predict "
            "these again with --save_probabilities, or score all label maps with --probabilities none"
        )
    if without := sorted(set(archives) - set(volumes)):
        raise DataError(
            f"{option} {folder}: expected the label map CASE.nii.gz beside every CASE.npz, found none for "
            f"{_some(without)}; an npz does not say its spacing, position and axes, which the label map does"
        )
    return {case: Files(volume=volumes[case].volume, npz=archives[case]) for case in sorted(archives)}


def _probability_maps(folder: Path, option: str, known: set[str], classes: Classes | None) -> dict[str, Files]:
    volumes, folders = _volumes(folder, option), _structures(folder)
    if volumes and folders:
        raise _mixed(folder, option, "4-D files, or one file per class", volumes, folders)
    if folders:
        return folders
    if not volumes:
        raise DataError(f"{option} {folder}: expected 4-D files CASE.nii.gz, or one file per class, found none")
    if known & set(volumes):
        return volumes
    by_case: dict[str, dict[str, Path]] = {}
    for name, files in volumes.items():
        case, class_name = _split(name, classes)
        if not case:
            return volumes  # no file per class: cases whose references are missing
        by_case.setdefault(case, {})[class_name] = files.volume
    return {case: Files(parts=parts) for case, parts in by_case.items()}


def _split(name: str, classes: Classes | None) -> tuple[str, str]:
    """A file's name as case and class: ``case_liver``, ``case_background``, ``case_0``; empty if it names no class."""
    for class_name in (BACKGROUND, *(classes.names if classes else ())):
        if name.endswith(f"_{class_name}"):
            return name.removesuffix(f"_{class_name}"), class_name
    match = re.fullmatch(r"(.+)_(\d{1,4})", name)
    return (match[1], match[2]) if match else ("", "")


def _mixed(
    folder: Path, option: str, expected: str, volumes: Mapping[str, Files], folders: Mapping[str, Files]
) -> DataError:
    return DataError(
        f"{option} {folder}: expected {expected}, found both: {_some(sorted(volumes))} as files and "
        f"{_some(sorted(folders))} as folders; keep one kind in this folder"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
