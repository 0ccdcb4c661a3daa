"""`spectralcal calibrate`: the map is the best one, what is written is the map of what was there, and both are said."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import foreign
import nibabel
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from spectralcal.base import registry
from spectralcal.cli.main import main
from spectralcal.predictions.calibrate import calibrate_predictions
from spectralcal.predictions.score import score_predictions

ROOT = Path(__file__).parents[2]


def effect(folder):
    with (folder / "effect.csv").open(newline="", encoding="utf-8") as stream:
        return {(row["class"], row["metric"], row["protocol"]): row for row in csv.DictReader(stream)}


def npz(path):
    with np.load(path) as content:
        return content["probabilities"]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """Root of validation and test predictions, both turned, and of what a real process made of them."""
    root = tmp_path_factory.mktemp("calibrate")
    foreign.nnunet_folders(root / "fold", cases=4, first=50, affine=foreign.TURNED)
    foreign.nnunet_folders(root / "test", cases=3, affine=foreign.TURNED)
    command = ["calibrate", "--fit", "fold/predictions", "--references", "fold/labelsTr", "--method", "temperature",
               "--apply", "test/predictions", "--apply-references", "test/labelsTr", "--out", "out"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "spectralcal", *command], cwd=root, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, done


def best_temperature(seeds):
    """By plain minimisation over all voxels, of which these cases have fewer than are drawn."""
    labels, logs = [], []
    for seed in seeds:
        one, probabilities = foreign.one_case(seed)
        labels.append(one.ravel())
        logs.append(np.log(probabilities.reshape(-1, 3).astype(float)))
    labels, logs = np.concatenate(labels), np.concatenate(logs)

    def nll(log_t):
        scaled = logs / np.exp(log_t)
        return np.mean(np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels])

    return float(np.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x))


def test_the_temperature_is_the_most_likely_one(calibrated):
    root, done = calibrated
    content = json.loads((root / "out/map.json").read_text(encoding="utf-8"))
    assert content["parameters"]["temperature"] == pytest.approx(best_temperature(range(50, 54)), rel=1e-4)
    assert content["classes"] == ["background", "liver", "spleen"]
    assert content["voxels"] == 4 * 960
    assert "ECE (paper):" in done.stdout
    assert "keeps the most probable class" in done.stdout


def test_what_is_written_is_the_map_of_what_was_there(calibrated):
    root, _ = calibrated
    temperature = json.loads((root / "out/map.json").read_text(encoding="utf-8"))["parameters"]["temperature"]
    for seed in range(3):
        name = f"case_{seed:03d}"
        before = npz(root / f"test/predictions/{name}.npz")
        powers = before.astype(float) ** (1 / temperature)
        after = npz(root / f"out/predictions/{name}.npz")
        np.testing.assert_allclose(after, powers / powers.sum(0), atol=2e-6)
        old, new = (nibabel.load(root / f"{place}/predictions/{name}.nii.gz") for place in ("test", "out"))
        np.testing.assert_allclose(new.affine, old.affine, atol=1e-5)
        assert np.array_equal(np.asanyarray(new.dataobj), np.asanyarray(old.dataobj))
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_the_effect_is_the_difference_of_two_scorings(calibrated, tmp_path):
    root, _ = calibrated
    means = []
    for place in (root / "test/predictions", root / "out/predictions"):
        score_predictions(place, root / "test/labelsTr", tmp_path / "scores")
        with (tmp_path / "scores/summary.csv").open(newline="", encoding="utf-8") as stream:
            means.append(
                {(row["class"], row["metric"], row["protocol"]): row["mean"] for row in csv.DictReader(stream)}
            )
    rows = effect(root / "out")
    for key, row in rows.items():
        before, after = (np.array(mean[key] or "nan", float) for mean in means)
        np.testing.assert_allclose(np.array(row["before"] or "nan", float), before, rtol=1e-6)
        np.testing.assert_allclose(np.array(row["after"] or "nan", float), after, rtol=1e-4, atol=1e-6)
    assert float(rows["mean of classes", "DSC", "paper"]["difference"]) == 0
    assert float(rows["all", "NLL", "paper"]["difference"]) < 0


def test_a_saved_map_does_the_same(calibrated, tmp_path):
    root, _ = calibrated
    said = calibrate_predictions(root / "test/predictions", tmp_path / "out", saved=root / "out/map.json")
    assert "No case has a reference" in said
    for path in (root / "out/predictions").glob("*.npz"):
        assert np.array_equal(npz(path), npz(tmp_path / "out/predictions" / path.name))
    assert not (tmp_path / "out/effect.csv").exists()


@pytest.mark.parametrize("method", registry.names("posthoc"))
def test_every_registered_map_on_probability_maps(tmp_path, method):
    """4-D files go in and come out, on their grid, as probabilities; the likelihood of the fitted cases never falls."""
    references = tmp_path / "labels"
    for seed in range(2):
        labels, probabilities = foreign.one_case(seed)
        foreign.save(references / f"c{seed}.nii.gz", labels)
        foreign.save(tmp_path / f"maps/c{seed}.nii.gz", probabilities)
    said = calibrate_predictions(
        tmp_path / "maps", tmp_path / "out", references=references, fit=tmp_path / "maps", method=method,
        probabilities="nifti", labels="liver,spleen",
    )  # fmt: skip
    assert said.startswith(f"{method}: ")
    for seed in range(2):
        image = nibabel.load(tmp_path / f"out/predictions/c{seed}.nii.gz")
        np.testing.assert_allclose(image.affine, foreign.LPS, atol=1e-5)
        values = np.asanyarray(image.dataobj)
        assert values.dtype == np.float32
        assert values.shape == (*foreign.SHAPE, 3)
        np.testing.assert_allclose(values.sum(-1), 1, atol=1e-5)
    assert float(effect(tmp_path / "out")["all", "NLL", "paper"]["difference"]) <= 1e-6


def test_the_same_cases_twice_are_said(tmp_path, capsys):
    predictions, references = foreign.nnunet_folders(tmp_path, cases=2)
    calibrate_predictions(predictions, tmp_path / "out", references=references, fit=predictions, method="temperature")
    assert "2 cases are both fitted to and applied to, case_000 first" in capsys.readouterr().err


def test_a_probability_of_zero_has_a_logarithm(tmp_path):
    """Certain and wrong voxels: the fit stays finite, and what is written are probabilities."""
    predictions, references = foreign.nnunet_folders(tmp_path, cases=2)
    for seed in range(2):
        top = foreign.one_case(seed)[1].argmax(-1)
        foreign.save_nnunet(predictions, f"case_{seed:03d}", np.eye(3, dtype=np.float32)[top], dtype=np.float16)
    calibrate_predictions(predictions, tmp_path / "out", references=references, fit=predictions, method="temperature")
    values = npz(tmp_path / "out/predictions/case_000.npz")
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.sum(0), 1, atol=1e-5)
    right = np.mean([np.mean(foreign.one_case(seed)[0] == foreign.one_case(seed)[1].argmax(-1)) for seed in range(2)])
    assert values.max() == pytest.approx(right, abs=1e-3)  # one temperature for one confidence is its accuracy


BAD = {
    "neither": ([], "expected --fit with --method, or --map, received neither"),
    "no method": (["--fit", "predictions"], "--fit: expected --method beside it, received none"),
    "no references": (["--fit", "predictions", "--method", "vector"], "--fit: expected --references beside it"),
    "unknown": (
        ["--fit", "predictions", "--method", "magic", "--references", "labelsTr"],
        "--method: unknown post-hoc",
    ),
    "no map": (
        ["--map", "map.json"],
        "map.json: expected a map that `spectralcal calibrate` has written, found no such",
    ),
    "other map": (["--map", "other.json"], "expected method, parameters and classes, found a"),
    "nan map": (["--map", "nan.json"], "nan.json: TemperatureScaling: expected finite numbers as temperature"),
    "other classes": (["--map", "three.json"], "three.json: expected a map of the classes 'liver' or 'spleen', found"),
    "label maps": (["--map", "good.json", "--probabilities", "none"], "--apply predictions: expected probabilities"),
    "inside": (["--map", "good.json", "--out", "predictions/out"], "--out predictions/out: expected a folder apart"),
}


@pytest.mark.parametrize(("options", "said"), BAD.values(), ids=BAD)
def test_one_line_and_nothing_written(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    foreign.nnunet_folders(tmp_path, cases=1)
    good = {"method": "temperature", "parameters": {"temperature": 2.0}, "classes": ["background", *foreign.NAMES]}
    for name, content in {
        "good": good,
        "other": {"a": 1},
        "nan": {**good, "parameters": {"temperature": float("nan")}},
        "three": {**good, "classes": ["background", "liver", "spleen", "kidney"]},
    }.items():
        Path(f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main(["calibrate", "--apply", "predictions", "--out", "out", *options])
    assert end.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "predictions/out").exists()
