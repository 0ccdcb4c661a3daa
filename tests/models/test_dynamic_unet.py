"""The layers of U-Net and nnU-Net beside MONAI's, with which published cells were trained: equal bit by bit."""

import pytest
import torch
from monai.networks.nets import DynUNet

from spectralcal.engine.state import unique_state
from spectralcal.models.dynamic_unet import DynamicUNet

CASES = {
    "unet": ([3, 3, 3, 3], [1, 2, 2, 2], [4, 8, 16, 16], {}),
    "residual": ([3, 3, 3], [1, 2, 2], [4, 8, 8], {"residual": True}),
    "same width": ([3, 3, 3], [1, 1, 2], [4, 4, 8], {"residual": True}),
    "heads": ([3, 3, 3, 3, 3], [1, 2, 2, 2, 2], [4, 8, 8, 8, 8], {"coarse_heads": 2}),
    "flat": ([(1, 3, 3), (3, 3, 3), (3, 3, 3)], [(1, 1, 1), (1, 2, 2), (2, 2, 2)], [4, 8, 8], {}),
    "flat residual": ([(1, 3, 3), (1, 3, 3), (3, 3, 3)], [(1, 1, 1), (1, 2, 2), (2, 2, 2)], [4, 8, 8],
                      {"residual": True, "coarse_heads": 1}),
}  # fmt: skip


def pair(case, dims):
    """Ours and MONAI's from the same seed."""
    kernels, strides, widths, options = CASES[case]
    torch.manual_seed(5)
    ours = DynamicUNet(2, 3, dims, kernels, strides, widths, **options)
    torch.manual_seed(5)
    heads = options.get("coarse_heads", 0)
    peer = DynUNet(
        dims, 2, 3, kernels, strides, strides[1:], filters=widths, norm_name=("instance", {"affine": True}),
        res_block=options.get("residual", False), deep_supervision=heads > 0, deep_supr_num=max(1, heads),
    )  # fmt: skip
    return ours, peer


@pytest.mark.parametrize(("case", "dims"), [(case, 3) for case in CASES] + [("unet", 2), ("residual", 2), ("heads", 2)])
def test_weights_outputs_and_gradients_are_monais(case, dims):
    ours, peer = pair(case, dims)
    mine, theirs = ours.state_dict(), unique_state(peer)
    assert list(mine) == list(theirs)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in peer.named_parameters()]
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    x = torch.randn(2, 2, *(32, 48, 32)[:dims])
    outputs = []
    for network in (ours.eval(), peer.eval()):
        logits = network(x)
        logits.square().sum().backward()
        outputs.append(logits)
    assert torch.equal(*outputs)
    theirs = dict(peer.named_parameters())
    for name, parameter in ours.named_parameters():
        found, expected = parameter.grad, theirs[name].grad
        assert (found is None and expected is None) or torch.equal(found, expected)


def test_coarse_heads_are_those_that_monai_stretches():
    ours, peer = pair("heads", 2)
    x = torch.randn(2, 2, 32, 32)
    *coarse, _ = ours.train().levels(x)
    _, *stretched = peer.train()(x).unbind(1)
    for head, features, expected in zip(ours.deep_supervision_heads, reversed(coarse), stretched, strict=False):
        assert torch.equal(torch.nn.functional.interpolate(head(features), (32, 32)), expected)
    assert len(stretched) == 2


def test_levels_end_in_what_the_logits_are_made_of():
    ours, _ = pair("unet", 3)
    x = torch.randn(1, 2, 16, 16, 16)
    features = ours.levels(x)
    assert [tuple(level.shape[1:]) for level in features] == [(16, 4, 4, 4), (8, 8, 8, 8), (4, 16, 16, 16)]
    assert torch.equal(ours.output_block(features[-1]), ours(x))
