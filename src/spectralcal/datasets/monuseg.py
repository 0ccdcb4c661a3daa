"""MoNuSeg: tissue with the outlines of nuclei as polygons."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np

from spectralcal.datasets._checks import BadFile, Grid, brief
from spectralcal.datasets._picture_pairs import PicturePairs
from spectralcal.datasets.base import Case
from spectralcal.datasets.pictures import PictureReader

#: folders of images and of outlines within a part: of the training data, of the test data
FOLDERS = (("Tissue Images", "Annotations"), (".", "."))
#: characters of a name that are the patient's in the archive it comes from
PATIENT = 12


class MoNuSeg(PicturePairs):
    """H&E tissue of 1000 x 1000 pixels: 37 training images (30 of 2018 and 7 added later) and 14 test images.

    A mask is the union of the filled polygons of its XML file, a pixel belonging to one if its centre lies inside. What
    lies outside the image is cut off, polygons of fewer than three corners are nothing. The patient is the first twelve
    characters of a name, the stratum the part.

    Args:
        part: "training", "test" or "all" (default).

    Raises:
        ValueError: another part.
    """

    name = "monuseg"
    title = "MoNuSeg"
    folder = "MoNuSeg"
    classes = ("nucleus",)
    pictures = PictureReader(channels=3)
    licence = "CC BY-NC-SA 4.0, non-commercial"
    citation = "Kumar et al., IEEE TMI 39(5):1380-1391, 2020, doi:10.1109/TMI.2019.2947628"
    source = (
        "Download by hand (no account): training and test data from https://monuseg.grand-challenge.org/Data/, and\n"
        "unpack both archives."
    )
    #: name of the part -> folder of the archive
    parts: ClassVar[dict[str, str]] = {"training": "MoNuSeg 2018 Training Data", "test": "MoNuSegTestData"}

    def __init__(self, part: str = "all") -> None:
        if part not in ("all", *self.parts):
            raise ValueError(f"part: expected all, {' or '.join(self.parts)}, got {part!r}")
        self.part = part
        self.expected_cases = {"training": 37, "test": 14, "all": 51}[part]

    def cases(self, root: Path) -> list[Case]:
        """Images with the XML file of their name."""
        images, outlines, part_of = {}, {}, {}
        for part, archive in self.parts.items():
            if self.part not in ("all", part):
                continue
            place = next((path for path in sorted(Path(root).rglob(archive)) if path.is_dir()), Path(root) / archive)
            for image_folder, outline_folder in FOLDERS:
                found = self.by_name((place / image_folder).glob("*.tif"), lambda path: path.stem)
                images |= found
                outlines |= {path.stem: path for path in (place / outline_folder).glob("[!.]*.xml")}
                part_of |= dict.fromkeys(found, part)
        expected = "NAME.tif with NAME.xml, in Tissue Images and Annotations, or both in MoNuSegTestData"
        cases = self.paired(root, images, outlines, expected, lambda name: part_of[name])
        return [
            Case(case.id, case.id[:PATIENT], case.images, case.label, case.stratum) for case in cases
        ]  # fmt: skip

    def _read_label(self, path: Path) -> Grid:
        """The mask of an XML file, in the shape of its image."""
        places = (path.with_suffix(".tif"), path.parent.parent / FOLDERS[0][0] / f"{path.stem}.tif")
        image = next((place for place in places if place.is_file()), places[0])
        shape, spacing = self.pictures.geometry(image)
        mask, polygons = np.zeros(shape, bool), read_polygons(path)
        for polygon in polygons:
            fill(mask, polygon)
        if polygons and not mask.any():
            raise BadFile(
                path,
                f"outlines inside of {image.name}, {shape[1]} x {shape[0]} pixels",
                f"{len(polygons)}, none of which holds a pixel of it",
                "the pair does not belong together: restore both files",
            )
        return Grid(mask.astype(np.uint8), spacing, np.diag([*spacing, 1.0]))


def read_polygons(path: Path) -> list[np.ndarray]:
    """Corners (N, 2) as x, y in pixels of each region of an XML file, those of fewer than three corners left out.

    Raises:
        BadFile: no XML, of another kind, or a corner that is no number.
    """
    try:
        text = path.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise BadFile(path, "outlines in XML", "declarations of entities, which outlines do not need")
        tree = ElementTree.fromstring(text)
        regions = [
            np.array([[float(corner.attrib[axis]) for axis in ("X", "Y")] for corner in region.iter("Vertex")])
            for region in tree.iter("Region")
        ]
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as error:
        raise BadFile(path, "outlines in XML (Region, Vertices, Vertex with X and Y)", brief(error)) from error
    if tree.find(".//Regions") is None and not regions:
        raise BadFile(path, "outlines in XML (Region, Vertices, Vertex with X and Y)", f"<{tree.tag}> without any")
    if any(not np.isfinite(region).all() for region in regions):
        raise BadFile(path, "corners with finite X and Y", "one without")
    return [region for region in regions if len(region) >= 3]


def fill(mask: np.ndarray, corners: np.ndarray) -> None:
    """Set the pixels of a mask (H, W) whose centres lie inside a polygon, by the even-odd rule.

    Args:
        mask: changed in place.
        corners: (N, 2), x to the right and y down, in pixels from the image's upper left corner.
    """
    height, width = mask.shape
    x, y = corners[:, 0], corners[:, 1]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    columns = np.arange(width) + 0.5
    for row in range(max(0, int(np.floor(y.min()))), min(height, int(np.ceil(y.max())) + 1)):
        centre = row + 0.5
        crossing = (y <= centre) != (next_y <= centre)
        at = x[crossing] + (centre - y[crossing]) / (next_y - y)[crossing] * (next_x - x)[crossing]
        mask[row] |= (columns[:, None] > at).sum(1) % 2 == 1


DATASET = MoNuSeg
