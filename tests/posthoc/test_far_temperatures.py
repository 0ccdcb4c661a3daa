"""Logits of any scale get the temperature that a search over all finds, and bounds that are reached are said."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from voxel_samples import voxels

from spectralcal.posthoc._scaling import LARGEST, SMALLEST, fit_factor, fit_factors
from spectralcal.posthoc.classwise_temperature import ClasswiseTemperatureScaling
from spectralcal.posthoc.ensemble_temperature import EnsembleTemperatureScaling
from spectralcal.posthoc.temperature import TemperatureScaling


def nll(logits, labels, temperature):
    return float(F.cross_entropy(logits.double() / temperature, labels))


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 0.02, 30.0, 1e3, 1e5])
def test_a_temperature_follows_the_scale_of_the_logits(scale):
    logits, labels = voxels(3000, sharpness=1.0)
    plain = fit_factor(logits, labels)
    assert fit_factor(logits.double() * scale, labels) * scale == pytest.approx(plain, rel=2e-3)
    step = TemperatureScaling()
    step.fit(logits.double() * scale, labels)
    assert step.limits == []
    best = min(nll(logits.double() * scale, labels, t) for t in np.geomspace(1e-6, 1e6, 3000))
    assert nll(logits.double() * scale, labels, step.temperature) <= best + 1e-6


@pytest.mark.parametrize("step", [TemperatureScaling, EnsembleTemperatureScaling])
def test_logits_worse_than_chance_are_flattened_and_the_limit_is_said(step):
    logits, labels = voxels(2000, sharpness=1.0)
    fitted = step()
    fitted.fit(-logits, labels)
    assert fitted.temperature == 1 / SMALLEST
    assert any("temperature is at its limit" in line for line in fitted.limits)


def test_separated_labels_far_from_one_end_at_a_finite_scale_and_say_so():
    logits = torch.eye(3).repeat(10, 1).double() * 1e-4
    step = TemperatureScaling()
    step.fit(logits, logits.argmax(1))
    assert 1 / LARGEST < step.temperature < 1e-4
    assert any("separate the labels" in line for line in step.limits)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_class_factors_of_far_scales_are_as_likely_as_those_of_near_ones(scale):
    logits, labels = voxels(3000, sharpness=1.0)
    logits = logits.double() * torch.tensor([0.5, 1.0, 1.5, 2.0]).double()[: logits.shape[1]]
    near, far = fit_factors(logits, labels, logits.shape[1]), fit_factors(logits * scale, labels, logits.shape[1])
    values = [float(F.cross_entropy(logits * factors, labels)) for factors in (near, far * scale)]
    assert values[1] <= values[0] + 1e-6
    step = ClasswiseTemperatureScaling()
    step.fit(-logits * scale, labels)
    assert all(np.isfinite(step.temperatures))
    assert min(step.temperatures) > 0
    assert any("at its limit" in line for line in step.limits)
