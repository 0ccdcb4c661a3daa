"""ACDC: cine cardiac MR, two labelled frames (end-diastole and end-systole) of each patient."""

from __future__ import annotations

import re
from pathlib import Path

from spectralcal.datasets.base import Case, Dataset, paired_cases

URL = "https://humanheart-project.creatis.insa-lyon.fr/database/api/v1/collection/637218c173e9f0047faa00fb/download"
HASH = "sha256:2787e08b0d3525cbac710fc3bdf69ee7c5fd7446472e49db8bc78548802f6b5e"
_FRAME = re.compile(r"(patient\d+)_frame(\d+)(_gt)?\.nii(\.gz)?")
#: folders with the same images (seen voxel for voxel in a redistributed copy; the labels differ a little): one patient,
#: lest one of the pair be trained on and the other tested
SAME_PATIENT = {"patient076": "patient074"}
_LAYOUT = "training/patientNNN/patientNNN_frameMM.nii.gz with patientNNN_frameMM_gt.nii.gz"


class Acdc(Dataset):
    """Short-axis cine MR of 100 training patients in five diagnostic groups; thick slices (5 to 10 mm).

    Each labelled frame is a case; the two frames of a patient stay on one side of a split. The diagnosis in
    ``Info.cfg`` is the stratum, where that file is there. Folders 074 and 076, which contain the same images, are one
    patient here.
    """

    name = "acdc"
    title = "ACDC"
    folder = "ACDC"
    modality = "mr"
    channels = ("cine",)
    classes = ("right ventricle", "myocardium", "left ventricle")
    licence = "CC BY-NC-SA 4.0, non-commercial"
    citation = "Bernard et al., IEEE TMI 37(11):2514-2525, 2018, doi:10.1109/TMI.2018.2837502"
    source = (
        "Open download (2.3 GB): `spectralcal datasets fetch acdc`, or the folder 'database' of\n"
        "https://humanheart-project.creatis.insa-lyon.fr/database/#collection/637218c173e9f0047faa00fb\n"
        "(training part: 100 patients). The server builds its archive on request, so the checksum of the automatic\n"
        "download can differ; then download by hand. unzip may need UNZIP_DISABLE_ZIPBOMB_DETECTION=TRUE."
    )
    left_out = (
        ("*_4d.nii*", "whole cine series: only two frames have labels"),
        ("testing", "patients 101 to 150 of the challenge's test part: the study splits the 100 training patients"),
    )
    expected_cases = 200
    open_access = True

    def cases(self, root: Path) -> list[Case]:
        """Labelled frames of the training part: ``patient001_frame01``, ..."""
        root = Path(root)
        base = next((root / name for name in ("training", "database/training") if (root / name).is_dir()), root)
        frames: dict[str, dict[str, Path]] = {}
        for path in sorted(base.glob("patient*/patient*.nii*")):
            match = _FRAME.fullmatch(path.name)
            if match and match[1] == path.parent.name:
                frames.setdefault(f"{match[1]}_frame{match[2]}", {})[match[3] or ""] = path
        cases, problems = [], []
        groups: dict[Path, str] = {}
        for frame, files in frames.items():
            if set(files) != {"", "_gt"}:
                problems.append(f"{frame} has {'no label' if '' in files else 'no image'}")
                continue
            folder = files[""].parent
            group = groups.setdefault(folder, _group(folder / "Info.cfg"))
            cases.append(Case(frame, SAME_PATIENT.get(folder.name, folder.name), (files[""],), files["_gt"], group))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)

    def fetch(self, data_root: Path) -> Path:
        """Download the collection (2.3 GB) and unpack it."""
        from spectralcal.datasets._download import download_and_unpack

        folder = Path(data_root) / self.folder
        return download_and_unpack(self.name, URL, HASH, folder, 20 * 10**9, self.recipe(data_root))


def _group(path: Path) -> str:
    """The diagnosis in an ``Info.cfg``, or "" if there is none."""
    if not path.is_file():
        return ""
    match = re.search(r"^Group:\s*(\S+)", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    return match[1] if match else ""


DATASET = Acdc
NUMERICS = 1  # see spectralcal.study.numerics
