"""Grad-CAM: by finite differences and by hand, layers and targets by name, and a network that is left as it was."""

import math

import pytest
import torch
from torch import nn

from spectralcal.explain import cam_scores, grad_cam, layer_names
from spectralcal.models import build_model


def network(dims=2, seed=0):
    """A small network whose part after "features" is smooth, so that differences tell its gradient."""
    conv = getattr(nn, f"Conv{dims}d")
    torch.manual_seed(seed)
    body = nn.Sequential()
    body.add_module("features", conv(2, 5, 3, padding=1, stride=2))
    body.add_module("act", nn.Tanh())
    body.add_module("up", nn.Upsample(scale_factor=2, mode="nearest"))
    body.add_module("head", conv(5, 3, 3, padding=1))
    return body


def images(dims=2, batch=2):
    return torch.randn((batch, 2, *(8, 6, 4)[:dims]), generator=torch.Generator().manual_seed(1))


def slopes_by_differences(model, x, label, mask, step=1e-4):
    """d(sum of the logit over the mask) / d(each activation of "features"), in double precision."""
    model = model.double()
    rest = lambda a: model.head(model.up(model.act(a)))  # noqa: E731
    activation = model.features(x.double())
    found = torch.zeros_like(activation)
    for index in range(activation.numel()):
        sides = []
        for sign in (1, -1):
            moved = activation.clone()
            moved.view(-1)[index] += sign * step
            sides.append((rest(moved)[:, label] * mask).sum())
        found.view(-1)[index] = (sides[0] - sides[1]) / (2 * step)
    return activation, found


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("target", ["predicted", "all", "mask"])
def test_against_differences(dims, target):
    model, x = network(dims).eval(), images(dims)
    with torch.no_grad():
        predicted = model(x).argmax(1) == 1
        given = torch.rand(predicted.shape, generator=torch.Generator().manual_seed(2)) < 0.3
        mask = {"predicted": predicted, "all": torch.ones_like(predicted), "mask": given}[target]
        found = grad_cam(model, x, 1, "features", given if target == "mask" else target, resize=False)
        activation, slope = slopes_by_differences(network(dims), x, 1, mask)
        weights = slope.flatten(2).mean(2)
        expected = (weights.reshape(*weights.shape, *[1] * dims) * activation).sum(1).relu()
    assert expected.max() > 0
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    large = grad_cam(model, x, 1, model.features, given if target == "mask" else target)
    mode = "bilinear" if dims == 2 else "trilinear"
    resized = nn.functional.interpolate(found[:, None], x.shape[2:], mode=mode, align_corners=False)[:, 0]
    assert torch.equal(large, resized)


def test_of_a_linear_head_by_hand():
    """One logit is 2 a_0 - a_1: weights are its coefficients times the share of voxels looked at."""
    model = nn.Sequential(nn.Identity(), nn.Conv2d(2, 2, 1, bias=False))
    model[1].weight.data = torch.tensor([[0.0, 0.0], [2.0, -1.0]])[..., None, None]
    x = torch.randn(1, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 4, 5, dtype=torch.bool)
    mask[0, 1:3, 2] = True
    expected = (2 / 20) * (2 * x[:, 0] - x[:, 1]).clamp_min(0)
    torch.testing.assert_close(grad_cam(model, x, 1, "0", mask), expected)


def test_tokens_are_put_back_on_their_grid():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.head = nn.Identity(), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            tokens = self.tokens(x.flatten(2).transpose(1, 2))  # (B, N, K)
            return self.head(tokens.transpose(1, 2).unflatten(2, x.shape[2:]))

    torch.manual_seed(0)
    model = Tokens()
    square, oblong = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 2, 6)
    plain = nn.Sequential(nn.Identity(), model.head)
    assert torch.equal(grad_cam(model, square, 0, "tokens", "all"), grad_cam(plain, square, 0, "0", "all"))
    found = grad_cam(model, oblong, 0, "tokens", "all", grid=(2, 6))
    torch.testing.assert_close(found, grad_cam(plain, oblong, 0, "0", "all"))
    with pytest.raises(ValueError, match="grid: expected a grid of 12 tokens"):
        grad_cam(model, oblong, 0, "tokens", "all")


def test_the_network_is_left_as_it_was():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    model.train()
    model[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.requires_grad_(False)
    with torch.inference_mode(False), torch.no_grad():
        found = grad_cam(model, images(), 0, "0", "all")
    assert found.max() > 0
    assert [module.training for module in model] == [True, False, True]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model[0]._forward_hooks


def test_an_image_without_a_voxel_of_the_class_has_an_empty_map():
    model, x = network(), images()
    model.head.bias.data[2] = -1e3
    assert grad_cam(model, x, 2, "features").abs().max() == 0


@pytest.mark.parametrize("name", ["unet", "transunet"])
def test_layers_of_the_study_go_by_their_names(name):
    torch.manual_seed(0)
    options = {"unet": {"channels": (4, 8, 8)},
               "transunet": {"channels": (4, 4, 8, 8), "blocks": 1, "width": 16, "depth": 1, "heads": 2,
                             "patch": (32, 32)}}[name]  # fmt: skip
    model = build_model(name, 2, 3, spatial_dims=2, **options)
    x = torch.randn(1, 2, 32, 32)
    layer = {"unet": "body.upsamples.1", "transunet": "transformer"}[name]
    assert layer in layer_names(model)
    found = grad_cam(model, x, 0, layer, "all")
    assert found.shape == (1, 32, 32)
    assert found.max() > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1, "feature"), r"received 'feature'; did you mean 'features'"),
        ((3, "features"), "label: expected a class from 0 to 2, received 3"),
        ((1, "features", "label"), "target: expected 'predicted', 'all' or a mask"),
        ((1, "features", torch.ones(2, 8, 5)), r"target: expected a mask \(2, 8, 6\), received \(2, 8, 5\)"),
        ((1, nn.Identity()), "ran never"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        grad_cam(network(), images(), *arguments)


def test_a_layer_beside_the_logits_is_refused():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            self.idle(x)
            return self.used(x)

    with pytest.raises(ValueError, match="do not depend on the output of 'idle'"):
        grad_cam(Beside(), images(), 0, "idle")


# ---- scores of maps ------------------------------------------------------------------------------------------------


def test_scores_by_hand():
    cam = torch.tensor([[[4.0, 3.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    mask = torch.tensor([[[1, 0], [1, 0]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]])
    inside, pointing, iou = cam_scores(cam, mask)
    assert inside[0].item() == pytest.approx(5 / 8)
    assert pointing[0].item() == 1
    assert iou[0].item() == pytest.approx(1 / 3)  # 4 and 3 are hot; with the mask's two, three voxels in all
    for score in (inside, pointing, iou):
        assert all(math.isnan(value) for value in score[1:])


def test_maps_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"mask: expected the map's shape \(1, 2, 2\)"):
        cam_scores(torch.ones(1, 2, 2), torch.ones(1, 2, 3))
    with pytest.raises(ValueError, match="cam: expected values >= 0"):
        cam_scores(-torch.ones(1, 2, 2), torch.ones(1, 2, 2))
