"""iSeg-2017: tissues of the six-month-old infant brain."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.listing import by_key, files_below, has_word

_LAYOUT = "subject-N-{T1,T2,label}.hdr with .img, N = 1 to 10"


class Iseg2017(Dataset):
    """T1 and T2 at 1 mm, skull-stripped, 144 x 192 x 256 voxels, as Analyze pairs of header and image.

    Analyze headers do not state an orientation reliably; image and label share whatever is read. Stored labels are
    10, 150 and 250. With ten subjects, test results rest on two: rankings here mean little.
    """

    name = "iseg2017"
    title = "iSeg-2017"
    folder = "iSeg2017"
    modality = "mr"
    channels = ("T1", "T2")
    classes = ("cerebrospinal fluid", "grey matter", "white matter")
    label_map: ClassVar[dict[int, int]] = {0: 0, 10: 1, 150: 2, 250: 3}
    crop_nonzero = True
    licence = "challenge terms, no redistribution"
    citation = "Wang et al., IEEE TMI 38(9):2219-2230, 2019, doi:10.1109/TMI.2019.2901712"
    source = "Register at https://iseg2017.web.unc.edu/ and download iSeg-2017-Training (10 labelled subjects)."
    expected_cases = 10
    left_out = (("test", "test subjects: they have no public labels"),)

    def cases(self, root: Path) -> list[Case]:
        """Subjects 1 to 10 in numeric order; unlabelled test folders are left aside."""
        root = Path(root)
        cases, problems = [], []
        found = [
            (path.name, path)
            for path in files_below(root, r"subject-.*\.hdr")
            if not has_word(path.parent.relative_to(root), "test")
        ]
        headers, copies = by_key(found, root)
        problems += copies
        for subject in sorted({name.rpartition("-")[0] for name in headers}):
            paths = [headers.get(f"{subject}-{part}.hdr") for part in (*self.channels, "label")]
            missing = [
                f"{part}.{'hdr' if path is None else 'img'}"
                for part, path in zip((*self.channels, "label"), paths, strict=True)
                if path is None or not path.with_suffix(".img").is_file()
            ]
            if missing:
                problems.append(f"{subject} lacks {', '.join(missing)}")
            else:
                cases.append(Case(subject, subject, tuple(paths[:-1]), paths[-1]))
        return paired_cases(self.name, cases, problems, root, _LAYOUT)


DATASET = Iseg2017
NUMERICS = 1  # see spectralcal.study.numerics
