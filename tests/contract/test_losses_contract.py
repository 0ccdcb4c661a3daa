"""What every registered loss promises, in 2-D and 3-D."""

from __future__ import annotations

import importlib
import inspect
import math
import typing

import pytest
import torch

from spectralcal.base import registry
from spectralcal.losses.targets import Common
from spectralcal.study.config import read_paper

pytestmark = pytest.mark.two_threads

NAMES = registry.names("losses")
SHAPES = {"2d": (2, 3, 13, 16), "3d": (2, 4, 10, 13, 11)}
PAPER_COLUMNS = {"CE", "FL", "LS", "MbLS", "SVLS", "CRaC", "Ours"}


def batch(shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=dtype)
    blocks = torch.randint(0, shape[1], (shape[0], *[-(-s // 5) for s in shape[2:]]), generator=generator)
    for axis in range(1, blocks.ndim):
        blocks = blocks.repeat_interleave(5, axis)
    target = blocks[(slice(None), *(slice(0, s) for s in shape[2:]))]
    return logits.requires_grad_(), target.contiguous()


def test_the_methods_of_the_grid_are_there():
    assert set(NAMES) == {
        "ce", "focal", "ls", "mbls", "svls", "crac", "spectral", "nacl", "mace", "scc", "squared_dice",
        "spectral_labelled", "ce_dice",
    }  # fmt: skip
    modules = [importlib.import_module(f"spectralcal.losses.{name}") for name in NAMES]
    printed = [method.printed for method in read_paper("spectral_entropy").methods.values()]
    assert sorted(name for name in printed if name is not None) == sorted(PAPER_COLUMNS)
    assert len({m.LABEL for m in modules}) == len(modules)
    assert all(m.REFERENCE for m in modules)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
class TestForward:
    def test_scalar_with_finite_nonzero_gradient_for_every_sample(self, name, shape):
        logits, target = batch(shape)
        value = registry.load("losses", name)()(logits, target)
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert torch.isfinite(logits.grad).all()
        assert (logits.grad.flatten(1).abs().amax(1) > 0).all()

    def test_terms_add_up_to_the_loss_and_to_its_gradient(self, name, shape):
        loss = registry.load("losses", name)().eval()
        logits, target = batch(shape)
        terms = loss.terms(logits, target)
        total = loss(logits, target)
        torch.testing.assert_close(sum(terms.values()), total, rtol=1e-6, atol=1e-7)
        parts = [torch.autograd.grad(term, logits, retain_graph=True)[0] for term in terms.values()]
        torch.testing.assert_close(sum(parts), torch.autograd.grad(total, logits)[0], rtol=1e-5, atol=1e-9)
        assert not any(value.requires_grad or value.ndim for value in loss.diagnostics.values())

    def test_target_shapes_and_integer_types_mean_the_same(self, name, shape):
        logits, target = batch(shape)
        make = registry.load("losses", name)
        expected = make()(logits, target)
        for other in (target.unsqueeze(1), target.to(torch.uint8), target.int(), target.to(torch.int16).unsqueeze(1)):
            assert torch.equal(make()(logits, other), expected)

    def test_autocast_computes_in_float32(self, name, shape):
        logits, target = batch(shape)
        make = registry.load("losses", name)
        half = logits.detach().bfloat16().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            inside = make()(logits, target)
            value = make()(half, target)
        assert torch.equal(inside, make()(logits, target))
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, make()(half.detach().float(), target), rtol=0, atol=0)
        value.backward()
        assert half.grad.dtype == torch.bfloat16
        assert torch.isfinite(half.grad).all()

    def test_double_precision_agrees_and_extreme_logits_stay_finite(self, name, shape):
        logits, target = batch(shape)
        make = registry.load("losses", name)
        wide = make().double()(logits.double(), target)
        assert wide.dtype == torch.float64
        torch.testing.assert_close(make()(logits, target).double(), wide, rtol=1e-4, atol=1e-6)
        extreme = (1e3 * logits).detach().requires_grad_()
        value = make()(extreme, target)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(extreme.grad).all()

    def test_memory_layout_does_not_matter(self, name, shape):
        logits, target = batch(shape)
        layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
        loss = registry.load("losses", name)
        other = logits.detach().to(memory_format=layout).requires_grad_()
        a, b = loss()(logits, target), loss()(other, target)
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(
            torch.autograd.grad(a, logits)[0], torch.autograd.grad(b, other)[0], rtol=1e-4, atol=1e-7
        )

    def test_a_constant_label_map_and_two_classes_work(self, name, shape):
        logits, _ = batch((shape[0], 2, *shape[2:]))
        for label in (0, 1):
            target = torch.full((shape[0], *shape[2:]), label)
            value = registry.load("losses", name)()(logits, target)
            assert torch.isfinite(value)
            assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()

    def test_a_nan_shows_in_the_loss(self, name, shape):
        logits, target = batch(shape)
        logits = logits.detach().clone()
        logits.view(-1)[7] = math.nan
        assert not torch.isfinite(registry.load("losses", name)()(logits, target))


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_round_trip_continues_bit_for_bit(name):
    make = registry.load("losses", name)
    whole, first, second = make(), make(), make()
    batches = [batch(SHAPES["3d"], seed) for seed in range(6)]

    def epoch(loss, step):
        value = loss(*batches[step]).item()
        if hasattr(loss, "update_multipliers"):
            loss.update_multipliers(batches[step : step + 1])
        return value

    expected = [epoch(whole, step) for step in range(6)]
    for step in range(3):
        epoch(first, step)
    second.load_state_dict(first.state_dict())
    assert [epoch(second, step) for step in range(3, 6)] == expected[3:]
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_mode_changes_no_state(name):
    loss = registry.load("losses", name)()
    loss(*batch(SHAPES["2d"]))
    before = {key: value.clone() for key, value in loss.state_dict().items()}
    loss.eval()
    loss(*batch(SHAPES["2d"], 1))
    assert all(torch.equal(value, loss.state_dict()[key]) for key, value in before.items())


BAD = {
    "no class axis": (torch.zeros(2, 12, 12), torch.zeros(2, 12, 12).long(), "logits"),
    "integer logits": (torch.zeros(2, 3, 12, 12).long(), torch.zeros(2, 12, 12).long(), "floating"),
    "empty batch": (torch.zeros(0, 3, 12, 12), torch.zeros(0, 12, 12).long(), "non-empty"),
    "fraction": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), 0.5), r"whole.*float32.*\(2, 12, 12\).*0\.5"),
    "not a number": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), math.nan), "whole values.*nan"),
    "infinite": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), math.inf), "whole values.*inf"),
    "complex": (torch.zeros(2, 3, 12, 12), torch.zeros(2, 12, 12, dtype=torch.complex64), "target.*complex64"),
    "an array": (torch.zeros(2, 3, 12, 12), [0, 1], "target.*list"),
    "one-hot of nothing": (torch.zeros(2, 3, 12, 12), torch.zeros(2, 3, 12, 12).long(), "one-hot.*ignore_index"),
    "one-hot twice": (torch.zeros(2, 3, 12, 12), torch.ones(2, 3, 12, 12), "summing to 1.*multilabel"),
    "negative soft label": (torch.zeros(2, 2, 12, 12), torch.tensor([1.5, -0.5])[:, None, None].expand(2, 2, 12, 12),
                            r"in \[0, 1\].*-0\.5"),
    "one-hot of other classes": (torch.zeros(2, 3, 12, 12), torch.zeros(2, 4, 12, 12).long(), r"\(2, 3, 12, 12\)"),
    "other size": (torch.zeros(2, 3, 12, 12), torch.zeros(2, 12, 10).long(), r"\(2, 12, 12\)"),
    "label too high": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), 3), "0 to 2"),
    "label negative": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), -1), "0 to 2"),
    "float label too high": (torch.zeros(2, 3, 12, 12), torch.full((2, 12, 12), 255.0), "0 to 2.*ignore_index"),
    "binary label too high": (torch.zeros(2, 1, 12, 12), torch.full((2, 12, 12), 2), "0 to 1"),
    "binary share too high": (torch.zeros(2, 1, 12, 12), torch.full((2, 12, 12), 1.5), r"share.*\[0, 1\].*1\.5"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("logits", "target", "words"), BAD.values(), ids=BAD)
def test_bad_input_names_the_argument(name, logits, target, words):
    with pytest.raises(ValueError, match=words):
        registry.load("losses", name)()(logits, target)


@pytest.mark.parametrize("name", NAMES)
def test_options_in_the_configuration_are_those_of_the_class(name):
    def signature(cls):
        found, forwards = {}, False
        for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                forwards = True
            elif parameter.kind is not parameter.VAR_POSITIONAL and parameter.name not in Common.__annotations__:
                found[parameter.name] = parameter
        return found, forwards

    entry = registry.load("losses", name)
    found, forwards = signature(entry)
    if forwards:
        part = {
            "spectral": "SpectralEntropyLoss",
            "spectral_labelled": "LabelledSpectralEntropyLoss",
            "mace": "AverageCalibrationErrorLoss",
        }.get(name)
        module = importlib.import_module(f"spectralcal.losses.{name}")
        found |= signature(getattr(module, part))[0] if part else {}
    model = registry.options_model("losses", name)
    assert set(model.model_fields) == set(found)
    for option, field in model.model_fields.items():
        assert field.default == found[option].default
        assert field.annotation is not typing.Any
    assert entry(**registry.defaults("losses", name))
