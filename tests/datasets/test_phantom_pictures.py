"""Pictures of a phantom: several objects, small ones too, and a shift that changes nothing but the appearance."""

import numpy as np
import pytest
from scipy.ndimage import label as components

from spectralcal.datasets.phantom_pictures import PhantomPictures


def loaded(cases=8, **options):
    dataset = PhantomPictures(cases=cases, **options)
    return [dataset.load(case) for case in dataset.cases("unused")]


@pytest.fixture(scope="module")
def usual():
    return loaded()


def test_a_picture_has_three_channels_on_the_grid_of_its_label(usual):
    for volume in usual:
        assert volume.image.shape == (3, *volume.label.shape) == (3, 64, 64)
        assert (volume.image.dtype, volume.label.dtype) == (np.float32, np.uint8)
        assert 0 <= volume.image.min() < volume.image.max() <= 1
        assert volume.posterior.shape == (3, 64, 64)
        np.testing.assert_allclose(volume.posterior.sum(0), 1, atol=1e-6)
    assert PhantomPictures().facts.spatial_dims == 2
    assert PhantomPictures().facts.unit == "px"


def test_there_are_several_objects_and_small_ones(usual):
    nuclei = [components(volume.posterior[2] > 0.5)[1] for volume in usual]
    assert min(nuclei) >= 1
    assert np.mean(nuclei) > 4
    sizes = [np.bincount(components(v.posterior[2] > 0.5)[0].ravel())[1:].min() for v in usual]
    assert min(sizes) < 20  # pixels
    assert all((volume.label == 1).sum() > 40 for volume in usual)


def test_labels_are_draws_from_the_posterior():
    volumes = loaded(40, vagueness=1.5)
    counts = sum(np.bincount(volume.label.ravel(), minlength=3) for volume in volumes)
    expected = sum(volume.posterior.sum((1, 2), dtype=np.float64) for volume in volumes)
    np.testing.assert_allclose(counts, expected, rtol=0.1)
    assert any((volume.label != volume.posterior.argmax(0)).any() for volume in volumes)


@pytest.mark.parametrize("change", [{"shift": 1.0}, {"noise": 0.2}])
def test_another_appearance_leaves_objects_and_labels(usual, change):
    for one, other in zip(usual, loaded(**change), strict=True):
        np.testing.assert_array_equal(one.label, other.label)
        np.testing.assert_array_equal(one.posterior, other.posterior)
        assert np.abs(one.image - other.image).mean() > 0.02


def test_the_shift_does_what_it_says():
    plain, shifted = (loaded(6, shift=shift, noise=0.0) for shift in (0.0, 1.0))
    for one, other in zip(plain, shifted, strict=True):
        right, left = slice(48, None), slice(0, 16)
        ratio = [(other.image[..., side] / one.image[..., side]).mean() for side in (left, right)]
        assert ratio[1] < 0.85 * ratio[0]  # light falls off
        edges = [np.abs(np.diff(volume.image.mean(0) / volume.image.mean(), axis=0)).mean() for volume in (one, other)]
        assert edges[1] < edges[0]  # blur
        colours = [volume.image.mean((1, 2)) / volume.image.mean() for volume in (one, other)]
        assert colours[1][0] > colours[0][0]  # redder


def test_a_case_depends_on_seed_and_number_only():
    few, many, another = (PhantomPictures(cases=n, seed=s) for n, s in ((2, 5), (40, 5), (2, 6)))
    first, again, other = (dataset.load(dataset.cases(".")[1]) for dataset in (few, many, another))
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.image != other.image).any()
    prints = {PhantomPictures(shift=s).fingerprint(few.cases(".")[0]) for s in (0.0, 0.5)}
    assert len(prints) == 2


def test_the_distractor_is_no_object():
    dataset = PhantomPictures(cases=4, lesions=(0, 0), nuclei=(0, 0), noise=0.0)
    for case in dataset.cases("."):
        volume = dataset.load(case)
        assert not volume.label.any()
        assert volume.image[1].max() - volume.image[1].min() > 0.1  # what looks like a pale lesion is there


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cases": 0}, "cases >= 1"),
        ({"side": 16}, "side >= 32"),
        ({"lesions": (3, 1)}, "lesions: expected two numbers with 0 <= fewest <= most, got 3 and 1"),
        ({"shift": 1.5}, "0 <= shift <= 1"),
        ({"vagueness": 0.0}, "vagueness > 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PhantomPictures(**options)
