import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from spectralcal.base import registry
from spectralcal.posthoc._scaling import fit_factors
from spectralcal.posthoc.classwise_temperature import ClasswiseTemperatureScaling
from spectralcal.posthoc.temperature import TemperatureScaling


def voxels(count=20_000, classes=4, sharpness=1.0, seed=0):
    """Logits and labels drawn from softmax(logits / sharpness): the temperature to find is `sharpness`."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]
    return logits * sharpness, labels


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
    assert float(fit_factors(logits, labels, 1)) == pytest.approx(best, rel=1e-6)


def test_class_wise_factors_are_found():
    logits, labels = voxels(100_000, 3)
    spoiled = logits * torch.tensor([0.5, 1.0, 2.0])
    step = ClasswiseTemperatureScaling()
    step.fit(spoiled, labels)
    np.testing.assert_allclose(step.temperatures, [0.5, 1.0, 2.0], rtol=0.05)


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


@pytest.mark.parametrize(
    ("logits", "labels", "count", "message"),
    [
        (torch.zeros(3), torch.zeros(3), 1, r"expected logits \(N, C\)"),
        (torch.zeros(3, 2), torch.zeros(4), 1, r"got \(3, 2\) and \(4,\)"),
        (torch.zeros(0, 2), torch.zeros(0), 1, "at least one voxel"),
        (torch.full((3, 2), float("nan")), torch.zeros(3), 1, "finite"),
        (torch.zeros(3, 2), torch.zeros(3), 3, "count must be 1 or the number of classes 2, got 3"),
    ],
)
def test_impossible_fits_are_refused(logits, labels, count, message):
    with pytest.raises(ValueError, match=message):
        fit_factors(logits, labels, count)


@pytest.mark.parametrize("name", registry.names("posthoc"))
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 4, 5, 6)])
def test_every_registered_step_keeps_the_contract(name, shape):
    step = registry.load("posthoc", name)()
    logits = torch.randn(shape)
    torch.testing.assert_close(step(logits), logits)
    step.fit(torch.randn(500, 3), torch.randint(0, 3, (500,)))
    assert step(logits).shape == logits.shape
    assert step(logits).dtype == logits.dtype
    assert all(np.isfinite(np.ravel(value)).all() for value in step.parameters().values())
