"""Which stored label value is which class: from ``--labels``, from nnU-Net's dataset.json, or from the files' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectralcal.base.errors import ConfigError, DataError
from spectralcal.base.files import require_json

BACKGROUND = "background"
#: nnU-Net's name for voxels without a label
IGNORE = "ignore"
_REMEDY = "name the labels: --labels liver,spleen, or --labels liver=1,spleen=5, or --labels dataset.json"


@dataclass(frozen=True)
class Classes:
    """The foreground classes in the order of probability channels, which begin with the background.

    Attributes:
        names: of classes 1, 2, ...
        values: label value that files store for each.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]

    @classmethod
    def numbered(cls, names: Sequence[str]) -> Classes:
        """Classes that files store as 1, 2, ..."""
        return cls(tuple(names), tuple(range(1, len(names) + 1)))

    @property
    def count(self) -> int:
        """Classes with the background."""
        return len(self.names) + 1

    @property
    def by_value(self) -> dict[int, int]:
        """Stored value -> class, the background's 0 included."""
        return {0: 0, **{value: number for number, value in enumerate(self.values, 1)}}

    def channel(self, name: str) -> int | None:
        """The channel that a file called `name` holds: a class's name, ``background``, or the channel's number."""
        if name in (BACKGROUND, *self.names):
            return (BACKGROUND, *self.names).index(name)
        number = int(name) if name.isdecimal() else -1
        return number if 0 <= number < self.count else None


def stated_classes(labels: str | None, *folders: Path) -> Classes | None:
    """Classes that the user named, or that nnU-Net's dataset.json names in one of the folders; None: nobody did.

    Args:
        labels: ``liver,spleen``, ``liver=1,spleen=5`` or the path of a dataset.json.
        folders: looked at in this order where `labels` is None.

    Raises:
        ConfigError: `labels` cannot be understood.
        DataError: a dataset.json cannot.
    """
    if labels is None:
        file = next((folder / "dataset.json" for folder in folders if (folder / "dataset.json").is_file()), None)
        return None if file is None else _from_dataset_json(file)
    if labels.endswith(".json"):
        return _from_dataset_json(Path(labels))
    pairs = [part.partition("=") for part in labels.split(",")]
    names = [name.strip() for name, _, _ in pairs]
    given = [value.strip() for _, sign, value in pairs if sign]
    if given and (len(given) < len(pairs) or not all(value.isdecimal() for value in given)):
        raise ConfigError(f"--labels: expected a whole number behind every name, found '{labels}'; {_REMEDY}")
    return _checked("--labels", names, [int(value) for value in given] or list(range(1, len(names) + 1)), ConfigError)


def _from_dataset_json(file: Path) -> Classes:
    content: Mapping[str, Any] = require_json(file, "nnU-Net's dataset.json", _REMEDY)
    labels = content.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise DataError(f"{file}: expected labels, a name and a number each, found {labels!r:.80}; {_REMEDY}")
    if all(key.isdecimal() for key in labels):  # of nnU-Net before version 2
        labels = {str(name): int(value) for value, name in labels.items()}
    if regions := [name for name, value in labels.items() if isinstance(value, list)]:
        raise DataError(
            f"{file}: expected a number for each label, found regions ({', '.join(regions)}): their probabilities are "
            "sigmoids that overlap and do not sum to 1; score the label maps with --labels and --probabilities none"
        )
    numbers = {name: value for name, value in labels.items() if name != IGNORE and value != 0}
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in numbers.values()):
        raise DataError(f"{file}: expected a number for each label, found {labels!r:.80}; {_REMEDY}")
    ordered = sorted(numbers, key=lambda name: numbers[name])
    return _checked(f"{file}: labels", ordered, [numbers[name] for name in ordered], DataError)


def _checked(where: str, names: Sequence[str], values: Sequence[int], error: type[Exception]) -> Classes:
    whole = ", ".join(names)
    if not names or not all(names) or len(set(names)) < len(names) or BACKGROUND in names:
        raise error(f"{where}: expected each class once, and no background, found '{whole}'; {_REMEDY}")
    if len(set(values)) < len(values) or min(values) < 1 or max(values) > 65535:
        raise error(f"{where}: expected a label of its own from 1 to 65535 for each class, found {list(values)}")
    if len(names) > 255:
        raise error(f"{where}: expected at most 255 classes, found {len(names)}")
    return Classes(tuple(names), tuple(values))
