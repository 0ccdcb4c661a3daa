"""A MONAI datalist of the user's own: a JSON file that names image and label of every case, wherever they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

from spectralcal.base.errors import DataError
from spectralcal.datasets._own import (
    Facts,
    OwnData,
    parse_labels,
    patient_of,
    read_description,
    split_modality,
    stem,
)
from spectralcal.datasets.base import Case, paired_cases
from spectralcal.datasets.json_values import entries_of, name_of, path_of, paths_of
from spectralcal.datasets.listing import from_home, nfc, on_disk

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
        modality: decides how intensities are normalised, of all channels or as a list of each; ``"stored"``: not.
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
        modality: Literal["mr", "ct", "stored"] | tuple[Literal["mr", "ct", "stored"], ...] = "mr",
        patient: str | None = None,
    ):
        self.path, self.base, self.section, self.patient = path, base, section, patient
        facts = None
        if self.place is not None and self.place.is_file():
            content = read_description(self.name, self.place)
            given = {"background": 0, **{text: value for value, text in enumerate(classes or (), start=1)}}
            names, label_map = parse_labels(self.name, self.place, given if classes else content.get("labels"))
            images = tuple(channels or self._channels(content))
            if not isinstance(modality, str) and len(modality) != len(images):
                raise ValueError(f"modality: expected one or {len(images)}, got {len(modality)}")
            kind, kinds = split_modality(modality)
            facts = Facts(images, names, label_map, kind, modalities=kinds)
        self.describe(facts)

    def locate(self, data_root: Path) -> Path | None:
        """The folder that the list's paths start from, if the list is there."""
        if self.place is None or not self.place.is_file():
            return None
        return on_disk(from_home(self.base)) if self.base else self.place.parent

    def cases(self, root: Path) -> list[Case]:
        """The entries of the list; ids are the names of the first images, or their paths where names repeat."""
        root = Path(root)
        if self.place is None:
            raise DataError(f"{self.name}: no list for {root}; expected {_LAYOUT} as options.path")
        cases, problems = [], []
        entries = [
            (where, entry, self._images(entry, root, where), path_of(entry["label"], root, where, "label"))
            for where, entry in self._entries(read_description(self.name, self.place))
        ]
        repeated = Counter(stem(images[0]) for _, _, images, _ in entries)
        for where, entry, images, label in entries:
            name = stem(images[0])
            if repeated[name] > 1:
                name = nfc("-".join([*images[0].parent.parts[len(root.parts) :], name]))
            name = name_of(entry.get("id"), where, "id", name)
            missing = [str(path) for path in (*images, label) if not path.is_file()]
            if missing:
                problems.append(f"{name} lacks {', '.join(missing)}")
            elif len(images) != len(self.channels):
                problems.append(f"{name} has {len(images)} images instead of {len(self.channels)}")
            else:
                patient = name_of(entry.get("patient"), where, "patient")
                patient = patient or patient_of(self.name, name, self.patient)
                cases.append(Case(name, patient, images, label, name_of(entry.get("stratum"), where, "stratum")))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def remarks(self, root: Path) -> list[str]:
        """Lists of labelled cases that :attr:`section` does not name."""
        content = read_description(self.name, self.place) if self.place is not None else {}
        others = {
            key: sum(isinstance(entry, dict) and bool(entry.get("label")) for entry in entries)
            for key, entries in content.items()
            if key != self.section and isinstance(entries, list)
        }
        remarks = [
            f"{self.place}: {count} labelled entries under '{key}' are left out: options.section is '{self.section}'"
            for key, count in others.items()
            if count
        ]
        return remarks + super().remarks(root)

    def _channels(self, content: dict[str, Any]) -> tuple[str, ...]:
        where, entry = self._entries(content)[0]
        count = len(self._images(entry, Path(), where))
        return ("image",) if count == 1 else tuple(f"image {index}" for index in range(count))

    def _images(self, entry: dict[str, Any], root: Path, where: str) -> tuple[Path, ...]:
        return paths_of(entry["image"], root, where, "image")

    def _entries(self, content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Where each entry stands, for messages, and the entry."""
        listing = f"{self.name}: {self.place}"
        entries = entries_of(content, self.section, listing, ("image", "label"), _LAYOUT)
        return [(f"{listing}: {self.section}[{number}]", entry) for number, entry in enumerate(entries)]


DATASET = Datalist
NUMERICS = 1  # see spectralcal.study.numerics
