import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spectralcal.models import build_model
from spectralcal.models.padding import parameter_count
from spectralcal.models.transunet import Transformer, TransformerBlock, resize_position

SMALL = {"channels": (4, 4, 8, 8), "blocks": 1, "width": 16, "depth": 2, "heads": 2}


@pytest.mark.parametrize(
    ("grid", "other", "mode"),
    [((4, 6), (7, 3), "bilinear"), ((3, 5, 4), (6, 5, 2), "trilinear"), ((1, 2, 2), (3, 1, 2), "trilinear")],
)
def test_positions_resize_by_linear_interpolation(grid, other, mode):
    position = torch.randn(1, *grid, 5)
    expected = F.interpolate(position.movedim(-1, 1), size=other, mode=mode, align_corners=False).movedim(1, -1)
    torch.testing.assert_close(resize_position(position, other), expected, rtol=1e-5, atol=1e-6)


def test_positions_on_their_own_grid_are_untouched():
    position = torch.randn(1, 2, 3, 4)
    assert resize_position(position, (2, 3)) is position


def test_a_block_is_pytorchs_encoder_layer():
    torch.manual_seed(0)
    block = TransformerBlock(12, heads=3, hidden=24, dropout=0.0)
    layer = nn.TransformerEncoderLayer(12, 3, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    pairs = {
        "self_attn.in_proj_": block.qkv, "self_attn.out_proj.": block.out, "norm1.": block.attention_norm,
        "norm2.": block.mlp[0], "linear1.": block.mlp[1], "linear2.": block.mlp[4],
    }  # fmt: skip
    layer.load_state_dict({f"{prefix}{key}": v for prefix, m in pairs.items() for key, v in m.state_dict().items()})
    x = torch.randn(2, 7, 12)
    torch.testing.assert_close(block(x), layer(x), rtol=1e-5, atol=1e-5)


def test_the_default_transformer_is_vit_base():
    transformer = Transformer(256, (6, 6, 6), 768, 12, 12, 4, 0.0)
    # twelve blocks of 12 width^2 weights and 13 width biases and scales
    assert parameter_count(transformer.blocks) == 12 * (12 * 768**2 + 13 * 768) == 85_054_464


def test_tokens_know_where_they_are():
    """Without positions a transformer commutes with any permutation of its tokens; with them it does not."""
    torch.manual_seed(0)
    transformer = Transformer(3, (4, 4), 8, 2, 2, 2, 0.0).eval()
    x = torch.randn(1, 3, 4, 4)
    flipped = transformer(x.flip(2)).flip(2)
    assert (flipped - transformer(x)).abs().max() > 1e-3
    with torch.no_grad():
        transformer.position.zero_()
    torch.testing.assert_close(transformer(x.flip(2)).flip(2), transformer(x), rtol=1e-4, atol=1e-5)


def test_one_voxel_reaches_every_logit_through_the_attention():
    torch.manual_seed(0)
    model = build_model("transunet", 1, 2, spatial_dims=2, patch=(64, 64), **SMALL).eval()
    x = torch.randn(1, 1, 64, 64, requires_grad=True)
    corner = torch.autograd.grad(model(x)[0, 1, 0, 0], x)[0]
    assert corner[0, 0, -1, -1] != 0


def test_weights_of_one_patch_serve_another():
    source = build_model("transunet", 1, 2, patch=(32, 32, 32), **SMALL).eval()
    assert source.transformer.position.shape == (1, 2, 2, 2, 16)
    assert source(torch.randn(1, 1, 48, 32, 64)).shape == (1, 2, 48, 32, 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (8, 8, 8)}, r"channels needs 4 widths of at least 2, got \(8, 8, 8\)"),
        ({"width": 768, "heads": 7}, "heads must divide width 768, got 7"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"patch": (96, 96)}, "patch needs 3 positive numbers"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("transunet", 1, 2, **options)
