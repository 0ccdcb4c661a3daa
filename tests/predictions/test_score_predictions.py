"""`spectralcal score` on folders as other programs write them, against the library, MONAI and plain NumPy."""

import csv
import json
import os
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import foreign
import numpy as np
import pytest

from spectralcal.jobs.score_files import CASE_COLUMNS
from spectralcal.metrics import CalibrationHistogram
from spectralcal.predictions import score as module
from spectralcal.predictions.cases import find_cases
from spectralcal.predictions.score import SCORERS, score_cases, score_predictions
from spectralcal.scoring.score import score_case
from spectralcal.study.config import EvaluationConfig

ROOT = Path(__file__).parents[2]
SPACING = (1.5, 1.0, 2.5)


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def values(path):
    """(case, class, metric, protocol) -> value of a cases.csv."""
    return {
        (row["case"], row["class"], row["metric"], row["protocol"]): float(row["value"] or "nan") for row in table(path)
    }


def assert_same(found, expected, within=1e-5):
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(list(found.values()), [expected[key] for key in found], rtol=within, atol=within)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Folder of nnU-Net's files and of the scores that a real process made of them."""
    root = tmp_path_factory.mktemp("nnunet")
    predictions, references = foreign.nnunet_folders(root)
    foreign.save(references / "case_900.nii.gz", foreign.one_case(900)[0])  # without a prediction
    command = ["score", "--predictions", str(predictions), "--references", str(references), "--out", str(root / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "spectralcal", *command], env=environment, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, done


def test_every_score_is_the_librarys(scored):
    root, _ = scored
    settings = EvaluationConfig(scorers=SCORERS)
    expected = {}
    for seed in range(6):
        labels, probabilities = foreign.one_case(seed)
        scores = score_case(np.moveaxis(probabilities, -1, 0), labels, SPACING, foreign.NAMES, settings)
        for row in scores.rows:
            expected[f"case_{seed:03d}", row["class"], row["metric"], row["protocol"]] = row["value"]
    found = values(root / "out/cases.csv")
    assert_same({key: value for key, value in found.items() if key[0] != "pooled"}, expected)
    assert {key[3] for key in found if key[0] == "pooled"} == {"nixon"}


def test_against_monai_and_numpy(scored):
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    root, _ = scored
    found = values(root / "out/cases.csv")
    for seed in range(6):
        labels, probabilities = foreign.one_case(seed)
        top = probabilities.argmax(-1)
        one_hot = [torch.from_numpy(np.eye(3)[array].transpose(3, 0, 1, 2)[None]) for array in (top, labels)]
        dice = compute_dice(*one_hot, include_background=False)[0].tolist()
        distance = compute_hausdorff_distance(*one_hot, percentile=95, spacing=SPACING)[0].tolist()
        confidence, right = probabilities.max(-1).ravel(), (top == labels).ravel()
        place = np.ceil(confidence * 15).astype(int)
        ece = sum(abs(confidence[place == k].sum() - right[place == k].sum()) for k in range(1, 16)) / right.size
        case = f"case_{seed:03d}"
        for name, one, mm in zip(foreign.NAMES, dice, distance, strict=True):
            assert found[case, name, "DSC", "paper"] == pytest.approx(one)
            assert found[case, name, "HD95", "paper"] == pytest.approx(mm, rel=1e-5)
        assert found[case, "all", "ECE", "paper"] == pytest.approx(ece, abs=1e-6)


def test_the_files(scored):
    root, done = scored
    out = root / "out"
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []
    with (out / "cases.csv").open(encoding="utf-8") as stream:
        assert tuple(next(csv.reader(stream))) == CASE_COLUMNS
    page = (out / "report.html").read_text(encoding="utf-8")
    assert len(page.encode()) < 1_500_000
    assert "http" not in page.replace("http-equiv", "")  # needs nothing else
    assert all(word in page for word in ("liver", "spleen", "predicted_foreground", "data:image/svg+xml", "viewport"))
    record = json.loads((out / "made_by.json").read_text(encoding="utf-8"))
    there = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert sorted([*record["files"], "made_by.json"]) == there
    assert {"figures/reliability-all.pdf", "figures/boundary-bands.png", "measures.csv", "calibration.npz"} < set(there)
    assert record["labels"] == {"liver": 1, "spleen": 2}
    assert "6/6" in done.stderr
    assert "6 of 7 references have a prediction" in done.stderr
    assert done.stdout.splitlines()[-1].endswith("report.html")


def test_the_pool_is_all_voxels(scored):
    """calibration.npz and measures.csv against a histogram of all arrays."""
    from spectralcal.metrics import smooth_ece

    root, _ = scored
    histogram = CalibrationHistogram(3)
    for seed in range(6):
        labels, probabilities = foreign.one_case(seed)
        histogram.update(probabilities.transpose(3, 0, 1, 2)[None], labels[None])
    measures = {(row["region"], row["measure"]): float(row["value"]) for row in table(root / "out/measures.csv")}
    assert {region for region, _ in measures} == {"all", "predicted_foreground"}
    assert measures["all", "ece"] == pytest.approx(1e3 * histogram.ece())
    assert measures["all", "smooth_ece"] == pytest.approx(1e3 * smooth_ece(histogram))
    assert measures["all", "brier"] == pytest.approx(1e3 * histogram.brier(), rel=1e-5)


def test_intervals_are_students_over_patients(tmp_path):
    from scipy import stats

    predictions, references = foreign.nnunet_folders(tmp_path)
    score_predictions(predictions, references, tmp_path / "out", patient=r"case_00(\d)")
    alone = {(row["class"], row["metric"], row["protocol"]): row for row in table(tmp_path / "out/summary.csv")}
    found = values(tmp_path / "out/cases.csv")
    for name, metric in (("liver", "DSC"), ("all", "ECE")):
        each = [found[f"case_{seed:03d}", name, metric, "paper"] for seed in range(6)]
        low, high = stats.t.interval(0.95, 5, np.mean(each), stats.sem(each))
        row = alone[name, metric, "paper"]
        assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high))
        assert (row["cases"], row["patients"], row["over"]) == ("6", "6", "patients")
    dice = [np.mean([found[f"case_{seed:03d}", name, "DSC", "paper"] for name in foreign.NAMES]) for seed in range(6)]
    assert float(alone["mean of classes", "DSC", "paper"]["mean"]) == pytest.approx(np.mean(dice))
    assert alone["all", "ECE", "nixon"]["low"] == ""

    for old, new in (("case_003", "case_100"), ("case_004", "case_101"), ("case_005", "case_102")):
        for folder in (predictions, references):
            for path in folder.glob(f"{old}.*"):
                path.rename(path.with_name(path.name.replace(old, new)))
    score_predictions(predictions, references, tmp_path / "out", patient=r"(\d)$")
    row = next(row for row in table(tmp_path / "out/summary.csv") if row["class"] == "liver" and row["metric"] == "DSC")
    assert (row["cases"], row["patients"]) == ("6", "3")


def as_turned(root):
    return [*foreign.nnunet_folders(root, affine=foreign.TURNED), {}]


def as_4d(root):
    predictions, references = foreign.nnunet_folders(root)
    for seed in range(6):
        foreign.save(root / f"maps/case_{seed:03d}.nii.gz", foreign.one_case(seed)[1])
    return root / "maps", references, {"probabilities": "nifti", "labels": str(predictions / "dataset.json")}


def as_folders(root):
    _, references = foreign.nnunet_folders(root)
    for seed in range(6):
        for channel, name in enumerate(("background", *foreign.NAMES)):
            foreign.save(root / f"maps/case_{seed:03d}/{name}.nii.gz", foreign.one_case(seed)[1][..., channel])
    return root / "maps", references, {"probabilities": "nifti", "labels": "liver,spleen"}


def as_flat_files(root):
    """Numbered, without the background, in another orientation."""
    _, references = foreign.nnunet_folders(root)
    for seed in range(6):
        for channel in (1, 2):
            values, affine = foreign.one_case(seed)[1][::-1, :, :, channel], foreign.LPS.copy()
            affine[:3, 3] += affine[:3, 0] * (foreign.SHAPE[0] - 1)
            affine[:3, 0] *= -1
            foreign.save(root / f"maps/case_{seed:03d}_{channel:04d}.nii.gz", values, affine)
    return root / "maps", references, {"probabilities": "nifti", "labels": "liver=1,spleen=2"}


@pytest.mark.parametrize("layout", [as_turned, as_4d, as_folders, as_flat_files], ids=lambda one: one.__name__)
def test_every_layout_of_probabilities_has_the_same_scores(scored, tmp_path, layout):
    predictions, references, options = layout(tmp_path)
    score_predictions(predictions, references, tmp_path / "out", regions=("union",), **options)
    found, expected = values(tmp_path / "out/cases.csv"), values(scored[0] / "out/cases.csv")
    if layout is as_turned:  # the axes are others, and with them the spacing of each
        found = {key: value for key, value in found.items() if key[1] == "all" and "boundary" not in key[3]}
        expected = {key: expected[key] for key in found}
    assert_same(found, expected, 2e-5)
    assert {row["region"] for row in table(tmp_path / "out/measures.csv")} == {"union"}


def test_label_maps_and_structures_have_overlap_and_distances(scored, tmp_path):
    predictions, references = foreign.nnunet_folders(tmp_path)
    for seed in range(6):
        labels, probabilities = foreign.one_case(seed)
        top = probabilities.argmax(-1)
        for number, name in enumerate(foreign.NAMES, 1):
            foreign.save(tmp_path / f"total/case_{seed:03d}/{name}.nii.gz", (top == number).astype(np.uint8))
            foreign.save(
                tmp_path / f"s/case_{seed:03d}/segmentations/{name}.nii.gz", (labels == number).astype(np.uint8)
            )
        foreign.save(tmp_path / f"maps/case_{seed:03d}.nii.gz", np.array([0, 7, 9], np.int16)[top])
        foreign.save(tmp_path / f"sevens/case_{seed:03d}.nii.gz", np.array([0.0, 7, 9])[labels])
    expected = {key: value for key, value in values(scored[0] / "out/cases.csv").items() if key[1] != "all"}
    for place, against, options in (
        (predictions, references, {"probabilities": "none"}),
        (tmp_path / "total", tmp_path / "s", {}),
        (tmp_path / "total", references, {"labels": "liver,spleen"}),
        (tmp_path / "maps", tmp_path / "sevens", {"labels": "liver=7,spleen=9"}),
    ):
        score_predictions(place, against, tmp_path / "out", **options)
        assert_same(values(tmp_path / "out/cases.csv"), expected)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "cases.csv", "made_by.json", "report.html", "summary.csv"
        ]  # fmt: skip


def test_missed_and_spurious_structures_are_counted(tmp_path):
    labels = np.zeros((3, *foreign.SHAPE), np.uint8)
    labels[:2, 2:5, 2:5, 2:5] = 1
    predicted = np.zeros_like(labels)
    predicted[1:, 2:5, 2:5, 2:5] = 1
    for number in range(3):
        foreign.save(tmp_path / f"p/c{number}.nii.gz", predicted[number])
        foreign.save(tmp_path / f"r/c{number}.nii.gz", labels[number])
    score_predictions(tmp_path / "p", tmp_path / "r", tmp_path / "out", labels="tumour")
    row = next(row for row in table(tmp_path / "out/summary.csv") if row["metric"] == "HD95")
    assert (row["missed"], row["spurious"], row["absent"], row["cases"]) == ("1", "1", "0", "2")
    diagonal = float(np.linalg.norm(np.multiply(foreign.SHAPE, SPACING)))
    assert float(row["mean"]) == pytest.approx((diagonal + 0) / 2)


def test_a_postprocessed_label_map_is_said(tmp_path, capsys):
    """Removing a few voxels is no wrong axis order: it is scored, and said."""
    predictions, references = foreign.nnunet_folders(tmp_path, cases=2)
    top = foreign.one_case(0)[1].argmax(-1).astype(np.uint8)
    top[tuple(np.argwhere(top == 1)[:4].T)] = 0
    foreign.save(predictions / "case_000.nii.gz", top)
    score_predictions(predictions, references, tmp_path / "out")
    assert "at most 4 voxels, in case_000" in capsys.readouterr().err
    assert "postprocessed" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_memory_does_not_grow_with_the_cases(tmp_path):
    """What a case leaves is a tenth of its probabilities and less; 500 cases are as good as one."""
    shape = (32, 32, 16)
    predictions, references = foreign.nnunet_folders(tmp_path, cases=1, shape=shape)
    cases, settings = find_cases(predictions, references), EvaluationConfig(scorers=SCORERS)

    def kept(count):
        pairs = [replace(cases.pairs[0], id=f"case {number}") for number in range(count)]
        tracemalloc.start()
        try:
            scores = score_cases(replace(cases, pairs=pairs), settings, "scoring")
            return tracemalloc.get_traced_memory(), scores
        finally:
            tracemalloc.stop()

    kept(1)  # imports and caches
    (small, low), _ = kept(2)
    (large, high), _ = kept(8)
    one = np.prod(shape) * 3 * 4
    assert (large - small) / 6 < one / 4
    assert (high - low) / 6 < one / 2


def test_half_precision_is_enough(scored, tmp_path):
    """float16 rounds sums and confidences; nothing is refused and nothing moves by more."""
    predictions, references = foreign.nnunet_folders(tmp_path)
    for seed in range(6):
        foreign.save_nnunet(predictions, f"case_{seed:03d}", foreign.one_case(seed)[1], dtype=np.float16)
    score_predictions(predictions, references, tmp_path / "out")
    found, expected = values(tmp_path / "out/cases.csv"), values(scored[0] / "out/cases.csv")
    for key, value in found.items():
        if key[2] in ("DSC", "Brier", "NLL", "signed_gap"):
            assert value == pytest.approx(expected[key], abs=2e-3), key


def test_nothing_is_written_where_a_later_step_fails(tmp_path, monkeypatch):
    predictions, references = foreign.nnunet_folders(tmp_path, cases=2)

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(module, "write_record", fails)
    with pytest.raises(OSError, match="disk full"):
        score_predictions(predictions, references, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelsTr", "predictions"]
