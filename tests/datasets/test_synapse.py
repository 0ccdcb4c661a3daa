"""Synapse multi-organ: the archive's layout, eight of thirteen organs, and copies of other label numbers."""

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.synapse import ORGANS, Synapse

#: organ -> value, as the challenge lists them
RAW = ["spleen", "right kidney", "left kidney", "gallbladder", "oesophagus", "liver", "stomach", "aorta", "vena cava",
       "portal and splenic veins", "pancreas", "right adrenal", "left adrenal"]  # fmt: skip


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([0.8, 0.8, 3.0, 1.0])), path)


def archive(root, numbers=(1, 2, 40), values=range(14)):
    """Slabs of each label value along the first axis."""
    values = list(values)
    label = np.repeat(np.array(values, np.uint8), 2)[:, None, None] * np.ones((1, 6, 5), np.uint8)
    for number in numbers:
        image = np.random.default_rng(number).normal(0, 100, label.shape).astype(np.int16)
        save(root / f"Synapse/RawData/Training/img/img{number:04d}.nii.gz", image)
        save(root / f"Synapse/RawData/Training/label/label{number:04d}.nii.gz", label)
    save(root / "Synapse/RawData/Testing/img/img0061.nii.gz", image)
    return root / "Synapse", label


def test_cases_and_organs(tmp_path):
    _, stored = archive(tmp_path)
    dataset = Synapse()
    cases = dataset.cases(dataset.locate(tmp_path))
    assert [(case.id, case.patient) for case in cases] == [(f"case{n}", f"case{n}") for n in ("0001", "0002", "0040")]
    volume = dataset.load(cases[0])
    assert volume.spacing_mm == pytest.approx((0.8, 0.8, 3.0))
    for index, organ in enumerate(dataset.classes, start=1):
        assert ORGANS[organ] == RAW.index(organ) + 1
        assert np.array_equal(volume.label == index, stored == ORGANS[organ]), organ
    assert (volume.label == 0).sum() == sum((stored == value).sum() for value in (0, 5, 9, 10, 12, 13))


def test_a_copy_with_other_numbers_is_refused(tmp_path):
    root, _ = archive(tmp_path, values=range(9))
    with pytest.raises(DataError, match=r"synapse: case case0001: .*label0001.nii.gz: expected .*found 8 at most"):
        Synapse().load(Synapse().cases(root)[0])


def test_lone_files_are_named(tmp_path):
    root, _ = archive(tmp_path)
    (root / "RawData/Training/label/label0002.nii.gz").unlink()
    with pytest.raises(DataError, match=r"synapse: 1 incomplete.*img0002 lacks label0002"):
        Synapse().cases(root)
