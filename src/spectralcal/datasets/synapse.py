"""Synapse multi-organ: abdominal CT of the challenge "Beyond the Cranial Vault", with eight of its thirteen organs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from spectralcal.datasets import _files
from spectralcal.datasets._checks import BadFile, Grid
from spectralcal.datasets.base import Case, Dataset, paired_cases

#: organ that papers on eight organs compare -> stored value, in the order of their tables
ORGANS = {"aorta": 8, "gallbladder": 4, "left kidney": 3, "right kidney": 2, "liver": 6, "pancreas": 11, "spleen": 1,
          "stomach": 7}  # fmt: skip
#: stored values: these, and the oesophagus, the inferior vena cava, the portal and splenic veins and the adrenal glands
STORED = 13
_LAYOUT = "RawData/Training/img/imgNNNN.nii.gz with RawData/Training/label/labelNNNN.nii.gz"


class Synapse(Dataset):
    """30 labelled portal venous CT, in-plane 0.6 to 1 mm, slices of 2.5 to 5 mm; the other five organs are background.

    Copies in other formats number the organs otherwise, and differently from each other. A label without any value
    above eight is therefore refused: the original's always has some, and what the copy's mean cannot be told.
    """

    name = "synapse"
    title = "Synapse"
    folder = "Synapse"
    modality = "ct"
    channels = ("CT",)
    classes = tuple(ORGANS)
    label_map: ClassVar[dict[int, int]] = dict.fromkeys(range(STORED + 1), 0) | {
        value: label for label, value in enumerate(ORGANS.values(), start=1)
    }
    licence = "challenge terms, account"
    citation = "Landman et al., MICCAI multi-atlas labeling beyond the cranial vault, 2015, doi:10.7303/syn3193805"
    source = (
        "Account and terms: Abdomen/RawData.zip from https://www.synapse.org/Synapse:syn3193805, and unpack it.\n"
        "Copies as .npz and .h5 have lost spacing and label numbers and are not read."
    )
    expected_cases = 30
    left_out = (("*testing/*", "test images: their labels are withheld"),)

    def cases(self, root: Path) -> list[Case]:
        """Images and labels of one number, at any depth below `root`."""
        root = Path(root)
        images, labels = (
            {
                match[1]: path
                for path in sorted(root.rglob(f"{part}[0-9]*.nii*"))
                if (match := re.fullmatch(rf"{part}(\d{{4}})\.nii(\.gz)?", path.name))
                and "testing" not in str(path.parent.relative_to(root)).lower()
            }
            for part in ("img", "label")
        )
        problems = [f"img{number} lacks label{number}" for number in sorted(images.keys() - labels.keys())]
        problems += [f"label{number} lacks img{number}" for number in sorted(labels.keys() - images.keys())]
        cases = [
            Case(f"case{number}", f"case{number}", (images[number],), labels[number])
            for number in images.keys() & labels.keys()
        ]
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def _read_label(self, path: Path) -> Grid:
        grid = _files.read_label(path)
        highest = grid.array.max()
        if 0 < highest <= len(ORGANS):
            raise BadFile(
                path,
                f"the original's {STORED} label values, some of them above {len(ORGANS)}",
                f"{highest:g} at most, which may be a copy's other numbers",
                "take the original file",
            )
        return grid


DATASET = Synapse
