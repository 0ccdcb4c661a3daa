"""The U-Net of slices: what it makes of a volume is what the 2-D network makes of each slice."""

from __future__ import annotations

import copy

import pytest
import torch

from spectralcal.machine.device import in_layout
from spectralcal.models import build_model

CHANNELS = (4, 8, 8)


def network(axis=-1, **options):
    torch.manual_seed(0)
    return build_model("slice_unet", 2, 3, channels=CHANNELS, axis=axis, **options).eval()


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_each_slice_goes_through_the_2d_network_alone(axis):
    model, x = network(axis), torch.randn(2, 2, 11, 12, 13)
    with torch.inference_mode():
        logits = model(x)
        for index in range(x.shape[2 + axis % 3]):
            expected = model.body(x.select(2 + axis % 3, index))
            torch.testing.assert_close(logits.select(2 + axis % 3, index), expected, rtol=1e-4, atol=1e-5)


def test_of_pictures_it_is_the_u_net():
    torch.manual_seed(0)
    plain = build_model("unet", 2, 3, spatial_dims=2, channels=CHANNELS).eval()
    torch.manual_seed(0)
    model = build_model("slice_unet", 2, 3, spatial_dims=2, channels=CHANNELS).eval()
    x = torch.randn(1, 2, 16, 20)
    torch.testing.assert_close(model(x), plain(x), rtol=0, atol=0)


def test_one_slice_is_not_padded_to_two():
    assert network().padded_sizes((128, 128, 1)) == [128, 128, 1]
    assert network(0).padded_sizes((3, 9, 17)) == [3, 12, 20]


def test_channels_last_goes_by_the_rank_of_the_weights():
    x = torch.randn(1, 2, 16, 16, 3)
    plain = network()
    expected = plain(x)
    moved = in_layout(plain, torch.device("cpu"), torch.channels_last_3d)
    weight = next(p for p in moved.parameters() if p.ndim == 4 and min(p.shape[:2]) > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(moved(x.to(memory_format=torch.channels_last_3d)), expected, rtol=1e-4, atol=1e-5)


def test_a_network_of_volumes_has_the_strides_that_torch_gives_it():
    """Of a 1 x 1 x 1 convolution too, whose weights lie in both formats at once."""
    torch.manual_seed(0)
    plain = build_model("unet", 1, 3, channels=CHANNELS)
    moved = in_layout(copy.deepcopy(plain), torch.device("cpu"), torch.channels_last_3d)
    expected = plain.to(memory_format=torch.channels_last_3d)
    weights = [*zip(moved.parameters(), expected.parameters(), strict=True)]
    assert any(ours.shape[2:] == (1, 1, 1) for ours, _ in weights)
    assert [ours.stride() for ours, _ in weights] == [theirs.stride() for _, theirs in weights]


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="axis must name one of 3 spatial axes, got 3"):
        network(3)
