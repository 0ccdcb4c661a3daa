"""A task of the Medical Segmentation Decathlon, or a folder of the user's own in its layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.datasets import _checks
from spectralcal.datasets._own import OwnData, parse_facts, patient_of, read_description, stem
from spectralcal.datasets.base import Case, paired_cases
from spectralcal.datasets.json_values import entries_of, path_of
from spectralcal.datasets.listing import lies_inside

_ENTRIES = "a list of {image: path, label: path}"
_LAYOUT = "dataset.json with modality, labels and the list training: [{image, label}, ...]"


class Decathlon(OwnData):
    """A folder ``TaskNN_Name``; several channels are the fourth axis of one file.

    Args:
        path: the folder.
        modality: of all channels, or a list with that of each; ``"auto"``: of each channel CT if dataset.json calls it
            so, as stored if it is called noNorm, else MR.
        patient: regular expression whose first group, found in a case id, is the patient; None: every case is one.

    Raises:
        DataError: ``dataset.json`` is there and cannot be understood.
    """

    name = "decathlon"
    title = "Decathlon folder"
    folder = "decathlon"
    layout = "a folder with dataset.json, imagesTr and labelsTr"
    source = f"A folder of your own with {_LAYOUT},\nor a task of https://medicaldecathlon.com unpacked."
    left_out = (("*imagests/*", "test images: their labels are withheld"),)

    def __init__(
        self,
        path: str | None = None,
        modality: Literal["auto", "mr", "ct", "stored"] | tuple[Literal["mr", "ct", "stored"], ...] = "auto",
        patient: str | None = None,
    ):
        self.path, self.patient, self.modality_stated = path, patient, modality
        described = self.place is not None and (self.place / "dataset.json").is_file()
        self.describe(self._facts(self.place, modality) if described else None)

    def cases(self, root: Path) -> list[Case]:
        """The pairs under ``training``; ids are the names of the image files."""
        root = Path(root)
        listing = root / "dataset.json"
        where = f"{self.name}: {listing}"
        pairs = [
            tuple(path_of(entry[key], root, where, f"training[{number}].{key}") for key in ("image", "label"))
            for number, entry in enumerate(
                entries_of(self._description(root), "training", where, ("image", "label"), _ENTRIES)
            )
        ]
        for path in (path for pair in pairs for path in pair):
            if not lies_inside(path, root):
                raise DataError(f"{self.name}: {listing}: expected paths inside {root}, found {path}; correct it")
        problems = [
            f"{path.parent.name}/{path.name} is missing" for pair in pairs for path in pair if not path.is_file()
        ]
        cases = [
            Case(stem(image), patient_of(self.name, stem(image), self.patient), (image,), label)
            for image, label in pairs
        ]
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def geometry(self, case: Case) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Shape (*spatial) and spacing in mm; the channels' axis is not in it."""
        from spectralcal.datasets import _files

        with _checks.reading(self.name, case.id):
            return _files.read_geometry(case.images[0], len(self.channels))

    def _read_image(self, case: Case) -> tuple[_checks.Grid, np.ndarray]:
        from spectralcal.datasets import _files

        if len(self.channels) == 1:
            return super()._read_image(case)
        return _files.read_channels(case.images[0], len(self.channels))

    def _facts(self, root: Path, modality: str | tuple[str, ...]) -> Any:
        return parse_facts(self.name, root / "dataset.json", self._description(root), modality)

    def _description(self, root: Path) -> dict[str, Any]:
        if not (root / "dataset.json").is_file():
            raise DataError(f"{self.name}: no dataset.json under {root}; expected {_LAYOUT}")
        return read_description(self.name, root / "dataset.json")


DATASET = Decathlon
NUMERICS = 1  # see spectralcal.study.numerics
