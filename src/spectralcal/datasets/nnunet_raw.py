"""An nnU-Net raw data set of the user's own, volumes or pictures: imagesTr, labelsTr and dataset.json."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from spectralcal.base.errors import DataError
from spectralcal.datasets._checks import SHOWN
from spectralcal.datasets._own import ENDINGS, Facts, OwnData, parse_facts, patient_of, read_description, stem
from spectralcal.datasets.base import Case, paired_cases
from spectralcal.datasets.json_values import path_of, paths_of, shown
from spectralcal.datasets.listing import by_key, files_in, nfc
from spectralcal.datasets.pictures import PICTURES, PictureReader, is_picture

_LAYOUT = "imagesTr/CASE_0000.nii.gz, CASE_0001.nii.gz, ... with labelsTr/CASE.nii.gz and dataset.json"


class NnunetRaw(OwnData):
    """A folder ``DatasetNNN_Name`` as nnU-Net reads it (format 2, and format 1, which differs in dataset.json alone).

    With a ``file_ending`` of pictures the data set is 2-D and its unit px. Red, green and blue are the three channels
    of one file ``CASE_0000.png``; other channels are a grey file each.

    Args:
        path: the folder.
        modality: of all channels, or a list with that of each. ``"auto"``: of each channel CT if dataset.json calls it
            so, ``"stored"`` (its intensities stay as they are) if it is called noNorm, else ``"photo"`` for pictures
            and MR for volumes.
        patient: regular expression whose first group, found in a case id, is the patient; None: every case is one.

    Raises:
        DataError: ``dataset.json`` is there and cannot be understood.
    """

    name = "nnunet_raw"
    title = "nnU-Net raw folder"
    folder = "nnunet_raw"
    layout = "a folder with dataset.json, imagesTr and labelsTr"
    source = (
        f"A folder of your own with {_LAYOUT};\n"
        "https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md describes it."
    )
    left_out = (("*imagests/*", "test images: nnU-Net keeps no labels for them"),)

    def __init__(
        self,
        path: str | None = None,
        modality: Literal["auto", "mr", "ct", "photo", "stored"]
        | tuple[Literal["mr", "ct", "photo", "stored"], ...] = "auto",
        patient: str | None = None,
    ):
        self.path, self.patient, self.modality_stated = path, patient, modality
        described = self.place is not None and (self.place / "dataset.json").is_file()
        self.describe(self._facts(self.place, modality) if described else None)

    def cases(self, root: Path) -> list[Case]:
        """Every label with its channels, as dataset.json lists them or by file name."""
        root = Path(root)
        content = self._description(root)
        count = len(self.channels)
        pairs = self._listed(root, content) if "dataset" in content else self._found(root, content, count)
        cases, problems = [], []
        for case, (images, label) in pairs.items():
            missing = [path.name for path in (*images, label) if not path.is_file()]
            if missing:
                problems.append(f"{case} lacks {', '.join(missing)}")
            elif len(images) != count and not (self.pictures and len(images) == 1):
                problems.append(f"{case} has {len(images)} channels instead of {count}")
            else:
                cases.append(Case(case, patient_of(self.name, case, self.patient), images, label))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def _facts(self, root: Path, modality: str | tuple[str, ...]) -> Facts:
        content = self._description(root)
        facts = parse_facts(self.name, root / "dataset.json", content, modality)
        if not is_picture(_ending(content)):
            return facts
        if modality == "auto" and "ct" not in (facts.modality, *(facts.modalities or ())):
            facts = replace(facts, modality="photo", modalities=None)
        return replace(facts, pictures=PictureReader(len(facts.channels)), unit="px")

    def _description(self, root: Path) -> dict[str, Any]:
        if not (root / "dataset.json").is_file():
            raise DataError(f"{self.name}: no dataset.json under {root}; expected {_LAYOUT}")
        return read_description(self.name, root / "dataset.json")

    def _listed(self, root: Path, content: dict[str, Any]) -> dict[str, tuple[tuple[Path, ...], Path]]:
        listed = content["dataset"]
        where = f"{self.name}: {root / 'dataset.json'}: dataset"
        if not isinstance(listed, dict):
            raise DataError(f"{where}: expected images and label of every case, found {shown(listed)}; correct it")
        pairs = {}
        for case, entry in listed.items():
            if not isinstance(entry, dict) or not {"images", "label"} <= set(entry):
                found = f"{case} with {', '.join(entry) or 'nothing'}" if isinstance(entry, dict) else shown(entry)
                raise DataError(f"{where}: expected images and label of every case, found {found}; correct it")
            images = paths_of(entry["images"], root, where, f"{case}: images")
            pairs[nfc(case)] = (images, path_of(entry["label"], root, where, f"{case}: label"))
        return pairs

    def _found(self, root: Path, content: dict[str, Any], count: int) -> dict[str, tuple[tuple[Path, ...], Path]]:
        ending = _ending(content)
        if ending not in (*ENDINGS, *PICTURES):
            raise DataError(
                f"{self.name}: {root / 'dataset.json'}: file_ending: expected one of "
                f"{', '.join((*ENDINGS, *PICTURES))}, found {ending!r}; convert the images"
            )
        labels = self._named(root / "labelsTr", ending)
        images: dict[str, dict[int, Path]] = {}
        for name, path in self._named(root / "imagesTr", ending).items():
            if match := re.fullmatch(r"(.+)_(\d{4})", name):
                images.setdefault(match[1], {})[int(match[2])] = path
        self._refuse_more(root, images, count)

        def channels(case: str) -> tuple[Path, ...]:
            there = images.get(case, {})
            files = tuple(there.get(n, root / "imagesTr" / f"{case}_{n:04d}{ending}") for n in range(count))
            in_one = self.pictures is not None and not any(path.is_file() for path in files[1:])
            return files[:1] if in_one else files

        return {
            case: (channels(case), labels.get(case, root / "labelsTr" / f"{case}{ending}"))
            for case in sorted(labels.keys() | images.keys())
        }

    def _named(self, folder: Path, ending: str) -> dict[str, Path]:
        """The files of a folder by their name without the ending.

        Raises:
            DataError: a volume that no file with the ending stands for has another, or two names are one.
        """
        files = files_in(folder)
        named, copies = by_key(
            ((nfc(path.name.removesuffix(ending)), path) for path in files if path.name.endswith(ending)), folder
        )
        endings = PICTURES if self.pictures is not None else ENDINGS
        others = [path for path in files if path.name.lower().endswith(endings) and not path.name.endswith(ending)]
        if lone := [path.name for path in others if stem(path) not in named]:
            copies.append(f"{len(lone)} file(s) such as {lone[0]} do not end in {ending}, the file_ending")
        if copies:
            raise DataError(f"{self.name}: {folder}: {'; '.join(copies)}; correct dataset.json or convert the files")
        return named

    def _refuse_more(self, root: Path, images: dict[str, dict[int, Path]], count: int) -> None:
        """Refuse channels that lie on the disk and that no name stands for: nobody would miss them."""
        more = {case: sorted(number for number in there if number >= count) for case, there in images.items()}
        more = {case: numbers for case, numbers in more.items() if numbers}
        if not more:
            return
        case, numbers = next(iter(sorted(more.items())))
        found = ", ".join(images[case][number].name for number in numbers[:SHOWN])
        raise DataError(
            f"{self.name}: {root / 'dataset.json'}: channel_names: expected a name for each channel on the disk, found "
            f"{count} ({', '.join(self.channels)}) and {found} besides in {len(more)} case(s), {case} first; name the "
            "channel or move its files away"
        )


def _ending(content: dict[str, Any]) -> str:
    return str(content.get("file_ending", ".nii.gz"))


DATASET = NnunetRaw
NUMERICS = 1  # see spectralcal.study.numerics
