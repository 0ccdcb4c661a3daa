"""Pictures of the user's own: folders of images and masks, and nnU-Net's 2-D folders."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from spectralcal.base.errors import DataError
from spectralcal.datasets import DataFacts
from spectralcal.datasets.folder_pair import FolderPair
from spectralcal.datasets.nnunet_raw import NnunetRaw
from spectralcal.preparation import prepare_dataset, read_manifest
from spectralcal.preparation.published import published_split
from spectralcal.preparation.survey import UNEXPLAINED, survey_dataset
from spectralcal.preparation.survey_text import survey_content, survey_text

RANDOM = np.random.default_rng(2)
LABEL = RANDOM.integers(0, 2, (20, 30), dtype=np.uint8)


def colours(number=0):
    return np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


@pytest.fixture
def pair(tmp_path):
    """Three colour JPEGs, two of one patient, with masks of 0 and 255."""
    root = tmp_path / "polyps"
    for number, name in enumerate(("p1_a", "p1_b", "p2_a")):
        save(root / "images" / f"{name}.jpg", colours(number))
        save(root / "masks" / f"{name}.png", LABEL * 255)
    return root


def made(root, **options):
    return FolderPair(str(root), **{"label_map": {"0": 0, "255": 1}, **options}).named("polyps")


def test_what_it_is(pair, tmp_path):
    dataset = made(pair, patient=r"(p\d+)_")
    assert dataset.facts == DataFacts(("foreground",), 2, "px", ("red", "green", "blue"))
    assert (dataset.modality, dataset.locate(tmp_path)) == ("photo", pair)
    cases = dataset.cases(pair)
    assert [(case.id, case.patient) for case in cases] == [("p1_a", "p1"), ("p1_b", "p1"), ("p2_a", "p2")]
    assert dataset.geometry(cases[0]) == ((20, 30), (1.0, 1.0))
    volume = dataset.load(cases[0])
    np.testing.assert_array_equal(volume.label, LABEL)
    stored = np.asarray(Image.open(cases[0].images[0]))
    np.testing.assert_array_equal(volume.image, np.moveaxis(stored, -1, 0))
    assert vars(pickle.loads(pickle.dumps(dataset))) == vars(dataset)


def test_facts_are_of_the_instance(pair):
    for path in (pair / "images").iterdir():
        save(path.with_suffix(".png"), colours()[..., 0])
        path.unlink()
    grey = made(pair, classes=["polyp"], spacing_mm=[0.5, 0.25])
    assert grey.facts == DataFacts(("polyp",), 2, "mm", ("grey",))
    assert grey.load(grey.cases(pair)[0]).spacing_mm == (0.5, 0.25)
    assert made(pair, channels=["a", "b", "c"]).facts.channels == ("a", "b", "c")
    assert (FolderPair.spatial_dims, FolderPair.unit) == (3, "mm")  # the class stands for no data set


def test_preparation_keeps_pixels_and_counts_black_ones(pair, tmp_path):
    dark = colours()
    dark[:10] = 0
    save(pair / "images" / "p1_a.png", dark)
    (pair / "images" / "p1_a.jpg").unlink()
    case = read_manifest(prepare_dataset(made(pair), pair, tmp_path / "out"))[0]
    assert (case.shape, case.spacing_mm, np.shape(case.affine)) == ((20, 30), (1.0, 1.0), (3, 3))
    channel = dark[..., 1].astype(np.float64)
    np.testing.assert_allclose(case.image()[1], (channel - channel.mean()) / channel.std(), atol=1e-5)
    np.testing.assert_array_equal(case.label(), LABEL)


def test_options_that_decide_the_arrays_make_them_again(pair, tmp_path):
    for path in (pair / "masks").iterdir():
        save(path, np.where(LABEL > 0, 200, np.where(np.arange(30) < 5, 90, 0)).astype(np.uint8))
    shares = []
    for threshold in (128, 64):
        dataset = made(pair, label_map=None, mask_threshold=threshold)
        shares.append(read_manifest(prepare_dataset(dataset, pair, tmp_path / "out"))[0].label().mean())
    assert shares[0] == LABEL.mean() < shares[1]


def test_suffixes_in_one_folder(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "data" / f"{name}.jpg", colours())
        save(tmp_path / "data" / f"{name}_segmentation.png", LABEL)
    dataset = FolderPair(str(tmp_path), images="data", masks="data", mask_suffix="_segmentation")
    assert [(case.id, case.images[0].name, case.label.name) for case in dataset.cases(tmp_path)] == [
        ("a", "a.jpg", "a_segmentation.png"),
        ("b", "b.jpg", "b_segmentation.png"),
    ]


def test_lone_and_doubled_files_are_named(pair):
    (pair / "masks" / "p1_b.png").unlink()
    save(pair / "masks" / "p3_a.png", LABEL)
    with pytest.raises(DataError, match=r"^polyps: 2 incomplete case\(s\).*p1_b lacks a mask; p3_a lacks an image"):
        made(pair).cases(pair)
    save(pair / "images" / "p1_a.tif", colours())
    with pytest.raises(DataError, match=r"expected one file per name, found p1_a\.jpg and p1_a\.tif; remove one"):
        made(pair, channels=["x"]).cases(pair)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda path: save(path, LABEL[:-1] * 255), "expected shape (20, 30) of p1_a.jpg, found (19, 30)"),
        (
            lambda path: save(path, np.where(np.arange(30) < 2, 7, LABEL * 255).astype(np.uint8)),
            "expected label values 0, 255, found 7 (40 of 600); state label_map",
        ),
        (lambda path: save(path, colours()), "expected a mask of one channel, found 3 channels that differ"),
        (lambda path: save(path, LABEL * 255, format="JPEG"), "expected a mask stored without loss"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "expected a readable picture"),
    ],
)
def test_a_mask_that_cannot_be_used_is_one_line(pair, change, text):
    dataset = made(pair)
    case = dataset.cases(pair)[0]
    change(case.label)
    with pytest.raises(DataError) as caught:
        dataset.load(case)
    message = str(caught.value)
    assert message.startswith(f"polyps: case p1_a: {case.label}: ")
    assert text in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "x", "masks": "x"}, "images and masks: expected two folders or two suffixes"),
        ({"label_map": {0: 0, 255: 2}}, "label_map: expected stored values that stand for the labels 0, 1"),
        ({"label_map": {0: 0, 1: 1}, "mask_threshold": 9}, "mask_threshold: expected one class and no label_map"),
        ({"classes": ["a", "b"], "label_map": None, "mask_threshold": 9}, "mask_threshold: expected one class"),
        ({"classes": ["a", "a"], "label_map": None}, "classes: expected different names"),
        ({"channels": ["a", "b"]}, "channels: expected one name or three, got 2"),
        ({"spacing_mm": [0, 1]}, "spacing_mm: expected two positive numbers"),
    ],
)
def test_options_that_contradict_each_other(pair, options, message):
    with pytest.raises(ValueError, match=message):
        made(pair, **options)


def test_several_stored_values_may_be_one_class(pair):
    for path in (pair / "masks").iterdir():
        save(path, np.where(LABEL > 0, np.where(np.arange(30) < 9, 3, 8), 0).astype(np.uint8))
    dataset = made(pair, label_map={0: 0, 3: 1, 8: 1})
    np.testing.assert_array_equal(dataset.load(dataset.cases(pair)[0]).label, LABEL)


def test_a_folder_that_is_not_there(tmp_path):
    dataset = made(tmp_path / "gone")
    assert dataset.locate(tmp_path) is None
    assert dataset.classes == ("foreground",)
    with pytest.raises(DataError, match="expected the description that names the channels"):
        _ = dataset.facts


def test_the_survey_counts_pixels_and_finds_one_picture_under_two_names(pair):
    save(pair / "images" / "p2_a.jpg", colours(0))  # now the same as p1_a
    save(pair / "extra.jpg", colours(9))
    (pair / "notes.txt").write_text("x")
    grey = np.stack([LABEL * 200] * 3, -1)
    save(pair / "images" / "p1_b.jpg", grey)  # three equal channels are one picture, not three scans
    survey = survey_dataset(made(pair, patient=r"(p\d+)_"), pair)
    assert survey.errors == (
        "polyps: p1_a, p2_a: the same voxels under 2 names; a split could put one scan on two sides",
    )
    assert survey.warnings == ()
    assert survey.left_out == {UNEXPLAINED: (pair / "extra.jpg",)}
    content = survey_content(survey)
    assert (content["unit"], content["channels"]) == ("px", ["red", "green", "blue"])
    assert [entry["voxels"] for entry in content["labels"]] == [3 * int((v == LABEL).sum()) for v in (0, 1)]
    text = survey_text(content)
    assert "(1, 1) in 3, in px" in text
    assert "orientations" not in text


def test_a_damaged_first_image_does_not_hide_the_others(pair):
    (pair / "images" / "p1_a.jpg").write_text("x")
    (pair / "masks" / "p2_a.png").write_text("x")
    survey = survey_dataset(made(pair), pair)
    assert len(survey.errors) == 2
    assert [case.id for case in survey.cases] == ["p1_b"]


def test_a_split_may_name_files(pair, tmp_path):
    dataset = made(pair)
    (tmp_path / "split.json").write_text(
        json.dumps({"train": ["p1_a.jpg"], "val": ["images/p1_b.jpg"], "test": ["p2_a.png"]})
    )
    found = published_split(tmp_path / "split.json", dataset.cases(pair))
    assert found == {"train": ["p1_a"], "val": ["p1_b"], "test": ["p2_a"]}


@pytest.fixture
def nnunet(tmp_path):
    """nnU-Net's layout for natural images: one colour file and one mask per case."""
    root = tmp_path / "Dataset120_Roads"
    for number, case in enumerate(("img-2", "img-10")):
        save(root / "imagesTr" / f"{case}_0000.png", colours(number))
        save(root / "labelsTr" / f"{case}.png", LABEL)
    described(root, {"0": "R", "1": "G", "2": "B"})
    return root


def described(root, channels):
    content = {"channel_names": channels, "labels": {"background": 0, "road": 1}, "numTraining": 2}
    (root / "dataset.json").write_text(json.dumps({**content, "file_ending": ".png"}))


def test_an_nnunet_folder_of_colour_pictures(nnunet):
    dataset = NnunetRaw(str(nnunet))
    assert dataset.facts == DataFacts(("road",), 2, "px", ("R", "G", "B"))
    assert dataset.modality == "photo"
    cases = dataset.cases(nnunet)
    assert [(case.id, [path.name for path in case.images]) for case in cases] == [
        ("img-2", ["img-2_0000.png"]),
        ("img-10", ["img-10_0000.png"]),
    ]
    volume = dataset.load(cases[1])
    np.testing.assert_array_equal(volume.image, np.moveaxis(colours(1), -1, 0))
    np.testing.assert_array_equal(volume.label, LABEL)
    survey = survey_dataset(dataset, nnunet)
    assert (survey.errors, len(survey.cases)) == ((), 2)


def test_an_nnunet_folder_of_grey_channels(nnunet):
    described(nnunet, {"0": "T1", "1": "T2"})
    for case in ("img-2", "img-10"):
        for channel in range(2):
            save(nnunet / "imagesTr" / f"{case}_{channel:04d}.png", colours(channel)[..., 0])
    dataset = NnunetRaw(str(nnunet), modality="mr")
    assert (dataset.modality, dataset.facts.channels) == ("mr", ("T1", "T2"))
    found = dataset.load(dataset.cases(nnunet)[0]).image
    np.testing.assert_array_equal(found, np.stack([colours(channel)[..., 0] for channel in range(2)]))
    (nnunet / "imagesTr" / "img-2_0000.png").unlink()
    with pytest.raises(DataError, match=r"1 incomplete.*img-2 lacks img-2_0000\.png"):
        dataset.cases(nnunet)
