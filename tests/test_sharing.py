"""Results of one machine on another: what goes along, what stays, and that nothing is mixed that does not belong."""

import json
import shutil
import zipfile
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from recorded import recorded

from spectralcal.base.errors import DataError, ResultError
from spectralcal.base.files import write_json
from spectralcal.base.integrity import sealed
from spectralcal.records.light.cell import TEXTS, LightCell
from spectralcal.report.rebuild import rebuild_study
from spectralcal.sharing.merging import import_study
from spectralcal.sharing.shared import export_study, is_shared, shareable
from spectralcal.sharing.verify import verify_study
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

METHODS = ("ce", "ce+temperature", "spectral")
VOXELS = {
    "maps": {"image", "reference", "prediction", "confidence", "spacing_mm"},
    "hotspots": {"shown_image", "shown_reference", "shown_baseline", "shown_confidence", "shown_hotspots"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A study and its archive."""
    root = tmp_path_factory.mktemp("home")
    config = recorded(root, methods=METHODS, cases=3)
    export_study(config, root / "study.zip")
    return config, root / "study.zip"


@pytest.fixture
def away(home, tmp_path):
    """The same study on another machine: its configuration, and nothing else."""
    moved = {name: tmp_path / name.partition("_")[0] for name in ("results_root", "figures_root", "prepared_root")}
    return home[0].model_copy(update=moved)


def reseal(path, **changes):
    write_json(path, sealed({**json.loads(path.read_text()), **changes}))


def copied(config, root):
    """A copy of a study's folders under `root`."""
    for name in ("results", "prepared"):
        shutil.copytree(getattr(config, f"{name}_root"), root / name)
    moved = {f"{name}_root": root / name for name in ("results", "prepared", "figures")}
    return config.model_copy(update=moved)


def test_no_image_no_weight_and_no_path_leaves(home):
    config, archive = home
    with zipfile.ZipFile(archive) as content:
        names = content.namelist()
        texts = {name: content.read(name) for name in names if not name.endswith(".npz")}
        images = {array: content.read(array) for array in names if array.startswith("numbers/")}
    light = {name: LightCell(texts.pop(name), name) for name in list(texts) if name.endswith("light.zip")}
    texts |= {
        f"{name}/{text}": cell.text(text) for name, cell in light.items() for text in TEXTS if text in cell.stands_for
    }
    assert not [name for name in names if name.endswith((".safetensors", ".npy", ".png"))]
    assert not [name for name in names if name.startswith(("maps/", "hotspots/"))]
    assert len(images) == 4  # maps and hotspots of two seeds
    for name, content in images.items():
        kind, seed = name.split("/")[1], int(name[-5])
        original = StudyPaths(config).probe(kind, "phantom", "unet", seed)
        with np.load(original) as whole, np.load(BytesIO(content)) as shared:
            assert "methods" in shared.files
            assert set(whole.files) - set(shared.files) >= VOXELS[kind]
    assert len([name for name in texts if name.endswith("cases.csv")]) == len(study_cells(config))
    folder = str(config.results_root.parent).encode()
    assert [name for name, text in texts.items() if folder in text] == []
    assert shareable(config)["data_root"] is None


def test_the_place_of_own_data_and_of_a_published_split_stays_at_home(home, tmp_path):
    config = copied(home[0], tmp_path)
    split = StudyPaths(config).split("phantom")
    content = json.loads(split.read_text())
    split.write_text(json.dumps({**content, "origin": {"file": "/ward/secret/splits_final.json", "fold": 0}}))
    export_study(config, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        shared = json.loads(archive.read("splits/phantom.json"))
    assert shared["origin"]["file"] == "splits_final.json"
    assert shared["hash"] == content["hash"]


def test_images_go_along_only_if_asked_for(home, away, tmp_path):
    config, _ = home
    export_study(config, tmp_path / "images.zip", images=True)
    import_study(tmp_path / "images.zip", away, away.results_root)
    for seed in (0, 1):
        files = [StudyPaths(c).probe("maps", "phantom", "unet", seed) for c in (config, away)]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert not any("maps" in line for line in rebuild_study(away).missing)


def test_the_same_results_give_the_same_archive(home, tmp_path):
    config, archive = home
    export_study(config, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_everything_is_rebuilt_from_an_archive_without_data_and_weights(home, away):
    config, archive = home
    merged = import_study(archive, away, away.results_root)
    assert len(merged.taken) == len(study_cells(config))
    assert merged.notes == []
    assert not list(away.results.rglob("*.safetensors"))
    assert not away.prepared.exists()
    there, here = rebuild_study(config), rebuild_study(away)
    assert there.failed == here.failed == []
    assert here.made == ["table table1", "table table2", "figure figure2", "figure reliability", "provenance"]
    for name in config.tables:
        paths = (StudyPaths(c).table(name) for c in (config, away))
        pd.testing.assert_frame_equal(*map(pd.read_csv, paths))
    name = "reliability.png"
    assert (config.figures_folder / name).read_bytes() == (away.figures_folder / name).read_bytes()
    assert any("files of maps for the figure figure2" in line for line in here.missing)
    assert not any("maps" in line for line in there.missing)
    assert verify_study(away).findings == []


def test_what_came_without_weights_is_finished_unless_it_would_differ(home, away):
    config, archive = home
    cells = study_cells(config)
    assert not any(is_shared(away, cell) for cell in cells)
    import_study(archive, away, away.results_root)
    assert all(is_shared(away, cell) for cell in cells)
    assert not any(is_shared(config, cell) for cell in cells)  # it has the weights
    other = away.model_copy(update={"inference": away.inference.model_copy(update={"overlap": 0.25})})
    assert not any(is_shared(other, cell) for cell in cells)
    manifest = StudyPaths(away).manifest("phantom")
    manifest.parent.mkdir(parents=True)
    shutil.copy(StudyPaths(config).manifest("phantom"), manifest)
    assert all(is_shared(away, cell) for cell in cells)
    manifest.write_text(manifest.read_text() + "other cases\n")
    assert not any(is_shared(away, cell) for cell in cells)


def test_two_sites_fill_one_grid(home, away, tmp_path):
    config, _ = home
    halves = []
    for index in (0, 1):
        half = copied(config, tmp_path / str(index))
        for cell in study_cells(config):
            if cell.seed == index:
                shutil.rmtree(StudyPaths(half).cell(cell).folder)
        halves.append(half)
        export_study(half, tmp_path / f"{index}.zip")
    for index in (0, 1):
        merged = import_study(tmp_path / f"{index}.zip", away, away.results_root)
        assert {cell.seed for cell in merged.taken} == {1 - index}
    assert {cell for cell in study_cells(config) if is_shared(away, cell)} == set(study_cells(config))
    again = import_study(tmp_path / "0.zip", away, away.results_root)
    assert again.taken == []
    assert len(again.kept) == len(METHODS)


def test_a_cell_of_another_fingerprint_is_refused_with_both(home, tmp_path):
    config, archive = home
    here = copied(config, tmp_path)
    path = StudyPaths(here).cell(Cell("phantom", "unet", "spectral", 1)).run
    mine = json.loads(path.read_text())
    parts = {**mine["parts"], "recipe": "0123456789abcdef"}
    from spectralcal.study.recipe import cell_fingerprint

    other = cell_fingerprint(*parts.values())
    reseal(path, parts=parts, fingerprint=other)
    before = sorted((p, p.read_bytes()) for p in here.results.rglob("*") if p.is_file())
    with pytest.raises(ResultError) as caught:
        import_study(archive, here, here.results_root)
    text = str(caught.value)
    for part in ("phantom, unet, spectral, seed 1", mine["fingerprint"], other, "delete", "--results"):
        assert part in text
    assert sorted((p, p.read_bytes()) for p in here.results.rglob("*") if p.is_file()) == before


def test_cells_of_other_data_are_refused(home, tmp_path):
    _, archive = home
    other = recorded(tmp_path, methods=METHODS, cases=3, seed_of_data=7)
    for folder in (StudyPaths(other).cell(cell).folder for cell in study_cells(other)):
        shutil.rmtree(folder)
    with pytest.raises(ResultError, match=r"its manifest \w{12} is not the manifest \w{12} of .*prepare and split"):
        import_study(archive, other, other.results_root)
    assert not [*other.results.rglob("cases.csv"), *other.results.rglob("light.zip")]


def test_cells_of_other_settings_are_refused(home, away):
    _, archive = home
    for section, key, value, text in (
        ("training", "steps", 7, r"training of .*: training\.steps is 50000 in the archive and 7 in this study"),
        ("inference", "overlap", 0.25, "inference: overlap is 0.5 in the archive and 0.25"),
        ("evaluation", "nsd_tolerance_mm", 3.0, "evaluation: nsd_tolerance_mm is "),
    ):
        settings = getattr(away, section)
        assert getattr(settings, key) != value
        other = away.model_copy(update={section: settings.model_copy(update={key: value})})
        with pytest.raises(ResultError, match=text):
            import_study(archive, other, other.results_root)
    assert not [*away.results_root.rglob("cases.csv"), *away.results_root.rglob("light.zip")]


def test_geometry_that_only_one_side_has_is_another_setting(home, away):
    """Records do not name it where it is off."""
    _, archive = home
    augmentation = away.training.augmentation
    geometry = augmentation.geometry.model_copy(update={"flip_probability": 0.5})
    training = away.training.model_copy(update={"augmentation": augmentation.model_copy(update={"geometry": geometry})})
    other = away.model_copy(update={"training": training})
    text = r"training\.augmentation\.geometry\.flip_probability is 0\.0 in the archive and 0\.5 in this study"
    with pytest.raises(ResultError, match=text):
        import_study(archive, other, other.results_root)


def test_scores_of_other_weights_stay_out(home, tmp_path):
    """Equal fingerprints, but another machine's rounding: a post-hoc method must fit the weights that are here."""
    config, archive = home
    here = copied(config, tmp_path)
    temperature = Cell("phantom", "unet", "ce+temperature", 0)
    shutil.rmtree(StudyPaths(here).cell(temperature).folder)
    run = StudyPaths(here).cell(Cell("phantom", "unet", "ce", 0)).run
    reseal(run, files={**json.loads(run.read_text())["files"], "weights.safetensors": "0" * 64})
    merged = import_study(archive, here, here.results_root)
    assert temperature not in merged.taken
    assert "ce+temperature, seed 0: left out, because it was scored with other weights" in merged.notes[0]


def test_altered_cells_are_not_exported(home, tmp_path):
    here = copied(home[0], tmp_path)
    path = StudyPaths(here).cell(Cell("phantom", "unet", "ce", 0)).cases
    path.write_text(path.read_text().replace("0.7", "0.9", 1))
    with pytest.raises(ResultError, match=r"method=ce/seed=0: cases\.csv: altered since evaluation\.json was written"):
        export_study(here, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_an_archive_of_another_study_is_refused(home, away):
    _, archive = home
    with pytest.raises(DataError, match="is of the study 'small', expected 'other'"):
        import_study(archive, away.model_copy(update={"study": "other"}), away.results_root)


def test_an_import_without_a_configuration_makes_a_study(home, tmp_path):
    config, archive = home
    merged = import_study(archive, None, tmp_path)
    assert merged.config.results == tmp_path / "small"
    assert (tmp_path / "small/config.json").is_file()
    assert len(merged.taken) == len(study_cells(config))
    assert not list(tmp_path.glob(".import-*"))


def test_nothing_to_export_is_said(home, tmp_path):
    empty = home[0].model_copy(update={"results_root": tmp_path})
    with pytest.raises(ResultError, match="no cell of the study 'small' is finished yet"):
        export_study(empty, tmp_path / "x.zip")
