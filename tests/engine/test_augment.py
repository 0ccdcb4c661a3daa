import numpy as np
import pytest
import torch
from scipy import ndimage

from spectralcal.study.config import AugmentationConfig
from spectralcal.transforms.intensity import (
    Augmentation,
    apply_augmentation,
    gamma_transform,
    gaussian_blur,
    sample_augmentation,
)

NEUTRAL = {"noise_std": np.zeros(2), "blur_sigma": np.zeros(2), "brightness": np.ones(2), "gamma": np.ones(2)}


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_neutral_parameters_change_nothing():
    batch = images(2, 1, 6, 7, 8)
    torch.testing.assert_close(apply_augmentation(batch, Augmentation(**NEUTRAL, noise_seed=1)), batch, rtol=0, atol=0)


def test_sampling_is_a_function_of_the_stream():
    settings = AugmentationConfig()
    one, again = (sample_augmentation(settings, 4, ("toy", 0, 3)) for _ in range(2))
    assert all(np.array_equal(getattr(one, name), getattr(again, name)) for name in vars(one))
    assert one.noise_seed != sample_augmentation(settings, 4, ("toy", 0, 4)).noise_seed


def test_a_changed_probability_does_not_shift_the_other_draws():
    on = sample_augmentation(AugmentationConfig(noise_probability=1), 64, ("toy", 0, 0))
    off = sample_augmentation(AugmentationConfig(noise_probability=0), 64, ("toy", 0, 0))
    assert not off.noise_std.any()
    for name in ("blur_sigma", "brightness", "gamma"):
        np.testing.assert_array_equal(getattr(on, name), getattr(off, name))


def test_shares_and_ranges_follow_the_settings():
    drawn = sample_augmentation(AugmentationConfig(), 20_000, ("toy",))
    for values, neutral, share, low, high in (
        (drawn.noise_std, 0, 0.1, 0, np.sqrt(0.1)),
        (drawn.blur_sigma, 0, 0.2, 0.5, 1),
        (drawn.brightness, 1, 0.15, 0.75, 1.25),
        (drawn.gamma, 1, 0.3, 0.7, 1.5),
    ):
        applied = values != neutral
        assert abs(applied.mean() - share) < 0.012
        assert values[applied].min() >= low
        assert values[applied].max() <= high


@pytest.mark.parametrize("shape", [(1, 12, 13), (2, 9, 10, 11)])
def test_blur_agrees_with_scipy(shape):
    image = images(*shape)
    expected = np.stack([ndimage.gaussian_filter(c, 0.8, mode="nearest", radius=3) for c in image.double().numpy()])
    np.testing.assert_allclose(gaussian_blur(image.double(), 0.8).numpy(), expected, atol=1e-12)


def test_gamma_keeps_mean_spread_and_order():
    image = images(2, 8, 8, 8).double()
    curved = gamma_transform(image, 1.4)
    torch.testing.assert_close(curved.mean((1, 2, 3)), image.mean((1, 2, 3)))
    torch.testing.assert_close(curved.std((1, 2, 3)), image.std((1, 2, 3)))
    assert torch.equal(curved[0].ravel().argsort(), image[0].ravel().argsort())
    assert not torch.allclose(curved, image)


def test_gamma_of_a_constant_image_stays_finite():
    assert torch.isfinite(gamma_transform(torch.full((1, 4, 4), 3.0), 0.8)).all()


def test_noise_has_the_asked_spread_and_is_per_sample():
    parameters = Augmentation(**{**NEUTRAL, "noise_std": np.array([0.3, 0.0])}, noise_seed=7)
    batch = torch.zeros(2, 1, 32, 32, 32)
    noisy = apply_augmentation(batch, parameters)
    assert abs(float(noisy[0].std()) - 0.3) < 0.01
    assert not noisy[1].any()
    assert not batch.any()
