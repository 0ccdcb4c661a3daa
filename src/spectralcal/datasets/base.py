"""What a data set is: where its files are, how they pair, what their labels mean, and a reader that trusts no file."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.datasets import _checks
from spectralcal.datasets._companions import companions
from spectralcal.datasets.facts import DataFacts, Unit
from spectralcal.datasets.listing import walk
from spectralcal.datasets.pictures import PICTURES, PictureReader

_VOLUMES = (".nii", ".nii.gz", ".hdr", ".img", ".mhd", ".mha", ".raw", ".zraw", ".nrrd", ".nhdr")


@dataclass(frozen=True)
class Case:
    """One image and its reference label.

    Attributes:
        id: unique in the data set; also the name of the prepared folder (letters, digits, ``.``, ``_``, ``-``).
        patient: cases of one patient never stand on two sides of a split.
        images: one file per channel, in the order of :attr:`Dataset.channels`; empty for synthetic cases.
        label: the file of the reference label, None for synthetic cases.
        stratum: splits keep the share of each stratum (centre, diagnosis); empty where there is none.
    """

    id: str
    patient: str
    images: tuple[Path, ...] = ()
    label: Path | None = None
    stratum: str = ""


@dataclass
class Volume:
    """The arrays of one case, in memory, on one grid.

    The axes of a volume point to right, anterior and superior (RAS), those of a picture down and to the right.

    Attributes:
        image: (C, *spatial) float32, intensities as stored.
        label: (*spatial) uint8, 0 is background and n is ``classes[n - 1]``; None if the case has no reference.
        spacing_mm: distance between voxel centres along each spatial axis, in the data set's unit.
        affine: (n + 1, n + 1) float64 for n spatial axes, voxel index to position in that unit.
        posterior: (num_classes, *spatial) float, the probabilities that the label was drawn from, where known.
    """

    image: np.ndarray
    label: np.ndarray | None
    spacing_mm: tuple[float, ...]
    affine: np.ndarray
    posterior: np.ndarray | None = None


class Dataset(ABC):
    """A data set of the study. A subclass states the facts below and pairs its files in :meth:`cases`.

    Attributes:
        name: as in configurations and paths.
        title: as in tables and figures.
        folder: its folder under the data root; the lower-case name is accepted too.
        modality: ``"mr"``, ``"ct"``, ``"photo"`` or ``"synthetic"``; decides how intensities are normalised.
        channels: names of the image channels.
        classes: names of labels 1, 2, ...
        spatial_dims: axes of an image.
        unit: of spacings and distances, ``"mm"`` or ``"px"``.
        multilabel: a voxel may belong to several classes at once.
        pictures: how PNG, JPEG and TIFF files are read; None: the files are volumes.
        label_map: stored label value -> label; None if the files already contain 0, 1, 2, ....
        crop_nonzero: crop to the bounding box of non-zero voxels by default (skull-stripped brains).
        source: how to get the data, printed when they are missing; may have several lines.
        expected_cases: labelled cases of a complete copy, None if it varies.
        open_access: :meth:`fetch` can download it without an account.
        modalities: of each channel, where they differ; None: :attr:`modality` is that of all.
        left_out: volumes of the folder that are no case: (pattern of the path below the folder, why). Patterns are
            those of :mod:`fnmatch`, in lower case; one without ``*`` is a word that names of the path are made of.
            The first that fits counts.
        label_remedy: what a user can do about label values that are not among the known ones.

    The facts of a data set of the user's own come from its files: there they are attributes of the instance. What a
    study needs of them is in :attr:`facts`.
    """

    name: str
    title: str
    folder: str
    modality: str
    modalities: tuple[str, ...] | None = None
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    spatial_dims: int = 3
    unit: Unit = "mm"
    multilabel: bool = False
    pictures: PictureReader | None = None
    label_map: dict[int, int] | None = None
    crop_nonzero: ClassVar[bool] = False
    licence: ClassVar[str]
    citation: ClassVar[str]
    source: ClassVar[str]
    expected_cases: int | None = None
    open_access: ClassVar[bool] = False
    left_out: ClassVar[tuple[tuple[str, str], ...]] = ()
    label_remedy: ClassVar[str] = _checks.OTHER_VALUES

    def named(self, name: str) -> Self:
        """This data set under the name that a configuration gives it; its numbers are then not the paper's."""
        self.name = self.title = name
        return self

    @property
    def facts(self) -> DataFacts:
        """What the arrays do not say of this data set."""
        nested: Mapping[str, tuple[int, ...]] | None = getattr(self, "nested", None)
        return DataFacts(
            classes=tuple(self.classes),
            spatial_dims=self.spatial_dims,
            unit=self.unit,
            channels=tuple(self.channels),
            nested=nested,
            multilabel=self.multilabel,
        )

    @property
    def channel_modalities(self) -> tuple[str, ...]:
        """The modality of each channel."""
        return self.modalities or (self.modality,) * len(self.channels)

    @property
    def num_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.classes) + 1

    def locate(self, data_root: Path) -> Path | None:
        """The folder of this data set under `data_root`, or None if it is not there."""
        for name in (self.folder, self.name):
            candidate = Path(data_root) / name
            if candidate.is_dir():
                return candidate
        return None

    def expected_at(self, data_root: Path) -> Path:
        """Where this data set is looked for and put."""
        return Path(data_root) / self.folder

    @abstractmethod
    def cases(self, root: Path) -> list[Case]:
        """All labelled cases under `root`, in natural order of their ids.

        Raises:
            DataError: there is none, or a file lacks its partner.
        """

    def files(self, case: Case) -> tuple[Path, ...]:
        """Every file that the case is read from: of a volume in several files, each of them.

        Raises:
            DataError: a header that names them cannot be read.
        """
        stated = case.images if case.label is None else (*case.images, case.label)
        if self.pictures is not None:
            return stated
        files: dict[Path, None] = {}
        for path in stated:
            try:
                files |= dict.fromkeys((path, *companions(path)))
            except OSError as error:
                raise _checks.bad_file(self.name, case.id, path, "a readable file", _checks.brief(error)) from error
        return tuple(files)

    def remarks(self, root: Path) -> list[str]:
        """What a person should know of the description under `root` before a study runs on it."""
        return []

    def fingerprint(self, case: Case) -> str:
        """SHA-256 of what the case is made from: the bytes of its files, in order."""
        digest = hashlib.sha256()
        for path in self.files(case):
            try:
                with path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
            except OSError as error:
                reason = error.strerror or _checks.brief(error)
                raise _checks.bad_file(self.name, case.id, path, "a readable file", reason) from error
        return digest.hexdigest()

    def geometry(self, case: Case) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Shape (*spatial) and spacing (in the data set's unit) of the case's image, without reading its voxels.

        Raises:
            DataError: as :meth:`load`.
        """
        from spectralcal.datasets import _files

        with _checks.reading(self.name, case.id):
            if self.pictures is not None:
                return self.pictures.geometry(case.images[0])
            return _files.read_geometry(case.images[0])

    def orientation(self, case: Case) -> str:
        """Where the axes of the stored image point, for example ``"LPS"``; :meth:`load` turns them to ``"RAS"``.

        A picture has none: the text is empty.

        Raises:
            DataError: as :meth:`load`.
        """
        from spectralcal.datasets import _files

        if self.pictures is not None:
            return ""
        if not case.images:
            return "RAS"
        with _checks.reading(self.name, case.id):
            return _files.read_orientation(case.images[0])

    def load(self, case: Case) -> Volume:
        """Read and validate one case.

        Raises:
            DataError: a file is missing, truncated or unreadable; image and label differ in shape or position; an
                image has another number of axes or voxels that are not finite; a label value is outside the map; a
                spacing is not positive. One line, with data set, case, file, expected, found and remedy.
        """
        with _checks.reading(self.name, case.id):
            grid, image = self._read_image(case)
            label = None
            if case.label is not None:
                stored = self._read_label(case.label)
                _checks.same_grid(case.label, stored, case.images[0], grid)
                label = _checks.map_label(case.label, stored.array, self._label_values(), self.label_remedy)
            return Volume(image=image, label=label, spacing_mm=grid.spacing_mm, affine=grid.affine)

    def fetch(self, data_root: Path) -> Path:
        """Download into `data_root` and return the folder, where the data set's terms allow it.

        Raises:
            DataError: it cannot be downloaded without an account; the message says how to get it.
        """
        raise DataError(f"{self.name}: cannot be downloaded automatically. {self.recipe(data_root)}")

    def recipe(self, data_root: Path) -> str:
        """How to get the data and where to put them."""
        return f"{self.source.strip()}\nPut it at: {self.expected_at(data_root)}"

    def _read_image(self, case: Case) -> tuple[_checks.Grid, np.ndarray]:
        """The grid of a case and its image (C, *spatial); here one file per channel, or one picture with all."""
        from spectralcal.datasets import _files

        if self.pictures is not None:
            return self.pictures.image(case.images)
        grid = _files.read_image(case.images[0])
        if len(case.images) == 1:
            return grid, grid.array[None]  # a view: a whole CT is not copied to gain an axis
        image = np.empty((len(case.images), *grid.array.shape), np.float32)
        image[0] = grid.array
        for index, path in enumerate(case.images[1:], start=1):
            channel = _files.read_image(path)
            _checks.same_grid(path, channel, case.images[0], grid)
            image[index] = channel.array
        return grid, image

    def _read_label(self, path: Path) -> _checks.Grid:
        """The grid of a label, with its values as stored."""
        from spectralcal.datasets import _files

        return _files.read_label(path) if self.pictures is None else self.pictures.mask(path)

    def _label_values(self) -> dict[int, int]:
        return self.label_map or {value: value for value in range(self.num_classes)}


def image_files(root: Path, pictures: bool = False) -> Iterator[Path]:
    """Every file of a volume below `root`, in order (a header or its voxels both count), or every picture.

    Rubbish is among them: a survey says that it is left out.
    """
    endings = PICTURES if pictures else _VOLUMES
    for path in sorted(walk(root, rubbish=True)):
        if path.name.lower().endswith(endings) and path.is_file():
            yield path


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key under which ``subject-2`` comes before ``subject-10``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def paired_cases(dataset: str, cases: Iterable[Case], problems: list[str], root: Path, expected: str) -> list[Case]:
    """Cases in natural order, or a DataError that names what is missing under `root`.

    Args:
        dataset: name for the message.
        cases: the complete pairs that were found.
        problems: one text for each incomplete pair.
        root: the folder that was searched.
        expected: the layout that was looked for.
    """
    ordered = sorted(cases, key=lambda case: natural_key(case.id))
    if problems:
        shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise DataError(
            f"{dataset}: {len(problems)} incomplete case(s) under {root}: {shown}. Expected {expected}; "
            "unpack the archive again or remove the lone files"
        )
    if not ordered:
        raise DataError(f"{dataset}: no labelled case found under {root}; expected {expected}")
    return ordered
