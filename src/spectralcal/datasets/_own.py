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
from spectralcal.datasets.json_values import integer_of, name_of, shown
from spectralcal.datasets.listing import from_home, has_word, nfc, on_disk
from spectralcal.datasets.pictures import PictureReader

#: endings of volumes that the readers know
ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr")


@dataclass(frozen=True)
class Facts:
    """What a description says: the attributes of a :class:`Dataset` of the same names."""

    channels: tuple[str, ...]
    classes: tuple[str, ...]
    label_map: dict[int, int] | None
    modality: str
    pictures: PictureReader | None = None
    unit: Unit = "mm"
    modalities: tuple[str, ...] | None = None
    expected_cases: int | None = None


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
    modality_stated: Any = None

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
            self.modalities, self.expected_cases = facts.modalities, facts.expected_cases
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
        """The `path` of the configuration, ``~`` expanded, as the disk spells it; None if it gives none."""
        return None if self.path is None else on_disk(from_home(self.path))

    def remarks(self, root: Path) -> list[str]:
        """Channels whose name speaks of CT and that are not taken for it."""
        names = [name for name, kind in zip(self.channels, self.channel_modalities, strict=True) if kind != "ct"]
        return [
            f"channel '{name}' is normalised as {self.channel_modalities[self.channels.index(name)].upper()}: only a "
            "channel called CT counts as CT by itself; state options.modality"
            for name in names
            if self.modality_stated == "auto" and has_word(name, "ct")
        ]

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


def parse_facts(name: str, path: Path, content: dict[str, Any], modality: str | tuple[str, ...]) -> Facts:
    """Channels and labels as ``dataset.json`` of nnU-Net (either version) and of the Decathlon states them.

    Args:
        name: data set, for messages.
        path: the file, for messages.
        content: of the file.
        modality: ``"mr"`` or ``"ct"``, of all channels or of each; ``"auto"``: of each channel CT if it is called so,
            as stored if it is called noNorm, else MR, as nnU-Net decides.

    Raises:
        DataError: no channel, labels that are not a numbered list with a background, or regions of several labels.
    """
    channels = content.get("channel_names", content.get("modality"))
    if isinstance(channels, str):
        channels = {"0": channels}
    if not isinstance(channels, dict) or not channels or not all(str(key).isdecimal() for key in channels):
        raise DataError(f'{name}: {path}: expected channel_names (or modality) such as {{"0": "T2"}}; add them')
    numbers = sorted(map(int, channels))
    if numbers != list(range(len(numbers))):
        raise DataError(
            f"{name}: {path}: channel_names: expected the numbers 0 to {len(numbers) - 1}, found "
            f"{', '.join(map(str, numbers))}; correct them"
        )
    names = tuple(
        name_of(channels[key], f"{name}: {path}", f"channel_names: {key}") for key in sorted(channels, key=int)
    )
    if not all(names):
        raise DataError(f"{name}: {path}: channel_names: expected a name for each channel, found none; add it")
    kind, kinds = _modalities(name, path, names, modality)
    if len(set(names)) < len(names):
        names = tuple(f"{text} {index}" for index, text in enumerate(names))
    classes, label_map = parse_labels(name, path, content.get("labels"))
    expected = _expected(content.get("numTraining"))
    return Facts(names, classes, label_map, kind, modalities=kinds, expected_cases=expected)


def split_modality(modality: str | tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """The modality of a whole data set and, where channels differ, that of each."""
    if isinstance(modality, str):
        return modality, None
    different = len(set(modality)) > 1
    return modality[0], tuple(modality) if different else None


def _modalities(
    name: str, path: Path, channels: tuple[str, ...], modality: str | tuple[str, ...]
) -> tuple[str, tuple[str, ...] | None]:
    if modality == "auto":
        called = {"ct": "ct", "nonorm": "stored"}
        modality = tuple(called.get(text.casefold(), "mr") for text in channels)
    if not isinstance(modality, str) and len(modality) != len(channels):
        raise DataError(
            f"{name}: options.modality: expected one or {len(channels)} (for {', '.join(channels)}), found "
            f"{len(modality)}; correct it"
        )
    return split_modality(modality)


def _expected(count: Any) -> int | None:
    number = integer_of(count)
    return number if number is not None and number > 0 else None


def parse_labels(name: str, path: Path, labels: Any) -> tuple[tuple[str, ...], dict[int, int] | None]:
    """Class names in the order of their values, and the map from stored values if they are not 1, 2, 3, ...

    `labels` maps names to values or, as in older files, values to names.
    """
    hint = 'such as {"background": 0, "organ": 1}'
    if not isinstance(labels, dict) or not labels:
        raise DataError(f"{name}: {path}: expected labels {hint}; add them")
    if all(str(key).isdecimal() for key in labels):
        labels = {_label_name(name, path, value, text): value for value, text in _once(name, path, labels)}
    values: dict[int, str] = {}
    for text, value in labels.items():
        if isinstance(value, list | tuple) or text.lower() == "ignore":
            raise DataError(
                f"{name}: {path}: label '{text}': expected one value per class, found {value!r}; regions and ignored "
                "voxels are not supported: store disjoint labels"
            )
        number = integer_of(value)
        if number is None:
            raise DataError(f"{name}: {path}: label '{text}': expected an integer, found {value!r}; correct it")
        if number in values:
            raise DataError(f"{name}: {path}: labels '{values[number]}' and '{text}' are both {number}; correct one")
        values[number] = text
    if 0 not in values or len(values) < 2 or min(values) < 0:
        raise DataError(f"{name}: {path}: expected labels {hint}, found values {sorted(values)}; add the background")
    foreground = sorted(set(values) - {0})
    consecutive = foreground == list(range(1, len(foreground) + 1))
    label_map = None if consecutive else {0: 0, **{value: index for index, value in enumerate(foreground, start=1)}}
    return tuple(values[value] for value in foreground), label_map


def _once(name: str, path: Path, labels: dict[str, Any]) -> list[tuple[str, Any]]:
    """Values with their names, each name once."""
    texts = [text for text in labels.values() if isinstance(text, str)]
    if double := next((text for text in texts if texts.count(text) > 1), None):
        raise DataError(f"{name}: {path}: two labels are called '{double}'; rename one")
    return list(labels.items())


def _label_name(name: str, path: Path, value: str, text: Any) -> str:
    if isinstance(text, str) and text.strip():
        return text
    raise DataError(f"{name}: {path}: label {value}: expected a name, found {shown(text)}; correct it")


def patient_of(name: str, case: str, pattern: str | None) -> str:
    """The patient of a case: the first group of the regular expression `pattern` (or all that it matches), else the id.

    Raises:
        DataError: the pattern is no regular expression or does not occur in the id.
    """
    if not pattern:
        return case
    try:
        match = re.search(nfc(pattern), case)
    except re.error as error:
        raise DataError(f"{name}: options.patient: expected a regular expression, found '{pattern}': {error}") from None
    if match is None:
        raise DataError(f"{name}: options.patient: '{pattern}' does not occur in case id '{case}'; correct the pattern")
    return match[1] if match.re.groups else match[0]


def stem(path: Path) -> str:
    """The file's name without the ending of its format, in Unicode's composed form."""
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), path.suffix)
    return nfc(path.name.removesuffix(ending))
