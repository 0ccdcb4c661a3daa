"""A data set of small 2-D images that are drawn when they are read; here, so that other processes can import it."""

from __future__ import annotations

import numpy as np

from spectralcal.datasets import Case, Dataset, Volume


class DrawnImages(Dataset):
    """Images of integers in several sizes: a square of class 1, and a bar of class 2 in two of three images.

    Args:
        count: how many.
        modality: "mr" leaves zeros out of the statistics, "ct" clips.
        zeros: share of the rows that start with a run of zeros, as scans with a black border do.
        spacings: pixel sizes, mm, taken in turn.
    """

    name = title = folder = "drawn"
    channels = ("grey",)
    classes = ("square", "bar")
    spatial_dims = 2
    licence = citation = source = "none"

    def __init__(self, count: int, modality: str = "mr", zeros: float = 0.5, spacings: tuple[float, ...] = (1.0,)):
        self.count, self.modality, self.zeros, self.spacings = count, modality, zeros, spacings

    def cases(self, root):
        return [Case(f"image{index:05d}", f"patient{index // 2:05d}") for index in range(self.count)]

    def geometry(self, case):
        volume = self.load(case)
        return volume.label.shape, volume.spacing_mm

    def load(self, case):
        index = int(case.id.removeprefix("image"))
        random = np.random.default_rng(index)
        shape = tuple(random.integers(24, 60, 2).tolist())
        label = np.zeros(shape, np.uint8)
        label[5:12, 6:20] = 1
        if index % 3:
            label[15:17, 3:-3] = 2
        image = random.integers(1, 60, shape) + 50 * label.astype(np.int64)
        for row in np.flatnonzero(random.random(shape[0]) < self.zeros):
            image[row, : random.integers(shape[1] + 1)] = 0
        edge = self.spacings[index % len(self.spacings)]
        return Volume(image[None].astype(np.float32), label, (edge, edge), np.diag([edge, edge, 1.0, 1.0]))
