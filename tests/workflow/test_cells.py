"""One cell from raw data to scores, by the functions behind the verbs, on a phantom that takes seconds."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from studies import tiny

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.jobs import networks, score_files, steps
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.jobs.probe import probe_step
from spectralcal.metrics import CalibrationHistogram
from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.report.results import Results
from spectralcal.scoring.probe import median_case
from spectralcal.sharing.explain import explain
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import evaluation_recipe, training_recipe
from spectralcal.study.resolved import resolve

CE = Cell("phantom", "unet", "ce", 0)
SPECTRAL = Cell("phantom", "unet", "spectral", 0)


def study(root, **changes):
    return parse_config(tiny(root, **changes), "tiny")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A prepared, split, trained and scored study of two cells."""
    config = study(tmp_path_factory.mktemp("study"))
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    for cell in (CE, SPECTRAL):
        train_cell(config, cell, then_evaluate=True)
        evaluate_cell(config, cell)
    return config


def test_a_cell_leaves_what_the_design_says(finished):
    files = StudyPaths(finished).cell(SPECTRAL)
    names = sorted(path.name for path in files.folder.iterdir())
    assert names == ["calibration.npz", "cases.csv", "evaluation.json", "history.csv", "model.json", "run.json",
                     "spectra.npz", "weights.safetensors"]  # fmt: skip
    run = json.loads(files.run.read_text())
    assert run["cell"]["method"] == "spectral"
    assert run["settings"]["loss_options"]["window"] == 50
    assert run["resumes"] == 0
    history = pd.read_csv(files.history)
    for column in ("loss_ce", "loss_spectral", "target_entropy", "sample_entropy", "penalised_fraction",
                   "gradient_ce", "gradient_spectral"):  # fmt: skip
        assert history[column].notna().all()
    assert history.step.iloc[-1] == finished.training.steps - 1


def test_scores_are_tidy_and_complete(finished):
    scores = pd.read_csv(StudyPaths(finished).cell(CE).cases)
    assert tuple(scores.columns) == score_files.CASE_COLUMNS
    assert not scores.duplicated(["case", "class", "metric", "protocol"]).any()
    test = json.loads(StudyPaths(finished).split("phantom").read_text())["test"]
    assert set(scores.case) == {*test, "pooled"}
    per_case = scores[scores.case == test[0]]
    assert set(per_case[per_case.metric == "DSC"]["class"]) == {"organ", "lesion", "vessel"}
    assert set(per_case.protocol) == {"paper", "crac-legacy", "union", "boundary", "truth", "truth-boundary"}
    assert set(scores[scores.case == "pooled"].protocol) == {"nixon"}
    assert scores[scores.status == "ok"].value.notna().all()


def test_pooled_histograms_agree_with_the_scores(finished):
    """The pooled ECE recomputed from the stored per-case bins, by plain arithmetic."""
    results = Results(finished)
    pooled = results.calibration(CE)["all"]
    bins = results.case_calibration(CE, "all")
    count = bins["count"][:, 0].sum(0)
    confidence = np.nansum(bins["confidence"][:, 0] * bins["count"][:, 0], 0)
    correct = np.nansum(bins["accuracy"][:, 0] * bins["count"][:, 0], 0)
    assert pooled.count == count.sum()
    assert pooled.ece() == pytest.approx(np.abs(confidence - correct).sum() / count.sum(), rel=1e-9)
    assert isinstance(pooled, CalibrationHistogram)


def test_a_post_hoc_cell_shares_weights_and_predictions(finished):
    cell = Cell("phantom", "unet", "ce+temperature", 0)
    evaluate_cell(finished, cell)
    files = StudyPaths(finished).cell(cell)
    assert not files.weights.exists()
    fitted = json.loads(files.evaluation.read_text())["post_hoc"]["temperature"]["temperature"]
    assert fitted != 1
    plain, scaled = (pd.read_csv(StudyPaths(finished).cell(c).cases) for c in (CE, cell))
    dice = plain.metric == "DSC"
    np.testing.assert_allclose(plain[dice].value, scaled[dice].value, atol=0.05)
    nll = (plain.metric == "NLL") & (plain.protocol == "paper")
    assert not np.allclose(plain[nll].value, scaled[nll].value)


def test_bounds_that_training_reached_are_in_its_record(finished):
    """Six steps do not fill a window of fifty batches; cross-entropy has no bounds."""
    files = StudyPaths(finished).cell(SPECTRAL)
    line = "the window of maps of 16 x 16 x 16 never became full: 6 of 50 batches (history_init: running)"
    assert json.loads(files.run.read_text())["limits"] == [line]
    assert f"limit  {line}" in explain(finished, files.folder)
    assert json.loads(StudyPaths(finished).cell(CE).run.read_text())["limits"] == []


def test_bounds_that_a_fit_reached_are_said_and_in_its_record(finished, monkeypatch, capsys):
    for bound in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(f"spectralcal.posthoc.temperature.{bound}", 1.0)
    cell = Cell("phantom", "unet", "spectral+temperature", 0)
    evaluate_cell(finished, cell)
    (line,) = json.loads(StudyPaths(finished).cell(cell).evaluation.read_text())["limits"]
    assert line.startswith("temperature is at its limit")
    assert f"warning: {cell}: {line}\n" in capsys.readouterr().err


def test_scoring_in_the_training_process_equals_scoring_apart(finished):
    files = StudyPaths(finished).cell(CE)
    names = ("cases", "calibration", "spectra")
    before = {name: getattr(files, name).read_bytes() for name in names}
    evaluate_cell(finished, CE)
    assert {name: getattr(files, name).read_bytes() for name in names} == before


def test_staged_scores_of_other_settings_are_not_adopted(finished, tmp_path):
    other = study(finished.results_root.parent, inference={"overlap": 0.25})
    train_cell(finished, CE, then_evaluate=True)
    staged = StudyPaths(other).cell(CE).staged
    assert staged.is_dir()
    evaluate_cell(other, CE)
    assert not staged.exists()
    stamp = json.loads(StudyPaths(other).cell(CE).evaluation.read_text())["recipe"]
    evaluate_cell(finished, CE)
    assert json.loads(StudyPaths(finished).cell(CE).evaluation.read_text())["recipe"] != stamp


def test_variants_can_be_scored_on_validation_cases(finished, tmp_path):
    """No test case is among the scores, and the weights are those of the other study: only the scoring differs."""
    shutil.copytree(finished.results_root.parent, tmp_path, dirs_exist_ok=True)
    study_of_variants = study(tmp_path, evaluation={"side": "validation"})
    assert training_recipe(resolve(study_of_variants, CE)) == training_recipe(resolve(finished, CE))
    assert evaluation_recipe(resolve(study_of_variants, CE)) != evaluation_recipe(resolve(finished, CE))
    files = StudyPaths(study_of_variants)
    trained = files.cell(CE).weights.read_bytes()
    evaluate_cell(study_of_variants, CE)
    scores = pd.read_csv(files.cell(CE).cases)
    split = json.loads(files.split("phantom").read_text())
    assert set(scores.case) == {*split["val"], "pooled"}
    assert not set(scores.case) & {*split["test"], *split["train"]}
    assert files.cell(CE).weights.read_bytes() == trained
    evaluate_cell(study_of_variants, SPECTRAL)
    steps.collect_step(study_of_variants)
    assert f"Validation cases: Phantom {len(split['val'])}" in table1(Results(study_of_variants), "main").markdown


def test_methods_start_from_the_same_weights_and_end_apart(finished):
    one, other = (networks.build_network(resolve(finished, cell), 1).state_dict() for cell in (CE, SPECTRAL))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    one, other = (networks.load_network(resolve(finished, cell), 1).state_dict() for cell in (CE, SPECTRAL))
    assert any(not np.array_equal(one[name], other[name]) for name in one)
    seed = networks.build_network(resolve(finished, Cell("phantom", "unet", "ce", 1)), 1).state_dict()
    assert any(not np.array_equal(one[name], seed[name]) for name in one)


def test_finished_cells_are_left_alone_and_foreign_weights_refused(finished, capsys):
    before = StudyPaths(finished).cell(CE).weights.stat().st_mtime_ns
    train_cell(finished, CE)
    assert "weights are up to date" in capsys.readouterr().err
    assert StudyPaths(finished).cell(CE).weights.stat().st_mtime_ns == before
    other = study(finished.results_root.parent, training={**tiny("")["training"], "learning_rate": 0.5})
    with pytest.raises(ResultError, match=r"weights\.safetensors: .* of another configuration, code or data; train"):
        evaluate_cell(other, CE)


def test_a_training_outlives_scores_that_fail(finished, monkeypatch, capsys):
    def broken(*args, **kwargs):
        raise RuntimeError("no scores today")

    cell = Cell("phantom", "unet", "focal", 0)
    monkeypatch.setattr("spectralcal.scoring.evaluate.evaluate_cases", broken)
    train_cell(finished, cell, then_evaluate=True)
    assert StudyPaths(finished).cell(cell).weights.is_file()
    assert "trained, but not scored here (RuntimeError: no scores today)" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="no scores today"):
        evaluate_cell(finished, cell)


def test_options_out_of_range_name_their_place(finished):
    folder = finished.results_root.parent
    with pytest.raises(ConfigError, match="method 'spectral': window: expected an integer >= 1, received 0"):
        networks.build_loss(resolve(study(folder, methods={"spectral": {"window": 0}}), SPECTRAL))
    other = study(folder, architectures={"unet": {"options": {"channels": [4, 0, 8]}}})
    with pytest.raises(ConfigError, match=r"architectures\.unet\.options: channels needs"):
        networks.build_network(resolve(other, CE), 1)
    with pytest.raises(ConfigError, match=r"datasets\.phantom\.options: "):
        steps.build_dataset(study(folder, datasets={"phantom": {"options": {"cases": 0}}}), "phantom")


def test_a_patch_that_cannot_be_taken_fails_before_training(finished):
    folder, training = finished.results_root.parent, tiny("")["training"]
    flat = study(folder, training={**training, "patch": [16, 16]})
    with pytest.raises(
        ConfigError,
        match=r"training\.patch of 'phantom' with 'unet': expected 3 sizes for 3-D images, found \[16, 16\]",
    ):
        train_cell(flat, CE, force=True)
    experiments = {"main": {**tiny("")["experiments"]["main"], "architectures": ["nnunet"]}}
    small = study(
        folder, training={**training, "patch": [8, 8, 8]}, architectures={"nnunet": {}}, experiments=experiments
    )
    cell = Cell("phantom", "nnunet", "ce", 0)
    with pytest.raises(ConfigError) as caught:
        train_cell(small, cell)
    assert str(caught.value) == (
        "architectures.nnunet.options: patch must allow two halvings to 4 voxels (16 per axis do), got (8, 8, 8) "
        "(patch [8, 8, 8] and spacing_mm [2.0, 2.0, 2.0]: of the cell, where options name none)"
    )
    assert not StudyPaths(small).cell(cell).folder.exists()


def test_one_network_under_two_names_differs_by_what_its_entry_says(tmp_path):
    options = {"channels": [4, 8, 8]}
    entries = {"unet": {"options": options}, "unet_sgd": {"network": "unet", "options": options}}
    entries["unet_sgd"]["training"] = {"optimizer": "sgd", "steps": 2}
    config = study(tmp_path, architectures=entries)
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    other = Cell("phantom", "unet_sgd", "ce", 0)
    first, second = (networks.build_network(resolve(config, cell), 1) for cell in (CE, other))
    for name, weight in first.state_dict().items():
        assert weight.equal(second.state_dict()[name])
    assert training_recipe(resolve(config, CE)) != training_recipe(resolve(config, other))
    assert training_recipe(resolve(config, CE)) == training_recipe(resolve(study(tmp_path), CE))
    train_cell(config, other)
    evaluate_cell(config, other)
    run = json.loads(StudyPaths(config).cell(other).run.read_text())
    assert run["settings"]["training"]["optimizer"] == "sgd"
    assert Results(config).network(other)["architecture"] == "unet"


def test_a_planned_network_takes_the_cells_patch_and_spacing(finished):
    folder = finished.results_root.parent
    experiments = {"main": {**tiny("")["experiments"]["main"], "architectures": ["nnunet"]}}
    options = {"base_channels": 4, "max_channels": 8}
    other = study(folder, architectures={"nnunet": {"options": options}}, experiments=experiments)
    cell = Cell("phantom", "nnunet", "ce", 0)
    train_cell(other, cell)
    written = json.loads(StudyPaths(other).cell(cell).model.read_text())["options"]
    assert written == {**options, "patch": [16, 16, 16], "spacing_mm": [2.0, 2.0, 2.0]}
    networks.load_network(resolve(other, cell), 1)
    named = study(
        folder, architectures={"nnunet": {"options": {**options, "patch": [32, 32, 32]}}}, experiments=experiments
    )
    assert networks.network_options(resolve(named, cell))["patch"] == [32, 32, 32]


def test_weights_to_start_from_are_needed_for_training_alone(finished):
    """A trained cell is scored on another machine, where that file may not be."""
    options = {"encoder": "resnet10", "weights": "elsewhere/resnet10.pth", "weights_sha256": "0123456789"}
    experiments = {"main": {**tiny("")["experiments"]["main"], "architectures": ["unet_resnet"]}}
    other = study(
        finished.results_root.parent, architectures={"unet_resnet": {"options": options}}, experiments=experiments
    )
    cell = resolve(other, Cell("phantom", "unet_resnet", "ce", 0))
    with pytest.raises(ConfigError, match=r"weights: elsewhere/resnet10\.pth: no such file"):
        networks.build_network(cell, 1)
    assert networks.network_options(cell)["weights_sha256"] == "0123456789"
    place = networks.build_network(cell, 1, to_train=False)
    assert len(place.encoder.state_dict()) == 72


@pytest.mark.parametrize(("key", "value"), [("architecture", "unetpp"), ("num_classes", 7), ("in_channels", 4)])
def test_weights_of_another_network_are_named(finished, key, value):
    """What model.json says is compared with the cell, and not only its bytes with the record's."""
    files = StudyPaths(finished).cell(SPECTRAL)
    content, record = files.model.read_text(), files.run.read_text()
    try:
        files.model.write_text(json.dumps({**json.loads(content), key: value}))
        changed = json.loads(record)
        changed["files"][files.model.name] = file_digest(files.model)
        files.run.write_text(json.dumps(changed))
        message = rf"weights\.safetensors: expected weights of {key} '?\w+'?, found '?{value}'? \(model\.json\); put"
        with pytest.raises(ResultError, match=message):
            networks.load_network(resolve(finished, SPECTRAL), 1)
    finally:
        files.model.write_text(content)
        files.run.write_text(record)


def test_volumes_held_in_memory_change_no_weight(finished, tmp_path):
    files = StudyPaths(finished).cell(CE)
    before = files.weights.read_bytes()
    held = study(finished.results_root.parent, compute={"resident_mb": 100})
    assert training_recipe(resolve(held, CE)) == training_recipe(resolve(finished, CE))
    train_cell(held, CE, force=True)
    assert files.weights.read_bytes() == before


def test_damaged_weights_are_named(finished):
    files = StudyPaths(finished).cell(SPECTRAL)
    content = files.weights.read_bytes()
    try:
        files.weights.write_bytes(content[:1000])
        with pytest.raises(ResultError, match=r"weights\.safetensors: expected the bytes .*; delete it and run again"):
            evaluate_cell(finished, SPECTRAL)
    finally:
        files.weights.write_bytes(content)


@pytest.mark.parametrize("damage", [lambda text: text[:40], lambda text: text.replace("8", "9"), lambda text: ""])
def test_a_damaged_account_of_the_network_is_refused_before_anything_is_scored(finished, damage):
    """model.json says which network the weights are of, and how many parameters tables show."""
    files = StudyPaths(finished).cell(SPECTRAL)
    content, scored = files.model.read_text(), files.evaluation.read_bytes()
    assert damage(content) != content
    try:
        files.model.write_text(damage(content))
        message = r"model\.json: expected the bytes that the training wrote .*; put the cell's own file back or train"
        with pytest.raises(ResultError, match=message):
            evaluate_cell(finished, SPECTRAL)
    finally:
        files.model.write_text(content)
    assert files.evaluation.read_bytes() == scored


@pytest.mark.parametrize("files_entry", [None, [], "weights"])
def test_hashes_that_are_none_are_an_error_in_one_line(finished, files_entry):
    files = StudyPaths(finished).cell(SPECTRAL)
    content = files.run.read_text()
    try:
        files.run.write_text(json.dumps({**json.loads(content), "files": files_entry}))
        with pytest.raises(ResultError, match=r"run\.json: expected hashes by file under 'files', found .*; train"):
            evaluate_cell(finished, SPECTRAL)
    finally:
        files.run.write_text(content)


def test_collect_lists_every_cell_and_refuses_or_marks_holes(finished):
    steps.collect_step(finished)
    cells_table = pd.read_csv(StudyPaths(finished).cells)
    assert list(cells_table.status) == ["complete", "complete"]
    experiments = {"main": {**tiny("")["experiments"]["main"], "seeds": [0, 1]}}
    wider = study(finished.results_root.parent, experiments=experiments)
    with pytest.raises(ResultError, match=r"seed=1/cases\.csv: cell is not scored"):
        steps.collect_step(wider)
    steps.collect_step(wider, allow_missing=True)
    assert sorted(pd.read_csv(StudyPaths(wider).cells).status) == ["complete"] * 2 + ["missing"] * 2
    assert [str(cell) for cell in Results(wider).missing("main")] == [
        "phantom, unet, ce, seed 1",
        "phantom, unet, spectral, seed 1",
    ]


def test_maps_show_the_median_case_by_every_method(finished):
    probe_step(finished, "maps", "phantom", "unet", 0)
    maps = Results(finished).probe("maps", "phantom", "unet", 0)
    assert list(maps["methods"]) == ["ce", "spectral"]
    assert maps["prediction"].shape == maps["confidence"].shape == (2, *maps["reference"].shape)
    assert str(maps["case"]) == median_case(pd.read_csv(StudyPaths(finished).cell(CE).cases))
    assert 0.25 <= maps["confidence"].min() <= maps["confidence"].max() <= 1


def test_median_case_by_hand():
    frame = pd.DataFrame(
        [("a", 0.9), ("a", 0.5), ("b", 0.1), ("c", 0.8), ("c", 0.8), ("d", 1.0)], columns=["case", "value"]
    ).assign(metric="DSC")
    assert median_case(frame) == "a"


def test_histories_of_spectra_have_one_row_a_case(finished):
    spectra = Results(finished).spectra(CE)
    test = json.loads(StudyPaths(finished).split("phantom").read_text())["test"]
    assert list(spectra["cases"]) == test
    for kind in ("max_logit", "max_log_prob", "max_prob", "margin"):
        assert spectra[f"psd_{kind}"].shape == (len(test), len(spectra["frequency"]))
        assert (spectra[f"entropy_{kind}"] <= np.log(5) + 1e-6).all()
