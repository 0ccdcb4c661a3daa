"""A data set of the user's own: its facts come from a JSON file beside the volumes, not from a class."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from spectralcal.base.errors import DataError
from spectralcal.base.files import require_json
from spectralcal.datasets.base import Dataset
from spectralcal.datasets.facts import Unit
from spectralcal.datasets.pictures import PictureReader

#: endings of volumes that the readers know
ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd")


@dataclass(frozen=True)
class Facts:
    """What a description says: the attributes of a :class:`Dataset` of the same names."""

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    label_map: dict[int, int] | None
    modality: str
    pictures: PictureReader | None = None
    unit: Unit = "mm"


class OwnData(Dataset):
    """A kind of data set: a layout that serves any number of data sets, each named and placed by a configuration.

    ``classes`` and ``channels`` exist where the description is in place; elsewhere they raise a DataError.

    Attributes:
        layout: what `path` must contain, for messages.
        path: folder or file, as a configuration gives it; None only where the kind itself is listed.
    """

    modality = "mr"
    licence = "the user's own"
    citation = "the user's own"
    layout: ClassVar[str]
    path: str | None

    def describe(self, facts: Facts | None) -> None:
        """Take over the facts of a description; None: it is not in place.

        Without a `path` nothing is described, and placeholders let the kind itself be listed.
        """
        if facts is None and self.path is None:
            facts = Facts(("image",), ("foreground",), None, self.modality)
        if facts is not None:
            self.channels, self.classes = facts.channels, facts.classes
            self.label_map, self.modality = facts.label_map, facts.modality
            self.pictures, self.unit = facts.pictures, facts.unit
            self.spatial_dims = 3 if facts.pictures is None else 2

    def __getattr__(self, attribute: str) -> Any:
        if attribute in ("classes", "channels"):
            raise DataError(
                f"{self.name}: {self.path}: expected the description that names the {attribute}, found nothing; "
                "correct the path"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute '{attribute}'")

    @property
    def place(self) -> Path | None:
        """The `path` of the configuration, ``~`` expanded; None if it gives none."""
        return None if self.path is None else Path(self.path).expanduser()

    def locate(self, data_root: Path) -> Path | None:
        """The configured folder, if it is there with its dataset.json."""
        return self.place if self.place is not None and (self.place / "dataset.json").is_file() else None

    def expected_at(self, data_root: Path) -> Path:
        """The configured place; only the kind itself has none."""
        return self.place or super().expected_at(data_root)

    def fetch(self, data_root: Path) -> Path:
        """Nothing can be downloaded.

        Raises:
            DataError: always; the message says where the data were looked for.
        """
        raise DataError(
            f"{self.name}: expected {self.layout} at {self.expected_at(data_root)}, found nothing, and data of one's "
            "own cannot be downloaded automatically; correct its path"
        )


def read_description(name: str, path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        DataError: it cannot be read or is not a JSON object.
    """
    return require_json(path, "a JSON object", "restore the file", where=f"{name}: ")


def parse_facts(name: str, path: Path, content: dict[str, Any], modality: str) -> Facts:
    """Channels and labels as ``dataset.json`` of nnU-Net (either version) and of the Decathlon states them.

    Args:
        name: data set, for messages.
        path: the file, for messages.
        content: of the file.
        modality: ``"mr"`` or ``"ct"``; ``"auto"``: CT if every channel is called so, else MR.

    Raises:
        DataError: no channel, labels that are not a numbered list with a background, or regions of several labels.
    """
    channels = content.get("channel_names", content.get("modality"))
    if isinstance(channels, str):
        channels = {"0": channels}
    if not isinstance(channels, dict) or not channels or not all(key.isdigit() for key in map(str, channels)):
        raise DataError(f'{name}: {path}: expected channel_names (or modality) such as {{"0": "T2"}}; add them')
    names = tuple(str(channels[key]) for key in sorted(channels, key=int))
    if len(set(names)) < len(names):
        names = tuple(f"{text} {index}" for index, text in enumerate(names))
    classes, label_map = parse_labels(name, path, content.get("labels"))
    if modality == "auto":
        modality = "ct" if all(text.lower() == "ct" for text in map(str, channels.values())) else "mr"
    return Facts(names, classes, label_map, modality)


def parse_labels(name: str, path: Path, labels: Any) -> tuple[tuple[str, ...], dict[int, int] | None]:
    """Class names in the order of their values, and the map from stored values if they are not 1, 2, 3, ...

    `labels` maps names to values or, as in older files, values to names.
    """
    hint = 'such as {"background": 0, "organ": 1}'
    if not isinstance(labels, dict) or not labels:
        raise DataError(f"{name}: {path}: expected labels {hint}; add them")
    if all(key.isdigit() for key in map(str, labels)):
        labels = {str(text): value for value, text in labels.items()}
    values: dict[int, str] = {}
    for text, value in labels.items():
        if isinstance(value, list | tuple) or text.lower() == "ignore":
            raise DataError(
                f"{name}: {path}: label '{text}': expected one value per class, found {value!r}; regions and ignored "
                "voxels are not supported: store disjoint labels"
            )
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise DataError(
                f"{name}: {path}: label '{text}': expected an integer, found {value!r}; correct it"
            ) from None
        if number in values:
            raise DataError(f"{name}: {path}: labels '{values[number]}' and '{text}' are both {number}; correct one")
        values[number] = text
    if 0 not in values or len(values) < 2 or min(values) < 0:
        raise DataError(f"{name}: {path}: expected labels {hint}, found values {sorted(values)}; add the background")
    foreground = sorted(set(values) - {0})
    consecutive = foreground == list(range(1, len(foreground) + 1))
    label_map = None if consecutive else {0: 0, **{value: index for index, value in enumerate(foreground, start=1)}}
    return tuple(values[value] for value in foreground), label_map


def patient_of(name: str, case: str, pattern: str | None) -> str:
    """The patient of a case: the first group of the regular expression `pattern` (or all that it matches), else the id.

    Raises:
        DataError: the pattern is no regular expression or does not occur in the id.
    """
    if not pattern:
        return case
    try:
        match = re.search(pattern, case)
    except re.error as error:
        raise DataError(f"{name}: options.patient: expected a regular expression, found '{pattern}': {error}") from None
    if match is None:
        raise DataError(f"{name}: options.patient: '{pattern}' does not occur in case id '{case}'; correct the pattern")
    return match[1] if match.re.groups else match[0]


def stem(path: Path) -> str:
    """The file's name without the ending of its format."""
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), path.suffix)
    return path.name.removesuffix(ending)
