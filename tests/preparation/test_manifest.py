import shutil

import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.data.manifest import COLUMNS, write_manifest
from spectralcal.preparation import manifest_hash, prepare_dataset, read_manifest


@pytest.fixture
def prepared(make_set, tmp_path):
    dataset, root = make_set(count=3)
    return prepare_dataset(dataset, root, tmp_path / "out")


def test_round_trip(prepared):
    cases = read_manifest(prepared)
    content = prepared.read_bytes()
    write_manifest(reversed(cases), prepared.parent)
    assert prepared.read_bytes() == content
    assert read_manifest(prepared) == cases
    assert content.decode().splitlines()[0] == ",".join(COLUMNS)
    assert len(content.decode().splitlines()) == 4


def test_the_folder_can_be_moved(prepared, tmp_path):
    expected = manifest_hash(prepared)
    shutil.move(prepared.parent, tmp_path / "moved")
    manifest = tmp_path / "moved" / "manifest.csv"
    assert manifest_hash(manifest) == expected
    assert read_manifest(manifest)[0].image().shape[0] == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def drop_row(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


def edit(path):
    path.write_text(path.read_text().replace("hippocampus_002,hippocampus_002", "hippocampus_002,hippocampus_001"))


@pytest.mark.parametrize("damage", [cut, drop_row, edit])
def test_a_cut_or_edited_manifest_is_refused(prepared, damage):
    damage(prepared)
    with pytest.raises(DataError, match=r"manifest\.csv: expected SHA-256 .* found .*cut off or edited by hand"):
        read_manifest(prepared)


def test_a_missing_manifest_or_checksum_is_refused(prepared):
    (prepared.parent / "manifest.csv.sha256").unlink()
    with pytest.raises(DataError, match="expected its checksum"):
        read_manifest(prepared)
    prepared.unlink()
    for function in (read_manifest, manifest_hash):
        with pytest.raises(DataError, match=r"manifest\.csv: expected .*No such file"):
            function(prepared)


def test_a_case_without_arrays_is_named(prepared):
    shutil.rmtree(prepared.parent / "cases" / "hippocampus_002")
    with pytest.raises(DataError, match=r"1 case\(s\) without arrays, hippocampus_002"):
        read_manifest(prepared)


def test_a_truncated_or_foreign_array_is_refused(prepared):
    case = read_manifest(prepared)[0]
    path = case.folder / "image.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"hippocampus_001: .*image\.npy: expected a prepared array"):
        case.image()
    np.save(case.folder / "label.npy", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(DataError, match=r"expected shape \(8, 10, 12\) on the grid, found \(2, 2, 2\)"):
        case.label()


def test_pickled_arrays_are_not_loaded(prepared):
    case = read_manifest(prepared)[0]
    np.save(case.folder / "label.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match="expected a prepared array"):
        case.label()
