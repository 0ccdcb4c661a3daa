"""Mirroring, turns, rotation and scaling: exact where they can be, scipy's elsewhere, and in step with labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from studies import minimal
from waits import Waits

from spectralcal.base.digests import digest
from spectralcal.base.errors import ConfigError
from spectralcal.doctor.timing import RandomCase
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.train import train
from spectralcal.losses import SegmentationLoss
from spectralcal.study.config import AugmentationConfig, GeometryConfig, TrainingConfig, parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.recipe import training_settings
from spectralcal.study.resolved import resolve
from spectralcal.transforms.geometry import Geometry, apply_geometry, sample_geometry, transform_batch
from spectralcal.transforms.intensity import sample_augmentation

SHAPES = [(11, 11), (8, 8, 5), (7, 12, 12)]
EVERYTHING = GeometryConfig(
    flip_probability=0.5, rot90_probability=0.5, rotation_probability=0.5, scaling_probability=0.5
)


def batch(shape, classes=3):
    """Two smooth images, each equal to its label: any misalignment shows."""
    random = np.random.default_rng(len(shape))
    fields = np.stack([ndimage.gaussian_filter(random.standard_normal(shape), 2) for _ in range(2)])
    edges = np.quantile(fields, np.arange(1, classes) / classes)
    labels = torch.from_numpy(np.searchsorted(edges, fields))
    return labels[:, None].float(), labels


def neutral(shape, **changes):
    axes = len(shape)
    base = Geometry(np.zeros((2, axes), bool), np.zeros(2, int), np.zeros(2), np.ones(2), (0, 1))
    return replace(base, **{name: np.asarray(value) if name != "plane" else value for name, value in changes.items()})


def equal(found, expected):
    return all(torch.equal(one, other) and one.dtype == other.dtype for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_switched_off_it_gives_the_same_tensors_back(shape):
    images, labels = batch(shape)
    found = transform_batch(AugmentationConfig().geometry, images, labels, ("toy", 0, 3))
    assert found[0] is images
    assert found[1] is labels


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rotation_of_nothing_and_a_scaling_by_one_change_no_bit(shape):
    images, labels = batch(shape)
    images = images + torch.randn(images.shape)
    assert equal(apply_geometry(images, labels, neutral(shape)), (images, labels))


@pytest.mark.parametrize("shape", SHAPES)
def test_flips_move_voxels_along_the_named_axes_only(shape):
    images, labels = batch(shape)
    images = images + torch.randn(images.shape)
    for axis in range(len(shape)):
        flips = np.zeros((2, len(shape)), bool)
        flips[1, axis] = True
        found = apply_geometry(images, labels, neutral(shape, flips=flips))
        np.testing.assert_array_equal(found[0][0], images[0])
        np.testing.assert_array_equal(found[0][1], np.flip(images[1].numpy(), axis + 1))
        np.testing.assert_array_equal(found[1][1], np.flip(labels[1].numpy(), axis))
        assert equal(apply_geometry(*found, neutral(shape, flips=flips)), (images, labels))


@pytest.mark.parametrize(("shape", "plane"), [((11, 11), (0, 1)), ((8, 8, 5), (0, 1)), ((7, 12, 12), (2, 1))])
def test_quarter_turns_are_exact_and_four_are_none(shape, plane):
    images, labels = batch(shape)
    images = images + torch.randn(images.shape)
    found = (images, labels)
    for turns in range(1, 5):
        found = apply_geometry(*found, neutral(shape, quarter_turns=[1, 1], plane=plane))
        for kind in range(2):
            expected = np.rot90(labels[kind].numpy(), turns, plane)
            np.testing.assert_array_equal(found[1][kind], expected)
            turned = np.rot90(images[kind, 0].numpy(), turns, plane)
            np.testing.assert_array_equal(found[0][kind, 0], turned)
        assert equal(apply_geometry(images, labels, neutral(shape, quarter_turns=[turns % 4] * 2, plane=plane)), found)
    assert equal(found, (images, labels))


def test_half_turns_need_no_square():
    images, labels = batch((6, 10))
    found = apply_geometry(images, labels, neutral((6, 10), quarter_turns=[2, 0]))
    np.testing.assert_array_equal(found[1][0], labels[0].numpy()[::-1, ::-1])
    with pytest.raises(ValueError, match=r"two axes of one size, got \[6, 10\] along axes \[0, 1\]"):
        apply_geometry(images, labels, neutral((6, 10), quarter_turns=[0, 3]))


@pytest.mark.parametrize(("degrees", "factor"), [(17.0, 1.0), (-63.0, 1.0), (0.0, 1.37), (0.0, 0.61), (41.0, 0.83)])
@pytest.mark.parametrize(
    ("shape", "plane"), [((11, 11), (0, 1)), ((9, 14), (0, 1)), ((8, 10, 5), (0, 1)), ((7, 12, 9), (2, 1))]
)
def test_rotation_and_scaling_agree_with_scipy(shape, plane, degrees, factor):
    images, labels = batch(shape)
    images = images + torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    found = apply_geometry(images, labels, neutral(shape, degrees=[degrees, 0], factor=[factor, 1], plane=plane))
    angle = np.deg2rad(degrees)
    matrix = np.eye(len(shape))
    matrix[np.ix_(plane, plane)] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    matrix /= factor
    middle = (np.array(shape) - 1) / 2
    rest = {"matrix": matrix, "offset": middle - matrix @ middle, "mode": "reflect"}
    expected = ndimage.affine_transform(images[0, 0].double().numpy(), order=1, **rest)
    np.testing.assert_allclose(found[0][0, 0], expected, atol=2e-4)
    # Half way between two voxels rounding decides; there the two libraries may differ.
    places = np.einsum("ij,j...->i...", matrix, np.indices(shape) - middle.reshape(-1, *[1] * len(shape)))
    clear = (np.abs((places + middle.reshape(-1, *[1] * len(shape))) % 1 - 0.5) > 1e-3).all(0)
    assert clear.mean() > 0.5
    nearest = ndimage.affine_transform(labels[0].numpy(), order=0, **rest)
    np.testing.assert_array_equal(found[1][0].numpy()[clear], nearest[clear])
    assert equal([tensor[1] for tensor in found], [images[1], labels[1]])


def test_a_rotation_by_a_right_angle_is_a_quarter_turn():
    images, labels = batch((12, 12))
    turned = apply_geometry(images, labels, neutral((12, 12), quarter_turns=[1, 3]))
    rotated = apply_geometry(images, labels, neutral((12, 12), degrees=[90.0, -90.0]))
    torch.testing.assert_close(rotated[0], turned[0], atol=1e-4, rtol=0)
    assert torch.equal(rotated[1], turned[1])


def test_a_factor_above_one_makes_structures_grow():
    label = torch.zeros(2, 21, 21, dtype=torch.long)
    label[:, 8:13, 8:13] = 1
    parameters = neutral((21, 21), factor=[2.0, 0.5])
    _, found = apply_geometry(label[:, None].float(), label, parameters)
    assert found[0].sum() > 3 * label[0].sum()
    middle = found[1, 5:16, 5:16]  # the patch itself; beyond is its mirror image
    assert 4 <= middle.sum() < label[1].sum() / 2
    torch.testing.assert_close(found[1, :5, 5:16], middle[:5].flip(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_image_and_label_stay_together_and_labels_stay_labels(shape):
    images, labels = batch(shape, classes=2)
    settings = EVERYTHING.model_copy(update={"plane": (1, 2) if shape == (7, 12, 12) else (0, 1)})
    changed = 0
    for step in range(40):
        found, turned = transform_batch(settings, images, labels, ("toy", step))
        assert (found.shape, turned.shape, turned.dtype) == (images.shape, labels.shape, labels.dtype)
        assert set(turned.unique().tolist()) <= {0, 1}
        # Where all voxels that are mixed agree, image and label must be the same.
        sure = (found[:, 0] - found[:, 0].round()).abs() < 1e-5
        assert sure.float().mean() > 0.2
        assert torch.equal(found[:, 0][sure].round().long(), turned[sure])
        changed += not torch.equal(turned, labels)
    assert changed > 20


def test_the_inputs_are_left_alone_and_several_raters_are_turned_alike():
    images, labels = batch((9, 9))
    kept = images.clone(), labels.clone()
    raters = torch.stack([labels, labels.flip(0), 2 - labels], 1)  # (B, R, H, W)
    parameters = sample_geometry(EVERYTHING, 2, 2, ("toy", 7))
    found = apply_geometry(images, raters, parameters)[1]
    assert equal((images, labels), kept)
    for index, one in enumerate((labels, labels.flip(0), 2 - labels)):
        assert torch.equal(found[:, index], apply_geometry(images, one, parameters)[1])


def test_the_host_reads_nothing_back():
    images, labels = batch((8, 8, 5))
    waits = Waits()
    with waits:
        waits.watching = True
        for step in range(10):
            transform_batch(EVERYTHING, images, labels, ("toy", step))
    assert waits.found == []


class Blocks(RandomCase):
    """A case whose image is its label."""

    def image(self):
        return self.label()[None].astype(np.float32)


class Aligned(SegmentationLoss):
    """A loss that looks whether the network's input still belongs to the label."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def terms(self, logits, target):
        value = (logits[:, 0] / logits[:, 1]).detach()  # the image, whatever the weights have become
        sure = (value - value.round()).abs() < 1e-3
        self.seen.append((bool((value[sure].round() == target[sure]).all()), float(sure.float().mean())))
        return {"ce": logits.square().mean()}


class Through(torch.nn.Module):
    """A network whose first channel over its second is its input."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return torch.cat([x, torch.ones_like(x)], 1) * self.scale


def test_the_loop_turns_labels_with_images(tmp_path):
    quiet = {f"{name}_probability": 0.0 for name in ("noise", "blur", "brightness", "gamma")}
    case = Blocks("blocks", (20, 20, 20), 1, 2)  # of two classes no mixture is the other class
    settings = TrainingConfig(
        steps=20, epoch_steps=100, patch=(16, 16, 16), optimizer="adamw", precision="fp32",
        augmentation=AugmentationConfig(**quiet, geometry=EVERYTHING),
    )  # fmt: skip
    loss = Aligned()
    train(
        Through(), loss, PatchSampler([case], settings.patch, 2, 0.5, ("batch", "toy", 0)), settings,
        stream=("toy", 0), device=torch.device("cpu"), precision="fp32", checkpoint=tmp_path / "c.safetensors",
        fingerprint="f",
    )  # fmt: skip
    assert all(aligned for aligned, _ in loss.seen)
    assert min(share for _, share in loss.seen) > 0.05
    assert len({share for _, share in loss.seen}) > 3  # batches without, with little and with much interpolation


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", SHAPES[:2])
def test_a_gpu_gives_the_same(shape):
    images, labels = batch(shape)
    for step in range(10):
        expected = transform_batch(EVERYTHING, images, labels, ("toy", step))
        found = transform_batch(EVERYTHING, images.cuda(), labels.cuda(), ("toy", step))
        torch.testing.assert_close(found[0].cpu(), expected[0], atol=1e-4, rtol=0)
        assert (found[1].cpu() != expected[1]).float().mean() < 0.01  # places half way between two voxels


def test_sampling_is_a_function_of_the_stream():
    one, again = (sample_geometry(EVERYTHING, 8, 3, ("toy", 0, 3)) for _ in range(2))
    other = sample_geometry(EVERYTHING, 8, 3, ("toy", 0, 4))
    for name in ("flips", "quarter_turns", "degrees", "factor"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize(
    ("changes", "touched"),
    [
        ({"flip_probability": 0.0}, "flips"),
        ({"flip_axes": (1,)}, "flips"),
        ({"rot90_probability": 0.0}, "quarter_turns"),
        ({"rotation_probability": 0.0}, "degrees"),
        ({"rotation_degrees": (1.0, 2.0)}, "degrees"),
        ({"scaling_probability": 1.0}, "factor"),
    ],
)
def test_a_changed_setting_does_not_shift_the_other_draws(changes, touched):
    before = sample_geometry(EVERYTHING, 64, 3, ("toy", 0))
    after = sample_geometry(EVERYTHING.model_copy(update=changes), 64, 3, ("toy", 0))
    for name in ("flips", "quarter_turns", "degrees", "factor"):
        assert np.array_equal(getattr(before, name), getattr(after, name)) == (name != touched)


def test_shares_and_ranges_follow_the_settings():
    settings = GeometryConfig(
        flip_probability=0.3, flip_axes=(0, 2), rot90_probability=0.2, rotation_probability=0.15,
        rotation_degrees=(5, 20), scaling_probability=0.4, scaling_factor=(0.8, 0.9),
    )  # fmt: skip
    drawn = sample_geometry(settings, 20_000, 3, ("toy",))
    np.testing.assert_allclose(drawn.flips.mean(0), [0.3, 0, 0.3], atol=0.015)
    for values, none, share, low, high in (
        (drawn.quarter_turns, 0, 0.2, 1, 3),
        (drawn.degrees, 0, 0.15, 5, 20),
        (drawn.factor, 1, 0.4, 0.8, 0.9),
    ):
        applied = values != none
        assert abs(applied.mean() - share) < 0.015
        assert (values[applied].min() >= low, values[applied].max() <= high) == (True, True)
    assert np.abs(np.bincount(drawn.quarter_turns)[1:] / (drawn.quarter_turns > 0).sum() - 1 / 3).max() < 0.03


def test_the_draws_of_the_intensity_augmentations_are_those_of_before():
    """Numbers of the version without geometry, whatever the settings of geometry are."""
    shares = {f"{name}_probability": 0.5 for name in ("noise", "blur", "brightness", "gamma")}
    found = sample_augmentation(AugmentationConfig(**shares, geometry=EVERYTHING), 3, ("toy", 0, 3))
    np.testing.assert_allclose(found.noise_std, [0.27940108, 0, 0], atol=5e-9)
    np.testing.assert_array_equal(found.blur_sigma, np.zeros(3))
    np.testing.assert_allclose(found.brightness, [0.87704791, 0.91881852, 1], atol=5e-9)
    np.testing.assert_allclose(found.gamma, [1, 1, 0.73290445], atol=5e-9)
    assert found.noise_seed == 2557630905444674692


def settings_of(**augmentation):
    study = parse_config(minimal(training={"augmentation": augmentation} if augmentation else {}), "toy.yaml")
    return training_settings(resolve(study, study_cells(study)[0]))


def test_a_default_section_is_in_no_recipe_and_no_record():
    plain = settings_of()
    assert "geometry" not in plain["training"]["augmentation"]
    assert digest(plain) == digest(settings_of(geometry={})) == digest(settings_of(geometry={"flip_probability": 0.0}))
    assert digest(plain) != digest(settings_of(geometry={"flip_probability": 0.1}))
    assert "geometry" not in TrainingConfig().model_dump_json()
    assert TrainingConfig.model_validate(TrainingConfig().model_dump()) == TrainingConfig()


def test_a_data_set_changes_single_keys_of_it():
    study = parse_config(
        minimal(
            training={"augmentation": {"geometry": {"flip_probability": 0.5, "rotation_degrees": [-5, 5]}}},
            datasets={"phantom": {"training": {"augmentation": {"geometry": {"rotation_probability": 0.2}}}}},
        ),
        "toy.yaml",
    )
    found = study.training_of("phantom").augmentation.geometry
    assert (found.flip_probability, found.rotation_degrees, found.rotation_probability) == (0.5, (-5, 5), 0.2)
    again = parse_config(study.model_dump(mode="json"), "config.json")
    assert again.training_of("phantom").augmentation.geometry == found


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"augmentation": {"geometry": {"plane": [1, 1]}}}, r"plane needs two different axes, found \[1, 1\]"),
        ({"augmentation": {"geometry": {"scaling_factor": [0, 1]}}}, "scaling_factor needs low <= high, and factors"),
        ({"augmentation": {"geometry": {"rotation_degrees": [9, 1]}}}, r"rotation_degrees needs low .* \[9, 1\]"),
        ({"augmentation": {"geometry": {"rotate": 1}}}, "training.augmentation.geometry.rotate: unknown key"),
        (
            {"patch": [8, 8], "augmentation": {"geometry": {"rot90_probability": 0.5, "plane": [0, 2]}}},
            r"plane \[0, 2\] is not in a patch of 2 axes",
        ),
        (
            {"patch": [8, 8], "augmentation": {"geometry": {"flip_probability": 0.5, "flip_axes": [2]}}},
            r"flip_axes \[2\] is not in a patch of 2 axes",
        ),
        (
            {"patch": [8, 6, 8], "augmentation": {"geometry": {"rot90_probability": 0.5}}},
            r"rot90_probability needs a square patch in its plane, found \[8, 6\]",
        ),
    ],
)
def test_settings_that_cannot_be_meant(training, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(minimal(training=training), "toy.yaml")
