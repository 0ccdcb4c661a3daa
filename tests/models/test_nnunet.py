import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spectralcal.models import build_model
from spectralcal.models.nnunet import plan


def test_an_isotropic_cube_is_halved_to_six_voxels_everywhere():
    kernels, strides = plan((96, 96, 96), (1, 1, 1))
    assert kernels == [(3, 3, 3)] * 5
    assert strides == [(1, 1, 1)] + [(2, 2, 2)] * 4


def test_thick_slices_wait_for_the_others():
    # By hand: 5 mm against 1.5625, 3.125, 6.25: a factor of 3.2 at first, 1.6 after one halving in plane; 20 slices
    # allow two halvings, and 256 x 224 stops at 8 x 7, where one axis alone would be left.
    kernels, strides = plan((20, 256, 224), (5.0, 1.5625, 1.5625))
    assert kernels == [(1, 3, 3)] + [(3, 3, 3)] * 5
    assert strides == [(1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2)]


axes = st.integers(2, 3).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(4, 200), min_size=n, max_size=n), st.lists(st.floats(0.3, 12), min_size=n, max_size=n)
    )
)


@given(axes)
def test_plans_keep_four_voxels_and_halve_only_axes_of_similar_spacing(case):
    patch, spacing = case
    kernels, strides = plan(patch, spacing)
    assert len(kernels) == len(strides)
    assert strides[0] == (1,) * len(patch)
    assert kernels[-1] == (3,) * len(patch)
    sizes, spacings = list(patch), list(spacing)
    for level in strides[1:]:
        assert 2 in level
        before = spacings
        sizes = [-(-size // s) for size, s in zip(sizes, level, strict=True)]
        spacings = [step * s for step, s in zip(spacings, level, strict=True)]
        assert all(size >= 4 for size in sizes)
        halved = [step for step, s in zip(before, level, strict=True) if s == 2]
        assert max(halved) < 2 * min(halved)
    full = [[k == 3 for k in kernel] for kernel in kernels]
    assert all(not was or now for a, b in itertools.pairwise(full) for was, now in zip(a, b, strict=True))


def test_an_anisotropic_network_pads_each_axis_to_its_own_divisor():
    model = build_model("nnunet", 1, 2, patch=(8, 64, 64), spacing_mm=(5, 1, 1), base_channels=4, max_channels=8).eval()
    assert model.divisor == (2, 16, 16)
    assert model.padded_sizes((8, 60, 70)) == [8, 64, 80]
    assert model(torch.randn(1, 1, 8, 60, 70)).shape == (1, 2, 8, 60, 70)


def test_at_the_papers_patch_it_is_the_plain_unet():
    options = {"base_channels": 4, "max_channels": 16, "patch": (32, 32, 32)}
    network = build_model("nnunet", 1, 3, **options).eval()
    unet = build_model("unet", 1, 3, channels=(4, 8, 16, 16)).eval()
    unet.load_state_dict(network.state_dict())
    x = torch.randn(1, 1, 32, 32, 32)
    torch.testing.assert_close(network(x), unet(x), rtol=0, atol=0)


def test_heads_are_those_of_the_levels_at_their_own_resolution():
    torch.manual_seed(0)
    model = build_model("nnunet", 1, 2, patch=(64, 64), spatial_dims=2, base_channels=4, deep_supervision=True).train()
    x = torch.randn(2, 1, 64, 64)
    features = model.body.levels(x)[::-1]
    heads = model(x)
    assert [head.shape[-1] for head in heads] == [64, 32, 16]  # the levels of 8 and 4 voxels have none
    assert torch.equal(heads[0], model.body.output_block(features[0]))
    for logits, head, level in zip(heads[1:], model.body.deep_supervision_heads, features[1:], strict=False):
        assert torch.equal(logits, head(level))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": (8, 8, 8)}, r"patch must allow two halvings .* got \(8, 8, 8\)"),
        ({"patch": (32, 32)}, r"patch needs 3 positive numbers, one per axis, got \(32, 32\)"),
        ({"spacing_mm": (1, 1, 0)}, "spacing_mm needs 3 positive numbers"),
        ({"base_channels": 0}, "1 <= base_channels <= max_channels, got 0 and 320"),
        ({"base_channels": 64, "max_channels": 32}, "got 64 and 32"),
    ],
)
def test_impossible_plans_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model("nnunet", 1, 2, **options)
