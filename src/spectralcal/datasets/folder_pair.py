"""Pictures of the user's own: a folder of images and a folder of masks whose files have equal names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from spectralcal.base.errors import DataError
from spectralcal.datasets import _checks
from spectralcal.datasets._own import Facts, OwnData, patient_of
from spectralcal.datasets.base import Case, paired_cases
from spectralcal.datasets.listing import files_in, nfc, on_disk
from spectralcal.datasets.pictures import COLOURS, PictureReader, is_picture

#: images that are looked at to tell grey from colour, if the first ones are damaged
LOOKED_AT = 10


class FolderPair(OwnData):
    """PNG, JPEG and TIFF files, 2-D: ``images/NAME.jpg`` with ``masks/NAME.png``, each in any of the three formats.

    Args:
        path: the folder that contains both.
        images, masks: the two folders below it; they may be one, if a suffix tells its files apart.
        image_suffix, mask_suffix: end of a file's name before its ending that is not part of the common name,
            ``"_segmentation"`` for ``NAME_segmentation.png``.
        classes: names of labels 1, 2, ...
        label_map: stored value -> label, such as ``{0: 0, 255: 1}``; None: masks contain 0, 1, 2, ...
        mask_threshold: of one class, masks that JPEG or a resize has blurred: values from here on are the class.
        channels: names of one channel (grey) or three (red, green, blue); None: as the first image has.
        modality: decides how intensities are normalised; in a ``"photo"`` every pixel counts, black ones too.
        patient: regular expression whose first group, found in a case id, is the patient; None: every case is one.
        spacing_mm: distance of rows and of columns, mm; None: not known, and distances are in px.
        exif_orientation: ``"refuse"``: files that a viewer would turn are an error; ``"apply"``: turn them as it does.

    Raises:
        ValueError: options that contradict each other.
    """

    name = "folder_pair"
    title = "Folder of images and masks"
    folder = "folder_pair"
    modality = "photo"
    layout = "a folder with images and masks (PNG, JPEG or TIFF)"
    label_remedy = (
        "state label_map for values that mean a class ({0: 0, 255: 1}) or mask_threshold for a blurred mask, or "
        "restore the file"
    )
    source = (
        "A folder of your own with images/NAME.png and masks/NAME.png (or .jpg, .tif);\n"
        "https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html describes the formats."
    )

    def __init__(
        self,
        path: str | None = None,
        images: str = "images",
        masks: str = "masks",
        image_suffix: str = "",
        mask_suffix: str = "",
        classes: tuple[str, ...] = ("foreground",),
        label_map: dict[int, int] | None = None,
        mask_threshold: float | None = None,
        channels: tuple[str, ...] | None = None,
        modality: Literal["photo", "mr", "ct"] = "photo",
        patient: str | None = None,
        spacing_mm: tuple[float, float] | None = None,
        exif_orientation: Literal["refuse", "apply"] = "refuse",
    ):
        self.path, self.patient = path, patient
        self.images, self.masks = images, masks
        self.image_suffix, self.mask_suffix = image_suffix, mask_suffix
        if images == masks and image_suffix == mask_suffix:
            raise ValueError(f"images and masks: expected two folders or two suffixes, got '{images}' twice")
        labels = None if label_map is None else {int(value): int(label) for value, label in label_map.items()}
        _check_labels(tuple(classes), labels, mask_threshold)
        if spacing_mm is not None and not all(value > 0 for value in spacing_mm):
            raise ValueError(f"spacing_mm: expected two positive numbers, got {tuple(spacing_mm)}")
        self.classes, self.label_map = tuple(classes), labels
        spacing = tuple(float(value) for value in spacing_mm or (1.0, 1.0))
        reader = PictureReader(3, spacing, mask_threshold, exif_orientation)
        names = tuple(channels) if channels is not None else self._seen_channels(reader)
        if names is None:
            return  # not in place: what the options say is known, channels are not
        if len(names) not in (1, 3):
            raise ValueError(f"channels: expected one name or three, got {len(names)}")
        unit = "px" if spacing_mm is None else "mm"
        self.describe(Facts(names, self.classes, labels, modality, replace(reader, channels=len(names)), unit))

    def locate(self, data_root: Path) -> Path | None:
        """The configured folder, if both folders are in it."""
        place = self.place
        there = place is not None and (place / self.images).is_dir() and (place / self.masks).is_dir()
        return place if there else None

    def cases(self, root: Path) -> list[Case]:
        """The pairs of files with a common name, which is the case's id."""
        root = Path(root)
        images = self._named(on_disk(root / self.images), self.image_suffix, self.mask_suffix)
        masks = self._named(on_disk(root / self.masks), self.mask_suffix, self.image_suffix)
        problems = [f"{name} lacks a mask" for name in sorted(images.keys() - masks.keys())]
        problems += [f"{name} lacks an image" for name in sorted(masks.keys() - images.keys())]
        cases = [
            Case(name, patient_of(self.name, name, self.patient), (images[name],), masks[name])
            for name in images.keys() & masks.keys()
        ]
        expected = (
            f"{self.images}/NAME{self.image_suffix} with {self.masks}/NAME{self.mask_suffix} as .png, .jpg or .tif"
        )
        return paired_cases(self.name, cases, problems, root, expected)

    def _named(self, folder: Path, suffix: str, other: str) -> dict[str, Path]:
        """The pictures of a folder by their common name; in a shared folder those with the `other` suffix are left."""
        shared = self.images == self.masks
        paths: dict[str, Path] = {}
        for path in files_in(folder):
            # Where one suffix ends with the other, the longer one tells.
            others = shared and len(other) > len(suffix) and nfc(path.stem).endswith(nfc(other))
            if not is_picture(path) or not nfc(path.stem).endswith(nfc(suffix)) or others:
                continue
            name = nfc(path.stem).removesuffix(nfc(suffix))
            if name in paths:
                raise DataError(
                    f"{self.name}: {folder}: expected one file per name, found {paths[name].name} and {path.name}; "
                    "remove one"
                )
            paths[name] = path
        return paths

    def _seen_channels(self, reader: PictureReader) -> tuple[str, ...] | None:
        """Channels of the first image that can be read; None where the folder is not in place."""
        if self.place is None:
            return COLOURS  # the kind itself is listed
        if not (self.place / self.images).is_dir():
            return None
        images = self._named(self.place / self.images, self.image_suffix, self.mask_suffix)
        for path in list(images.values())[:LOOKED_AT]:
            try:
                return ("grey",) if reader.channel_count(path) == 1 else COLOURS
            except _checks.BadFile:
                continue  # said with all others when the cases are read
        return COLOURS


def _check_labels(classes: tuple[str, ...], label_map: dict[int, int] | None, threshold: float | None) -> None:
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f"classes: expected different names, got {', '.join(classes) or 'none'}")
    if threshold is not None and (label_map is not None or len(classes) != 1):
        raise ValueError("mask_threshold: expected one class and no label_map beside it")
    if label_map is None:
        return
    wanted, used = set(range(len(classes) + 1)), set(label_map.values())
    if used != wanted or min(label_map) < 0:
        labels = ", ".join(map(str, sorted(wanted)))
        raise ValueError(f"label_map: expected stored values that stand for the labels {labels}, got {label_map}")


DATASET = FolderPair
