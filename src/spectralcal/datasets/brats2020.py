"""BraTS 2020: multimodal brain MR with gliomas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.listing import files_in, walk

_CASE = re.compile(r"BraTS20_Training_\d+")
_LAYOUT = "BraTS20_Training_NNN/BraTS20_Training_NNN_{t1,t1ce,t2,flair,seg}.nii.gz (or .nii)"


class Brats2020(Dataset):
    """Four co-registered, skull-stripped sequences at 1 mm; 240 x 240 x 155 voxels.

    The stored labels are 1, 2 and 4; 4 becomes 3. The paper's figures show three tissue labels, so the classes are
    tissues; the challenge's nested regions are scored beside them. Its third, the enhancing tumour, is a class already.
    """

    name = "brats2020"
    title = "BraTS 2020"
    folder = "BraTS2020"
    modality = "mr"
    channels = ("t1", "t1ce", "t2", "flair")
    classes = ("necrotic core", "oedema", "enhancing tumour")
    label_map: ClassVar[dict[int, int]] = {0: 0, 1: 1, 2: 2, 4: 3}
    nested: ClassVar[dict[str, tuple[int, ...]]] = {"whole tumour": (1, 2, 3), "tumour core": (1, 3)}
    crop_nonzero = True
    licence = "CBICA data usage agreement, research only, no redistribution"
    citation = "Menze et al., IEEE TMI 34(10), 2015; Bakas et al., Sci Data 4:170117, 2017 and arXiv:1811.02629"
    source = (
        "Request the training data at https://www.med.upenn.edu/cbica/brats2020/data.html\n"
        "(369 labelled cases; the validation cases have no public labels)."
    )
    expected_cases = 369
    left_out = (("validation", "validation cases: they have no public labels"),)

    def cases(self, root: Path) -> list[Case]:
        """One case a folder ``BraTS20_Training_NNN``, at any depth below `root`."""
        root = Path(root)
        cases, problems = [], []
        for folder in sorted(path for path in walk(root) if _CASE.fullmatch(path.name) and path.is_dir()):
            files = [path for path in files_in(folder) if path.name.endswith((".nii", ".nii.gz"))]
            if not files and (folder / folder.name).is_dir():
                continue  # an archive that was unpacked into a folder of its own name
            images = [_first(files, f"{folder.name}_{channel}") for channel in self.channels]
            label = _first(files, f"{folder.name}_seg") or _lone(files, images)
            missing = [name for name, path in zip((*self.channels, "seg"), (*images, label), strict=True) if not path]
            if missing:
                problems.append(f"{folder.name} lacks {', '.join(missing)}")
            else:
                cases.append(Case(folder.name, folder.name, tuple(images), label))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)


def _first(files: list[Path], stem: str) -> Path | None:
    return next((path for path in files if path.name in (f"{stem}.nii.gz", f"{stem}.nii")), None)


def _lone(files: list[Path], images: list[Path | None]) -> Path | None:
    """The only file that is no sequence: some copies ship the mask of case 355 under another name."""
    others = [path for path in files if path not in images]
    return others[0] if len(others) == 1 and "seg" in others[0].name.lower() else None


DATASET = Brats2020
NUMERICS = 1  # see spectralcal.study.numerics
