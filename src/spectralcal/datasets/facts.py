"""What must be known of a data set besides its arrays: how many axes, which unit, which channels and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: unit of distances: pixels where nobody knows how large a pixel is
Unit = Literal["mm", "px"]


@dataclass(frozen=True)
class DataFacts:
    """Facts of one data set as it is used in a study; they are stored with the prepared arrays.

    Attributes:
        classes: names of labels 1, 2, ...
        spatial_dims: 2 for pictures, 3 for volumes.
        unit: of spacings and distances, ``"mm"`` or ``"px"``. Names such as ``spacing_mm`` and ``HD95`` stay the same.
        channels: names of the image channels.
        raters: references per case.
        nested: name -> labels of regions that unite classes, None where there are none.
        multilabel: a voxel may belong to several classes at once.
    """

    classes: tuple[str, ...]
    spatial_dims: int
    unit: Unit
    channels: tuple[str, ...]
    raters: int = 1
    nested: Mapping[str, tuple[int, ...]] | None = None
    multilabel: bool = False
