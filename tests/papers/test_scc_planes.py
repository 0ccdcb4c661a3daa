"""Networks and slices as class activation maps look at them."""

import pytest
import torch

from spectralcal.explain import grad_cam
from spectralcal.models import build_model
from spectralcal.papers.spectral_correlation.planes import last_block, planar

RESNET = {"encoder": "resnet10", "decoder": (8, 8, 8, 8, 4)}
NETWORKS = {
    "unet": (2, {"channels": (4, 8, 8)}, "body.upsamples.1"),
    "slice_unet": (3, {"channels": (4, 8, 8)}, "body.upsamples.1"),
    "transunet": (2, {"channels": (4, 4, 8, 8), "blocks": 1, "width": 8, "depth": 1, "heads": 2}, "decoder.3"),
    "slice_transunet": (3, {"channels": (4, 4, 8, 8), "width": 8, "depth": 1, "heads": 2}, "decoder.3"),
    "unet_resnet": (3, RESNET, "decoder.blocks.4"),
    "transunet_resnet": (2, {**RESNET, "width": 16, "depth": 1, "heads": 2}, "decoder.blocks.4"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_last_block_explains_a_slice(name):
    dims, options, block = NETWORKS[name]
    torch.manual_seed(0)
    network = build_model(name, 1, 3, spatial_dims=dims, **options).eval()
    volume = torch.randn(1, 1, 32, 32, 2) if dims == 3 else None
    picture = torch.randn(1, 1, 32, 32) if volume is None else volume[..., 1]
    with torch.inference_mode():
        expected = network(picture) if volume is None else network(volume)[..., 1]
    flat = planar(network)
    assert last_block(flat) == block
    with torch.inference_mode():
        torch.testing.assert_close(flat(picture), expected, rtol=1e-4, atol=1e-5)
    assert grad_cam(flat, picture, 1, last_block(flat), "all").shape == (1, 32, 32)


def test_a_network_without_known_blocks_is_refused():
    with pytest.raises(ValueError, match="expected blocks called"):
        last_block(torch.nn.Conv2d(1, 2, 1))
