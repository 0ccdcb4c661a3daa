"""A study of 2-D pictures from a folder of JPEGs to tables and figures, with the spectral loss, in px."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import binary_erosion, distance_transform_edt
from studies import minimal, tiny

from spectralcal.base import registry
from spectralcal.datasets import DataFacts
from spectralcal.doctor.diagnose import check_dataset
from spectralcal.jobs import cells, steps
from spectralcal.jobs.cell_data import dataset_facts
from spectralcal.jobs.probe import probe_step
from spectralcal.report import steps as reporting
from spectralcal.report.rebuild import rebuild_study
from spectralcal.report.results import Results
from spectralcal.sharing.merging import import_study
from spectralcal.sharing.shared import export_study
from spectralcal.study.config import parse_config
from spectralcal.study.grid import study_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import preparation_recipe

NAME = "polyps"
FACTS = DataFacts(("polyp",), 2, "px", ("red", "green", "blue"))


def write_pictures(root, count=8):
    """Discs of another colour; sizes differ, the first two pictures are of one patient."""
    for index in range(count):
        random = np.random.default_rng(index)
        height, width = 24 + index, 40 - index
        rows, columns = np.mgrid[:height, :width]
        inside = np.hypot(rows - random.integers(9, height - 9), columns - random.integers(9, width - 9)) < 6
        picture = np.where(inside[..., None], [180, 90, 60], [60, 100, 150]) + random.normal(0, 8, (height, width, 3))
        name = f"p{max(index, 1)}_{index}"
        for folder, array, ending in (("images", picture.clip(0, 255), "jpg"), ("masks", inside * 255, "png")):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array.astype(np.uint8)).save(root / folder / f"{name}.{ending}")
    return root


def study(root, **changes):
    entry = {
        "kind": "folder_pair",
        "path": f"{root}/raw",
        "options": {"classes": ["polyp"], "label_map": {0: 0, 255: 1}, "patient": r"(p\d+)_"},
        "training": {"patch": [32, 32]},
    }
    grid = {**minimal()["experiments"]["main"], "datasets": [NAME]}
    training = tiny(root)["training"] | {
        "steps": 12,
        "augmentation": {"geometry": {"flip_probability": 0.5, "rot90_probability": 0.3, "rotation_probability": 0.3,
                                      "scaling_probability": 0.3}},
    }  # fmt: skip
    return parse_config(
        tiny(
            root, datasets={NAME: entry}, training=training, experiments={"main": grid},
            tables={name: {"experiment": "main"} for name in ("table1", "table2", "table3")},
            figures={name: {"experiment": "main"} for name in ("figure3", "boundary_distance", "figure5")}
            | {"pareto": {"experiment": "main", "options": {"accuracy": "HD95"}}},
            **changes,
        ),
        "pictures",
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Prepared, split, trained and scored; the raw folder is gone once the cases are prepared."""
    root = tmp_path_factory.mktemp("pictures")
    raw = write_pictures(root / "raw")
    config = study(root)
    assert steps.missing_data(config, [NAME]) is None
    assert dataset_facts(config, NAME).classes == ("polyp",)  # of the configured folder, before anything is prepared
    report = check_dataset(config, NAME, workers=1)
    assert report.errors == ()
    steps.prepare_step(config, NAME)
    steps.split_step(config, NAME)
    shutil.move(raw, root / "elsewhere")
    for cell in study_cells(config):
        cells.train_cell(config, cell, then_evaluate=True)
        cells.evaluate_cell(config, cell)
    steps.collect_step(config)
    return config


def test_facts_outlive_the_raw_folder(finished):
    assert dataset_facts(finished, NAME) == FACTS
    model = json.loads(StudyPaths(finished).cell(study_cells(finished)[0]).model.read_text())
    assert (model["spatial_dims"], model["in_channels"], model["classes"]) == (2, 3, ["background", "polyp"])
    split = json.loads(StudyPaths(finished).split(NAME).read_text())
    assert sum({"p1_0", "p1_1"} <= set(split[side]) for side in ("train", "val", "test")) == 1


def test_options_of_yaml_and_of_json_have_one_recipe(tmp_path):
    """JSON has text for keys: sorted as text, 10 comes before 2."""
    label_map = {0: 0, 2: 1, 10: 1}
    raw = study(tmp_path).model_dump(mode="json")
    raw["datasets"][NAME]["options"]["label_map"] = label_map
    one = parse_config(raw, "study.yaml")
    again = parse_config(json.loads(json.dumps(one.model_dump(mode="json"))), "config.json")
    assert preparation_recipe(one, NAME) == preparation_recipe(again, NAME)
    assert steps.build_dataset(again, NAME).label_map == steps.build_dataset(one, NAME).label_map == label_map


def test_distances_are_in_pixels(finished):
    data = cells.load_data(finished, NAME)
    assert {case.original_spacing_mm for case in [*data.train, *data.scored]} == {(1.0, 1.0)}
    probe_step(finished, "maps", NAME, "unet", 0)
    maps = np.load(StudyPaths(finished).probe("maps", NAME, "unet", 0))
    scores = pd.read_parquet(StudyPaths(finished).cases)
    scores = scores[scores.case == str(maps["case"])].set_index(["method", "metric"]).value
    reference = maps["reference"] > 0
    for method, labels in zip(maps["methods"], maps["prediction"], strict=True):
        hd95 = asd = np.hypot(*reference.shape)  # the price of a missed structure
        if labels.any():
            edges = [mask & ~binary_erosion(mask) for mask in (labels > 0, reference)]
            there, back = (distance_transform_edt(~b)[a] for a, b in (edges, edges[::-1]))
            hd95, asd = max(np.percentile(there, 95), np.percentile(back, 95)), there.mean()
        assert scores[str(method), "HD95"] == pytest.approx(hd95)
        assert scores[str(method), "ASD"] == pytest.approx(asd)


def test_the_spectral_loss_was_trained_in_the_plane(finished):
    results = Results(finished)
    spectral = next(cell for cell in results.cells("main") if cell.method == "spectral")
    history = results.history(spectral)
    terms = [name for name in history if name.startswith("loss_")]
    assert len(terms) > 1
    assert np.isfinite(history[terms].to_numpy()).all()
    psd = results.spectra(spectral)["psd_max_logit"]
    assert psd.shape[0] == len(cells.load_data(finished, NAME).scored)


@pytest.mark.parametrize("name", ["table1", "table3"])
def test_tables_say_px(finished, name):
    reporting.table_step(finished, name)
    table = StudyPaths(finished).table(name)
    for suffix in (".md", ".tex"):
        text = table.with_suffix(suffix).read_text()
        assert "(px)" in text
        assert not re.search(r"\bmm\b", text)
    frame = pd.read_csv(table)
    assert dict(zip(frame.metric, frame.unit, strict=True)).items() >= {"DSC": "%", "HD95": "px", "ASD": "px"}.items()


@pytest.fixture
def drawing():
    """Draws a figure in the project's style; its texts come beside it."""
    import matplotlib.pyplot as plt
    import matplotlib.text

    from spectralcal.report.style import use_style

    def draw(results, name, **options):
        drawn = registry.load("figures", name, "spectral_entropy")(results, "main", **options)
        drawn.drawing.canvas.draw()
        return drawn, [found.get_text() for found in drawn.drawing.findobj(matplotlib.text.Text)]

    plt.switch_backend("Agg")
    use_style()
    yield draw
    plt.close("all")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("figure3", "cycles/px"),
        ("boundary_distance", "distance to the reference's boundary (px)"),
        ("figure5", "px"),
        ("pareto", "HD95 (px), lower is better"),
    ],
)
def test_figures_say_px(finished, drawing, name, said):
    drawn, written = drawing(Results(finished), name, **finished.figures[name].options)
    assert any(said in text for text in written)
    assert not any(re.search(r"\bmm\b", text) for text in [*written, drawn.caption])


def test_facts_travel_with_shared_results(finished, tmp_path):
    export_study(finished, tmp_path / "results.zip")
    merged = import_study(tmp_path / "results.zip", None, tmp_path / "there").config
    assert merged.datasets[NAME].path.name == "raw"  # a name without its folder: nothing is there
    results = Results(merged)
    assert (results.unit(NAME), results.classes(NAME), results.facts(NAME)) == ("px", ("polyp",), FACTS)
    assert rebuild_study(merged).failed == []
    assert "(px)" in StudyPaths(merged).table("table1").with_suffix(".md").read_text()


def test_image_figures_draw_pictures(finished, drawing):
    probe_step(finished, "maps", NAME, "unet", 0)
    probe_step(finished, "hotspots", NAME, "unet", 0)
    results = Results(finished)
    picture = np.load(StudyPaths(finished).probe("maps", NAME, "unet", 0))
    assert picture["reference"].ndim == 2
    for name in ("figure2", "figure8"):
        drawing(results, name)
