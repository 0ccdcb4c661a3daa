"""Fiducio's calibrators find the same maps, where the package is installed; nothing here needs it."""

import pytest
import torch
from voxel_samples import nll, voxels

from spectralcal.base import registry

calibrators = pytest.importorskip("fiducio.calibrators", reason="an independent implementation to compare with")

PRICES = {"lambda_reg": 1e-3, "mu_reg": 1e-3}


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("temperature", "TemperatureScaling", {}),
        ("vector", "VectorScaling", {}),
        ("matrix", "TranslationInvariantMatrixScaling", PRICES),
        ("dirichlet", "DirichletCalibration", PRICES),
        ("ensemble_temperature", "EnsembleTemperatureScaling", {}),
    ],
)
def test_the_maps_agree(name, theirs, options):
    logits, labels = voxels(30_000, 4, 2.0, background=1.0)
    logits = (logits * torch.tensor([1.0, 1.2, 0.8, 1.5])).log_softmax(1)  # its vectors are of logits
    volume = logits.T.reshape(1, 4, -1, 1)
    step = registry.load("posthoc", name)()
    step.fit(logits, labels)
    other = getattr(calibrators, theirs)(optimizer="lbfgs", max_iter=1000, **options)
    other.fit(volume, labels.reshape(1, -1, 1))
    result, expected = step(volume).softmax(1), other.transform(volume)
    assert (result - expected).abs().mean() < 5e-4  # its search is one in float32 that stops earlier
    flat = [each[0].flatten(1).T.clamp_min(1e-30).log() for each in (result, expected)]
    assert nll(flat[0], labels) == pytest.approx(nll(flat[1], labels), abs=1e-5)
