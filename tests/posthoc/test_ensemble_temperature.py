"""The mixture of scaled, plain and uniform probabilities is the likeliest there is."""

import itertools

import numpy as np
import torch
from voxel_samples import nll, voxels

from spectralcal.posthoc.ensemble_temperature import EnsembleTemperatureScaling
from spectralcal.posthoc.temperature import TemperatureScaling


def noisy(count=4000):
    """Sharp logits of which a tenth of the labels know nothing: a uniform component is called for."""
    logits, labels = voxels(count, 3, 2.0)
    labels[: count // 10] = torch.arange(count // 10) % 3
    return logits, labels


def mixture(logits, temperature, weights):
    parts = ((logits / temperature).softmax(1), logits.softmax(1), torch.full_like(logits, 1 / 3))
    return sum(w * part for w, part in zip(weights, parts, strict=True)).log()


def test_weights_are_shares():
    step = EnsembleTemperatureScaling()
    step.fit(*noisy())
    assert min(step.weights) >= 0
    assert np.isclose(sum(step.weights), 1)
    assert step.weights[2] > 0.005


def test_no_other_shares_are_likelier():
    logits, labels = (each.double() if each.is_floating_point() else each for each in noisy())
    step = EnsembleTemperatureScaling()
    step.fit(logits, labels)
    torch.testing.assert_close(step(logits).softmax(1).log(), mixture(logits, step.temperature, step.weights))
    smallest = nll(step(logits), labels)
    for first, second in itertools.product(np.linspace(0, 1, 21), repeat=2):
        if first + second <= 1:
            other = mixture(logits, step.temperature, (first, second, 1 - first - second))
            assert smallest <= nll(other, labels) + 1e-9


def test_its_temperature_is_that_of_temperature_scaling():
    alone, step = TemperatureScaling(), EnsembleTemperatureScaling()
    alone.fit(*noisy())
    step.fit(*noisy())
    assert step.temperature == alone.temperature
    assert nll(step(noisy()[0]), noisy()[1]) < nll(alone(noisy()[0]), noisy()[1])


def test_labels_without_any_relation_keep_the_order_of_classes():
    logits = voxels(3000, 3)[0]
    step = EnsembleTemperatureScaling()
    step.fit(logits, torch.arange(3000) % 3)
    torch.testing.assert_close(step(logits).softmax(1), torch.full_like(logits, 1 / 3), rtol=0, atol=0.05)
    assert (step(logits).double().argmax(1) == logits.argmax(1)).float().mean() > 0.99
