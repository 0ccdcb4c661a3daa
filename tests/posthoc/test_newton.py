"""Newton's method within bounds: quadratic functions whose minimum is known, and steep ones."""

import numpy as np
import torch
from scipy.optimize import lsq_linear

from spectralcal.posthoc._newton import minimize


def test_the_minimum_of_a_quadratic_within_bounds():
    random = np.random.default_rng(0)
    for _ in range(20):
        matrix, target = random.normal(size=(8, 5)), random.normal(size=8)
        lower, upper = -random.uniform(0, 0.3, 5), random.uniform(0, 0.3, 5)
        a, b = torch.from_numpy(matrix), torch.from_numpy(target)

        def objective(x, a=a, b=b):
            return float(0.5 * (a @ x - b).square().sum()), a.T @ (a @ x - b), a.T @ a

        result = minimize(objective, torch.zeros(5).double(), torch.from_numpy(lower), torch.from_numpy(upper))
        expected = lsq_linear(matrix, target, (lower, upper), tol=1e-13).x
        np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)


def test_a_function_that_is_flat_far_away_is_followed_to_its_minimum():
    """log cosh: full steps from afar would fly apart."""

    def objective(x):
        return float(x.cosh().log().sum()), x.tanh(), torch.diag(1 / x.cosh() ** 2)

    bound = torch.full((2,), 50.0).double()
    result = minimize(objective, torch.tensor([9.0, -4.0]).double(), -bound, bound)
    np.testing.assert_allclose(result.numpy(), 0, atol=1e-8)


def test_directions_without_curvature_are_left_alone():
    def objective(x):
        difference = x[0] - x[1] - 3
        slope = torch.tensor([difference, -difference])
        return float(0.5 * difference**2), slope, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double()

    bound = torch.full((2,), 50.0).double()
    result = minimize(objective, torch.zeros(2).double(), -bound, bound)
    np.testing.assert_allclose(result.numpy(), [1.5, -1.5], atol=1e-6)
