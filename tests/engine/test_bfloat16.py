"""The probe of bfloat16: broken operations are found on every machine, sound networks pass, nothing is touched."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spectralcal.engine import bfloat16
from spectralcal.engine.bfloat16 import BOUND, probe
from spectralcal.models import build_model

CPU = torch.device("cpu")
SHAPE = (2, 1, 12, 12)


class Spoiled(torch.autograd.Function):
    """A weight as it is, whose gradient goes through `spoil` on the way back."""

    @staticmethod
    def forward(context, weight, spoil):
        context.spoil = spoil
        return weight.view_as(weight)

    @staticmethod
    def backward(context, gradient):
        return context.spoil(gradient), None


class Broken(nn.Conv2d):
    """A convolution whose weight gradient, or result, is wrong under autocast."""

    def __init__(self, *sizes, gradient=None, result=None):
        super().__init__(*sizes, padding=1)
        self.gradient, self.result = gradient, result

    def forward(self, x):
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        weight = self.weight if self.gradient is None else Spoiled.apply(self.weight, self.gradient)
        found = F.conv2d(x, weight, self.bias, padding=1)
        return found if self.result is None else self.result(found)


def network(middle=None, dropout=0.0):
    torch.manual_seed(0)
    middle = middle or nn.Conv2d(8, 8, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.InstanceNorm2d(8, affine=True), nn.LeakyReLU(inplace=True),
        nn.Dropout(dropout), middle, nn.BatchNorm2d(8), nn.LeakyReLU(inplace=True), nn.Conv2d(8, 3, 1),
    )  # fmt: skip


def broken(**how):
    return network(Broken(8, 8, 3, **how))


def unwritten(gradient):
    """What a kernel does that adds up a buffer which it never cleared."""
    return gradient + torch.empty(gradient.shape)


def not_there(gradient):
    raise RuntimeError("\"slow_conv\" not implemented for\n  'BFloat16'")


@pytest.mark.parametrize(
    ("gradient", "says"),
    [
        (unwritten, "gradient of 4.weight is "),
        (lambda g: g / 0, "gradient of 4.weight is not finite"),
        (lambda g: g * float("nan"), "gradient of 4.weight is not finite"),
        (torch.zeros_like, "gradient of 4.weight is off by"),
        (lambda g: 2 * g, "gradient of 4.weight is off by"),
        (lambda g: -g, "gradient of 4.weight is off by"),
        (lambda g: g.roll(1, 0), "gradient of 4.weight is off by"),
        (not_there, "\"slow_conv\" not implemented for 'BFloat16'"),
    ],
)
def test_a_wrong_gradient_is_found_and_named(gradient, says):
    verdict = probe(broken(gradient=gradient), SHAPE, CPU)
    assert verdict.failure.startswith(says)
    assert "\n" not in verdict.failure
    assert verdict.deviation is None


def test_a_wrong_result_is_found_where_only_predictions_count():
    assert probe(broken(result=lambda y: y * 1.5), SHAPE, CPU, gradients=False).failure.startswith("output 0 is off by")
    assert probe(broken(result=lambda y: y / 0), SHAPE, CPU, gradients=False).failure == "output 0 is not finite"


def test_a_prediction_does_not_ask_for_gradients():
    assert probe(broken(gradient=lambda g: g / 0), SHAPE, CPU, gradients=False).failure is None


def test_unwritten_memory_is_found_every_time():
    """Three passes a probe, and one of them would do."""
    assert all(probe(broken(gradient=unwritten), SHAPE, CPU).failure for _ in range(20))


def test_one_pass_in_three_is_enough():
    calls = []

    def third(gradient):
        calls.append(None)
        return gradient / 0 if len(calls) == 3 else gradient

    assert probe(broken(gradient=third), SHAPE, CPU).failure == "gradient of 4.weight is not finite"


@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 16, 16), (2, 1, 7, 21)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_a_sound_network_passes_with_room(shape, dropout):
    verdict = probe(network(dropout=dropout), shape, CPU)
    assert verdict.failure is None
    assert 0 < verdict.deviation < BOUND / 3


@pytest.mark.parametrize("name", ["unet", "nnunet", "attention_unet", "unetpp", "transunet", "swin_unetr"])
def test_two_dimensional_networks_pass_with_room(name):
    options = {
        "unet": {"channels": (4, 8, 8)}, "nnunet": {"patch": (32, 32), "base_channels": 4, "deep_supervision": True},
        "attention_unet": {"channels": (4, 8, 8), "dropout": 0.3},
        "unetpp": {"channels": (4, 4, 4, 8, 8), "deep_supervision": True},
        "transunet": {"channels": (16, 16, 16, 16), "blocks": 1, "width": 16, "depth": 2, "heads": 2},
        "swin_unetr": {"feature_size": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 2},
    }[name]  # fmt: skip
    torch.manual_seed(0)
    model = build_model(name, 2, 3, spatial_dims=2, **options)
    verdict = probe(model, (2, 2, 32, 32), CPU, layout=torch.channels_last)
    assert verdict.failure is None
    assert verdict.deviation < BOUND / 2


def test_emulated_roundings_are_those_of_bfloat16():
    """Rounding twice is rounding once, and a gradient is rounded on its way back."""
    x = torch.linspace(-3, 3, 100, requires_grad=True)
    with bfloat16._Rounding():
        y = torch.sigmoid(x)
        z = y.view(10, 10)
    assert torch.equal(y, torch.sigmoid(x).bfloat16().float())
    assert z.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
    y.backward(torch.full_like(y, 1 / 3))
    slope = torch.tensor(1 / 3).bfloat16().float() * torch.sigmoid(x) * (1 - torch.sigmoid(x))
    torch.testing.assert_close(x.grad, slope.detach(), rtol=1e-6, atol=0)


def test_weights_are_rounded_where_autocast_rounds_them():
    layer, x = nn.Linear(5, 4, bias=False), torch.randn(3, 5)
    with bfloat16._Rounding():
        found = layer(x)
    expected = (x.bfloat16().double() @ layer.weight.bfloat16().double().T).float().bfloat16().float()
    torch.testing.assert_close(found, expected, rtol=2**-8, atol=1e-6)
    assert torch.equal(found, found.bfloat16().float())


def streams():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_the_network_and_all_streams_stay_as_they_are(training, gradients):
    model = network(dropout=0.4).train(training)
    model(torch.randn(SHAPE)).sum().backward()
    held = [parameter.grad for parameter in model.parameters()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kept, drawn, enabled = [grad.clone() for grad in held], streams(), torch.is_grad_enabled()
    assert probe(model, SHAPE, CPU, gradients=gradients, layout=torch.channels_last).failure is None
    assert streams() == drawn
    assert torch.is_grad_enabled() == enabled
    assert model.training == training
    assert all(module.training == training for module in model.modules())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), held, strict=True))
    assert all(torch.equal(*pair) for pair in zip(held, kept, strict=True))
    assert all(parameter.is_contiguous() for parameter in model.parameters())


@pytest.mark.parametrize("gradient", [None, lambda g: g / 0, not_there])
def test_memory_is_dirty_in_passes_of_bfloat16_only(gradient, monkeypatch):
    switched, passes = [], []
    attempt = bfloat16._attempt

    def watched(*arguments):
        passes.append(list(switched))
        return attempt(*arguments)

    monkeypatch.setattr(bfloat16, "_perturb", switched.append)
    monkeypatch.setattr(bfloat16, "_attempt", watched)
    probe(broken(gradient=gradient), SHAPE, CPU)
    assert passes[:3] == [[], [], [0x80]]
    assert switched == [0x80, 0] * (len(passes) - 2)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("can't allocate memory: 9 bytes")])
def test_too_little_memory_is_no_verdict(error):
    def full(result):
        raise error

    with pytest.raises(RuntimeError, match=str(error)):
        probe(broken(result=full), SHAPE, CPU)


def test_a_network_that_is_not_finite_in_float32_gets_no_verdict():
    model = network()
    nn.init.constant_(model[4].weight, float("inf"))
    with pytest.raises(FloatingPointError, match="not finite in float32"):
        probe(model, SHAPE, CPU)


def test_a_network_whose_name_speaks_of_dropping_trains_all_the_same():
    class DropNetwork(nn.Sequential):
        pass

    modes = []
    model = DropNetwork(*network(dropout=0.4))
    model[5].register_forward_hook(lambda module, given, result: modes.append(module.training))
    model[3].register_forward_hook(lambda module, given, result: modes.append(not module.training))
    assert probe(model, SHAPE, CPU).failure is None
    assert modes
    assert all(modes)


def test_a_network_that_cannot_take_the_images_says_so_itself():
    with pytest.raises(RuntimeError, match="channels"):
        probe(network(), (2, 3, 12, 12), CPU)


def test_samples_apart_and_together_are_one_reference():
    """Without batch normalisation the float32 passes go sample by sample, to take half the memory."""
    torch.manual_seed(1)
    model = build_model("unet", 1, 3, spatial_dims=2, channels=(4, 8, 8))
    images, field = bfloat16._images((4, 1, 16, 16))
    apart, together = (bfloat16._attempt(model, images, field, bfloat16.nullcontext, samples) for samples in (1, 4))
    for one, other in zip(apart, together, strict=True):
        assert one.keys() == other.keys()
        assert all((one[name] - other[name]).norm() <= 1e-4 * other[name].norm() for name in one)
