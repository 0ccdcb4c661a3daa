"""The TransUNet of slices: what it makes of a volume is what the 2-D network makes of each slice."""

import pytest
import torch

from spectralcal.models import build_model

SMALL = {"channels": (4, 4, 8, 8), "blocks": 1, "width": 8, "depth": 1, "heads": 2}


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_each_slice_goes_through_the_2d_network_alone(axis):
    torch.manual_seed(0)
    model = build_model("slice_transunet", 2, 3, axis=axis, patch=(32, 32, 32), **SMALL).eval()
    torch.manual_seed(0)
    plain = build_model("transunet", 2, 3, spatial_dims=2, patch=(32, 32), **SMALL).eval()
    x = torch.randn(1, 2, 33, 34, 35)
    with torch.inference_mode():
        logits = model(x)
        for index in (0, 7):
            expected = plain(x.select(2 + axis % 3, index))
            torch.testing.assert_close(logits.select(2 + axis % 3, index), expected, rtol=1e-4, atol=1e-5)


def test_one_slice_is_not_padded():
    model = build_model("slice_transunet", 1, 4, **SMALL)
    assert model.padded_sizes((128, 128, 1)) == [128, 128, 1]
    assert model.padded_sizes((17, 40, 3)) == [32, 48, 3]


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="axis must name one of 3 spatial axes, got 3"):
        build_model("slice_transunet", 1, 4, axis=3, patch=(32, 32, 32), **SMALL)
