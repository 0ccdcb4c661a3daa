"""Hippocampus of the Medical Segmentation Decathlon (task 4): small, open, and quick to train on."""

from __future__ import annotations

from pathlib import Path

from spectralcal.base.errors import DataError
from spectralcal.base.files import require_json
from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.json_values import entries_of, path_of
from spectralcal.datasets.listing import files_in, lies_inside

URL = "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task04_Hippocampus.tar"
HASH = "md5:9d24dba78a72977dbd1d2e110310f31b"
_LAYOUT = "imagesTr/hippocampus_NNN.nii.gz with labelsTr/hippocampus_NNN.nii.gz"


class Hippocampus(Dataset):
    """T1-weighted MR cut to the hippocampus, 1 mm isotropic, about 35 x 50 x 36 voxels.

    The files carry no patient key: each volume counts as a patient of its own. A subject may have given two volumes
    (left and right), which nothing in the files tells, so the two may stand on two sides of a split, for every method
    alike.
    """

    name = "hippocampus"
    title = "Hippocampus"
    folder = "Task04_Hippocampus"
    modality = "mr"
    channels = ("T1",)
    classes = ("anterior", "posterior")
    licence = "CC BY-SA 4.0"
    citation = (
        "Antonelli et al., Nat Commun 13:4128, 2022, doi:10.1038/s41467-022-30695-9; Simpson et al., arXiv:1902.09063"
    )
    source = f"Open download (27 MB, no account): `spectralcal datasets fetch hippocampus`, or unpack {URL}"
    expected_cases = 260
    left_out = (("imagests/*", "test images: their labels are withheld"),)
    open_access = True

    def cases(self, root: Path) -> list[Case]:
        """Pairs as ``dataset.json`` lists them, or by file name if there is none."""
        root = Path(root)
        pairs = self._listed(root) if (root / "dataset.json").is_file() else self._found(root)
        problems = [
            f"{path.parent.name}/{path.name} is missing" for pair in pairs for path in pair if not path.is_file()
        ]
        cases = [Case(id=_stem(image), patient=_stem(image), images=(image,), label=label) for image, label in pairs]
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def fetch(self, data_root: Path) -> Path:
        """Download the archive (27 MB) and unpack it."""
        from spectralcal.datasets._download import download_and_unpack

        folder = Path(data_root) / self.folder
        return download_and_unpack(self.name, URL, HASH, folder, 10**9, self.recipe(data_root))

    def _listed(self, root: Path) -> list[tuple[Path, Path]]:
        listing = root / "dataset.json"
        expected = "a 'training' list of image and label"
        remedy = "restore the file, or remove it to pair by file name"
        where = f"{self.name}: "
        content = require_json(listing, expected, remedy, where=where)
        entries = entries_of(content, "training", f"{where}{listing}", ("image", "label"), expected)
        pairs = [
            tuple(
                path_of(entry[key], root, f"{where}{listing}", f"training[{number}].{key}")
                for key in ("image", "label")
            )
            for number, entry in enumerate(entries)
        ]
        for path in (path for pair in pairs for path in pair):
            if not lies_inside(path, root):
                raise DataError(f"{self.name}: {listing}: expected paths inside {root}, found {path}; restore the file")
        return pairs

    def _found(self, root: Path) -> list[tuple[Path, Path]]:
        names = {
            path.name
            for folder in ("imagesTr", "labelsTr")
            for path in files_in(root / folder)
            if path.name.endswith((".nii", ".nii.gz"))
        }
        return [(root / "imagesTr" / name, root / "labelsTr" / name) for name in sorted(names)]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


DATASET = Hippocampus
NUMERICS = 1  # see spectralcal.study.numerics
