"""Published sets of photographs: an image and a mask of one structure each, found by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from spectralcal.base.errors import DataError
from spectralcal.datasets.base import Case, Dataset, paired_cases
from spectralcal.datasets.pictures import COLOURS, is_picture


class PicturePairs(Dataset):
    """Base of sets of RGB photographs of unknown scale, whose files name no patient: each image is one of its own.

    Two pictures of one patient may therefore stand on two sides of a split, for every method alike.
    """

    modality = "photo"
    channels = COLOURS
    spatial_dims = 2
    unit = "px"

    def paired(
        self,
        root: Path,
        images: Mapping[str, Path],
        masks: Mapping[str, Path],
        expected: str,
        stratum: Callable[[str], str] = lambda _: "",
    ) -> list[Case]:
        """Cases of the names that both have.

        Raises:
            DataError: a name that only one of them has, or none at all.
        """
        problems = [f"{name} lacks a mask" for name in sorted(images.keys() - masks.keys())]
        problems += [f"{name} lacks an image" for name in sorted(masks.keys() - images.keys())]
        cases = [
            Case(id=name, patient=name, images=(images[name],), label=masks[name], stratum=stratum(name))
            for name in images.keys() & masks.keys()
        ]
        return paired_cases(self.name, cases, problems, root, expected)

    def by_name(self, files: Iterable[Path], name: Callable[[Path], str | None]) -> dict[str, Path]:
        """Pictures by what `name` makes of them; those of which it makes None are left out.

        Raises:
            DataError: two files of one name.
        """
        found: dict[str, Path] = {}
        for path in sorted(files):
            if not is_picture(path) or path.name.startswith(".") or (key := name(path)) is None:
                continue
            if key in found:
                raise DataError(
                    f"{self.name}: case {key}: expected one file of each kind, found {found[key]} and {path}; "
                    "remove one"
                )
            found[key] = path
        return found

    def folder_with(self, root: Path, *names: str) -> Path:
        """`root`, or the one folder below it that has folders of these names; `root` where none has."""
        places = [root, *sorted(path for path in Path(root).glob("*") if path.is_dir())]
        return next((place for place in places if all((place / name).is_dir() for name in names)), root)
