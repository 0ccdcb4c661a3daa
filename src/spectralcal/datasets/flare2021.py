"""FLARE 2021: four abdominal organs in CT."""

from __future__ import annotations

from pathlib import Path

from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.listing import by_key, files_in

_LAYOUT = "TrainingImg/train_NNN_0000.nii.gz with TrainingMask/train_NNN.nii.gz"
_IMAGES, _LABELS = ("TrainingImg", "imagesTr"), ("TrainingMask", "labelsTr")


class Flare2021(Dataset):
    """Contrast-enhanced abdominal CT from several centres, 512 x 512 voxels, slices of 0.5 to 7.5 mm.

    Both kidneys are one class. One case has no spleen.
    """

    name = "flare2021"
    title = "FLARE 2021"
    folder = "FLARE2021"
    modality = "ct"
    channels = ("ct",)
    classes = ("liver", "kidney", "spleen", "pancreas")
    licence = "CC BY 4.0"
    citation = "Ma et al., Med Image Anal 82:102616, 2022; data: doi:10.5281/zenodo.5903672"
    source = (
        "Download the training images and masks (361 cases, about 20 GB) from https://zenodo.org/records/5903672\n"
        "and unpack them as TrainingImg/ and TrainingMask/."
    )
    expected_cases = 361
    left_out = (("validation", "validation images: their labels are withheld"),
                ("*imagests/*", "test images: their labels are withheld"))  # fmt: skip

    def cases(self, root: Path) -> list[Case]:
        """Pairs by name; the image's channel number ``_0000`` may be there or not."""
        root = Path(root)
        images, copies = by_key(((_stem(path).removesuffix("_0000"), path) for path in _volumes(root, _IMAGES)), root)
        labels, further = by_key(((_stem(path), path) for path in _volumes(root, _LABELS)), root)
        problems = [*copies, *further]
        problems += [f"{name} has no label" for name in sorted(images.keys() - labels)]
        problems += [f"{name} has no image" for name in sorted(labels.keys() - images)]
        cases = [Case(name, name, (images[name],), labels[name]) for name in images.keys() & labels]
        return paired_cases(self.name, cases, problems, root, _LAYOUT)


def _volumes(root: Path, folders: tuple[str, ...]) -> list[Path]:
    files = [path for folder in folders for path in files_in(root / folder)]
    return [path for path in files if path.name.endswith((".nii", ".nii.gz"))]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


DATASET = Flare2021
NUMERICS = 1  # see spectralcal.study.numerics
