import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.acdc import Acdc


@pytest.fixture
def root(tmp_path, write_volume):
    random = np.random.default_rng(0)
    for number, frames, group in ((1, (1, 12), "DCM"), (2, (1, 9), "NOR"), (10, (4, 7), "RV")):
        folder = tmp_path / "ACDC" / "training" / f"patient{number:03d}"
        for frame in frames:
            stem = f"patient{number:03d}_frame{frame:02d}"
            affine = np.diag([-1.5, -1.5, 10.0, 1.0])
            image = random.integers(0, 900, (6, 7, 4)).astype(np.int16)
            write_volume(folder / f"{stem}.nii.gz", image, affine=affine)
            write_volume(folder / f"{stem}_gt.nii.gz", (image % 4).astype(np.uint8), affine=affine)
        write_volume(folder / f"{folder.name}_4d.nii.gz", np.zeros((6, 7, 4, 3), np.int16), affine=affine)
        (folder / "Info.cfg").write_text(f"ED: 1\nES: 12\nGroup: {group}\nHeight: 184.0\nNbFrame: 30\nWeight: 95.0\n")
    return tmp_path / "ACDC"


def test_frames_of_a_patient_are_cases_of_one_patient(root):
    cases = Acdc().cases(root)
    assert [case.id for case in cases] == [
        "patient001_frame01", "patient001_frame12", "patient002_frame01",
        "patient002_frame09", "patient010_frame04", "patient010_frame07",
    ]  # fmt: skip
    assert [case.patient for case in cases[:3]] == ["patient001", "patient001", "patient002"]
    assert [case.stratum for case in cases] == ["DCM", "DCM", "NOR", "NOR", "RV", "RV"]
    volume = Acdc().load(cases[0])
    assert volume.spacing_mm == (1.5, 1.5, 10)
    # the files point left and posterior; what is read points right and anterior
    assert (np.diag(volume.affine) > 0).all()


def test_layout_of_the_archive(root):
    (root / "database").mkdir()
    (root / "training").rename(root / "database" / "training")
    assert len(Acdc().cases(root)) == 6


def test_without_info_there_is_no_stratum(root):
    for path in root.rglob("Info.cfg"):
        path.unlink()
    assert {case.stratum for case in Acdc().cases(root)} == {""}


def test_both_frames_on_one_side(root):
    from spectralcal.preparation import check_split, split_patients

    cases = Acdc().cases(root)
    check_split(split_patients(cases), cases)


@pytest.mark.parametrize(("suffix", "message"), [("_gt", "no label"), ("", "no image")])
def test_half_a_pair(root, suffix, message):
    (root / "training" / "patient002" / f"patient002_frame09{suffix}.nii.gz").unlink()
    with pytest.raises(DataError, match=f"1 incomplete.*patient002_frame09 has {message}"):
        Acdc().cases(root)


def test_empty_folder(tmp_path):
    with pytest.raises(DataError, match="no labelled case"):
        Acdc().cases(tmp_path)


def test_real_set(real_data):
    dataset = Acdc()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip("ACDC is not in SPECTRALCAL_DATA")
    cases = dataset.cases(root)
    assert len(cases) == dataset.expected_cases == 200
    assert len({case.patient for case in cases}) == 99  # 074 and 076 hold the same images
    spacings = [dataset.geometry(case)[1] for case in cases]
    for x, y, z in spacings:
        assert x == pytest.approx(y)
        assert 0.69 < x < 1.96
        assert 5 <= z <= 10 + 1e-6
    assert set(dataset.load(cases[0]).label.ravel()) == {0, 1, 2, 3}
