"""Small images by the thousand: the short ways of preparing them change no bit."""

import math
import os

import numpy as np
import pytest
from drawn_images import DrawnImages

from spectralcal.preparation import _parallel, manifest_hash, prepare_dataset, read_manifest
from spectralcal.preparation._case import present_labels
from spectralcal.preparation._parallel import TOGETHER
from spectralcal.preparation.intensity import normalize


def row_by_row(channel, clip):
    """A Z-score whose sums are taken one row after the other, as the rows of a volume's planes are."""
    rows = [row.astype(np.float64) for row in channel]
    rows = [np.clip(row, *clip) for row in rows] if clip else rows
    counted = rows if clip else [row[row != 0] for row in rows]
    count = sum(row.size for row in counted)
    mean = 0.0
    for row in counted:
        mean += float(row.sum())
    mean /= count
    variance = sum(float(np.square(row - mean).sum()) for row in counted) / count
    return np.stack([((row - mean) / float(np.sqrt(variance))).astype(np.float32) for row in rows])


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (17, 33), (64, 1025), (257, 224), (3, 20_000)])
@pytest.mark.parametrize("zeros", ["none", "some", "half", "rows"])
@pytest.mark.parametrize("order", ["C", "F", "view"])
def test_statistics_of_an_image_have_the_bits_of_sums_row_by_row(shape, zeros, order):
    image = np.random.default_rng(0).normal(100, 400, shape).astype(np.float32)
    if zeros == "some":
        image[image < 0] = 0
    elif zeros == "half":
        image[:, : shape[1] // 2] = 0
    elif zeros == "rows":
        image[: shape[0] // 2] = 0
    if order == "F":
        image = np.asfortranarray(image)
    elif order == "view":
        image = np.repeat(np.repeat(image, 2, 0), 3, 1)[1::2, ::3]
    for modality, clip in (("mr", None), ("ct", (-1000.0, 400.0))):
        expected = row_by_row(image, clip)
        assert normalize(image[None], modality)[0].tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize(
    ("facts", "options", "expected"),
    [
        ({}, {}, "fa23c3422ba0636211b8ea9b56373e264c1703542be846ed20fe7995f584b8e9"),
        (
            {"modality": "ct"},
            {"dtype": "float16"},
            "69b83f0d816d226b481f9c4077c91150148ba2b6931f98d7cfd43e8147cc9cfd",
        ),
        (
            {"zeros": 0.0},
            {"crop_nonzero": True},
            "5f138bb33326c27671e5fbfb88a746f67d70b071bb07d95ed640283f5e06fa38",
        ),
    ],
)
def test_manifests_of_images_are_those_of_earlier_preparations(tmp_path, facts, options, expected):
    """A manifest holds the hashes of all arrays: a study of images that was prepared before stays what it was."""
    manifest = prepare_dataset(DrawnImages(40, **facts), tmp_path, tmp_path / "out", spacing="original", **options)
    assert manifest_hash(manifest) == expected


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_file(folder):
    return (folder / "label.npy").samefile(folder / "reference.npy")


def test_a_label_on_the_reference_s_grid_is_one_file_with_two_names(tmp_path, monkeypatch):
    dataset = DrawnImages(4, spacings=(1.0, 1.5))
    kept = read_manifest(prepare_dataset(dataset, tmp_path, tmp_path / "kept", spacing="original"))
    moved = read_manifest(prepare_dataset(dataset, tmp_path, tmp_path / "moved", spacing=(1.0, 1.0)))
    assert [one_file(case.folder) for case in kept] == [True] * 4
    assert [one_file(case.folder) for case in moved] == [True, False, True, False]

    def refused(*names):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refused)
    prepare_dataset(dataset, tmp_path, tmp_path / "apart", spacing="original")
    assert not one_file(tmp_path / "apart" / "cases" / "image00000")
    assert files(tmp_path / "apart") == files(tmp_path / "kept")


def test_a_cropped_label_is_not_the_reference(tmp_path):
    class Bordered(DrawnImages):
        def load(self, case):
            volume = super().load(case)
            volume.image[:, :2] = 0
            return volume

    (case,) = read_manifest(prepare_dataset(Bordered(1), tmp_path, tmp_path / "out", crop_nonzero=True))
    assert case.shape[0] < case.original_shape[0]
    assert not one_file(case.folder)
    np.testing.assert_array_equal(case.reference()[case.crop[0][0] : case.crop[0][1]], case.label())


@pytest.mark.parametrize("shape", [(7,), (5, 9), (4, 300, 5), (3, 1100, 1000), (0, 4)])
def test_labels_are_found_in_parts(shape):
    label = np.random.default_rng(0).choice([0, 3, 200, 255], shape, p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    for array in (label, np.asfortranarray(label), label[::-1]):
        assert present_labels(array) == np.unique(label).tolist()


@pytest.mark.parametrize(("count", "parcel"), [(300, 2), (4000, TOGETHER)])
def test_many_jobs_travel_together_and_are_counted_one_by_one(monkeypatch, count, parcel):
    sent, submit = [], _parallel._submit

    def watched(pool, function, jobs):
        sent.append(len(jobs))
        return submit(pool, function, jobs)

    monkeypatch.setattr(_parallel, "_submit", watched)
    seen = []
    jobs = [(index, 2 * index) for index in range(1, count + 1)]
    found = list(_parallel.run_jobs(math.gcd, jobs, 2, lambda done, total: seen.append((done, total))))
    assert sorted(found) == list(range(1, count + 1))
    assert seen == [(done, count) for done in range(1, count + 1)]
    assert set(sent) == {parcel}


def test_workers_give_the_bytes_of_one_process(tmp_path):
    dataset = DrawnImages(300)
    for workers in (1, 2):
        prepare_dataset(dataset, tmp_path, tmp_path / str(workers), spacing="original", workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2")
