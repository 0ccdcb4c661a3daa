"""Whatever is changed by hand after it was written is named; what is as it was is not."""

import json
import shutil

import numpy as np
import pytest
from recorded import recorded

from spectralcal.base.integrity import seal_holds, sealed
from spectralcal.report.rebuild import rebuild_study
from spectralcal.sharing.verify import verify_study
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths

CE = Cell("phantom", "unet", "ce", 0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    config = recorded(
        tmp_path_factory.mktemp("whole"), methods=("ce", "ce+temperature", "spectral"), cases=3, seeds=(0,)
    )
    assert rebuild_study(config).failed == []
    return config


@pytest.fixture
def study(whole, tmp_path):
    """A copy that a test may spoil."""
    for name in ("results", "figures", "prepared"):
        shutil.copytree(getattr(whole, f"{name}_root"), tmp_path / name)
    moved = {f"{name}_root": tmp_path / name for name in ("results", "figures", "prepared")}
    return whole.model_copy(update=moved)


def flip(path, place=None):
    """Another bit somewhere in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(bytes(content))


def test_an_untouched_study_is_clean(study):
    found = verify_study(study, data=True)
    assert (found.findings, found.notes, found.cells) == ([], [], 3)
    assert found.text == "trainings: 2 in float32, not probed\n3 cells checked: nothing altered"


@pytest.mark.parametrize(
    "name", ["weights", "model", "history", "run", "cases", "calibration", "spectra", "evaluation"]
)
def test_one_flipped_bit_in_any_file_of_a_cell_is_named(study, name):
    path = getattr(StudyPaths(study).cell(CE), name)
    flip(path)
    findings = verify_study(study).findings
    assert findings
    assert all(str(path.parent) in line for line in findings)
    assert any(path.name in line for line in findings)


@pytest.mark.parametrize(
    "place", ["results/small/tables/table1.csv", "results/small/tables/table2.md", "figures/small/figure2.png",
              "results/small/cases.parquet", "results/small/cells.csv", "results/small/provenance/tables/table1.json"]
)  # fmt: skip
def test_a_changed_product_is_named(study, place):
    path = study.results_root.parent / place
    flip(path)
    assert [line for line in verify_study(study).findings if str(path) in line]


def test_a_number_improved_by_hand_is_found_even_if_its_hash_is_too(study):
    """Changing cases.csv and the hash that evaluation.json lists breaks the seal."""
    from spectralcal.base.digests import file_digest

    files = StudyPaths(study).cell(CE)
    files.cases.write_text(files.cases.read_text().replace(",0.", ",0.9", 1))
    record = json.loads(files.evaluation.read_text())
    record["files"]["cases.csv"] = file_digest(files.cases)
    files.evaluation.write_text(json.dumps(record))
    assert [f"{files.folder}/evaluation.json: altered since it was written (its seal does not fit)"] == [
        line for line in verify_study(study).findings if "evaluation.json" in line
    ]


def test_changed_data_are_found(study):
    paths = StudyPaths(study)
    array = next((paths.prepared("phantom") / "cases").glob("*/image.npy"))
    np.save(array, np.ones((1, 2, 2, 2), np.float32))
    assert verify_study(study).findings == []  # hashing all arrays is asked for
    assert [f"{array.parent}: prepared arrays altered; prepare the data set again"] == verify_study(
        study, data=True
    ).findings
    split = json.loads(paths.split("phantom").read_text())
    split["test"], split["val"] = split["val"], split["test"]
    paths.split("phantom").write_text(json.dumps(split))
    assert f"{paths.split('phantom')}: altered (its hash is not that of its cases)" in verify_study(study).findings
    flip(paths.manifest("phantom"))
    assert any("manifest.csv" in line and "SHA-256" in line for line in verify_study(study).findings)


def test_scores_of_weights_that_were_replaced_are_found(study):
    paths = StudyPaths(study)
    run = paths.cell(CE).run
    record = json.loads(run.read_text())
    paths.cell(CE).weights.write_bytes(b"other")
    from spectralcal.base.integrity import file_hashes

    record["files"] |= file_hashes([paths.cell(CE).weights])
    run.write_text(json.dumps(sealed(record)))
    findings = verify_study(study).findings
    post_hoc = paths.cell(Cell("phantom", "unet", "ce+temperature", 0))
    assert sorted(findings) == sorted(
        f"{files.evaluation}: scores of other weights than run.json lists" for files in (paths.cell(CE), post_hoc)
    )


def test_weights_may_be_gone_other_files_not(study):
    files = StudyPaths(study).cell(CE)
    files.weights.unlink()
    assert verify_study(study).findings == []
    files.history.unlink()
    assert verify_study(study).findings == [f"{files.folder}/history.csv: is gone, but run.json lists it"]


def test_scores_without_a_record_are_found(study):
    files = StudyPaths(study).cell(CE)
    files.evaluation.unlink()
    assert (
        f"{files.folder}/cases.csv: scores without evaluation.json, which says what they are of"
        in verify_study(study).findings
    )


def test_a_cell_of_before_there_were_hashes_is_a_note(study):
    files = StudyPaths(study).cell(CE)
    for path in (files.run, files.evaluation):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in record.items() if k not in ("seal", "files")}))
    found = verify_study(study)
    assert found.findings == []
    assert found.notes == ["1 cells were written before hashes were recorded; run them again to have them"]


def test_tables_that_are_older_than_their_cells_are_a_note(study):
    files = StudyPaths(study).cell(CE)
    record = json.loads(files.evaluation.read_text())
    from spectralcal.study.recipe import cell_fingerprint

    parts = {**record["parts"], "recipe": "0" * 16}
    record |= {"parts": parts, "recipe": "0" * 16, "fingerprint": cell_fingerprint(*parts.values())}
    files.evaluation.write_text(json.dumps(sealed(record)))
    found = verify_study(study)
    assert found.findings == []
    told = "does not show cell phantom, unet, ce, seed 0 as it is now; run `spectralcal collect`"
    assert found.notes == [f"{StudyPaths(study).cells}: {told}"]


def test_a_seal_ignores_order_and_layout_and_nothing_else():
    record = sealed({"b": [1, 2.5, None], "a": {"x": "é"}})
    assert seal_holds(json.loads(json.dumps(dict(reversed(record.items())), indent=7)))
    assert seal_holds({**record, "c": 0}) is False
    assert seal_holds({**record, "b": [1, 2.5]}) is False
    assert seal_holds({"a": 1}) is None
