"""One slice by every method, clean and under every condition, with class activation maps; and the power of all images.

The case is chosen by a rule, not by eye: the test case with the median Dice of the spatial loss, under each condition.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.scoring.probe import Probe, Probed, median_case
from spectralcal.study.conditions import TEST, further_conditions

#: points of the cumulated power, up to half a cycle per voxel
POINTS = 32


class Views(Probe):
    """What Figures 2 and 5 to 9 show."""

    def measure(self, probed: Probed) -> dict[str, np.ndarray]:
        """``methods`` (M,), ``tests`` (T,), ``rule``, ``spacing_mm``; for each test ``case_t``, ``image_t`` (C, H, W),
        ``reference_t`` (H, W) and ``probabilities_t`` (M, classes, H, W); ``cam`` (M, classes - 1, H, W) and ``layer``
        of the clean image; and of every test case, in the order of ``cases``, the share of power below each
        ``frequency`` (F,) in cycles per voxel, of image and mask, ``power_image`` and ``power_mask`` (N, F), and with
        the mean counted ``power_image_mean`` and ``power_mask_mean``.

        Raises:
            ResultError: nothing is trained.
        """
        from spectralcal.papers.spectral_correlation.planes import fullest, plane

        if not probed.cells:
            raise ResultError(f"views: no trained cell of {probed}; train one first")
        plain = _plain(probed)
        arrays: dict[str, np.ndarray] = {}
        tests = []
        for condition, cases, chosen in _tests(probed, plain):
            case = next(case for case in cases if case.id == chosen)
            reference = np.asarray(case.label())
            axes, index = reference.ndim, fullest(reference > 0)
            image = case.image()
            arrays[f"case_{condition}"] = np.array(case.id)
            arrays[f"image_{condition}"] = plane(image, index, axes).astype(np.float32)
            arrays[f"reference_{condition}"] = plane(reference, index, axes).astype(np.uint8)
            found = [plane(probed.predictor(cell)(image).numpy(), index, axes) for cell in probed.cells]
            arrays[f"probabilities_{condition}"] = np.stack(found).astype(np.float16)
            tests.append(condition)
            if condition == TEST:
                arrays["spacing_mm"] = np.array(case.spacing_mm[:2], dtype=np.float64)
                arrays |= _maps(probed, arrays[f"image_{condition}"], int(found[0].shape[0]))
        return arrays | _powers(probed) | {
            "methods": np.array([cell.key.method for cell in probed.cells]),
            "tests": np.array(tests),
            "rule": np.array(f"the test case with the median Dice of {plain.key.method}"),
        }  # fmt: skip

    def numbers(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The shares of power, which have no voxel of an image."""
        return {name: arrays[name] for name in arrays if name in ("cases", "frequency") or name.startswith("power_")}


def _plain(probed: Probed):
    loss = probed.cell_of(probed.baseline).method.loss
    return next((cell for cell in probed.cells if cell.method.loss == loss), probed.cells[0])


def _tests(probed: Probed, plain):
    """Condition, its cases and the name of the one that is shown; a condition without scores is left out."""
    from spectralcal.jobs.cell_data import load_data
    from spectralcal.jobs.tested import under_condition
    from spectralcal.study.resolved import resolve

    yield TEST, probed.cases, median_case(probed.scores(plain))
    study = plain.study
    for condition in further_conditions(study, plain.key):
        cell = resolve(study, plain.key, condition)
        if cell.files.cases.is_file():
            cases = under_condition(cell, load_data(study, plain.dataset)).scored
            yield condition, cases, median_case(probed.scores(cell))


def _maps(probed: Probed, image: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Class activation maps of one slice by every method."""
    import torch

    from spectralcal.explain import grad_cam
    from spectralcal.papers.spectral_correlation.planes import last_block, planar

    maps, layer = [], ""
    batch = torch.from_numpy(np.array(image, dtype=np.float32))[None]
    for cell in probed.cells:
        network = planar(probed.network(cell))
        layer = last_block(network)
        maps.append([grad_cam(network, batch, label, layer)[0].numpy() for label in range(1, classes)])
    return {"cam": np.array(maps, dtype=np.float32), "layer": np.array(layer)}


def _powers(probed: Probed) -> dict[str, np.ndarray]:
    """Share of power below each frequency, of every case's image (mean of its channels) and mask, slice by slice."""
    from spectralcal.papers.spectral_correlation.planes import plane

    edges = np.linspace(0, 0.5, POINTS + 1)[1:]
    names, shares = [], []
    for case in probed.cases:
        reference = np.asarray(case.label()) > 0
        shown = [0] if reference.ndim == 2 else np.flatnonzero(reference.any((0, 1)))
        if not reference.any():
            continue
        image = np.asarray(case.image(), dtype=np.float64).mean(0)
        pairs = [(plane(image, i, reference.ndim), plane(reference, i, reference.ndim).astype(float)) for i in shown]
        of_slices = [[share_below(field, edges, keep) for keep in (False, True) for field in pair] for pair in pairs]
        names.append(case.id)
        shares.append(np.nanmean(of_slices, axis=0))
    table = np.array(shares).reshape(len(names), 4, POINTS)
    keys = ("power_image", "power_mask", "power_image_mean", "power_mask_mean")
    return {"cases": np.array(names), "frequency": edges, **{key: table[:, i] for i, key in enumerate(keys)}}


def share_below(field: np.ndarray, frequencies: np.ndarray, keep_mean: bool) -> np.ndarray:
    """Share of a picture's power at radii up to each frequency (cycles per voxel); nan of a constant picture.

    Args:
        field: (H, W).
        frequencies: ascending, above 0.
        keep_mean: count zero frequency.
    """
    power = np.abs(np.fft.fft2(field)) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size) for size in field.shape), indexing="ij"))
    counted = power if keep_mean else np.where(radius > 0, power, 0.0)
    # A constant picture has nothing but rounding beyond zero frequency.
    total = counted.sum() if counted.sum() > 1e-20 * power.sum() else np.nan
    return np.array([counted[radius <= frequency].sum() for frequency in frequencies]) / total


PROBE = Views
