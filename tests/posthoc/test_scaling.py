import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from voxel_samples import voxels

from spectralcal.posthoc._scaling import fit_factor
from spectralcal.posthoc.temperature import TemperatureScaling


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(sharpness):
    step = TemperatureScaling()
    step.fit(*voxels(sharpness=sharpness))
    assert step.temperature == pytest.approx(sharpness, rel=0.03)


def test_it_is_the_minimum_that_scipy_finds():
    logits, labels = voxels(2000, sharpness=2.0)

    def nll(factor):
        scaled = (logits.double() * factor).numpy()
        shifted = scaled - scaled.max(1, keepdims=True)
        return -(shifted[np.arange(len(labels)), labels] - np.log(np.exp(shifted).sum(1))).mean()

    best = minimize_scalar(nll, bounds=(0.01, 10), method="bounded", options={"xatol": 1e-10}).x
    assert fit_factor(logits, labels) == pytest.approx(best, rel=1e-6)


def test_one_temperature_changes_no_prediction():
    step = TemperatureScaling()
    step.fit(*voxels(sharpness=4.0))
    logits = torch.randn(2, 4, 5, 6, 7)
    assert torch.equal(step(logits).argmax(1), logits.argmax(1))
    assert step(logits).shape == logits.shape


def test_separable_labels_stay_bounded():
    logits = torch.eye(3).repeat(10, 1)
    step = TemperatureScaling()
    step.fit(logits, logits.argmax(1))
    assert 0.01 <= step.temperature <= 100
