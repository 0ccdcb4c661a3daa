"""Real images in the layouts of gated data sets: a CT for FLARE 2021, four MR sequences for BraTS 2020.

Their masks are other people's: multiple sclerosis lesions for the one, a model's output for the other. They serve to
read, check and prepare, not to judge a network.
"""

import json
import shutil

import nibabel
import numpy as np
import pytest

from spectralcal.doctor.diagnose import check_dataset
from spectralcal.jobs import steps
from spectralcal.preparation import read_manifest
from spectralcal.study.config import parse_config
from spectralcal.study.paths import StudyPaths

#: label of FLARE 2021 -> values of the same organ in the stand-in's mask (both kidneys are one class)
ORGANS = {1: (5,), 2: (2, 3), 3: (1,), 4: (7,)}
SEQUENCES = {"t1": "t1", "t1ce": "t1post", "t2": "t2", "flair": "flair"}


def part_of(real_data, name):
    folder = real_data / name
    if not folder.is_dir():
        pytest.skip(f"no {name} in SPECTRALCAL_DATA")
    return folder


def study(root, name, **changes):
    grid = {"datasets": [name], "architectures": ["unet"], "methods": ["ce"], "seeds": [0]}
    content = {
        "study": "standin", "data_root": f"{root}/raw", "prepared_root": f"{root}/prepared",
        "results_root": f"{root}/results", "datasets": {name: {}}, "architectures": {"unet": {}},
        "experiments": {"main": grid}, **changes,
    }  # fmt: skip
    return parse_config(content, "stand-in")


@pytest.fixture
def brats(real_data, tmp_path):
    """Three patients under the names of BraTS 2020, one mask with lesion voxels as label 4."""
    source = part_of(real_data, "OpenMS")
    for number in (7, 19, 26):
        name = f"BraTS20_Training_{number:03d}"
        folder = tmp_path / "raw/BraTS2020/MICCAI_BraTS2020_TrainingData" / name
        folder.mkdir(parents=True)
        start = source / f"patient{number:02d}" / f"patient{number:02d}_"
        for channel, sequence in SEQUENCES.items():
            shutil.copy(f"{start}{sequence}.nii.gz", folder / f"{name}_{channel}.nii.gz")
        mask = nibabel.load(f"{start}lesion.nii.gz")
        label = np.asanyarray(mask.dataobj) * np.uint8(4 if number == 26 else 1)
        nibabel.save(nibabel.Nifti1Image(label, mask.affine), folder / f"{name}_seg.nii.gz")
    return tmp_path


@pytest.fixture
def flare(real_data, tmp_path):
    """The CT as it is, and with every third slice: 3 mm in plane, 9 mm between slices."""
    source = part_of(real_data, "TotalSegmentator-example")
    image, mask = nibabel.load(source / "example_ct_sm.nii.gz"), nibabel.load(source / "example_seg.nii.gz")
    stored, label = np.asanyarray(mask.dataobj), np.zeros(mask.shape, np.uint8)
    for value, found in ORGANS.items():
        label[np.isin(stored, found)] = value
    for number, step in ((0, 1), (1, 3)):
        affine = image.affine @ np.diag([1, 1, step, 1])
        affine[:3, 3] += image.affine[:3, 2] * (step // 2)
        middle = slice(step // 2, None, step)
        for name, array in (
            (f"TrainingImg/train_{number:03d}_0000", np.asanyarray(image.dataobj)),
            (f"TrainingMask/train_{number:03d}", label),
        ):
            path = tmp_path / f"raw/FLARE2021/{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array[..., middle], affine), path)
    return tmp_path


def test_four_mr_sequences(brats):
    config = study(brats, "brats2020", split={"ratio": [1, 1, 1]})
    report = check_dataset(config, "brats2020", as_json=True, workers=1)
    content = json.loads(report.text)
    assert report.errors == ()
    assert (content["cases"], content["patients"]) == (3, 3)
    assert content["spacings_mm"] == [{"value": [1.0, 1.0, 1.0], "cases": 3}]
    assert content["orientations"] == [{"value": "LAS", "cases": 3}]
    voxels = {entry["value"]: entry["voxels"] for entry in content["labels"]}
    assert (voxels[1], voxels[3]) == (1300 + 49769, 8227)

    steps.prepare_step(config, "brats2020")
    steps.split_step(config, "brats2020")
    cases = read_manifest(StudyPaths(config).manifest("brats2020"))
    assert [case.labels for case in cases] == [(0, 1), (0, 1), (0, 3)]
    for case in cases:
        image, reference = case.image(), case.reference()
        assert image.shape == (4, *case.shape)
        assert all(stop - start < size for (start, stop), size in zip(case.crop, case.original_shape, strict=True))
        assert case.shape == tuple(stop - start for start, stop in case.crop)
        # the sequences are z-scores over the brain, in the order of the channels: every one has its own contrast
        outside = image == image[:, :1, :1, :1]
        for channel, empty in zip(image, outside, strict=True):
            assert channel[~empty].mean() == pytest.approx(0, abs=1e-3)
            assert channel[~empty].std() == pytest.approx(1, abs=1e-3)
        assert np.abs(np.corrcoef(image.reshape(4, -1)) - np.eye(4)).max() < 0.999
        assert (case.label() > 0).sum() == (reference > 0).sum()
        raw = nibabel.load(next((brats / "raw").rglob(f"{case.id}_flair.nii.gz")))
        box = tuple(slice(start, stop) for start, stop in case.crop)
        flair = np.asanyarray(nibabel.as_closest_canonical(raw).dataobj)[box]
        assert np.corrcoef(flair.ravel(), image[3].ravel())[0, 1] == pytest.approx(1, abs=1e-6)


def test_anisotropic_ct(flare):
    config = study(flare, "flare2021", preparation={"spacing": [3.0, 3.0, 3.0]})
    report = check_dataset(config, "flare2021", as_json=True, workers=1)
    content = json.loads(report.text)
    assert report.errors == ()
    assert content["spacings_mm"] == [
        {"value": [3.0, 3.0, 3.0], "cases": 1},
        {"value": [3.0, 3.0, 9.0], "cases": 1},
    ]
    assert all(entry["cases"] == 2 for entry in content["labels"])

    steps.prepare_step(config, "flare2021")
    whole, thinned = read_manifest(StudyPaths(config).manifest("flare2021"))
    assert (thinned.original_shape, thinned.shape, whole.shape) == ((122, 101, 10), (122, 101, 30), (122, 101, 30))
    fine, coarse = whole.image()[0], thinned.image()[0]
    assert fine.mean() == pytest.approx(0, abs=1e-4)
    assert fine.std() == pytest.approx(1, abs=1e-4)
    # the slices that were kept lie in the middle of the thick ones, and stay what they were up to the own z-score
    assert np.corrcoef(fine[..., 1::3].ravel(), coarse[..., 1::3].ravel())[0, 1] > 0.9999
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.95
    for case in (whole, thinned):
        label, foreground = case.label(), case.foreground()
        centre = {value: np.argwhere(label == value).mean(0) for value in ORGANS}
        assert centre[1][0] > centre[3][0]  # axes point to the right: the liver lies beyond the spleen
        np.testing.assert_array_equal(label[tuple(foreground[:, 1:].T)], foreground[:, 0])
    liver = [case.label() == 1 for case in (whole, thinned)]
    assert 2 * (liver[0] & liver[1]).sum() / (liver[0].sum() + liver[1].sum()) > 0.9
