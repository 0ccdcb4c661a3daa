"""ISIC 2018, task 1: dermoscopy images with the outline of a lesion each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from spectralcal.datasets._picture_pairs import PicturePairs
from spectralcal.datasets.base import Case
from spectralcal.datasets.pictures import PictureReader

IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"
_IMAGE, _MASK = re.compile(r"(ISIC_\d{7})\.jpg"), re.compile(r"(ISIC_\d{7})_segmentation\.png")


class Isic2018(PicturePairs):
    """2594 images of the training part, of very different sizes; studies split these.

    The validation and test parts (100 and 1000) are left out: what is compared in print is made of the training part.
    """

    name = "isic2018"
    title = "ISIC 2018"
    folder = "ISIC2018"
    classes = ("lesion",)
    label_map: ClassVar[dict[int, int]] = {0: 0, 255: 1}
    pictures = PictureReader(channels=3)
    licence = "CC0 or CC BY-NC by image"
    citation = "Codella et al., arXiv:1902.03368; Tschandl et al., Sci Data 5:180161, 2018, doi:10.1038/sdata.2018.161"
    source = (
        "Download by hand (10.4 GB, no account): training data and ground truth of task 1 from\n"
        "https://challenge.isic-archive.com/data/#2018, and unpack both archives."
    )
    expected_cases = 2594
    left_out = (("*validation*/*", "the challenge's validation part"), ("*test*/*", "the challenge's test part"))

    def cases(self, root: Path) -> list[Case]:
        """``ISIC_NNNNNNN.jpg`` with ``ISIC_NNNNNNN_segmentation.png``."""
        root = Path(root)
        images = self.by_name((root / IMAGES).glob("*"), lambda path: first_group(_IMAGE, path))
        masks = self.by_name((root / MASKS).glob("*"), lambda path: first_group(_MASK, path))
        expected = f"{IMAGES}/ISIC_NNNNNNN.jpg with {MASKS}/ISIC_NNNNNNN_segmentation.png"
        return self.paired(root, images, masks, expected)


def first_group(pattern: re.Pattern[str], path: Path) -> str | None:
    """What a file's whole name says by a pattern; None if it has another form."""
    match = pattern.fullmatch(path.name)
    return match[1] if match else None


DATASET = Isic2018
