import hashlib
import math

import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.base.seeds import stream_seed
from spectralcal.engine.patches import PatchSampler, check_patch, extract


class FakeCase:
    """A prepared case in memory; every voxel of the image holds its own index, so a patch tells where it is from."""

    def __init__(self, name, shape, foreground=()):
        self.id, self.shape = name, tuple(shape)
        self._image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
        self._label = np.zeros(shape, np.uint8)
        for label, *voxel in foreground:
            self._label[tuple(voxel)] = label
        self._foreground = np.array(foreground, np.int32).reshape(-1, 1 + len(shape))

    def image(self):
        return self._image

    def label(self):
        return self._label

    def foreground(self):
        return self._foreground


def sampler(cases, patch=(4, 4, 4), share=0.5, seed=0, batch=2):
    return PatchSampler(cases, patch, batch, share, ("batch", "toy", seed))


def test_a_batch_depends_on_its_step_alone():
    cases = [FakeCase("a", (9, 8, 7), [(1, 4, 4, 3)]), FakeCase("b", (8, 8, 8), [(2, 1, 1, 1)])]
    one, other = sampler(cases), sampler(cases)
    later = one.batch(7)
    for step in range(7):
        other.batch(step)
    for left, right in zip(later[:2], other.batch(7)[:2], strict=True):
        np.testing.assert_array_equal(left, right)
    assert any(not np.array_equal(one.batch(i)[0], one.batch(i + 1)[0]) for i in range(5))
    assert not np.array_equal(sampler(cases, seed=1).batch(0)[0], one.batch(0)[0])


def test_shapes_types_and_image_label_alignment():
    case = FakeCase("a", (9, 8, 7), [(1, 4, 4, 3), (2, 8, 7, 6)])
    for step in range(20):
        images, labels, names = sampler([case]).batch(step)
        assert images.shape == (2, 1, 4, 4, 4)
        assert images.dtype == np.float32
        assert labels.shape == (2, 4, 4, 4)
        assert labels.dtype == np.int64
        assert names == ["a", "a"]
        for image, label in zip(images, labels, strict=True):
            np.testing.assert_array_equal(case.label().ravel()[image[0].astype(int)], label)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_foreground_patches_hold_foreground_and_balance_classes(share):
    # Class 2 has one voxel in a corner, class 1 many: drawn by class, each is in about half of the centred patches.
    voxels = [(1, x, 5, 5) for x in range(4, 9)] + [(2, 15, 15, 15)]
    case = FakeCase("a", (16, 16, 16), voxels)
    seen = {1: 0, 2: 0}
    for step in range(200):
        _, labels, _ = sampler([case], share=share).batch(step)
        for label in labels[2 - int(2 * share) :]:
            present = set(label.ravel()) - {0}
            assert present
            for value in present:
                seen[int(value)] += 1
    total = 200 * int(2 * share)
    assert 0.4 * total < seen[2] < 0.6 * total


def test_share_zero_draws_uniformly():
    case = FakeCase("a", (20, 4, 4), [(1, 0, 0, 0)])
    starts = [int(sampler([case], share=0).batch(step)[0][0, 0, 0, 0, 0]) // 16 for step in range(400)]
    assert set(starts) == set(range(17))


def test_small_volumes_are_padded_with_the_minimum_and_background():
    case = FakeCase("a", (2, 6, 6), [(1, 0, 3, 3)])
    images, labels, _ = sampler([case], patch=(4, 4, 4), share=1.0).batch(0)
    assert images.shape == (2, 1, 4, 4, 4)
    for image, label in zip(images, labels, strict=True):
        inside = image[0, 1:3]
        np.testing.assert_array_equal(image[0, 0], np.full((4, 4), inside.min()))
        np.testing.assert_array_equal(image[0, 3], np.full((4, 4), inside.min()))
        assert label[0].max() == label[3].max() == 0


def test_two_dimensional_images():
    case = FakeCase("a", (9, 8), [(1, 4, 4)])
    images, labels, _ = sampler([case], patch=(4, 6)).batch(0)
    assert images.shape == (2, 1, 4, 6)
    assert labels.shape == (2, 4, 6)


def test_extract_fills_labels_with_the_given_value():
    array = np.ones((1, 2, 3), np.uint8)
    padded = extract(array, (0, 0), (4, 3), fill=0)
    np.testing.assert_array_equal(padded[0, :, 0], [0, 1, 1, 0])


def test_check_patch_counts_or_refuses_small_volumes():
    cases = [FakeCase("big", (9, 9, 9)), FakeCase("flat", (9, 9, 2))]
    assert check_patch(cases, (8, 8, 8), pad_small=True) == 1
    with pytest.raises(DataError, match=r"\[8, 8, 8\] is larger than .* 'flat', \[9, 9, 2\] \(1 of 2 cases\)"):
        check_patch(cases, (8, 8, 8), pad_small=False)
    assert check_patch(cases, (2, 2, 2), pad_small=False) == 0


def test_impossible_samplers_are_refused():
    with pytest.raises(DataError, match="no case"):
        sampler([])
    with pytest.raises(DataError, match="expected 3 sizes"):
        sampler([FakeCase("a", (8, 8, 8))], patch=(4, 4))


def several_classes():
    """Classes in any order among the stored voxels, a flat case, and one without foreground."""
    random = np.random.default_rng(0)
    made = []
    for name, shape, count in (("a", (12, 10, 9), 40), ("b", (9, 9, 3), 25), ("c", (8, 14, 11), 0)):
        voxels = np.column_stack([random.integers(1, 5, count), *(random.integers(0, n, count) for n in shape)])
        made.append(FakeCase(name, shape, voxels.tolist()))
    return made


def scanned_batch(cases, patch, size, share, stream, step):
    """The same draws by a scan of the whole list of foreground voxels, as the definition reads."""
    rng = np.random.default_rng(stream_seed(*stream, step))
    images, labels, names = [], [], []
    for index in range(size):
        case = cases[int(rng.integers(len(cases)))]
        foreground, shape = case.foreground(), case.shape
        if index >= size - math.ceil(size * share) and len(foreground):
            voxels = foreground[foreground[:, 0] == rng.choice(np.unique(foreground[:, 0])), 1:]
            centre = voxels[int(rng.integers(len(voxels)))]
            start = [int(np.clip(m - p // 2, 0, max(n - p, 0))) for m, n, p in zip(centre, shape, patch, strict=True)]
        else:
            start = [int(rng.integers(n - p + 1)) if n > p else 0 for n, p in zip(shape, patch, strict=True)]
        images.append(extract(case.image(), start, patch, fill=None))
        labels.append(extract(case.label()[None], start, patch, fill=0)[0])
        names.append(case.id)
    return np.stack(images).astype(np.float32), np.stack(labels).astype(np.int64), names


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_keeping_the_centres_of_a_case_changes_no_batch(share):
    cases, stream = several_classes(), ("batch", "toy", 1)
    kept = PatchSampler(cases, (6, 6, 6), 3, share, stream)
    for step in range(60):
        found, expected = kept.batch(step), scanned_batch(cases, (6, 6, 6), 3, share, stream, step)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        assert (found[2], found[0].dtype, found[1].dtype) == (expected[2], expected[0].dtype, expected[1].dtype)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.5, "edf3d7b73c145e58bb89df2b60de9a1ac7c415f474a7ee0b15e040316dc19f4d"),
        (1.0, "a05e4ae4b8f8f9827fe5d85cb75ddaf34af66836a585e67530aaed44256a7d50"),
    ],
)
def test_batches_are_those_of_earlier_trainings(share, expected):
    """Fifty batches by their bytes: a training that is resumed or repeated sees the patches that it saw before."""
    drawn, digest = PatchSampler(several_classes(), (6, 6, 6), 3, share, ("batch", "toy", 1)), hashlib.sha256()
    for step in range(50):
        images, labels, names = drawn.batch(step)
        digest.update(images.tobytes() + labels.tobytes() + ",".join(names).encode())
    assert digest.hexdigest() == expected


def test_foreground_is_read_once_a_case():
    class Counting(FakeCase):
        reads = 0

        def foreground(self):
            Counting.reads += 1
            return super().foreground()

    drawn = sampler([Counting("a", (8, 8, 8), [(1, 4, 4, 4), (2, 1, 1, 1)])])
    for step in range(10):
        drawn.batch(step)
    assert Counting.reads == 1
