"""ATLAS 2023: liver and liver tumour in contrast-enhanced MR (not the stroke data of the same name)."""

from __future__ import annotations

import re
from pathlib import Path

from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.listing import by_key, files_below

_LAYOUT = "imagesTr/imN.nii.gz with labelsTr/lbN.nii.gz"


class Atlas2023(Dataset):
    """T1-weighted contrast-enhanced MR of several phases and vendors; one scan a patient.

    Labels are disjoint: the whole liver is liver or tumour. Mean scores mix a large easy organ and small hard
    tumours.
    """

    name = "atlas2023"
    title = "ATLAS 2023"
    folder = "ATLAS2023"
    modality = "mr"
    channels = ("T1",)
    classes = ("liver", "tumour")
    licence = "CC BY-NC-SA 4.0, non-commercial"
    citation = "Quinton et al., Data 8(5):79, 2023, doi:10.3390/data8050079"
    source = (
        "Register at https://atlas-challenge.u-bourgogne.fr/ and unpack atlas-train-dataset-1.0.1.zip\n"
        "(60 labelled patients, about 1 GB)."
    )
    expected_cases = 60
    left_out = (("*imagests/*", "test images: their labels are withheld"),)

    def cases(self, root: Path) -> list[Case]:
        """Pairs by number: ``im7`` belongs to ``lb7``, whatever the order of the lists."""
        root = Path(root)
        (images, copies), (labels, further) = _numbered(root, "imagesTr", "im"), _numbered(root, "labelsTr", "lb")
        problems = [*copies, *further]
        problems += [f"im{number} has no label" for number in sorted(images.keys() - labels)]
        problems += [f"lb{number} has no image" for number in sorted(labels.keys() - images)]
        cases = [
            Case(f"patient{number:02d}", f"patient{number:02d}", (images[number],), labels[number])
            for number in images.keys() & labels
        ]
        return paired_cases(self.name, cases, problems, root, _LAYOUT)


def _numbered(root: Path, folder: str, prefix: str) -> tuple[dict[int, Path], list[str]]:
    """The file of each number, and a text for each further copy."""
    paths = [path for path in files_below(root, rf"{prefix}\d+\.nii(\.gz)?") if path.parent.name == folder]
    chosen, problems = by_key(((f"{prefix}{_number(path)}", path) for path in paths), root)
    return {_number(path): path for path in chosen.values()}, problems


def _number(path: Path) -> int:
    return int(re.search(r"\d+", path.name)[0])


DATASET = Atlas2023
NUMERICS = 1  # see spectralcal.study.numerics
