import numpy as np
import pytest

from spectralcal.datasets import _phantom_fields as fields
from spectralcal.datasets import phantom
from spectralcal.datasets.phantom import Phantom


@pytest.fixture(scope="module")
def loaded():
    dataset = Phantom(cases=12)
    return [dataset.load(case) for case in dataset.cases("unused")]


def test_posterior_is_a_distribution_on_the_grid_of_the_label(loaded):
    for volume in loaded:
        assert volume.posterior.shape == (4, *volume.label.shape)
        assert volume.image.shape == (1, *volume.label.shape)
        assert volume.posterior.min() >= 0
        np.testing.assert_allclose(volume.posterior.sum(axis=0), 1, atol=1e-6)
        assert volume.image.dtype == np.float32
        assert volume.label.dtype == np.uint8


def test_every_case_has_every_structure(loaded):
    for volume in loaded:
        counts = np.bincount(volume.label.ravel(), minlength=4)
        assert (counts > 0).all()
        assert 0.5 < counts[0] / counts.sum() < 0.98


def test_the_task_is_neither_certain_nor_hopeless(loaded):
    # the confidence of a perfectly informed reader varies within a case: sure in places, a coin flip in others
    for volume in loaded:
        confidence = volume.posterior.max(axis=0)
        assert confidence.max() > 0.99
        assert confidence.min() < 0.6


def test_labels_agree_with_the_posterior_in_aggregate(loaded):
    # over 12 cases of correlated voxels: the sums of probabilities match the counts within a few per cent of them
    counts = sum(np.bincount(volume.label.ravel(), minlength=4) for volume in loaded)
    expected = sum(volume.posterior.sum(axis=(1, 2, 3), dtype=np.float64) for volume in loaded)
    np.testing.assert_allclose(counts, expected, rtol=0.25)
    assert abs(counts[0] / expected[0] - 1) < 0.03


def test_lesion_lies_in_the_organ(loaded):
    # the shell of a few voxels around the certain lesion is organ or vessel, not background
    from scipy.ndimage import binary_dilation

    for volume in loaded:
        lesion = volume.posterior[2] > 0.5
        shell = binary_dilation(lesion) & ~lesion
        assert volume.posterior[0][shell].mean() < 0.5


def test_a_case_depends_on_seed_and_number_only():
    few, many = Phantom(cases=2, seed=5), Phantom(cases=40, seed=5)
    first, again = few.load(few.cases(".")[1]), many.load(many.cases(".")[1])
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.posterior, again.posterior)
    other = Phantom(cases=2, seed=6)
    assert (other.load(other.cases(".")[1]).label != first.label).any()
    assert (few.load(few.cases(".")[0]).label != first.label).any()


def test_noise_changes_the_image_alone():
    clean, noisy = (Phantom(cases=1, noise=noise) for noise in (0.0, 0.5))
    case = clean.cases(".")[0]
    np.testing.assert_array_equal(clean.load(case).label, noisy.load(case).label)
    assert np.abs(clean.load(case).image - noisy.load(case).image).std() > 0.1


def test_thick_slices_cover_the_same_extent():
    dataset = Phantom(cases=3, shape=(24, 24, 20), anisotropic_share=1.0, spacing=1.5)
    for case in dataset.cases("."):
        shape, spacing = dataset.geometry(case)
        volume = dataset.load(case)
        assert case.stratum == "anisotropic"
        assert volume.label.shape == shape == (24, 24, 8)
        assert volume.spacing_mm == spacing
        assert spacing[2] * shape[2] == pytest.approx(20 * 1.5)
        np.testing.assert_allclose(np.linalg.norm(volume.affine[:3, :3], axis=0), spacing)


def test_one_anatomy_on_two_grids_has_one_posterior():
    # signed distances in mm do not know the grid: thin slices averaged are close to the thick ones
    from spectralcal.datasets import _phantom_anatomy as anatomy

    organ, _, vessel = anatomy.draw_anatomy(np.random.default_rng(1), 60.0)
    points = np.random.default_rng(2).uniform(-30, 30, (500, 3))
    for surface, distance in ((organ, anatomy.blob_distance), (vessel, anatomy.tree_distance)):
        once = distance(surface, points.astype(np.float32))
        np.testing.assert_allclose(once, distance(surface, points), atol=0.05)


def test_blob_distance_of_a_sphere():
    from spectralcal.datasets._phantom_anatomy import Blob, blob_distance

    centre = np.array([1.0, -2.0, 3.0])
    points = np.random.default_rng(0).uniform(-20, 20, (1000, 3))
    found = blob_distance(Blob(centre, np.full(3, 7.0), np.zeros(7)), points)
    # a scale factor: the slope comes from a forward difference over a thousandth of the radius
    np.testing.assert_allclose(found, np.linalg.norm(points - centre, axis=1) - 7, rtol=2e-3)


def test_blob_distance_near_the_surface_agrees_with_a_distance_transform():
    from scipy.ndimage import distance_transform_edt

    from spectralcal.datasets._phantom_anatomy import blob_distance, draw_anatomy

    organ = draw_anatomy(np.random.default_rng(7), 60.0)[0]
    step = 0.5
    axis = np.arange(-30, 30, step)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    found = blob_distance(organ, points)
    inside = found < 0
    exact = (distance_transform_edt(~inside) - distance_transform_edt(inside)) * step
    near = np.abs(exact) < 3
    # the transform itself is off by up to half a voxel's diagonal; the first-order distance by curvature
    assert np.abs(found - exact)[near].mean() < 0.35
    assert np.abs(found - exact)[near].max() < 1.5


def test_tree_distance_of_one_tube():
    from spectralcal.datasets._phantom_anatomy import Tree, tree_distance

    tube = Tree(np.array([[0.0, 0, 0]]), np.array([[10.0, 0, 0]]), np.array([2.0]), np.array([1.0]))
    points = np.array([[5.0, 4, 0], [-3, 0, 0], [14, 3, 0], [0, 0, 0]])
    np.testing.assert_allclose(tree_distance(tube, points), [4 - 1.5, 3 - 2, 5 - 1, -2])


def test_posterior_of_one_structure_is_logistic():
    distance = np.linspace(-4, 4, 9).reshape(1, 9, 1, 1)
    tau = np.full((9, 1, 1), 1.3)
    found = fields.posterior(distance, tau)
    np.testing.assert_allclose(found[1].ravel(), 1 / (1 + np.exp(distance.ravel() / 1.3)))


def test_background_does_not_show_through_where_structures_touch():
    # two half spaces that meet at x = 0: the interface is a coin flip between them, not a third background
    x = np.linspace(-5, 5, 11).reshape(11, 1, 1)
    found = fields.posterior(np.stack([x, -x]), np.ones_like(x))
    assert found[1, 5, 0, 0] == pytest.approx(found[2, 5, 0, 0])
    assert found[:, 0, 0, 0].argmax() == 1
    assert found[:, 10, 0, 0].argmax() == 2


def test_label_frequency_is_the_posterior():
    # the copula's promise: at every voxel, over many draws of the field, each class is as frequent as p says
    random = np.random.default_rng(0)
    shape, spacing, draws = (6, 7, 5), (1.0, 1.0, 2.5), 4000
    probabilities = random.dirichlet([0.6] * 4, shape).transpose(3, 0, 1, 2)
    counts = np.zeros(probabilities.shape)
    for _ in range(draws):
        label = fields.draw_label(probabilities, fields.smooth_field(random, shape, spacing, 3.0))
        counts += label == np.arange(4).reshape(4, 1, 1, 1)
    deviation = (counts - draws * probabilities) / np.sqrt(draws * probabilities * (1 - probabilities) + 1)
    assert np.abs(deviation).max() < 5
    assert np.sqrt(np.mean(deviation**2)) < 1.5


def test_field_is_standard_normal_with_the_stated_correlation():
    random = np.random.default_rng(1)
    shape, spacing, length = (24, 24, 12), (1.0, 1.0, 2.0), 3.0
    draws = np.stack([fields.smooth_field(random, shape, spacing, length) for _ in range(300)])
    assert draws.mean() == pytest.approx(0, abs=0.03)
    assert draws.var() == pytest.approx(1, abs=0.03)
    for axis, lag in ((1, 2), (2, 3), (3, 1), (3, 2)):
        product = (draws * np.roll(draws, lag, axis=axis)).mean()
        assert product == pytest.approx(np.exp(-((lag * spacing[axis - 1]) ** 2) / (2 * length**2)), abs=0.04)


def test_tau_stays_in_its_range():
    tau = fields.blur_width(np.array([-9.0, 0.0, 9.0]), 0.3, 2.7)
    np.testing.assert_allclose(tau, [0.3, 0.9, 2.7], rtol=1e-6)


def test_fingerprint_follows_options_and_case():
    dataset = Phantom(cases=3)
    case, other = dataset.cases(".")[:2]
    assert dataset.fingerprint(case) == Phantom(cases=9).fingerprint(case)
    assert dataset.fingerprint(case) != dataset.fingerprint(other)
    assert dataset.fingerprint(case) != Phantom(cases=3, vaguest=2.0).fingerprint(case)


def test_recipe_number_belongs_to_these_arrays():
    # If this fails the arrays changed: raise phantom.RECIPE, so that prepared copies are made again, and update it.
    dataset = Phantom(cases=4)
    volume = dataset.load(dataset.cases(".")[3])
    found = (phantom.RECIPE, *np.bincount(volume.label.ravel()).tolist(), round(float(volume.image.mean()), 3))
    assert found == (1, 11794, 1217, 120, 181, 1.2)


@pytest.mark.parametrize(
    "options",
    [
        {"cases": 0},
        {"shape": (4, 32, 32)},
        {"noise": -0.1},
        {"seed": -1},
        {"anisotropic_share": 1.5},
        {"sharpest": 3.0},
        {"spacing": 0.0},
        {"correlation": 0.0},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        Phantom(**options)


def test_a_channel_for_each_structure_determines_the_posterior_if_there_is_no_noise():
    plain, clear = Phantom(cases=3, noise=0.0), Phantom(cases=3, noise=0.0, channels="per_structure")
    assert clear.channels == ("organ", "lesion", "vessel")
    assert plain.channels == Phantom.channels == ("intensity",)
    for case in clear.cases("."):
        volume, other = clear.load(case), plain.load(case)
        recovered = np.concatenate([1 - volume.image.sum(axis=0, keepdims=True), volume.image])
        np.testing.assert_allclose(recovered, volume.posterior, atol=1e-6)
        np.testing.assert_array_equal(volume.posterior, other.posterior)
        np.testing.assert_array_equal(volume.label, other.label)
        assert volume.image.dtype == np.float32


def test_one_channel_does_not_determine_the_posterior():
    """Why there is the other option: voxels of nearly one intensity have posteriors that differ by far."""
    dataset = Phantom(cases=1, noise=0.0)
    volume = dataset.load(dataset.cases(".")[0])
    order = np.argsort(volume.image.ravel())
    steps = np.abs(np.diff(volume.posterior.reshape(4, -1)[:, order], axis=1)).max(axis=0)
    assert steps.max() > 0.3
    assert np.diff(volume.image.ravel()[order])[steps > 0.3].max() < 0.01


def test_noise_on_channels_of_structures_is_their_own():
    clean, noisy = (Phantom(cases=1, noise=noise, channels="per_structure") for noise in (0.0, 0.2))
    case = clean.cases(".")[0]
    noise = noisy.load(case).image - clean.load(case).image
    assert noise.reshape(3, -1).std(axis=1) == pytest.approx([0.2] * 3, rel=0.1)
    assert np.abs(np.corrcoef(noise.reshape(3, -1))[np.triu_indices(3, 1)]).max() < 0.1


def test_fingerprints_of_one_channel_are_those_of_before_there_was_a_choice():
    dataset, clear = Phantom(cases=1), Phantom(cases=1, channels="per_structure")
    case = dataset.cases(".")[0]
    assert "channels" not in dataset.options
    assert dataset.fingerprint(case) != clear.fingerprint(case)
    assert dataset.fingerprint(case) == "2f89aa4f5f920e6e2e7de25d7e9980666a6d4df4113dc00f54071d9650c7643a"


def test_unknown_channels():
    with pytest.raises(ValueError, match="expected channels 'intensity' or 'per_structure', got 'two'"):
        Phantom(channels="two")
