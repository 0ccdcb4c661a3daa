"""PROMISE12: the prostate in T2-weighted MR from four centres."""

from __future__ import annotations

import re
from pathlib import Path

from spectralcal.datasets._companions import companions
from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.listing import by_key, files_below, has_word

URL = "https://zenodo.org/records/8026660/files/training_data.zip?download=1"
HASH = "sha256:150287d0c74cd0105d8b70b43af4a7bf4f1fd3e1748829779177a0ccaf948f45"
_LAYOUT = "CaseNN.mhd with CaseNN.raw, CaseNN_segmentation.mhd and CaseNN_segmentation.raw"


class Promise12(Dataset):
    """50 labelled volumes with and without endorectal coil, thick slices (2.2 to 4 mm), as MetaImage pairs.

    The files do not name the centre. The number of the case goes with the size of the image, so ranges of it (00 to
    12, 13 to 24, from 25) stand in for the centre as strata.
    """

    name = "promise12"
    title = "PROMISE12"
    folder = "PROMISE12"
    modality = "mr"
    channels = ("T2",)
    classes = ("prostate",)
    licence = "challenge terms (LICENSE.TXT in the archive)"
    citation = "Litjens et al., Med Image Anal 18(2):359-373, 2014; data: doi:10.5281/zenodo.8026660"
    source = (
        "Open download (324 MB, no account): `spectralcal datasets fetch promise12`, or training_data.zip from\n"
        "https://zenodo.org/records/8026660"
    )
    expected_cases = 50
    left_out = (("test", "test images: their masks are withheld"),)
    open_access = True

    def cases(self, root: Path) -> list[Case]:
        """Cases 00 to 49, at any depth below `root`; test folders, which have no masks, are left aside."""
        root = Path(root)
        cases, problems = [], []
        found = [
            (path.name, path)
            for path in files_below(root, r"Case.*\.mhd")
            if not has_word(path.parent.relative_to(root), "test")
        ]
        headers, copies = by_key(found, root)
        problems += copies
        for name in sorted({path.stem.removesuffix("_segmentation") for path in headers.values()}):
            pair = (headers.get(f"{name}.mhd"), headers.get(f"{name}_segmentation.mhd"))
            missing = [
                part
                for part, path in zip((f"{name}.mhd", f"{name}_segmentation.mhd"), pair, strict=True)
                if path is None
            ]
            voxels = [file for path in pair if path for file in _voxels(path)]
            missing += [file.name for file in voxels if not file.is_file()]
            if missing:
                problems.append(f"{name} lacks {', '.join(missing)}")
            else:
                cases.append(Case(name, name, (pair[0],), pair[1], _stratum(name)))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def fetch(self, data_root: Path) -> Path:
        """Download the training archive (324 MB) and unpack it."""
        from spectralcal.datasets._download import download_and_unpack

        folder = Path(data_root) / self.folder
        return download_and_unpack(self.name, URL, HASH, folder, 5 * 10**9, self.recipe(data_root))


def _voxels(header: Path) -> tuple[Path, ...]:
    """Files that a header names; none of one that cannot be read, which is said when the case is."""
    try:
        return companions(header)
    except OSError:
        return ()


def _stratum(name: str) -> str:
    match = re.fullmatch(r"Case(\d+)", name)
    if not match:
        return ""
    number = int(match[1])
    return "00-12" if number <= 12 else "13-24" if number <= 24 else "25-"


DATASET = Promise12
NUMERICS = 1  # see spectralcal.study.numerics
