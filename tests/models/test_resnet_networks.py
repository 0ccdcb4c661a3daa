"""Networks with ResNet encoders: sizes and names of the published ones, values by other ways, weights from a file."""

from __future__ import annotations

import hashlib

import pytest
import torch
import torch.nn.functional as F

from spectralcal.base.errors import ConfigError
from spectralcal.models import build_model
from spectralcal.models.padding import parameter_count
from spectralcal.models.transunet_r50 import twice

#: classes -> parameters of the public implementations with three image channels
UNET = {2: 32_521_250, 4: 32_521_540, 9: 32_522_265}
TRANSUNET = {2: 105_276_066, 4: 105_276_356, 9: 105_277_081}
SMALL = {"stem": 32, "blocks": (1, 2, 1), "width": 24, "depth": 2, "heads": 3, "mlp": 40, "decoder": (16, 12, 8, 8),
         "patch": (64, 64)}  # fmt: skip


def outline(name, channels=3, classes=2, **options):
    """A network without memory: names, shapes and sizes alone."""
    with torch.device("meta"):
        return build_model(name, channels, classes, spatial_dims=2, **options)


def small(name="transunet_r50", channels=3, classes=3, **options):
    torch.manual_seed(0)
    return build_model(name, channels, classes, spatial_dims=2, **(SMALL if name == "transunet_r50" else {}) | options)


def pictures(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- sizes and names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", UNET)
def test_parameters_of_the_public_networks(classes):
    assert parameter_count(outline("unet_resnet", 3, classes)) == UNET[classes]
    assert parameter_count(outline("transunet_r50", 3, classes)) == TRANSUNET[classes]


def test_parameters_by_part():
    unet, published = outline("unet_resnet"), outline("transunet_r50")
    assert parameter_count(unet.encoder) == 23_508_032
    assert parameter_count(outline("unet_resnet", 1).encoder) == 23_501_760
    embeddings, encoder = published.transformer.embeddings, published.transformer.encoder
    parts = (embeddings.hybrid_model, embeddings.patch_embeddings, encoder, published.decoder)
    assert [parameter_count(part) for part in parts] == [11_894_848, 787_200, 85_056_000, 7_387_200]
    assert embeddings.position_embeddings.numel() == 150_528
    # one channel is repeated to three, as published
    assert parameter_count(outline("transunet_r50", 1)) == TRANSUNET[2]


def test_parameters_of_the_bottleneck():
    unet, four, twelve = outline("unet_resnet"), outline("transunet_resnet"), outline("transunet_resnet", depth=12)
    width, deepest, tokens = 512, 2048, 7 * 7
    block = (4 * width**2 + 4 * width) + (8 * width**2 + 5 * width) + 4 * width
    ends = (deepest * width + width) + tokens * width + 2 * width + (width * deepest + deepest)
    assert parameter_count(four) - parameter_count(unet) == 4 * block + ends
    assert parameter_count(twelve) - parameter_count(four) == 8 * block
    assert round((4 * block + ends) / 1e6, 1) == 14.7
    assert round((12 * block + ends) / 1e6, 1) == 40.0


def resnet50_names():
    """State names of a ResNet-50 without its classifier, as torchvision builds it."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{key}" for key in norm)]
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            for index in (1, 2, 3):
                names.append(f"layer{stage}.{block}.conv{index}.weight")
                names += [f"layer{stage}.{block}.bn{index}.{key}" for key in norm]
            if block == 0:
                names.append(f"layer{stage}.0.downsample.0.weight")
                names += [f"layer{stage}.0.downsample.1.{key}" for key in norm]
    return names


def test_state_names_of_the_unet():
    names = set(outline("unet_resnet").state_dict())
    encoder = {name.removeprefix("encoder.") for name in names if name.startswith("encoder.")}
    assert encoder == set(resnet50_names())
    assert len(encoder) == 318
    rest = {name for name in names if not name.startswith("encoder.")}
    assert {name.split(".")[0] for name in rest} == {"decoder", "segmentation_head"}
    assert {"decoder.blocks.0.conv1.0.weight", "decoder.blocks.4.conv2.1.running_var"} <= rest
    assert {"segmentation_head.0.weight", "segmentation_head.0.bias"} <= rest
    assert len(rest) == 5 * 2 * 6 + 2


def test_state_names_of_the_published_transunet():
    state = outline("transunet_r50", 3, 9).state_dict()
    shapes = {
        "transformer.embeddings.hybrid_model.root.conv.weight": (64, 3, 7, 7),
        "transformer.embeddings.hybrid_model.root.gn.bias": (64,),
        "transformer.embeddings.hybrid_model.body.block1.unit1.downsample.weight": (256, 64, 1, 1),
        "transformer.embeddings.hybrid_model.body.block1.unit1.gn_proj.weight": (256,),
        "transformer.embeddings.hybrid_model.body.block2.unit1.conv2.weight": (128, 128, 3, 3),
        "transformer.embeddings.hybrid_model.body.block3.unit9.gn3.weight": (1024,),
        "transformer.embeddings.patch_embeddings.weight": (768, 1024, 1, 1),
        "transformer.embeddings.position_embeddings": (1, 196, 768),
        "transformer.encoder.layer.0.attn.query.weight": (768, 768),
        "transformer.encoder.layer.11.attn.out.bias": (768,),
        "transformer.encoder.layer.5.ffn.fc1.weight": (3072, 768),
        "transformer.encoder.layer.5.ffn_norm.weight": (768,),
        "transformer.encoder.encoder_norm.weight": (768,),
        "decoder.conv_more.0.weight": (512, 768, 3, 3),
        "decoder.blocks.0.conv1.0.weight": (256, 1024, 3, 3),
        "decoder.blocks.1.conv1.0.weight": (128, 512, 3, 3),
        "decoder.blocks.2.conv1.0.weight": (64, 192, 3, 3),
        "decoder.blocks.3.conv1.0.weight": (16, 64, 3, 3),
        "decoder.blocks.3.conv2.1.num_batches_tracked": (),
        "segmentation_head.0.weight": (9, 16, 3, 3),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    units = (3 + 4 + 9) * 9 + 3 * 3  # three convolutions and normalisations each; a shortcut a stage
    assert len(state) == (3 + units) + 2 + 1 + (12 * 16 + 2) + 6 * (1 + 2 * 4) + 2


# ---- values by other ways ------------------------------------------------------------------------------------------


def unet_by_hand(model, x):
    """A U-Net from its state dictionary, with functions of torch alone."""
    s = model.state_dict()

    def norm(name, x):
        mean, variance, weight, bias = (s[f"{name}.{key}"].reshape(1, -1, 1, 1)
                                        for key in ("running_mean", "running_var", "weight", "bias"))  # fmt: skip
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def convolve(name, x, **options):
        return F.conv2d(x, s[f"{name}.weight"], **options)

    x = norm("encoder.bn1", convolve("encoder.conv1", x, stride=2, padding=3)).relu()
    maps, x = [x], F.max_pool2d(x, 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            name, stride = f"encoder.layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = norm(f"{name}.bn1", convolve(f"{name}.conv1", x)).relu()
            y = norm(f"{name}.bn2", convolve(f"{name}.conv2", y, stride=stride, padding=1)).relu()
            y = norm(f"{name}.bn3", convolve(f"{name}.conv3", y))
            if block == 0:
                x = norm(f"{name}.downsample.1", convolve(f"{name}.downsample.0", x, stride=stride))
            x = (x + y).relu()
        maps.append(x)
    x = maps.pop()
    for block in range(5):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        x = torch.cat([x, maps.pop()], 1) if maps else x
        for index in ("conv1", "conv2"):
            name = f"decoder.blocks.{block}.{index}"
            x = norm(f"{name}.1", convolve(f"{name}.0", x, padding=1)).relu()
    return F.conv2d(x, s["segmentation_head.0.weight"], s["segmentation_head.0.bias"], padding=1)


def transunet_by_hand(model, x, depth, heads, units, side):
    """TransUNet from its state dictionary, by the published description, in eval mode, for square pictures."""
    s = model.state_dict()
    hybrid = "transformer.embeddings.hybrid_model"

    def group(name, x, groups, eps=1e-6):
        return F.group_norm(x, groups, s[f"{name}.weight"], s[f"{name}.bias"], eps)

    def standard(name, x, **options):
        w = s[f"{name}.weight"].double()
        flat = w.flatten(1)
        w = (w - flat.mean(1).reshape(-1, 1, 1, 1)) / (flat.var(1, unbiased=False) + 1e-5).sqrt().reshape(-1, 1, 1, 1)
        return F.conv2d(x, w.to(x.dtype), **options)

    def linear(name, x):
        return x @ s[f"{name}.weight"].T + s[f"{name}.bias"]

    def layer_norm(name, x):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return x * s[f"{name}.weight"] + s[f"{name}.bias"]

    x = group(f"{hybrid}.root.gn", standard(f"{hybrid}.root.conv", x, stride=2, padding=3), 32).relu()
    maps, x = [x], F.max_pool2d(x, 3, 2)
    for stage, count in enumerate(units):
        for unit in range(1, count + 1):
            name, stride = f"{hybrid}.body.block{stage + 1}.unit{unit}", 2 if stage and unit == 1 else 1
            y = group(f"{name}.gn1", standard(f"{name}.conv1", x), 32).relu()
            y = group(f"{name}.gn2", standard(f"{name}.conv2", y, stride=stride, padding=1), 32).relu()
            y = group(f"{name}.gn3", standard(f"{name}.conv3", y), 32)
            if unit == 1:
                short = standard(f"{name}.downsample", x, stride=stride)
                x = group(f"{name}.gn_proj", short, short.shape[1], 1e-5)
            x = (x + y).relu()
        if stage < 2:
            whole = x.new_zeros(*x.shape[:2], side // (4 * 2**stage), side // (4 * 2**stage))
            whole[:, :, : x.shape[2], : x.shape[3]] = x
            maps.append(whole)
    e = "transformer.embeddings"
    x = F.conv2d(x, s[f"{e}.patch_embeddings.weight"], s[f"{e}.patch_embeddings.bias"])
    x = x.flatten(2).transpose(1, 2) + s[f"{e}.position_embeddings"]
    for block in range(depth):
        name = f"transformer.encoder.layer.{block}"
        y = layer_norm(f"{name}.attention_norm", x)
        q, k, v = (linear(f"{name}.attn.{key}", y) for key in ("query", "key", "value"))
        size, mixed = q.shape[-1] // heads, []
        for head in range(heads):
            at = slice(head * size, (head + 1) * size)
            mixed.append((q[..., at] @ k[..., at].transpose(1, 2) / size**0.5).softmax(-1) @ v[..., at])
        x = x + linear(f"{name}.attn.out", torch.cat(mixed, -1))
        y = linear(f"{name}.ffn.fc1", layer_norm(f"{name}.ffn_norm", x))
        x = x + linear(f"{name}.ffn.fc2", y * 0.5 * (1 + torch.erf(y / 2**0.5)))
    x = layer_norm("transformer.encoder.encoder_norm", x)
    x = x.transpose(1, 2).unflatten(2, (side // 16, side // 16))

    def convolve(name, x):
        x = F.conv2d(x, s[f"{name}.0.weight"], padding=1)
        return F.batch_norm(x, s[f"{name}.1.running_mean"], s[f"{name}.1.running_var"], s[f"{name}.1.weight"],
                            s[f"{name}.1.bias"]).relu()  # fmt: skip

    x = convolve("decoder.conv_more", x)
    for block in range(4):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = torch.cat([x, maps.pop()], 1) if maps else x
        x = convolve(f"decoder.blocks.{block}.conv2", convolve(f"decoder.blocks.{block}.conv1", x))
    return F.conv2d(x, s["segmentation_head.0.weight"], s["segmentation_head.0.bias"], padding=1)


def stirred(model):
    """The network with other values where it starts at constants, so that a mistake in them shows."""
    generator = torch.Generator().manual_seed(9)
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_mean", "position_embeddings", "bias")):
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
            tensor.copy_(0.8 + 0.4 * torch.rand(tensor.shape, generator=generator))
    return model.eval()


def test_the_unet_written_out():
    model = stirred(small("unet_resnet"))
    x = pictures(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), unet_by_hand(model, x), rtol=1e-3, atol=1e-3)


def test_the_published_transunet_written_out():
    model = stirred(small())
    x = pictures(2, 3, 64, 64)
    with torch.inference_mode():
        expected = transunet_by_hand(model, x, depth=2, heads=3, units=(1, 2, 1), side=64)
        torch.testing.assert_close(model(x), expected, rtol=1e-3, atol=1e-4)


def test_the_published_transunet_in_its_own_size():
    torch.manual_seed(0)
    model = stirred(build_model("transunet_r50", 1, 4, spatial_dims=2))
    x = pictures(1, 1, 224, 224)
    with torch.inference_mode():
        expected = transunet_by_hand(model, x.repeat(1, 3, 1, 1), depth=12, heads=12, units=(3, 4, 9), side=224)
        found = model(x)
    assert found.shape == (1, 4, 224, 224)
    assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 2, 5, 7), (1, 1, 1, 2)])
def test_bilinear_upsampling_is_that_of_torch(shape):
    x = pictures(*shape)
    torch.testing.assert_close(twice(x), F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
    assert twice(x.bfloat16()).dtype == torch.bfloat16


def test_one_channel_is_repeated_to_three():
    grey, colour = small(channels=1).eval(), small(channels=3).eval()
    x = pictures(1, 1, 48, 48)
    with torch.inference_mode():
        assert torch.equal(grey(x), colour(x.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("name", ["unet_resnet", "transunet_resnet", "transunet_r50"])
def test_a_volume_is_its_slices(name, axis):
    options = {"unet_resnet": {"encoder": "resnet10", "decoder": (8, 8, 8, 8, 8)}}
    options["transunet_resnet"] = {**options["unet_resnet"], "width": 16, "depth": 1, "heads": 2}
    chosen = options.get(name, {**SMALL, "patch": None})
    torch.manual_seed(0)
    volume = build_model(name, 1, 3, axis=axis, **chosen).eval()
    torch.manual_seed(0)
    plane = build_model(name, 1, 3, spatial_dims=2, **chosen).eval()
    sizes = [40, 33]
    sizes.insert(axis, 2)
    x = pictures(1, 1, *sizes)
    with torch.inference_mode():
        logits = volume(x)
        for index in range(2):
            expected = plane(x.select(2 + axis, index))
            torch.testing.assert_close(logits.select(2 + axis, index), expected, rtol=1e-3, atol=1e-4)


def test_positions_are_learnt_for_the_patch_in_the_plane():
    options = {**SMALL, "patch": (3, 96, 64)}
    model = build_model("transunet_r50", 1, 2, axis=0, **options)
    assert model.transformer.embeddings.position_embeddings.shape == (1, 6 * 4, 24)
    bottleneck = build_model("transunet_resnet", 1, 2, encoder="resnet10", width=16, heads=2, patch=(128, 96, 1))
    assert bottleneck.transformer.position.shape == (1, 4, 3, 16)


# ---- weights from a file -------------------------------------------------------------------------------------------


@pytest.fixture
def encoder_file(tmp_path):
    """A ResNet-10's weights under torchvision's names with a classifier, in either form: (path, digest)."""
    from safetensors.torch import save_file

    torch.manual_seed(5)
    state = build_model("unet_resnet", 3, 2, spatial_dims=2, encoder="resnet10").encoder.state_dict()
    state |= {"fc.weight": torch.ones(2, 512), "fc.bias": torch.ones(2)}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "w.safetensors")
    # as old files are: without the counters of batch normalisation
    torch.save({n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}, tmp_path / "w.pth")

    def give(suffix):
        file = tmp_path / f"w{suffix}"
        return {"weights": str(file), "weights_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}

    return give, state


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("name", ["unet_resnet", "transunet_resnet"])
def test_an_encoder_starts_from_a_file(encoder_file, suffix, name):
    give, state = encoder_file
    torch.manual_seed(0)
    plain = build_model(name, 3, 2, spatial_dims=2, encoder="resnet10")
    torch.manual_seed(0)
    loaded = build_model(name, 3, 2, spatial_dims=2, encoder="resnet10", **give(suffix))
    assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.encoder.state_dict().items())
    # the rest is as it would be without the file
    for key, tensor in plain.state_dict().items():
        assert key.startswith("encoder.") or torch.equal(tensor, loaded.state_dict()[key])


def test_of_one_channel_the_first_convolution_is_summed(encoder_file):
    give, _ = encoder_file
    options = {"spatial_dims": 2, "encoder": "resnet10"} | give(".safetensors")
    grey, colour = (build_model("unet_resnet", channels, 2, **options).encoder.eval() for channels in (1, 3))
    x = pictures(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(grey(x)[0], colour(x.repeat(1, 3, 1, 1))[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match=r"'conv1.weight': expected shape \(64, 2, 7, 7\), found \(64, 3, 7, 7\)"):
        build_model("unet_resnet", 2, 2, **options)


def test_transunet_starts_from_a_file_of_another_grid_and_other_classes(tmp_path):
    source = small(classes=5)
    torch.nn.init.normal_(source.transformer.embeddings.position_embeddings)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    digest = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    given = {"weights": str(tmp_path / "w.pth"), "weights_sha256": digest[:8]}
    same, wide = small(**given), small(**given, patch=(128, 64))
    x = pictures(1, 3, 64, 64)
    with torch.inference_mode():
        expected = source.eval().transformer(x)[0]
        torch.testing.assert_close(same.eval().transformer(x)[0], expected)
    position = wide.transformer.embeddings.position_embeddings.unflatten(1, (8, 4))
    given_on_grid = source.transformer.embeddings.position_embeddings.unflatten(1, (4, 4))
    torch.testing.assert_close(position[:, 1] + position[:, 2], given_on_grid[:, 0] + given_on_grid[:, 1])


def test_files_that_do_not_fit_are_refused_in_one_line(encoder_file, tmp_path):
    give, _ = encoder_file
    right = {"encoder": "resnet10", "spatial_dims": 2} | give(".pth")
    torch.save({"state_dict": {"conv1.weight": 3}}, tmp_path / "odd.pth")
    odd = hashlib.sha256((tmp_path / "odd.pth").read_bytes()).hexdigest()
    wrong = {
        r"no such file; nothing is downloaded": {"weights": str(tmp_path / "none.pth")},
        r"expected weights_sha256 to be the file's digest, [0-9a-f]{64}, .* found none": {"weights_sha256": None},
        r"found 'deadbeef00'": {"weights_sha256": "deadbeef00"},
        r"found 'a'": {"weights_sha256": "a"},
        r"expected weights of this network, found no 'layer1.0.conv3.weight'": {"encoder": "resnet50"},
        r"state dictionary of tensors by name": {"weights": str(tmp_path / "odd.pth"), "weights_sha256": odd},
    }
    for words, change in wrong.items():
        with pytest.raises(ConfigError, match=rf"^weights: .*{words}") as error:
            build_model("unet_resnet", 3, 2, **right | change)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("unet_resnet", {"encoder": "resnet34"}, "encoder must be one of resnet10"),
        ("unet_resnet", {"decoder": (8, 8, 8)}, "decoder needs 5 positive widths"),
        ("unet_resnet", {"axis": 2}, "axis must name one of 2 spatial axes, got 2"),
        ("transunet_resnet", {"encoder": "resnet10", "heads": 7}, "heads must divide width 512, got 7"),
        ("transunet_resnet", {"encoder": "resnet10", "patch": (64, 64, 1)}, "patch needs 2 positive numbers"),
        ("transunet_r50", {"stem": 48}, "stem must be a multiple of 32"),
        ("transunet_r50", {**SMALL, "blocks": (1, 1)}, "blocks needs 3 positive numbers"),
        ("transunet_r50", {**SMALL, "dropout": 1.0}, r"dropout must be in \[0, 1\)"),
    ],
)
def test_impossible_options_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        build_model(name, 1, 2, spatial_dims=2, **options)
