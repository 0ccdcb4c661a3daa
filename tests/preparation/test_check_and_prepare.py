"""What `datasets check` passes, `prepare` prepares, and what it refuses is refused: one rule for both."""

import json

import nibabel
import numpy as np
import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import _read_nibabel
from spectralcal.datasets.datalist import Datalist
from spectralcal.datasets.decathlon import Decathlon
from spectralcal.datasets.nnunet_raw import NnunetRaw
from spectralcal.preparation import prepare_dataset, read_manifest, resample
from spectralcal.preparation.intensity import FlatImage, normalize
from spectralcal.preparation.survey import survey_dataset

SHAPE = (8, 9, 10)
NOISE = np.random.default_rng(3).integers(1, 500, SHAPE).astype(np.int16)
LABEL = (NOISE % 3 == 0).astype(np.uint8)


def nnunet(root, channels, names=None, spacing=(1.0, 1.0, 1.0), label=None, **facts):
    """A raw folder with case `good`, made of noise, and case `odd`, made of `channels`."""
    names = names or [f"T{index}" for index in range(len(channels))]
    affine = np.diag([*spacing, 1.0])
    noise = np.random.default_rng(4).integers(1, 500, channels[0].shape).astype(np.int16)
    for case, arrays in (("good", [noise + index for index in range(len(channels))]), ("odd", channels)):
        for index, array in enumerate(arrays):
            put(root / "imagesTr" / f"{case}_{index:04d}.nii.gz", array, np.eye(4) if case == "good" else affine)
        mask = (noise % 3 == 0).astype(np.uint8) if label is None else label
        put(root / "labelsTr" / f"{case}.nii.gz", mask, np.eye(4) if case == "good" else affine)
    content = {"channel_names": dict(enumerate(names)), "labels": {"background": 0, "x": 1}, **facts}
    (root / "dataset.json").write_text(json.dumps(content))
    return NnunetRaw(str(root))


def put(path, array, affine):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, affine), path)


def both(dataset, root, out, **options):
    """The errors of a survey, and what prepare says; they must agree."""
    survey = survey_dataset(dataset, root, **options)
    try:
        prepare_dataset(dataset, root, out, **options)
        said = ""
    except DataError as error:
        said = str(error)
    assert bool(survey.errors) == bool(said), (survey.errors, said)
    for text in survey.errors:
        assert text.removeprefix(f"{dataset.name}: ") in said
    return survey, said


@pytest.mark.parametrize("value", [0, 7, -3])
@pytest.mark.parametrize("method", ["zscore", "minmax"])
def test_a_sequence_that_was_not_acquired_becomes_zeros(tmp_path, value, method):
    dataset = nnunet(tmp_path / "set", [NOISE, np.full(SHAPE, value, np.int16)])
    survey, _ = both(dataset, tmp_path / "set", tmp_path / "out", normalize=method)
    assert "odd: channel T1 has a single value" in survey.warnings
    image = read_manifest(tmp_path / "out" / "manifest.csv")[1].image()
    assert not image[1].any()
    assert image[0].std() > 0


@pytest.mark.parametrize("method", ["zscore", "minmax", "none"])
def test_an_image_of_one_value_in_every_channel_is_refused(tmp_path, method):
    dataset = nnunet(tmp_path / "set", [np.zeros(SHAPE, np.int16), np.full(SHAPE, 5, np.int16)])
    _, said = both(dataset, tmp_path / "set", tmp_path / "out", normalize=method)
    assert "case odd" in said
    assert "all 2 channels are constant (0, 5 everywhere)" in said


@pytest.mark.parametrize(("low", "high"), [(1000, 4000), (-9000, -2000)])
def test_ct_that_is_not_in_hu_is_refused_with_the_file_of_its_channel(tmp_path, low, high):
    ct = np.linspace(low, high, NOISE.size).reshape(SHAPE).astype(np.int16)
    dataset = nnunet(tmp_path / "set", [NOISE, ct], ["PET", "CT"])
    _, said = both(dataset, tmp_path / "set", tmp_path / "out")
    assert (
        f"odd_0001.nii.gz: channel 1 is constant within ct_clip (-1000 to 400): its values are {low} to {high}" in said
    )
    both(dataset, tmp_path / "set", tmp_path / "wide", ct_clip=(-10_000.0, 5000.0))


def test_a_constant_box_is_judged_as_it_is_cropped(tmp_path):
    brain = np.zeros(SHAPE, np.int16)
    brain[2:5, 2:6, 3:7] = 40
    dataset = nnunet(tmp_path / "set", [brain])
    both(dataset, tmp_path / "set", tmp_path / "whole")
    _, said = both(dataset, tmp_path / "set", tmp_path / "cropped", crop_nonzero=True)
    assert "channel 0 is constant (40 everywhere)" in said


def test_of_a_mask_as_channel_every_voxel_counts():
    mask = (NOISE[None] % 2).astype(np.float32)
    expected = (mask - mask.mean(dtype=np.float64)) / mask.std(dtype=np.float64)
    np.testing.assert_allclose(normalize(mask, "mr"), expected, rtol=1e-5)


CLIPPED = np.clip(NOISE * 20.0 - 3000, -1000, 400)


@pytest.mark.parametrize(("names", "modality", "ct"), [
    (["CT", "PET"], "auto", [True, False]),
    (["PET", "ct"], "auto", [False, True]),
    (["CT", "CT"], "auto", [True, True]),
    (["T1", "T2"], "auto", [False, False]),
    (["CT", "PET"], "mr", [False, False]),
    (["portal", "PET"], ("ct", "mr"), [True, False]),
])  # fmt: skip
def test_each_channel_has_its_own_modality(tmp_path, names, modality, ct):
    channels = [(NOISE * 20 - 3000).astype(np.int16), (NOISE[::-1] * 20 - 3000).astype(np.int16)]
    nnunet(tmp_path / "set", channels, names)
    dataset = NnunetRaw(str(tmp_path / "set"), modality=modality)
    image = read_manifest(prepare_dataset(dataset, tmp_path / "set", tmp_path / "out", spacing="original"))[1].image()
    for index, clipped in enumerate(ct):
        values = CLIPPED[:: 1 if index == 0 else -1] if clipped else channels[index].astype(float)
        counted = values if clipped else values[values != 0]
        np.testing.assert_allclose(image[index], (values - counted.mean()) / counted.std(), atol=1e-4)


def test_a_channel_called_nonorm_stays_as_it_is(tmp_path):
    nnunet(tmp_path / "set", [NOISE, NOISE + 7], ["T1", "noNorm"])
    dataset = NnunetRaw(str(tmp_path / "set"))
    image = read_manifest(prepare_dataset(dataset, tmp_path / "set", tmp_path / "out", spacing="original"))[1].image()
    np.testing.assert_array_equal(image[1], NOISE + 7)


def test_a_change_of_one_channel_alone_is_prepared_again(tmp_path):
    nnunet(tmp_path / "set", [NOISE * 20, NOISE * 20 + 1], ["CT", "PET"])
    hashes = [
        read_manifest(prepare_dataset(NnunetRaw(str(tmp_path / "set"), modality), tmp_path / "set", tmp_path / "out"))[
            1
        ]
        for modality in ("auto", "mr", ("mr", "ct"), "auto")
    ]
    assert len({case.sha256 for case in hashes}) == 3


def test_in_the_other_layouts_too(tmp_path):
    stacked = np.stack([NOISE * 20 - 3000, NOISE], -1).astype(np.int16)
    put(tmp_path / "imagesTr" / "a.nii.gz", stacked, np.eye(4))
    put(tmp_path / "labelsTr" / "a.nii.gz", LABEL, np.eye(4))
    for index in range(2):
        put(tmp_path / f"{index}.nii.gz", stacked[..., index], np.eye(4))
    entry = {"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}
    facts = {"modality": {"0": "CT", "1": "PET"}, "labels": {"0": "background", "1": "x"}, "training": [entry]}
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    listed = {"labels": facts["labels"], "training": [{"image": ["0.nii.gz", "1.nii.gz"], "label": entry["label"]}]}
    (tmp_path / "list.json").write_text(json.dumps(listed))
    images = [
        read_manifest(prepare_dataset(dataset, tmp_path, tmp_path / dataset.name, spacing="original"))[0].image()
        for dataset in (Decathlon(str(tmp_path)), Datalist(str(tmp_path / "list.json"), modality=("ct", "mr")))
    ]
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_allclose(images[0][0], (CLIPPED - CLIPPED.mean()) / CLIPPED.std(), atol=1e-4)


def test_as_many_modalities_as_channels(tmp_path):
    nnunet(tmp_path, [NOISE, NOISE])
    with pytest.raises(DataError, match=r"options\.modality: expected one or 2 \(for T0, T1\), found 3"):
        NnunetRaw(str(tmp_path), modality=("ct", "mr", "mr"))
    with pytest.raises(ValueError, match="modality of each of 1 channels"):
        normalize(NOISE[None], ("ct", "mr"))


def test_a_name_that_speaks_of_ct_is_remarked(tmp_path):
    dataset = nnunet(tmp_path, [NOISE], ["CT arterial"])
    assert any(
        "channel 'CT arterial' is normalised as MR" in text for text in survey_dataset(dataset, tmp_path).warnings
    )


@pytest.mark.parametrize("where", ["both", "one"])
def test_channels_on_the_disk_that_nobody_names(tmp_path, where):
    dataset = nnunet(tmp_path / "set", [NOISE])
    for case in ("good", "odd") if where == "both" else ("odd",):
        put(tmp_path / "set" / "imagesTr" / f"{case}_0001.nii.gz", NOISE, np.eye(4))
    _, said = both(dataset, tmp_path / "set", tmp_path / "out")
    assert f"_0001.nii.gz besides in {2 if where == 'both' else 1} case(s)" in said


def test_cases_of_another_ending_than_the_description_states(tmp_path):
    dataset = nnunet(tmp_path / "set", [NOISE])
    put(tmp_path / "set" / "labelsTr" / "third.nii", LABEL, np.eye(4))
    put(tmp_path / "set" / "labelsTr" / "good.nii", LABEL, np.eye(4))  # a copy of one that is there
    _, said = both(dataset, tmp_path / "set", tmp_path / "out")
    assert "1 file(s) such as third.nii do not end in .nii.gz" in said


@pytest.mark.parametrize("spacing", [(999.0, 1.0, 1.0), (10.0, 1.0, 1.0), (0.001, 1.0, 1.0)])
@pytest.mark.parametrize("mode", ["median_all", "median_inplane", "per_axis", (1.0, 1.0, 1.0), (0.5, 1.0, 1.0)])
def test_one_plane_stays_one(tmp_path, spacing, mode):
    plane = np.arange(64 * 64, dtype=np.int16).reshape(1, 64, 64)
    dataset = nnunet(tmp_path / "set", [plane], spacing=spacing)
    both(dataset, tmp_path / "set", tmp_path / "out", spacing=mode)
    shapes = {case.shape[0] for case in read_manifest(tmp_path / "out" / "manifest.csv")}
    assert shapes == {1}


@pytest.mark.parametrize("spacing", [(999.0, 1.0, 1.0), (1.0, 1.0, 5000.0), (1e-5, 1e-5, 1e-5)])
def test_sizes_that_no_image_has_are_refused_by_both(tmp_path, spacing):
    dataset = nnunet(tmp_path / "set", [np.tile(NOISE, (20, 20, 20))], spacing=spacing)
    survey, said = both(dataset, tmp_path / "set", tmp_path / "out", spacing=(1.0, 1.0, 1.0))
    assert "case odd" in said
    assert "one of the spacings cannot be right; correct the header or preparation.spacing" in said
    assert any("which no scanner has" in text for text in survey.warnings)
    both(dataset, tmp_path / "set", tmp_path / "as it is", spacing="original")


def test_sizes_that_memory_cannot_hold():
    with pytest.raises(resample.NoGridError, match="512 x 512 x 512 voxels"):
        resample.resampled_shape((512, 512, 512), (1.0, 1.0, 1.0), (0.3, 0.3, 0.3))
    assert resample.resampled_shape((40, 512, 512), (7.5, 0.5, 0.5), (0.5, 0.5, 0.5)) == (600, 512, 512)


def test_a_case_that_was_prepared_on_another_reading_of_its_header_is_made_again(tmp_path, monkeypatch):
    dataset = nnunet(tmp_path / "set", [NOISE], spacing=(1.0, 1.0, 3.0))
    with monkeypatch.context() as patch:
        patch.setattr(_read_nibabel, "nifti_affine", lambda path, image: np.eye(4))
        wrong = read_manifest(prepare_dataset(dataset, tmp_path / "set", tmp_path / "out", spacing=(1.0, 1.0, 1.0)))[1]
    right = read_manifest(prepare_dataset(dataset, tmp_path / "set", tmp_path / "out", spacing=(1.0, 1.0, 1.0)))[1]
    assert (wrong.shape, right.shape) == ((8, 9, 10), (8, 9, 30))
    assert right.original_spacing_mm == (1.0, 1.0, 3.0)


def test_a_flat_channel_is_named_by_its_index():
    with pytest.raises(FlatImage) as caught:
        normalize(np.stack([NOISE, NOISE + 9000]), "ct")
    assert caught.value.channel == 1


@pytest.mark.parametrize(("value", "good"), [(60_000, True), (70_000, False)])
def test_intensities_that_the_number_format_does_not_hold(tmp_path, value, good):
    odd = NOISE.astype(np.float32)
    odd[0, 0, 0] = value
    dataset = nnunet(tmp_path / "raw", [odd], names=["noNorm"])
    _, said = both(dataset, tmp_path / "raw", tmp_path / "out", dtype="float16", spacing=(1.3, 1.3, 1.3))
    assert ("intensities up to 70000 do not fit float16" in said) is not good
    assert both(dataset, tmp_path / "raw", tmp_path / "32", spacing="original")[1] == ""


@pytest.mark.parametrize("name", ["x" * 201, "ä" * 101, "a\x7fb", "a\nb", "a\\b"])
def test_a_name_that_no_folder_can_have_is_refused_by_both(tmp_path, name):
    for case in ("a", "b"):
        for kind in ("image", "label"):
            put(tmp_path / f"{case}_{kind}.nii", NOISE + ord(case) if kind == "image" else LABEL, np.eye(4))
    entries = [{"image": f"{case}_image.nii", "label": f"{case}_label.nii", "id": case} for case in ("a", "b")]
    entries[1]["id"] = name
    (tmp_path / "list.json").write_text(json.dumps({"training": entries}))
    _, said = both(Datalist(str(tmp_path / "list.json"), classes=("x",)), tmp_path, tmp_path / "out")
    assert "because it names a folder; rename" in said
