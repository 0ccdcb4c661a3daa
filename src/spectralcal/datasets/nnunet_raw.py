"""An nnU-Net raw data set of the user's own, volumes or pictures: imagesTr, labelsTr and dataset.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from spectralcal.base.errors import DataError
from spectralcal.datasets._own import ENDINGS, Facts, OwnData, parse_facts, patient_of, read_description
from spectralcal.datasets.base import Case, paired_cases
from spectralcal.datasets.pictures import PICTURES, PictureReader, is_picture

_LAYOUT = "imagesTr/CASE_0000.nii.gz, CASE_0001.nii.gz, ... with labelsTr/CASE.nii.gz and dataset.json"


class NnunetRaw(OwnData):
    """A folder ``DatasetNNN_Name`` as nnU-Net reads it (format 2, and format 1, which differs in dataset.json alone).

    With a ``file_ending`` of pictures the data set is 2-D and its unit px. Red, green and blue are the three channels
    of one file ``CASE_0000.png``; other channels are a grey file each.

    Args:
        path: the folder.
        modality: ``"auto"``: CT if dataset.json calls the channel so, else ``"photo"`` for pictures and MR for volumes.
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
        modality: Literal["auto", "mr", "ct", "photo"] = "auto",
        patient: str | None = None,
    ):
        self.path, self.patient = path, patient
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

    def _facts(self, root: Path, modality: str) -> Facts:
        content = self._description(root)
        facts = parse_facts(self.name, root / "dataset.json", content, modality)
        if not is_picture(_ending(content)):
            return facts
        if modality == "auto" and facts.modality != "ct":
            facts = replace(facts, modality="photo")
        return replace(facts, pictures=PictureReader(len(facts.channels)), unit="px")

    def _description(self, root: Path) -> dict[str, Any]:
        if not (root / "dataset.json").is_file():
            raise DataError(f"{self.name}: no dataset.json under {root}; expected {_LAYOUT}")
        return read_description(self.name, root / "dataset.json")

    def _listed(self, root: Path, content: dict[str, Any]) -> dict[str, tuple[tuple[Path, ...], Path]]:
        try:
            return {
                case: (tuple(root / image for image in entry["images"]), root / entry["label"])
                for case, entry in content["dataset"].items()
            }
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.name}: {root / 'dataset.json'}: dataset: expected images and label of every case, "
                f"found {type(error).__name__}: {error}; correct it"
            ) from None

    def _found(self, root: Path, content: dict[str, Any], count: int) -> dict[str, tuple[tuple[Path, ...], Path]]:
        ending = _ending(content)
        if ending not in (*ENDINGS, *PICTURES):
            raise DataError(
                f"{self.name}: {root / 'dataset.json'}: file_ending: expected one of "
                f"{', '.join((*ENDINGS, *PICTURES))}, found {ending!r}; convert the images"
            )
        labels = {path.name.removesuffix(ending) for path in (root / "labelsTr").glob(f"[!.]*{ending}")}
        images = {path.name.removesuffix(ending)[:-5] for path in (root / "imagesTr").glob(f"[!.]*_????{ending}")}

        def channels(case: str) -> tuple[Path, ...]:
            files = tuple(root / "imagesTr" / f"{case}_{channel:04d}{ending}" for channel in range(count))
            in_one = self.pictures is not None and not any(path.is_file() for path in files[1:])
            return files[:1] if in_one else files

        return {case: (channels(case), root / "labelsTr" / f"{case}{ending}") for case in sorted(labels | images)}


def _ending(content: dict[str, Any]) -> str:
    return str(content.get("file_ending", ".nii.gz"))


DATASET = NnunetRaw
NUMERICS = 1  # see spectralcal.study.numerics
