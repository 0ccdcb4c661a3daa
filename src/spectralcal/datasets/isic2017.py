"""ISIC 2017, part 1: dermoscopy images, most of which are in ISIC 2018 again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import DataError
from spectralcal.datasets._picture_pairs import PicturePairs
from spectralcal.datasets.base import Case
from spectralcal.datasets.isic2018 import IMAGES, Isic2018, first_group
from spectralcal.datasets.pictures import PictureReader

#: part -> folders of its images and masks
FOLDERS = {
    part: (f"ISIC-2017_{part}_Data", f"ISIC-2017_{part}_Part1_GroundTruth")
    for part in ("Training", "Validation", "Test_v2")
}
#: images of each part
IMAGES_OF = {"training": 2000, "validation": 150, "test_v2": 600}
_IMAGE, _MASK = re.compile(r"(ISIC_\d{7})\.jpg"), re.compile(r"(ISIC_\d{7})_segmentation\.png")


class Isic2017(PicturePairs):
    """2000 training, 150 validation and 600 test images; as a test set of networks that were trained on ISIC 2018.

    Of a range of consecutive ids, five of six test images are in the training part of ISIC 2018, and nothing is learnt
    from scoring these. They are left out, by id and by content, unless `exclude_known` says otherwise.

    Args:
        exclude_known: leave out images that are in ISIC 2018, whose folder must then lie beside this one's.
        parts: which parts to take, of "training", "validation" and "test_v2"; the stratum is the part.

    Raises:
        ValueError: an unknown part, or none.
    """

    name = "isic2017"
    title = "ISIC 2017"
    folder = "ISIC2017"
    classes = ("lesion",)
    label_map: ClassVar[dict[int, int]] = {0: 0, 255: 1}
    pictures = PictureReader(channels=3)
    licence = "CC0"
    citation = "Codella et al., ISBI 2018, arXiv:1710.05006"
    source = (
        "Download by hand (no account): training, validation and test data and part 1's ground truth from\n"
        "https://challenge.isic-archive.com/data/#2017, and unpack all six archives."
    )
    left_out = (("*superpixels*", "superpixels of part 2"),)

    def __init__(
        self, exclude_known: bool = True, parts: tuple[str, ...] = ("training", "validation", "test_v2")
    ) -> None:
        known = [part.lower() for part in FOLDERS]
        if not parts or not set(parts) <= set(known):
            raise ValueError(f"parts: expected some of {', '.join(known)}, got {', '.join(parts) or 'none'}")
        self.exclude_known, self.parts = exclude_known, tuple(parts)
        # What is left of a complete copy depends on the other set.
        self.expected_cases = None if exclude_known else sum(IMAGES_OF[part] for part in set(parts))

    def cases(self, root: Path) -> list[Case]:
        """``ISIC_NNNNNNN.jpg`` with ``ISIC_NNNNNNN_segmentation.png`` of each part."""
        root = Path(root)
        chosen = [part for part in FOLDERS if part.lower() in self.parts]
        images = self.by_name(
            (path for part in chosen for path in (root / FOLDERS[part][0]).glob("*")), lambda p: first_group(_IMAGE, p)
        )
        masks = self.by_name(
            (path for part in chosen for path in (root / FOLDERS[part][1]).glob("*")), lambda p: first_group(_MASK, p)
        )
        part_of = {name: path.parent.name.removeprefix("ISIC-2017_").removesuffix("_Data").lower()
                   for name, path in images.items()}  # fmt: skip
        expected = "ISIC-2017_Training_Data/ISIC_NNNNNNN.jpg with …_Part1_GroundTruth/ISIC_NNNNNNN_segmentation.png"
        cases = self.paired(root, images, masks, expected, lambda name: part_of[name])
        if not self.exclude_known:
            return cases
        known = known_again(images, self._other(root))
        return [case for case in cases if case.id not in known]

    def _other(self, root: Path) -> list[Path]:
        """Images of ISIC 2018, beside this set."""
        folder = root.parent / Isic2018.folder / IMAGES
        files = sorted(folder.glob("ISIC_*.jpg"))
        if not files:
            raise DataError(
                f"{self.name}: exclude_known: expected the images of ISIC 2018, to leave out those that are in both, "
                f"found none at {folder}; put them there, or set exclude_known: false to score images that networks "
                "may have been trained on"
            )
        return files


def known_again(images: dict[str, Path], others: list[Path]) -> dict[str, str]:
    """Names of images that are among `others` -> why: "id", or "content" under another name."""
    ids = {path.stem for path in others}
    by_size: dict[int, list[Path]] = {}
    for path in others:
        by_size.setdefault(path.stat().st_size, []).append(path)
    found = {}
    for name, path in images.items():
        if name in ids:
            found[name] = "id"
        # Only files of one length can be the same: hardly any others are read.
        elif (same := by_size.get(path.stat().st_size)) and file_digest(path) in map(file_digest, same):
            found[name] = "content"
    return found


DATASET = Isic2017
