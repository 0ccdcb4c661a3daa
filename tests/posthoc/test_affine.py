"""Class-wise temperatures, vectors and matrices: the map that made the labels is found, and no other fits better."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.special import log_softmax
from voxel_samples import voxels

from spectralcal.posthoc.classwise_temperature import ClasswiseTemperatureScaling
from spectralcal.posthoc.dirichlet import DirichletCalibration
from spectralcal.posthoc.matrix import MatrixScaling
from spectralcal.posthoc.vector import VectorScaling

TRUE = [[0.8, 0.1, -0.1], [0.1, 0.5, 0.0], [-0.2, 0.1, 1.2]]
SHIFT = [0.5, -0.2, -0.3]


def drawn(step, count=200_000):
    """Logits, and labels drawn from what a step of known numbers makes of them."""
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(count, len(SHIFT), generator=generator)
    labels = torch.multinomial(step(logits).softmax(1), 1, generator=generator)[:, 0]
    return logits, labels


def test_class_wise_temperatures_that_made_the_labels_are_found():
    step = ClasswiseTemperatureScaling()
    step.fit(*drawn(ClasswiseTemperatureScaling.from_parameters({"temperatures": [0.5, 1.0, 2.0]})))
    np.testing.assert_allclose(step.temperatures, [0.5, 1.0, 2.0], rtol=0.03)


def test_factors_and_intercepts_that_made_the_labels_are_found():
    step = VectorScaling()
    step.fit(*drawn(VectorScaling.from_parameters({"weights": [0.5, 1.0, 1.5], "intercepts": SHIFT})))
    np.testing.assert_allclose(step.weights, [0.5, 1.0, 1.5], rtol=0.04)
    np.testing.assert_allclose(step.intercepts, SHIFT, atol=0.03)


@pytest.mark.parametrize("kind", [MatrixScaling, DirichletCalibration])
def test_a_matrix_that_made_the_labels_is_found(kind):
    """Up to what no probability shows: one row added to all rows, and for centred logits one number to all of a row."""
    step = kind(off_diagonal=1e-9, intercept=1e-9)
    true = kind.from_parameters({"weights": TRUE, "intercepts": SHIFT})
    step.fit(*drawn(true))
    others = torch.randn(500, 3)
    torch.testing.assert_close(step(others).softmax(1), true(others).softmax(1), rtol=0, atol=0.02)


def reference(kind, logits, labels, free, **penalties):
    """Smallest penalised loss by SciPy, written out in NumPy: [W, b] and the loss."""
    z = logits.double().numpy()
    x = z if kind is ClasswiseTemperatureScaling else log_softmax(z, 1)
    if kind is MatrixScaling:
        x = z - z.mean(1, keepdims=True)
    classes = z.shape[1]
    identity = np.eye(classes, classes + 1)
    off = ~np.eye(classes, dtype=bool)

    def loss(chosen):
        full = identity.copy()
        full[free] = chosen
        logs = log_softmax(x @ full[:, :-1].T + full[:, -1], 1)
        value = -logs[np.arange(len(z)), labels.numpy()].mean()
        if penalties:
            value += penalties["off_diagonal"] * (full[:, :-1][off] ** 2).mean()
            value += penalties["intercept"] * (full[:, -1] ** 2).mean()
        return value

    best = scipy_minimize(loss, identity[free], method="BFGS", options={"gtol": 1e-9})
    full = identity.copy()
    full[free] = best.x
    return full, best.fun, loss


@pytest.mark.parametrize("kind", [ClasswiseTemperatureScaling, VectorScaling, MatrixScaling, DirichletCalibration])
def test_it_is_the_minimum_that_scipy_finds(kind):
    logits, labels = voxels(1500, 3, 1.7, background=1.0)
    logits[:, 1] *= 1.4
    step = kind(off_diagonal=0.01, intercept=0.02) if kind in (MatrixScaling, DirichletCalibration) else kind()
    penalties = {"off_diagonal": 0.01, "intercept": 0.02} if hasattr(step, "off_diagonal") else {}
    free = np.ones((3, 4), bool)
    if not penalties:
        free[:, :3] = np.eye(3)
        free[:, 3] = kind is VectorScaling
    expected, smallest, loss = reference(kind, logits, labels, free, **penalties)
    step.fit(logits, labels)
    if kind is ClasswiseTemperatureScaling:
        np.testing.assert_allclose(step.temperatures, 1 / np.diag(expected), rtol=1e-4)
        return
    weights = np.diag(step.weights) if kind is VectorScaling else np.array(step.weights)
    intercepts = expected[:, 3] - expected[:, 3].mean()
    assert loss(np.column_stack([weights, step.intercepts])[free]) <= smallest + 1e-10
    np.testing.assert_allclose(weights, expected[:, :3], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(np.array(step.intercepts) - np.mean(step.intercepts), intercepts, atol=1e-4)


def test_a_vector_without_intercepts_is_a_class_wise_temperature():
    logits = torch.randn(4, 3, 5, 5)
    vector = VectorScaling.from_parameters({"weights": [0.5, 1.0, 2.0], "intercepts": [0.0, 0.0, 0.0]})
    classwise = ClasswiseTemperatureScaling.from_parameters({"temperatures": [2.0, 1.0, 0.5]})
    torch.testing.assert_close(vector(logits), classwise(logits.log_softmax(1)))


@pytest.mark.parametrize("kind", [MatrixScaling, DirichletCalibration])
def test_high_prices_leave_a_factor_per_class(kind):
    step = kind(off_diagonal=1e6, intercept=1e6)
    step.fit(*voxels(5000, 3, 2.0))
    weights = np.array(step.weights)
    assert np.abs(weights[~np.eye(3, dtype=bool)]).max() < 1e-5
    assert np.abs(step.intercepts).max() < 1e-5
    np.testing.assert_allclose(np.diag(weights), 0.5, atol=0.05)


def test_negative_prices_are_refused():
    with pytest.raises(ValueError, match="penalties of at least 0"):
        MatrixScaling(off_diagonal=-1.0)


def test_a_class_without_voxels_is_at_its_limit():
    logits, labels = voxels(3000, 4)
    step = VectorScaling(largest_intercept=5.0)
    step.fit(logits, labels.clamp_max(2))
    assert any("of class 3 is at its limit" in line for line in step.limits)
    assert step(logits).softmax(1)[:, 3].max() < 0.01
