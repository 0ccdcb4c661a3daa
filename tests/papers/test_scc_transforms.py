"""Noise "of level 0.01" in the readings that its words allow."""

import numpy as np
import pytest
import torch

from spectralcal.papers.spectral_correlation.transforms.bernoulli import BernoulliLevel
from spectralcal.papers.spectral_correlation.transforms.gaussian import GaussianLevel


@pytest.fixture
def image():
    """(2, 64, 64) from -3 to 5, as after a z-score."""
    values = torch.rand((2, 64, 64), generator=torch.Generator().manual_seed(1)) * 7.9 - 2.95
    values[0, 0, 0], values[1, 0, 0] = -3.0, 5.0
    return values


@pytest.mark.parametrize(
    ("options", "deviation"),
    [
        ({}, 0.1 * 8),
        ({"reading": "deviation"}, 0.01 * 8),
        ({"scale": "input"}, 0.1),
        ({"level": 0.04, "scale": "input"}, 0.2),
        ({"level": 0.0}, 0.0),
    ],
)
def test_gaussian_noise_has_the_deviation_of_its_reading(image, options, deviation):
    added = GaussianLevel(**options)(image, 3) - image
    assert float(added.std()) == pytest.approx(deviation, rel=0.04, abs=1e-6)
    assert abs(float(added.mean())) <= 0.05 * deviation + 1e-6


def test_level_on_the_image_range_does_not_depend_on_the_normalisation(image):
    scaled = 3 * image + 100
    first, second = (GaussianLevel()(each, 3) for each in (image, scaled))
    torch.testing.assert_close(3 * first + 100, second, rtol=1e-5, atol=1e-4)
    first, second = (BernoulliLevel(0.05)(each, 3) for each in (image, scaled))
    torch.testing.assert_close(3 * first + 100, second, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ({}, {-3.0, 5.0}),
        ({"reading": "dropout"}, {-3.0}),
        ({"scale": "input"}, {0.0, 1.0}),
        ({"reading": "dropout", "scale": "input"}, {0.0}),
    ],
)
def test_bernoulli_noise_hits_a_share_with_its_values(image, options, values):
    found = BernoulliLevel(0.1, **options)(image, 3)
    hit = found != image
    assert float(hit.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert {round(value, 4) for value in found[hit].tolist()} == values


def test_added_impulses_are_the_range(image):
    added = BernoulliLevel(0.1, reading="added")(image, 3) - image
    hit = added.abs() > 1e-3
    assert float(hit.float().mean()) == pytest.approx(0.1, abs=0.02)
    np.testing.assert_allclose(added[hit].numpy(), 8.0, rtol=1e-4)


@pytest.mark.parametrize("transform", [GaussianLevel(), BernoulliLevel()])
def test_noise_is_of_the_seed_and_leaves_its_image(image, transform):
    before = image.clone()
    first, again, other = (transform(image, seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert (first != other).any()
    torch.testing.assert_close(image, before, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [GaussianLevel, BernoulliLevel])
def test_options_out_of_range_are_refused(kind):
    for options in ({"level": -0.1}, {"reading": "loud"}, {"scale": "decibel"}):
        with pytest.raises(ValueError, match="expected level"):
            kind(**options)
