"""Predictions that cannot be scored: one clear line, exit code 1, and no folder, not even a part of one."""

import pickle
import re

import foreign
import numpy as np
import pytest

from spectralcal.cli.main import main


def files(tmp_path):
    return foreign.nnunet_folders(tmp_path, cases=2)


def rewrite(folder, case="case_001", **arrays):
    np.savez_compressed(folder / f"{case}.npz", **arrays)


def stored(folder, case="case_001"):
    with np.load(folder / f"{case}.npz") as content:
        return content["probabilities"]


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


def missing_reference(predictions, references):
    (references / "case_001.nii.gz").unlink()


def no_references(predictions, references):
    for path in references.iterdir():
        path.unlink()


def other_shape(predictions, references):
    foreign.save(references / "case_001.nii.gz", np.zeros((10, 12, 9), np.uint8))


def other_spacing(predictions, references):
    affine = foreign.LPS.copy()
    affine[:3, 2] *= 2
    foreign.save(references / "case_001.nii.gz", foreign.one_case(1)[0], affine)


def moved(predictions, references):
    affine = foreign.LPS.copy()
    affine[:3, 3] += 5
    foreign.save(references / "case_001.nii.gz", foreign.one_case(1)[0], affine)


def logits(predictions, references):
    rewrite(predictions, probabilities=10 * stored(predictions) - 4)


def no_sum(predictions, references):
    values = stored(predictions)
    values[1:] *= 0.9
    rewrite(predictions, probabilities=values)


def nan(predictions, references):
    values = stored(predictions)
    values[1, 0, 0, 0] = np.nan
    rewrite(predictions, probabilities=values)


def too_few_classes(predictions, references):
    rewrite(predictions, probabilities=stored(predictions)[:2] / stored(predictions)[:2].sum(0))


def label_255(predictions, references):
    labels = foreign.one_case(1)[0]
    labels[0, 0, :3] = 255
    foreign.save(references / "case_001.nii.gz", labels)


def soft_reference(predictions, references):
    foreign.save(references / "case_001.nii.gz", foreign.one_case(1)[0] * 0.5)


def pickled(predictions, references):
    rewrite(predictions, probabilities=np.array([Bomb()], dtype=object))


def pickle_itself(predictions, references):
    (predictions / "case_001.npz").write_bytes(pickle.dumps(Bomb()))


def cut_off(predictions, references):
    path = predictions / "case_001.npz"
    path.write_bytes(path.read_bytes()[:-300])


def rounded(predictions, references):
    rewrite(predictions, probabilities=np.rint(stored(predictions)).astype(np.uint8))


def other_name(predictions, references):
    rewrite(predictions, logits=stored(predictions))


def axes_by_shape(predictions, references):
    rewrite(predictions, probabilities=stored(predictions).transpose(0, 3, 2, 1))


def lacking_archive(predictions, references):
    (predictions / "case_001.npz").unlink()


def lacking_label_map(predictions, references):
    (predictions / "case_001.nii.gz").unlink()


def damaged_volume(predictions, references):
    (references / "case_001.nii.gz").write_bytes(b"\x1f\x8bno volume")


def regions_of_nnunet(predictions, references):
    (predictions / "dataset.json").write_text('{"labels": {"background": 0, "whole": [1, 2]}}', encoding="utf-8")


def mixed(predictions, references):
    for path in predictions.glob("*.npz"):
        path.unlink()
    foreign.save(predictions / "case_007/liver.nii.gz", foreign.one_case(1)[0])


BAD = {
    missing_reference: "labelsTr: expected a reference for each of 2 predictions, found none for case_001; name the",
    no_references: "--references .*labelsTr: expected CASE.nii.gz, or CASE/STRUCTURE.nii.gz, found none",
    other_shape: r"case case_001: .*case_001.nii.gz: expected shape \(10, 12, 9\) of case_001.nii.gz, found",
    other_spacing: r"case case_001: .*expected the position of case_001.nii.gz .*, found an affine that moves a corner",
    moved: r"case case_001: .*expected the position of case_001.nii.gz .*, found an affine that moves a corner",
    logits: r"case_001.npz: expected probabilities in \[0, 1\], found values from -4 to 5.*; these look like logits",
    no_sum: r"case_001.npz: expected probabilities that sum to 1 over the classes, found \d+ of 960 voxels that do not",
    nan: "case_001.npz: expected finite probabilities, found 1 of 960 voxels NaN or infinite",
    too_few_classes: r"case_001.npz: expected 3 channels \(background, liver, spleen\), found 2; name the",
    label_255: r"case_001.nii.gz: expected label values 0, 1, 2, found 255 \(3 of 960\); name every label",
    soft_reference: "case_001.nii.gz: expected integer label values, found 0.5",
    pickled: "case_001.npz: expected an array of numbers, found pickled objects; .* never opened",
    pickle_itself: "case_001.npz: expected an npz, found none that can be read",
    cut_off: "case_001.npz: expected an npz, found none that can be read",
    rounded: "case_001.npz: expected probabilities as floating-point numbers, found uint8",
    other_name: "case_001.npz: expected an array 'probabilities', found logits; predict with",
    axes_by_shape: r"\(3, 8, 12, 10\) \(classes, z, y, x\) .*, found \(3, 10, 12, 8\): another order of axes; save",
    lacking_archive: "predictions: expected CASE.npz beside every label map, found none for case_001",
    lacking_label_map: "predictions: expected the label map CASE.nii.gz beside every CASE.npz, found none for case_001",
    damaged_volume: "case case_001: .*labelsTr/case_001.nii.gz: expected a readable volume, found",
    regions_of_nnunet: r"dataset.json: expected a number for each label, found regions \(whole\)",
    mixed: "predictions: expected label maps or folders of structures, found both: case_000, case_001 as files and",
}


def refused(capsys, *arguments):
    """The one line of a verb that is refused."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 1
    said = [
        line for line in capsys.readouterr().err.splitlines() if ": scoring:" not in line and "reading:" not in line
    ]
    assert len(said) == 1, said
    return said[0]


@pytest.mark.parametrize("break_it", BAD, ids=lambda one: one.__name__)
def test_one_line_and_nothing_written(tmp_path, capsys, break_it):
    predictions, references = files(tmp_path)
    break_it(predictions, references)
    line = refused(
        capsys, "score", "--predictions", predictions, "--references", references, "--out", tmp_path / "a/out"
    )
    assert re.match(f"error: .*{BAD[break_it]}", line), line
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("axes", [(0, 3, 2, 1), (0, 2, 1, 3)])
def test_swapped_axes_of_a_cube_are_seen(tmp_path, capsys, axes):
    """A shape cannot tell; the label map beside the npz can."""
    predictions, references = foreign.nnunet_folders(tmp_path, cases=1, shape=(12, 12, 12))
    rewrite(predictions, "case_000", probabilities=stored(predictions, "case_000").transpose(axes))
    line = refused(capsys, "score", "--predictions", predictions, "--references", references, "--out", tmp_path / "out")
    assert "expected probabilities (classes, z, y, x) in the axes of the label map's file, found an array that" in line


def test_an_npz_of_another_case_is_seen(tmp_path, capsys):
    predictions, references = foreign.nnunet_folders(tmp_path, cases=1)
    values = stored(predictions, "case_000")
    rewrite(predictions, "case_000", probabilities=values[[1, 2, 0]])
    line = refused(capsys, "score", "--predictions", predictions, "--references", references, "--out", tmp_path / "out")
    assert "expected the label map beside it to be its most probable classes" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--region", "edge"], "--region: expected 'all', 'predicted_foreground', .*, found 'edge'"),
        (["--probabilities", "zip"], "--probabilities: expected 'npz', 'nifti' or 'none', found 'zip'"),
        (["--labels", "liver=x"], "--labels: expected a whole number behind every name, found 'liver=x'"),
        (["--labels", "liver,liver"], "--labels: expected each class once"),
        (["--labels", "liver"], r"case_000.nii.gz: expected label values 0, 1, found 2"),
        (["--patient", "(x"], "--patient: expected a regular expression"),
        (["--patient", r"(\d{5})"], "--patient: expected .* in the name of every case, found none in 'case_000'"),
        (["--tolerance", "-1"], "--tolerance: expected millimetres above 0, found -1"),
        (["--predictions", "nowhere"], "--predictions: expected a folder, found nothing at nowhere"),
    ],
)
def test_options(tmp_path, capsys, options, said):
    predictions, references = files(tmp_path)
    arguments = {"--predictions": predictions, "--references": references, "--out": tmp_path / "out"}
    arguments |= dict(zip(options[::2], options[1::2], strict=True))
    line = refused(capsys, "score", *(part for pair in arguments.items() for part in pair))
    assert re.match(f"error: .*{said}", line), line
    assert not (tmp_path / "out").exists()


def test_four_dimensional_files_and_label_maps_in_each_others_place(tmp_path, capsys):
    _, references = files(tmp_path)
    for seed in range(2):
        foreign.save(tmp_path / f"maps/case_{seed:03d}.nii.gz", foreign.one_case(seed)[1])
    start = ["score", "--references", references, "--out", tmp_path / "out", "--labels"]
    line = refused(capsys, *start, "liver,spleen", "--predictions", tmp_path / "maps")
    assert "expected a label map of three dimensions" in line
    assert line.endswith("--probabilities nifti")
    line = refused(capsys, *start, "liver", "--predictions", tmp_path / "maps", "--probabilities", "nifti")
    assert "expected label values 0, 1, found 2" in line
    line = refused(capsys, *start, "a,b,c", "--predictions", tmp_path / "maps", "--probabilities", "nifti")
    assert "expected 4 channels (background, a, b, c), found 3" in line
    nobody = refused(capsys, *start[:-1], "--predictions", tmp_path / "maps", "--probabilities", "nifti")
    assert "expected the names of the labels, found no dataset.json" in nobody


def test_folders_of_others_are_never_replaced(tmp_path, capsys):
    predictions, references = files(tmp_path)
    start = ["score", "--predictions", predictions, "--references", references, "--out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years", encoding="utf-8")
    assert "found 1 file(s) of others, thesis.txt first" in refused(capsys, *start, tmp_path / "mine")
    assert "expected a folder apart from" in refused(capsys, *start, tmp_path)
    assert "expected a folder apart from" in refused(capsys, *start, predictions / "scores")
    assert "found a file" in refused(capsys, *start, tmp_path / "mine/thesis.txt")
    assert (tmp_path / "mine/thesis.txt").read_text(encoding="utf-8") == "years"
