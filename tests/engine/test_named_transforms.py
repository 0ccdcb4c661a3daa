"""Augmentation by a registered transform: outside code, drawn options, geometry, and what identifies a training."""

import json
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage
from studies import tiny

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.jobs import cells, steps
from spectralcal.study.config import AugmentationConfig, parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import training_identity, training_recipe
from spectralcal.study.resolved import resolve
from spectralcal.transforms.augmentation import Augmenter
from spectralcal.transforms.geometry import transform_batch
from spectralcal.transforms.intensity import apply_augmentation, sample_augmentation

CODE = '''
import torch

from spectralcal.transforms.contract import Transform


class Offset(Transform):
    """Adds a constant."""

    def __init__(self, amount: float = 0.1, label: str = "") -> None:
        self.amount = amount

    def __call__(self, image, seed):
        return image + self.amount


class Cut(Offset):
    def __call__(self, image, seed):
        return image[:, 1:]


class Broken(Offset):
    def __call__(self, image, seed):
        return image.no_such_thing
'''
OFFSET, CELL = "offset_package:Offset", Cell("phantom", "unet", "ce", 0)
OFF = {f"{name}_probability": 0.0 for name in ("noise", "blur", "brightness", "gamma")}
STREAM = ("phantom", 0, 7)


@pytest.fixture
def package(tmp_path, monkeypatch):
    file = tmp_path / "offset_package.py"
    file.write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop(file.stem, None)  # of another test, in another folder
    registry.forget()
    yield file
    sys.modules.pop(file.stem, None)
    registry.forget()


def images_and_labels(shape=(12, 12, 6)):
    random = np.random.default_rng(3)
    fields = np.stack([ndimage.gaussian_filter(random.standard_normal(shape), 2) for _ in range(4)])
    labels = torch.from_numpy((fields > 0).astype(np.int64))
    return labels[:, None].float(), labels


def augmented(entries, stream=STREAM, **others):
    return Augmenter(AugmentationConfig(**OFF, transforms=entries, **others))(*images_and_labels(), stream)


def study(folder, *entries):
    content = tiny(folder)
    content["training"] |= {"precision": "fp32", "augmentation": {**OFF, "transforms": list(entries)}}
    return parse_config(content, "toy")


def test_a_transform_of_a_user_is_trained_with_and_identifies_the_training(package):
    config = study(package.parent, {"name": OFFSET, "options": {"amount": 3.0}})
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    weights = []
    for each in (config, study(package.parent)):
        cells.train_cell(each, CELL, force=True)
        run = json.loads(StudyPaths(each).cell(CELL).run.read_text())
        weights.append(StudyPaths(each).cell(CELL).weights.read_bytes())
        assert run["parts"]["recipe"] == training_recipe(resolve(each, CELL))
    assert weights[0] != weights[1]
    assert "transforms" not in training_identity(resolve(study(package.parent), CELL))
    (entry,) = training_identity(resolve(config, CELL))["transforms"]
    assert entry["options"] == {"amount": 3.0}
    assert set(entry) == {"name", "options", "source", "probability", "ranges"}


def test_what_a_transform_computes_and_is_given_is_in_the_recipe_and_its_wording_is_not(package):
    def recipe(**changes):
        registry.forget()
        return training_recipe(resolve(study(package.parent, {"name": OFFSET, **changes}), CELL))

    plain = recipe()
    assert recipe(options={"amount": 0.1}) == plain  # the default
    others = [recipe(options={"amount": 0.2}), recipe(probability=0.5), recipe(ranges={"amount": [0.0, 1.0]})]
    package.write_text(
        CODE.replace("Adds a constant", "Another scanner").replace("import torch", "import torch  # why")
    )
    assert recipe() == plain
    package.write_text(CODE.replace("image + self", "image - self"))
    assert len({plain, *others, recipe()}) == 5


def test_without_transforms_by_name_a_batch_is_what_it_was(package):
    settings = AugmentationConfig(noise_probability=1, gamma_probability=1, geometry={"flip_probability": 0.5})
    images, labels = images_and_labels()
    moved, expected = transform_batch(settings.geometry, images, labels, STREAM)
    changed = apply_augmentation(moved, sample_augmentation(settings, 4, STREAM))
    for one, other in zip(Augmenter(settings)(images, labels, STREAM), (changed, expected), strict=True):
        assert torch.equal(one, other)


def test_options_are_drawn_in_their_range_for_each_patch_and_with_its_probability(package):
    images, _ = images_and_labels()
    entry = {"name": OFFSET, "probability": 0.5, "ranges": {"amount": [1.0, 2.0]}}
    drawn = torch.cat([(augmented([entry], ("phantom", 0, step))[0] - images).flatten(1) for step in range(100)])
    amounts = drawn.mean(1)
    assert torch.allclose(drawn, amounts[:, None], atol=1e-5)
    applied = amounts[amounts != 0]
    assert 0.4 < len(applied) / 400 < 0.6
    assert applied.min() >= 1 - 1e-5
    assert applied.max() <= 2 + 1e-5
    assert len(applied.round(decimals=4).unique()) > 0.95 * len(applied)


def test_draws_of_one_transform_do_not_depend_on_the_others_and_repeat_themselves(package):
    noise = {"name": "noise", "ranges": {"variance": [0.1, 0.2]}}
    alone = augmented([noise])[0]
    assert torch.equal(alone, augmented([noise])[0])
    assert not torch.equal(alone, augmented([noise], ("phantom", 0, 8))[0])
    shifted = augmented([{"name": OFFSET, "options": {"amount": 1.0}}, noise])[0]
    assert torch.allclose(shifted, alone + 1, atol=1e-5)
    images, _ = images_and_labels()
    twice = augmented([noise, noise])[0] - alone
    assert not torch.allclose(twice, alone - images, atol=1e-3)  # each entry has its own noise


def test_geometry_by_name_moves_images_and_labels_alike(package):
    options = {"flip_probability": 0.5, "rot90_probability": 0.5, "plane": [0, 1]}
    images, labels = images_and_labels()
    seen = 0
    for step in range(4):
        moved, found = augmented([{"name": "geometry", "options": options}], ("phantom", 0, step))
        assert torch.equal(moved[:, 0], found.float())
        assert found.dtype == labels.dtype
        assert torch.equal(moved.flatten(1).sum(1), images.flatten(1).sum(1))  # no voxel is lost
        seen += sum(not torch.equal(one, other) for one, other in zip(found, labels, strict=True))
    assert seen > 6


def test_geometry_by_name_without_a_probability_changes_nothing(package):
    assert all(torch.equal(a, b) for a, b in zip(augmented([{"name": "geometry"}]), images_and_labels(), strict=True))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "noises"}, r"training.augmentation.transforms.0.name: unknown transform 'noises'; expected .*noise"),
        ({"name": "noise", "options": {"varianc": 1}}, r"transforms.0.options.varianc: unknown key; did you mean"),
        ({"name": "noise", "ranges": {"sigma": [0, 1]}}, r"ranges: expected options of 'noise' .*variance.*'sigma'"),
        ({"name": OFFSET, "ranges": {"label": [0, 1]}}, r"real numbers.*amount.*found 'label'"),
        ({"name": "noise", "ranges": {"variance": [1, 0]}}, r"ranges.variance needs low <= high"),
        ({"name": "noise", "options": {"variance": 1}, "ranges": {"variance": [0, 1]}}, "found it in both"),
        ({"name": "nowhere_at_all:X"}, "no module 'nowhere_at_all' is installed"),
        ({"name": "noise", "probability": 2}, "probability"),
    ],
)
def test_a_transform_that_cannot_be_is_refused_with_the_configuration(package, entry, message):
    with pytest.raises(ConfigError, match=message) as error:
        study(package.parent, entry)
    assert "\n" not in str(error.value)


def test_an_option_out_of_its_range_is_said_before_the_first_step(package):
    for entry in ({"name": "blur", "ranges": {"sigma": [0.0, 1.0]}}, {"name": "blur", "options": {"sigma": -1}}):
        with pytest.raises(ConfigError, match="transforms: 'blur': sigma must be above 0"):
            augmented([entry])
    with pytest.raises(ConfigError, match="'geometry': plane needs two different axes"):
        augmented([{"name": "geometry", "options": {"plane": [1, 1]}}])


@pytest.mark.parametrize(
    ("name", "message"), [("Cut", "of the shapes .*12, 12, 6"), ("Broken", "AttributeError.*--debug")]
)
def test_a_transform_that_goes_wrong_is_one_line(package, name, message):
    with pytest.raises(ResultError, match=f"transforms: 'offset_package:{name}'.*{message}"):
        augmented([{"name": f"offset_package:{name}"}])


def test_images_of_a_test_cannot_be_moved(tmp_path):
    with pytest.raises(ConfigError, match=r"conditions\.turned\.corrupt: 'geometry' moves voxels"):
        parse_config(tiny(tmp_path, evaluation={"conditions": {"turned": {"corrupt": ["geometry"]}}}), "toy")
