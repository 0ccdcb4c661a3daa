"""Kvasir-SEG: colonoscopy frames with a polyp each."""

from __future__ import annotations

from pathlib import Path

from spectralcal.datasets._picture_pairs import PicturePairs
from spectralcal.datasets.base import Case
from spectralcal.datasets.pictures import PictureReader


class KvasirSeg(PicturePairs):
    """1000 frames of 332 x 487 to 1920 x 1072 pixels, some with the endoscope's position as a green inset.

    Masks are JPEG, whose values lie about 0 and 255: from 128 on is polyp. The files name no patient, and neighbouring
    frames of one examination may look alike.
    """

    name = "kvasir_seg"
    title = "Kvasir-SEG"
    folder = "Kvasir-SEG"
    classes = ("polyp",)
    pictures = PictureReader(channels=3, mask_threshold=128)
    licence = "research and education only"
    citation = "Jha et al., MMM 2020, doi:10.1007/978-3-030-37734-2_37"
    source = (
        "Download by hand (46 MB, no account): kvasir-seg.zip from https://datasets.simula.no/kvasir-seg/, SHA-256\n"
        "03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7, and unpack it."
    )
    expected_cases = 1000

    def cases(self, root: Path) -> list[Case]:
        """``images/ID.jpg`` with ``masks/ID.jpg``."""
        place = self.folder_with(Path(root), "images", "masks")
        images, masks = (
            self.by_name((place / part).glob("*"), lambda path: path.stem) for part in ("images", "masks")
        )  # fmt: skip
        return self.paired(root, images, masks, "images/ID.jpg with masks/ID.jpg")


DATASET = KvasirSeg
