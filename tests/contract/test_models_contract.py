"""What every registered architecture promises, in 2-D and 3-D."""

from __future__ import annotations

import copy
import inspect
import itertools

import pytest
import torch
from waits import Waits

from spectralcal.base import options, registry
from spectralcal.engine.bfloat16 import probe
from spectralcal.engine.state import load_unique_state, unique_state
from spectralcal.machine.device import autocast, in_layout
from spectralcal.models import build_model
from spectralcal.models.padding import parameter_count, per_axis

NAMES = registry.names("models")
DEEP = [name for name in NAMES if "deep_supervision" in registry.defaults("models", name)]
#: options of networks that take milliseconds; an architecture without a line has its defaults
TINY = {
    "slice_unet": {"channels": (4, 8, 8)},
    "unet": {"channels": (4, 8, 8)},
    "nnunet": {"base_channels": 4, "max_channels": 8},
    "swin_unetr": {"feature_size": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 1, 2, 2), "window_size": 2},
    "unetpp": {"channels": (4, 4, 4, 8, 8)},
    "attention_unet": {"channels": (4, 8, 8)},
    "transunet": {"channels": (4, 4, 8, 8), "blocks": 1, "width": 16, "depth": 2, "heads": 2},
    "unet_resnet": {"encoder": "resnet10", "decoder": (8, 8, 8, 8, 4)},
    "transunet_resnet": {"encoder": "resnet10", "decoder": (8, 8, 8, 8, 4), "width": 16, "depth": 1, "heads": 2},
    # without dropout: draws of two runs would be compared
    "transunet_r50": {"dropout": 0.0, "stem": 32, "blocks": (1, 1, 1), "width": 16, "depth": 1, "heads": 2, "mlp": 16,
                      "decoder": (8, 8, 8, 4)},
}  # fmt: skip
#: trainable parameters with default options, one image channel and four classes: (2-D, 3-D)
PARAMETERS = {
    "slice_unet": (482_388, 482_388),
    "unet": (5_684_644, 16_543_716),
    "nnunet": (7_762_084, 16_543_716),
    "swin_unetr": (25_138_078, 62_186_806),
    "unetpp": (6_693_508, 19_434_692),
    "attention_unet": (5_616_260, 16_657_604),
    "transunet": (90_569_188, 101_011_620),
}
CPU = torch.device("cpu")
SIZES = {2: [(32, 32), (13, 21), (7, 48)], 3: [(32, 32, 32), (9, 20, 13)]}

everything = pytest.mark.parametrize("name", NAMES)
dimensions = pytest.mark.parametrize("dims", [2, 3], ids=["2d", "3d"])


def tiny(name, dims=3, in_channels=2, num_classes=3, seed=0, **options):
    torch.manual_seed(seed)
    patch = {"patch": (16,) * dims} if "patch" in registry.defaults("models", name) else {}
    return build_model(name, in_channels, num_classes, spatial_dims=dims, **TINY.get(name, {}) | patch | options)


def images(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_architectures_of_the_study_are_there():
    assert set(NAMES) >= {"unet", "nnunet", "swin_unetr", "unetpp", "attention_unet", "transunet"}
    labels = [registry.constant("models", name, "LABEL") for name in NAMES]
    assert all(labels)
    assert len(set(labels)) == len(labels)


@everything
def test_options_are_those_of_the_class(name):
    entry = registry.load("models", name)
    arguments = inspect.signature(entry).parameters
    given = {key: value.default for key, value in arguments.items() if key not in options.SUPPLIED}
    assert registry.defaults("models", name) == given
    assert all(arguments[key].kind is inspect.Parameter.KEYWORD_ONLY for key in given)
    assert "Source:" in entry.__doc__
    assert "Raises:" in entry.__doc__
    missing = [key for key in given if f"\n        {key}: " not in entry.__doc__]
    assert not missing


@everything
@dimensions
def test_any_size_in_the_same_size_out(name, dims):
    model = tiny(name, dims, in_channels=1, num_classes=5).eval()
    with torch.inference_mode():
        for size in SIZES[dims]:
            found = model(images(1, 1, *size))
            assert found.shape == (1, 5, *size)
            assert torch.isfinite(found).all()


@everything
@dimensions
def test_divisor_and_smallest_patch_are_what_passes_unpadded(name, dims):
    model = tiny(name, dims)
    for divisor, smallest in zip(per_axis(model.divisor, dims), per_axis(model.smallest, dims), strict=True):
        assert smallest % divisor == 0
    assert model.padded_sizes((1,) * dims) == model.padded_sizes(per_axis(model.smallest, dims))
    divisors = per_axis(model.divisor, dims)
    larger = [4 * divisor for divisor in divisors]
    assert model.padded_sizes(larger) == larger
    unpadded = [3 if divisor == 1 else size for size, divisor in zip(larger, divisors, strict=True)]
    assert model.padded_sizes([size - 1 for size in larger]) == unpadded


@everything
def test_padded_voxels_are_cropped_and_nothing_else(name):
    model = tiny(name, 2).eval()
    width = model.padded_sizes((40, 40))
    x = images(1, 2, *width)
    x[..., -1] = x[..., -2]
    torch.testing.assert_close(model(x[..., :-1]), model(x)[..., :-1], rtol=0, atol=0)


@everything
@dimensions
def test_gradients_reach_every_parameter(name, dims):
    model = tiny(name, dims).train()
    # not a multiple of any divisor, and more than one attention window in the first stages
    model(images(2, 2, *(20, 17, 9)[:dims])).square().mean().backward()
    assert not [key for key, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    # A constant before batch normalisation changes nothing; MONAI's Attention U-Net has such biases.
    idle = "conv.bias" if name == "attention_unet" else ()
    assert not [key for key, p in model.named_parameters() if p.grad.abs().sum() == 0 and not key.endswith(idle)]


@everything
def test_evaluation_is_deterministic_and_leaves_the_model_as_it_was(name):
    model = tiny(name).train()
    with torch.no_grad():
        model(images(2, 2, 16, 16, 16, seed=2))  # moves running averages, where there are any
    model.eval()
    before = {key: value.clone() for key, value in unique_state(model).items()}
    x = images(2, 2, 16, 16, 16)
    with torch.inference_mode():
        first, second = model(x), model(x)
        alone = model(x[:1])
    assert torch.equal(first, second)
    torch.testing.assert_close(alone, first[:1], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[key], value) for key, value in unique_state(model).items())


@everything
def test_the_seed_alone_sets_the_first_weights(name):
    first, again, other = (unique_state(tiny(name, 2, seed=seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@everything
@dimensions
def test_weights_survive_a_file(name, dims, tmp_path):
    from safetensors.torch import load_file, save_file

    source, target = tiny(name, dims, seed=0).train(), tiny(name, dims, seed=1)
    x = images(2, 2, *(16,) * dims)
    with torch.no_grad():
        source(x)
    state = {key: value.contiguous() for key, value in unique_state(source).items()}
    save_file(state, tmp_path / "weights.safetensors")
    load_unique_state(target, load_file(tmp_path / "weights.safetensors"))
    with torch.inference_mode():
        assert torch.equal(source.eval()(x), target.eval()(x))


@everything
def test_weights_of_another_class_count_are_refused(name):
    state = unique_state(tiny(name, 2, num_classes=3))
    with pytest.raises(ValueError, match="expected shape"):
        load_unique_state(tiny(name, 2, num_classes=4), state)


@pytest.mark.parametrize("name", PARAMETERS)
@dimensions
def test_parameter_counts(name, dims):
    # On the meta device no number is drawn; MONAI's Swin reads a number of a tensor, which needs one that has some.
    with torch.device("cpu" if name == "swin_unetr" else "meta"):
        model = build_model(name, 1, 4, spatial_dims=dims)
    assert parameter_count(model) == PARAMETERS[name][dims - 2]


@everything
@dimensions
def test_bf16_and_channels_last_agree_with_plain_float32(name, dims):
    model = tiny(name, dims, in_channels=1).eval()
    x = images(1, 1, *(32,) * dims)
    layout = torch.channels_last_3d if dims == 3 else torch.channels_last
    with torch.inference_mode():
        plain = model(x)
        model = in_layout(model, CPU, layout)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(x.to(memory_format=layout))
    assert found.dtype == torch.bfloat16
    assert (found.float() - plain).norm() / plain.norm() < 0.03


def right_precision(model, *shape):
    """What `auto` trains a network in on a processor that has bfloat16's instructions."""
    verdict = probe(model, shape, torch.device("cpu"), layout=torch.channels_last_3d)
    return "bf16" if verdict.failure is None else "fp32"


def step_gradient(model, x, precision):
    """The whole gradient of a step, whose backward pass gets memory with NaN in it."""
    model = copy.deepcopy(model)
    with autocast(x.device, precision):
        logits = model(x)
    sizes = {size * factor for size in (p.numel() for p in model.parameters()) for factor in (1, 2, 4)}
    for _ in range(2):
        blocks = [torch.full((size,), float("nan")) for size in sorted(sizes)]
        del blocks
    logits.float().square().mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@everything
def test_bf16_and_channels_last_training_steps_have_right_gradients(name):
    """In bfloat16 where the processor computes the network right in it, else in float32: see the probe's own tests."""
    model = in_layout(tiny(name).train(), CPU, torch.channels_last_3d)
    x = images(1, 2, 16, 16, 16).to(memory_format=torch.channels_last_3d)
    exact, precision = step_gradient(model, x, "fp32"), right_precision(model, *x.shape)
    for _ in range(3):
        found = step_gradient(model, x, precision)
        assert torch.isfinite(found).all()
        assert torch.nn.functional.cosine_similarity(found, exact, dim=0) > 0.98


@everything
def test_no_network_makes_the_host_wait_for_a_gpu(name):
    model, x, waits = tiny(name).train(), images(2, 2, 16, 16, 16), Waits()
    with waits:
        waits.watching = True
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(x)
        logits.float().square().mean().backward()
    assert waits.found == []


@everything
def test_compiled_networks_compute_the_same(name):
    # "aot_eager" traces forward and backward as the default backend does, without minutes in a C++ compiler
    torch._dynamo.reset()
    # Tracing time is per layer: one block a stage is enough.
    model = tiny(name, 2, **({"depths": (1, 1, 1, 1)} if name == "swin_unetr" else {}))
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    x = images(2, 2, 20, 32)
    expected, found = model(x), compiled(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    expected.square().mean().backward()
    found.square().mean().backward()
    for ours, theirs in zip(model.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad, ours.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.two_threads
@everything
def test_compiled_in_bf16_and_channels_last_as_the_loop_trains(name):
    """3-D, all three at once: logits and gradients are those of the eager network in the same formats."""
    torch._dynamo.reset()
    model = tiny(name, **({"depths": (1, 1, 1, 1)} if name == "swin_unetr" else {})).train()
    model = in_layout(model, CPU, torch.channels_last_3d)
    compiled = torch.compile(copy.deepcopy(model), backend="aot_eager", fullgraph=True)
    x = images(2, 2, 16, 16, 16).to(memory_format=torch.channels_last_3d)
    precision = right_precision(model, *x.shape)
    with autocast(x.device, precision):
        expected, found = model(x), compiled(x)
    assert found.dtype == expected.dtype == {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    found, expected = found.float(), expected.float()
    assert (found - expected).norm() / expected.norm() < 0.03
    expected.square().mean().backward()
    found.square().mean().backward()
    ours, theirs = (torch.cat([p.grad.flatten() for p in net.parameters()]) for net in (model, compiled))
    assert torch.isfinite(theirs).all()
    assert torch.nn.functional.cosine_similarity(ours, theirs, dim=0) > 0.99


@everything
def test_every_network_learns_a_batch(name):
    model = tiny(name, 2, in_channels=1, num_classes=2).train()
    x = images(2, 1, 32, 32)
    target = (torch.nn.functional.avg_pool2d(x, 5, 1, 2) > 0)[:, 0].long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", DEEP)
@dimensions
def test_deep_supervision_gives_a_list_in_train_mode_only(name, dims):
    model = tiny(name, dims, deep_supervision=True).train()
    size = (20, 17, 9)[:dims]
    heads = model(images(2, 2, *size))
    assert isinstance(heads, list)
    assert len(heads) > 1
    assert heads[0].shape == (2, 3, *size)
    for finer, coarser in itertools.pairwise(heads):
        assert coarser.shape[:2] == (2, 3)
        assert all(c <= f for f, c in zip(finer.shape[2:], coarser.shape[2:], strict=True))
    torch.stack([head.square().mean() for head in heads]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    with torch.no_grad():
        expected = model(images(2, 2, *size))[0]
        assert torch.equal(model.eval()(images(2, 2, *size)), expected)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(DEEP)))
def test_other_networks_give_one_tensor_in_train_mode(name):
    assert isinstance(tiny(name, 2).train()(images(2, 2, 32, 32)), torch.Tensor)


@everything
@pytest.mark.parametrize(
    ("arguments", "dims", "message"),
    [
        ((0, 2), 3, "in_channels must be at least 1, got 0"),
        ((1, 1), 3, "num_classes .* at least 2, got 1"),
        ((1, 2), 4, "spatial_dims must be 2 or 3, got 4"),
    ],
)
def test_impossible_networks_are_refused(name, arguments, dims, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, *arguments, spatial_dims=dims)
