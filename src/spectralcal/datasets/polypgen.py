"""PolypGen: colonoscopy frames of six centres."""

from __future__ import annotations

import re
from pathlib import Path

from spectralcal.datasets._picture_pairs import PicturePairs
from spectralcal.datasets.base import Case
from spectralcal.datasets.pictures import PictureReader

CENTRES = tuple(f"C{number}" for number in range(1, 7))
#: parts of names that say what a file is, not of which frame
_ROLES = re.compile(r"mask|image|img")
_LAYOUT = "data_CN/images_CN/NAME.jpg with data_CN/masks_CN/NAME_mask.jpg, N from 1 to 6"


class PolypGen(PicturePairs):
    """1537 single frames of six centres, the stratum; 125 show no polyp and have an empty mask.

    Sequences and the second copy of all positive frames are left out. Masks are JPEG: from 128 on is polyp. Their names
    are not always the frame's with ``_mask``, so that files are paired by letters and digits without words for what
    they are; two files of one name in this sense are refused.
    """

    name = "polypgen"
    title = "PolypGen"
    folder = "PolypGen"
    classes = ("polyp",)
    pictures = PictureReader(channels=3, mask_threshold=128)
    licence = "conflicting statements; read licence.txt in the archive"
    citation = "Ali et al., Sci Data 10:75, 2023, doi:10.1038/s41597-023-01981-y"
    source = (
        "Account and terms: PolypGen2021_MultiCenterData_v3.zip from https://www.synapse.org/Synapse:syn26376615, and\n"
        "unpack it."
    )
    expected_cases = 1537
    left_out = (
        ("*sequencedata/*", "sequences, not single frames"),
        ("*imagesall_positive/*", "a second copy of frames"),
    )

    def cases(self, root: Path) -> list[Case]:
        """Frames of each centre with their masks."""
        place = self.folder_with(Path(root), "data_C1")
        images, masks = (
            self.by_name(
                (path for centre in CENTRES for path in (place / f"data_{centre}" / f"{part}_{centre}").glob("*")),
                lambda path: f"{path.parent.name[-2:]}-{plain(path.stem)}",
            )
            for part in ("images", "masks")
        )
        return self.paired(root, images, masks, _LAYOUT, lambda name: name[:2])


def plain(stem: str) -> str:
    """Lower-case letters and digits of a file's name, without words for what the file is."""
    return re.sub(r"[^a-z0-9]", "", _ROLES.sub("", stem.lower()))


DATASET = PolypGen
