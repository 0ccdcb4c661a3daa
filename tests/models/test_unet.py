import pytest
import torch

from spectralcal.models import build_model
from spectralcal.models.padding import parameter_count


@pytest.mark.parametrize("shape", [(16, 16, 16), (13, 20, 9), (3, 17, 8), (16, 24), (7, 19)])
def test_any_size_in_the_same_size_out(shape):
    model = build_model("unet", 2, 3, spatial_dims=len(shape), channels=(4, 8, 8)).eval()
    assert model(torch.randn(2, 2, *shape)).shape == (2, 3, *shape)


def test_padding_does_not_reach_divisible_sizes():
    model = build_model("unet", 1, 2, channels=(4, 8, 8)).eval()
    x = torch.randn(1, 1, 16, 8, 12)
    torch.testing.assert_close(model(x), model.body(x), rtol=0, atol=0)


def test_gradients_reach_every_parameter():
    model = build_model("unet", 1, 3, channels=(4, 8, 16))
    model(torch.randn(2, 1, 16, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_initial_weights_depend_on_the_seed_only():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_model("unet", 1, 2, channels=(4, 8, 8)).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_sizes_of_the_two_studies_networks():
    assert parameter_count(build_model("unet", 1, 4, channels=(8, 16, 32, 64))) == 350_780
    assert 15e6 < parameter_count(build_model("unet", 4, 4)) < 18e6


def test_bf16_and_channels_last_agree_with_plain_float32():
    model = build_model("unet", 1, 3, channels=(4, 8, 8)).eval()
    x = torch.randn(1, 1, 16, 16, 16)
    plain = model(x)
    fast = model.to(memory_format=torch.channels_last_3d)
    with torch.autocast("cpu", torch.bfloat16):
        found = fast(x.to(memory_format=torch.channels_last_3d)).float()
    assert (found - plain).norm() / plain.norm() < 0.03


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 2), {}, "in_channels must be at least 1, got 0"),
        ((1, 1), {}, "num_classes .* at least 2, got 1"),
        ((1, 2), {"spatial_dims": 4}, "spatial_dims must be 2 or 3, got 4"),
        ((1, 2), {"channels": (8, 16)}, r"at least three positive widths, got \(8, 16\)"),
        ((1, 2), {"channels": (8, 0, 16)}, "positive widths"),
    ],
)
def test_impossible_networks_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        build_model("unet", *arguments, **options)
