"""Where class activation maps lie, scored against the label: numbers alone, of every test case and seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.scoring.probe import Probe, Probed

#: scores of a map, in the order of the array
SCORES = ("inside", "pointing", "iou")


class Cams(Probe):
    """Grad-CAM of the last block of the decoder for each class, summed over the pixels predicted as it, against the
    label; of a volume on the slice that has most of the class."""

    every_seed = True
    windows = False

    def measure(self, probed: Probed) -> dict[str, np.ndarray]:
        """``methods`` (M,), ``cases`` (N,) and ``scores`` (M, N, 3): share of the map's mass inside the label, whether
        its maximum is inside, and IoU at half of the maximum; means over the classes of a case that have a map.

        Raises:
            ResultError: nothing is trained.
        """
        if not probed.cells:
            raise ResultError(f"cams: no trained cell of {probed}; train one first")
        scores = [[_case(network, case) for case in probed.cases] for network in _networks(probed)]
        return {
            "methods": np.array([cell.key.method for cell in probed.cells]),
            "cases": np.array([case.id for case in probed.cases]),
            "scores": np.array(scores, dtype=np.float64),
        }

    def numbers(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All of it: nothing has a voxel of an image."""
        return dict(arrays)


def _networks(probed: Probed):
    from spectralcal.papers.spectral_correlation.planes import last_block, planar

    for cell in probed.cells:
        network = planar(probed.network(cell))
        yield network, last_block(network)


def _case(network, case) -> np.ndarray:
    """(3,) means over classes; nan where no class has a map."""
    import torch

    from spectralcal.explain import cam_scores, grad_cam
    from spectralcal.papers.spectral_correlation.planes import fullest, plane

    module, layer = network
    reference, image = np.asarray(case.label()), case.image()
    maps = []
    for label in np.setdiff1d(np.unique(reference), 0):
        mask = reference == label
        index = fullest(mask)
        batch = torch.from_numpy(plane(image, index, reference.ndim).astype(np.float32))[None]
        cam = grad_cam(module, batch, int(label), layer)
        maps.append(torch.stack(cam_scores(cam, torch.from_numpy(plane(mask, index, reference.ndim))[None]))[:, 0])
    if not maps:
        return np.full(len(SCORES), np.nan)
    values = torch.stack(maps).numpy().astype(float)
    known = np.isfinite(values)
    count = known.sum(0)
    return np.divide(np.where(known, values, 0).sum(0), count, out=np.full(len(SCORES), np.nan), where=count > 0)


PROBE = Cams
