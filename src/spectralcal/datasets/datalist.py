"""A MONAI datalist of the user's own: a JSON file that names image and label of every case, wherever they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from spectralcal.base.errors import DataError
from spectralcal.datasets._own import Facts, OwnData, parse_labels, patient_of, read_description, stem
from spectralcal.datasets.base import Case, paired_cases

_LAYOUT = "a JSON file with the list training: [{image: path or [path, ...], label: path}, ...]"


class Datalist(OwnData):
    """Cases as MONAI's tools list them. An entry may name its ``id``, ``patient`` and ``stratum`` too.

    Folds that entries may name are left aside: the split is the study's. Several channels are several files.

    Args:
        path: the JSON file.
        base: the folder that its paths start from; None: the file's own folder.
        section: the list of labelled cases.
        classes: names of labels 1, 2, ...; needed unless the file has ``labels`` as dataset.json of nnU-Net.
        channels: names of the channels; None: ``image``, or ``image 0``, ``image 1``, ... for several files.
        modality: decides how intensities are normalised.
        patient: regular expression whose first group, found in a case id, is the patient; None: every case is one,
            unless its entry names the patient.

    Raises:
        DataError: the file is there and cannot be understood.
    """

    name = "datalist"
    title = "MONAI datalist"
    folder = "datalist"
    layout = "a JSON list of cases"
    source = (
        f"A list of your own: {_LAYOUT};\nhttps://docs.monai.io/en/stable/data.html describes load_decathlon_datalist."
    )

    def __init__(
        self,
        path: str | None = None,
        base: str | None = None,
        section: str = "training",
        classes: tuple[str, ...] | None = None,
        channels: tuple[str, ...] | None = None,
        modality: Literal["mr", "ct"] = "mr",
        patient: str | None = None,
    ):
        self.path, self.base, self.section, self.patient = path, base, section, patient
        facts = None
        if self.place is not None and self.place.is_file():
            content = read_description(self.name, self.place)
            given = {"background": 0, **{text: value for value, text in enumerate(classes or (), start=1)}}
            names, label_map = parse_labels(self.name, self.place, given if classes else content.get("labels"))
            facts = Facts(tuple(channels or self._channels(content)), names, label_map, modality)
        self.describe(facts)

    def locate(self, data_root: Path) -> Path | None:
        """The folder that the list's paths start from, if the list is there."""
        if self.place is None or not self.place.is_file():
            return None
        return Path(self.base).expanduser() if self.base else self.place.parent

    def cases(self, root: Path) -> list[Case]:
        """The entries of the list; ids are the names of the first images, or their paths where names repeat."""
        root = Path(root)
        if self.place is None:
            raise DataError(f"{self.name}: no list for {root}; expected {_LAYOUT} as options.path")
        cases, problems = [], []
        entries = [
            (entry, tuple(root / image for image in _images(entry)), root / entry["label"])
            for entry in self._entries(read_description(self.name, self.place))
        ]
        repeated = Counter(stem(images[0]) for _, images, _ in entries)
        for entry, images, label in entries:
            name = stem(images[0])
            if repeated[name] > 1:
                name = "-".join([*images[0].parent.parts[len(root.parts) :], name])
            name = str(entry.get("id", name))
            missing = [str(path) for path in (*images, label) if not path.is_file()]
            if missing:
                problems.append(f"{name} lacks {', '.join(missing)}")
            elif len(images) != len(self.channels):
                problems.append(f"{name} has {len(images)} images instead of {len(self.channels)}")
            else:
                patient = str(entry.get("patient") or patient_of(self.name, name, self.patient))
                cases.append(Case(name, patient, images, label, str(entry.get("stratum", ""))))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def _channels(self, content: dict[str, Any]) -> tuple[str, ...]:
        count = len(_images(self._entries(content)[0]))
        return ("image",) if count == 1 else tuple(f"image {index}" for index in range(count))

    def _entries(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        entries = content.get(self.section)
        good = isinstance(entries, list) and bool(entries)
        if not good or not all(isinstance(entry, dict) and {"image", "label"} <= set(entry) for entry in entries):
            raise DataError(f"{self.name}: {self.place}: expected {_LAYOUT} under '{self.section}'; correct it")
        return entries


def _images(entry: dict[str, Any]) -> list[str]:
    return [entry["image"]] if isinstance(entry["image"], str) else list(entry["image"])


DATASET = Datalist
NUMERICS = 1  # see spectralcal.study.numerics
