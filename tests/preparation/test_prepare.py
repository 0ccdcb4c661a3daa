import errno
import json
import os
import shutil

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets.phantom import Phantom
from spectralcal.preparation import manifest_hash, prepare_dataset, read_manifest
from spectralcal.preparation._case import foreground_voxels


def tree(folder):
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mtimes(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("cases/*/image.npy")}


def rewrite(path, change):
    image = nibabel.load(path)
    array = change(np.asanyarray(image.dataobj).copy())
    nibabel.save(nibabel.Nifti1Image(array, image.affine), path)


def test_arrays_and_manifest_describe_each_other(make_set, tmp_path):
    dataset, root = make_set(count=3, shape=(8, 10, 6), spacing=(1.0, 1.0, 2.0))
    cases = read_manifest(prepare_dataset(dataset, root, tmp_path / "out", spacing=(1.0, 1.0, 1.0)))
    assert [case.id for case in cases] == ["hippocampus_001", "hippocampus_002", "hippocampus_003"]
    for case in cases:
        assert case.shape == (8, 10, 12)
        assert case.spacing_mm == (1.0, 1.0, 1.0)
        assert (case.original_shape, case.original_spacing_mm) == ((8, 10, 6), (1.0, 1.0, 2.0))
        assert case.crop == ((0, 8), (0, 10), (0, 6))
        assert case.labels == (0, 1, 2)
        assert case.image().shape == (1, 8, 10, 12)
        assert case.image().dtype == np.float32
        assert isinstance(case.image(), np.memmap)
        assert case.label().dtype == case.reference().dtype == np.uint8
        assert case.posterior() is None
        stored = nibabel.load(root / "labelsTr" / f"{case.id}.nii.gz")
        np.testing.assert_array_equal(case.reference(), np.asanyarray(stored.dataobj))
        np.testing.assert_allclose(case.affine, stored.affine)
        np.testing.assert_array_equal(case.label()[:, :, ::2], case.reference())


def test_image_is_the_normalised_source_on_its_own_grid(make_set, tmp_path):
    dataset, root = make_set(count=1)
    case = read_manifest(prepare_dataset(dataset, root, tmp_path / "out", spacing="original"))[0]
    stored = nibabel.load(root / "imagesTr" / "hippocampus_001.nii.gz").get_fdata()
    np.testing.assert_allclose(case.image()[0], (stored - stored.mean()) / stored.std(), atol=1e-5)


def test_flipped_storage_gives_the_same_prepared_case(make_set, tmp_path):
    dataset, root = make_set(count=1)
    before = read_manifest(prepare_dataset(dataset, root, tmp_path / "a"))[0]
    for folder in ("imagesTr", "labelsTr"):
        path = root / folder / "hippocampus_001.nii.gz"
        image = nibabel.load(path)
        turned = nibabel.as_closest_canonical(image).as_reoriented(np.array([[1, -1], [2, 1], [0, -1]]))
        nibabel.save(turned, path)
        assert nibabel.aff2axcodes(nibabel.load(path).affine) != ("R", "A", "S")
    after = read_manifest(prepare_dataset(dataset, root, tmp_path / "b"))[0]
    np.testing.assert_array_equal(before.reference(), after.reference())
    np.testing.assert_allclose(before.image(), after.image(), atol=1e-5)
    np.testing.assert_allclose(before.affine, after.affine)
    assert before.spacing_mm == after.spacing_mm


def test_foreground_voxels_are_where_they_say(make_set, tmp_path):
    dataset, root = make_set(count=1)
    case = read_manifest(prepare_dataset(dataset, root, tmp_path / "out", foreground_samples=7))[0]
    rows = case.foreground()
    assert rows.dtype == np.int32
    assert np.bincount(rows[:, 0]).tolist() == [0, 7, 7]
    assert (case.label()[tuple(rows[:, 1:].T)] == rows[:, 0]).all()
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_foreground_voxels_are_drawn_evenly():
    label = np.ones((20, 30, 10), np.uint8)
    rows = foreground_voxels(label, 1000, "case")
    for axis in range(3):
        assert rows[:, 1 + axis].mean() == pytest.approx((label.shape[axis] - 1) / 2, rel=0.1)
    np.testing.assert_array_equal(rows, foreground_voxels(label, 1000, "case"))
    assert not np.array_equal(rows, foreground_voxels(label, 1000, "other"))


def test_foreground_voxels_of_an_empty_label():
    assert foreground_voxels(np.zeros((3, 3, 3), np.uint8), 5, "case").shape == (0, 4)


def test_crop_to_non_zero_voxels(make_set, tmp_path):
    dataset, root = make_set(count=1, shape=(9, 12, 8))

    def blank(image):
        image[0], image[:, :2], image[:, -1] = 0, 0, 0
        return image

    rewrite(root / "imagesTr" / "hippocampus_001.nii.gz", blank)
    case = read_manifest(prepare_dataset(dataset, root, tmp_path / "o", crop_nonzero=True, spacing="original"))[0]
    assert case.crop == ((1, 9), (2, 11), (0, 8))
    assert case.shape == (8, 9, 8)
    assert case.original_shape == (9, 12, 8)
    np.testing.assert_array_equal(case.reference()[1:9, 2:11, :], case.label())


def test_equal_input_gives_equal_bytes_whatever_the_number_of_workers(make_set, tmp_path):
    dataset, root = make_set(count=4)
    prepare_dataset(dataset, root, tmp_path / "one")
    prepare_dataset(dataset, root, tmp_path / "two", workers=2)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    moved = root.with_name("elsewhere")
    shutil.move(root, moved)
    prepare_dataset(dataset, moved, tmp_path / "three")
    assert tree(tmp_path / "one") == tree(tmp_path / "three")
    assert str(tmp_path) not in (tmp_path / "one" / "manifest.csv").read_text()


def test_only_a_changed_source_is_prepared_again(make_set, tmp_path):
    dataset, root = make_set(count=3)
    manifest = prepare_dataset(dataset, root, tmp_path / "out")
    first, first_hash = mtimes(tmp_path / "out"), manifest_hash(manifest)
    prepare_dataset(dataset, root, tmp_path / "out")
    assert mtimes(tmp_path / "out") == first
    assert manifest_hash(manifest) == first_hash
    rewrite(root / "imagesTr" / "hippocampus_002.nii.gz", lambda image: image * image)
    prepare_dataset(dataset, root, tmp_path / "out")
    changed = {name for name, time in mtimes(tmp_path / "out").items() if time != first[name]}
    assert changed == {"hippocampus_002"}
    assert manifest_hash(manifest) != first_hash


def test_changed_settings_and_damaged_arrays_are_prepared_again(make_set, tmp_path):
    dataset, root = make_set(count=2)
    prepare_dataset(dataset, root, tmp_path / "out")
    first = tree(tmp_path / "out")
    prepare_dataset(dataset, root, tmp_path / "out", normalize="minmax")
    assert read_manifest(tmp_path / "out" / "manifest.csv")[0].image().min() == 0
    prepare_dataset(dataset, root, tmp_path / "out")
    assert tree(tmp_path / "out") == first
    with (tmp_path / "out" / "cases" / "hippocampus_001" / "label.npy").open("r+b") as stream:
        stream.seek(200)
        stream.write(b"\x02\x02\x02")
    assert tree(tmp_path / "out") != first
    prepare_dataset(dataset, root, tmp_path / "out")
    assert tree(tmp_path / "out") == first


def test_another_version_of_the_code_prepares_again(make_set, tmp_path):
    dataset, root = make_set()
    prepare_dataset(dataset, root, tmp_path / "out", code="one")
    before = mtimes(tmp_path / "out")
    prepare_dataset(dataset, root, tmp_path / "out", code="one")
    assert mtimes(tmp_path / "out") == before
    prepare_dataset(dataset, root, tmp_path / "out", code="two")
    assert all(mtimes(tmp_path / "out")[name] > time for name, time in before.items())


def test_leftovers_of_a_killed_run_are_removed(make_set, tmp_path):
    dataset, root = make_set(count=1)
    leftover = tmp_path / "out" / "cases" / ".hippocampus_001.77.tmp"
    leftover.mkdir(parents=True)
    (leftover / "image.npy").write_bytes(b"half")
    prepare_dataset(dataset, root, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "cases").iterdir()] == ["hippocampus_001"]


def test_every_bad_case_is_named_and_the_good_ones_of_before_stay(make_set, tmp_path):
    dataset, root = make_set(count=4)
    prepare_dataset(dataset, root, tmp_path / "out")
    before = tree(tmp_path / "out")

    def with_nan(image):
        image[0, 0, 0] = np.nan
        return image

    rewrite(root / "imagesTr" / "hippocampus_002.nii.gz", with_nan)
    rewrite(root / "labelsTr" / "hippocampus_004.nii.gz", lambda label: label * 3)
    with pytest.raises(DataError) as caught:
        prepare_dataset(dataset, root, tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("hippocampus: 2 of 4 cases cannot be used: case hippocampus_002: ")
    assert "1 of 480 NaN or infinite" in message
    assert "case hippocampus_004: " in message
    assert "label values 0, 1, 2, found 3 (37 of 480), 6 (24 of 480);" in message
    assert "\n" not in message
    assert tree(tmp_path / "out") == before


def test_a_first_run_with_a_bad_case_writes_no_manifest(make_set, tmp_path):
    dataset, root = make_set(count=3)
    rewrite(root / "imagesTr" / "hippocampus_003.nii.gz", np.zeros_like)
    with pytest.raises(DataError, match=r"1 of 3 cases.*hippocampus_003.*constant"):
        prepare_dataset(dataset, root, tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert len(list((tmp_path / "out" / "cases").iterdir())) == 2


def test_a_bad_header_does_not_hide_bad_voxels_elsewhere(make_set, tmp_path):
    dataset, root = make_set(count=8)
    (root / "imagesTr" / "hippocampus_001.nii.gz").write_bytes(b"not a volume")
    for number in range(3, 9):
        rewrite(root / "labelsTr" / f"hippocampus_{number:03d}.nii.gz", lambda label: label + 1)
    with pytest.raises(DataError, match=r"7 of 8 cases.*hippocampus_001.*hippocampus_003.*; and 2 more"):
        prepare_dataset(dataset, root, tmp_path / "out")


def test_a_manifest_never_speaks_of_replaced_arrays(make_set, tmp_path):
    dataset, root = make_set(count=2)
    manifest = prepare_dataset(dataset, root, tmp_path / "out")
    rewrite(root / "imagesTr" / "hippocampus_001.nii.gz", lambda image: image**2)
    rewrite(root / "imagesTr" / "hippocampus_002.nii.gz", np.zeros_like)
    with pytest.raises(DataError, match="1 of 2 cases"):
        prepare_dataset(dataset, root, tmp_path / "out")
    assert not manifest.exists()


def test_out_that_cannot_be_written(make_set, tmp_path):
    dataset, root = make_set(count=1)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"hippocampus: .*file.*: expected a writable folder"):
        prepare_dataset(dataset, root, tmp_path / "file" / "out")


def test_a_full_disk_leaves_the_cases_of_before(make_set, tmp_path, monkeypatch):
    dataset, root = make_set(count=2)
    prepare_dataset(dataset, root, tmp_path / "out")
    before = tree(tmp_path / "out")
    rewrite(root / "imagesTr" / "hippocampus_002.nii.gz", lambda image: image + 1)
    save = np.save

    def full(path, array, **options):
        if path.name == "reference.npy":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(path, array, **options)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"hippocampus: .*out: expected a writable folder.*No space left on device"):
        prepare_dataset(dataset, root, tmp_path / "out")
    assert tree(tmp_path / "out") == before
    assert len(read_manifest(tmp_path / "out" / "manifest.csv")) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_read_only_out(make_set, tmp_path):
    dataset, root = make_set(count=1)
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"expected a writable folder.*Permission denied"):
        prepare_dataset(dataset, root, out)


def test_float16_rounds_little_and_refuses_what_does_not_fit(make_set, tmp_path):
    dataset, root = make_set(count=1)
    full = read_manifest(prepare_dataset(dataset, root, tmp_path / "a"))[0]
    half = read_manifest(prepare_dataset(dataset, root, tmp_path / "b", dtype="float16"))[0]
    assert half.image().dtype == np.float16
    np.testing.assert_allclose(half.image(), full.image(), rtol=1e-3, atol=1e-4)
    rewrite(root / "imagesTr" / "hippocampus_001.nii.gz", lambda image: image * 1e4)
    with pytest.raises(DataError, match=r"hippocampus_001.*do not fit float16"):
        prepare_dataset(dataset, root, tmp_path / "c", dtype="float16", normalize="none")


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"foreground_samples": 0}, {"workers": 0}])
def test_options_out_of_range(make_set, tmp_path, options):
    dataset, root = make_set(count=1)
    with pytest.raises(ValueError, match="expected dtype"):
        prepare_dataset(dataset, root, tmp_path / "out", **options)


def test_unsafe_and_double_ids_are_refused(make_set, tmp_path, monkeypatch):
    dataset, root = make_set(count=2)
    cases = dataset.cases(root)
    for found, message in (([cases[0], cases[0]], "occurs twice"), ([_renamed(cases[0], "../up")], "names a folder")):
        monkeypatch.setattr(type(dataset), "cases", lambda self, root, found=found: found)
        with pytest.raises(DataError, match=message):
            prepare_dataset(dataset, root, tmp_path / "out")


def _renamed(case, name):
    from dataclasses import replace

    return replace(case, id=name)


def test_progress_counts_to_the_end(make_set, tmp_path):
    dataset, root = make_set(count=3)
    calls: list[tuple[int, int]] = []
    for workers in (1, 2):
        prepare_dataset(dataset, root, tmp_path / str(workers), workers=workers, progress=lambda *c: calls.append(c))
    assert calls == [(1, 3), (2, 3), (3, 3)] * 2


def test_phantom_keeps_its_posterior(tmp_path):
    dataset = Phantom(cases=4, shape=(16, 16, 16), anisotropic_share=0.5)
    cases = read_manifest(prepare_dataset(dataset, tmp_path / "none", tmp_path / "out"))
    assert {case.stratum for case in cases} == {"isotropic", "anisotropic"}
    for case, source in zip(cases, dataset.cases(tmp_path), strict=True):
        assert case.shape == (16, 16, 16)
        posterior = case.posterior()
        assert posterior.dtype == np.float16
        assert posterior.shape == (4, *case.original_shape)
        np.testing.assert_allclose(posterior, dataset.load(source).posterior, atol=1e-3)


def test_case_record_is_json_without_times_or_paths(make_set, tmp_path):
    dataset, root = make_set(count=1)
    prepare_dataset(dataset, root, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "cases" / "hippocampus_001" / "case.json").read_text())
    assert record["settings"]["normalize"] == "zscore"
    assert str(tmp_path) not in json.dumps(record)


def test_real_hippocampus(real_data, tmp_path):
    from spectralcal.datasets.hippocampus import Hippocampus

    dataset = Hippocampus()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip("Task04_Hippocampus is not in SPECTRALCAL_DATA")
    cases = read_manifest(prepare_dataset(dataset, root, tmp_path / "out", dtype="float16"))
    assert len(cases) == 260
    assert {case.spacing_mm for case in cases} == {(1.0, 1.0, 1.0)}
    assert all(case.labels == (0, 1, 2) for case in cases)
    for case in cases[::40]:
        np.testing.assert_array_equal(case.label(), case.reference())
        assert abs(case.image().astype(np.float64).mean()) < 0.5


def test_real_acdc_patient(real_data, tmp_path, monkeypatch):
    from spectralcal.datasets.acdc import Acdc

    dataset = Acdc()
    root = dataset.locate(real_data)
    if root is None:
        pytest.skip("ACDC is not in SPECTRALCAL_DATA")
    few = dataset.cases(root)[:4]
    monkeypatch.setattr(Acdc, "cases", lambda self, root: few)
    cases = read_manifest(prepare_dataset(dataset, root, tmp_path / "out"))
    for case in cases:
        extent = np.multiply(case.original_shape, case.original_spacing_mm)
        np.testing.assert_allclose(np.multiply(case.shape, case.spacing_mm), extent, atol=1e-2)
        # isotropic up to rounding to whole voxels
        assert max(case.spacing_mm) / min(case.spacing_mm) < 1.05
        for value in (1, 2, 3):
            before = (case.reference() == value).sum() * np.prod(case.original_spacing_mm)
            after = (case.label() == value).sum() * np.prod(case.spacing_mm)
            assert after == pytest.approx(before, rel=0.1)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "a\x00b", "é" * 101])
def test_ids_that_are_no_folder_names_are_refused(make_set, tmp_path, monkeypatch, name):
    dataset, root = make_set(count=1)
    found = [_renamed(dataset.cases(root)[0], name)]
    monkeypatch.setattr(type(dataset), "cases", lambda self, root: found)
    with pytest.raises(DataError, match="because it names a folder"):
        prepare_dataset(dataset, root, tmp_path / "out")
