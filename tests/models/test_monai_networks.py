"""UNet++, Attention U-Net and Swin UNETR: what this package adds around MONAI's layers."""

import pickle

import pytest
import torch
import torch.nn.functional as F

from spectralcal.models import build_model
from spectralcal.models.unetpp import BlockMaximum


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (2, 3, 4, 6, 8)])
def test_block_maximum_is_max_pooling(shape):
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    pool = F.max_pool2d if len(shape) == 4 else F.max_pool3d
    ours, expected = BlockMaximum(len(shape) - 2)(x), pool(x, 2)
    assert torch.equal(ours, expected)
    weights = torch.randn_like(expected)
    gradients = [torch.autograd.grad((found * weights).sum(), x)[0] for found in (ours, expected)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("dims", [2, 3])
def test_unetpp_computes_what_monais_forward_does(dims):
    torch.manual_seed(0)
    model = build_model("unetpp", 1, 3, spatial_dims=dims, channels=(4, 4, 4, 8, 8), deep_supervision=True).train()
    x = torch.randn(2, 1, *(32, 48, 32)[:dims])
    for found, expected in zip(model(x), reversed(model.body(x)), strict=True):
        assert torch.equal(found, expected)


def test_unetpp_without_deep_supervision_has_no_idle_heads():
    model = build_model("unetpp", 1, 3, spatial_dims=2, channels=(4, 4, 4, 8, 8))
    assert [name for name, _ in model.body.named_children() if name.startswith("final")] == ["final_conv_0_4"]


def test_swin_doubles_one_axis_of_a_single_block():
    model = build_model("swin_unetr", 1, 2, feature_size=12, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=2)
    assert model.padded_sizes((20, 32, 7)) == [32, 32, 64]
    assert model.padded_sizes((33, 32, 7)) == [64, 32, 32]
    again = pickle.loads(pickle.dumps(model)).eval()
    x = torch.randn(1, 1, 20, 32, 7)
    torch.testing.assert_close(again(x), model.eval()(x), rtol=0, atol=0)


def test_attention_unet_saves_its_running_averages():
    model = build_model("attention_unet", 1, 2, spatial_dims=2, channels=(4, 8, 8))
    assert any(name.endswith("running_mean") for name, _ in model.named_buffers())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unetpp", {"channels": (8, 8, 8, 8)}, r"channels needs 5 positive widths.* got \(8, 8, 8, 8\)"),
        ("unetpp", {"channels": (8, 7, 8, 8, 8)}, "even below the first level"),
        ("attention_unet", {"channels": (8, 8)}, "at least three widths"),
        ("attention_unet", {"channels": (8, 1, 8)}, "at least 2"),
        ("attention_unet", {"dropout": -0.1}, "dropout must be in"),
        ("swin_unetr", {"feature_size": 16}, "multiple of 12, got 16"),
        ("swin_unetr", {"depths": (2, 2, 2)}, r"depths needs 4 positive numbers, one a stage, got \(2, 2, 2\)"),
        ("swin_unetr", {"feature_size": 12, "num_heads": (5, 6, 12, 24)}, "num_heads must divide the widths"),
        ("swin_unetr", {"window_size": 0}, "window_size must be at least 1"),
    ],
)
def test_impossible_networks_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, 1, 2, **options)
