"""Published sets of photographs in the layouts of their archives, with the traps that these hold."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from spectralcal.base.errors import DataError
from spectralcal.datasets.isic2017 import Isic2017, known_again
from spectralcal.datasets.isic2018 import Isic2018
from spectralcal.datasets.kvasir_seg import KvasirSeg
from spectralcal.datasets.monuseg import MoNuSeg, fill, read_polygons
from spectralcal.datasets.polypgen import PolypGen, plain


def image(path, seed=0, size=(24, 32), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).save(path, **options)
    return values


def mask(path, size=(24, 32), inside=(slice(4, 12), slice(8, 24)), mode="L", empty=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(size, np.uint8)
    if not empty:
        values[inside] = 255
    Image.fromarray(values).convert(mode).save(path)
    return values > 0


# ---- Kvasir-SEG ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "Kvasir-SEG"])
def test_kvasir_seg(tmp_path, below):
    root = tmp_path / "Kvasir-SEG"
    for name in ("cju0q", "cju1b"):
        image(root / below / f"images/{name}.jpg")
        expected = mask(root / below / f"masks/{name}.jpg", mode="RGB")
    (root / below / "kavsir_bboxes.json").write_text("{}")
    dataset = KvasirSeg()
    cases = dataset.cases(dataset.locate(tmp_path))
    assert [(case.id, case.patient) for case in cases] == [("cju0q", "cju0q"), ("cju1b", "cju1b")]
    volume = dataset.load(cases[0])
    assert volume.image.shape == (3, 24, 32)
    stored = np.asarray(Image.open(cases[0].label))
    assert len(np.unique(stored)) > 2  # the trap: JPEG leaves values between
    assert np.array_equal(volume.label, expected)


def test_a_mask_of_another_size_is_refused_and_not_dropped(tmp_path):
    image(tmp_path / "images/a.jpg")
    mask(tmp_path / "masks/a.jpg", size=(24, 31))
    (case,) = KvasirSeg().cases(tmp_path)
    with pytest.raises(DataError, match=r"kvasir_seg: case a: .*expected shape \(24, 32\) of a.jpg, found \(24, 31\)"):
        KvasirSeg().load(case)


def test_lone_files_are_named(tmp_path):
    image(tmp_path / "images/a.jpg")
    mask(tmp_path / "masks/b.jpg")
    with pytest.raises(DataError, match=r"kvasir_seg: 2 incomplete case\(s\) .*: a lacks a mask; b lacks an image"):
        KvasirSeg().cases(tmp_path)


# ---- ISIC ----------------------------------------------------------------------------------------------------------


def isic2018(root, ids=(1, 2, 3)):
    for number in ids:
        name = f"ISIC_{number:07d}"
        image(root / f"ISIC2018/ISIC2018_Task1-2_Training_Input/{name}.jpg", seed=number)
        mask(root / f"ISIC2018/ISIC2018_Task1_Training_GroundTruth/{name}_segmentation.png")
    (root / "ISIC2018/ISIC2018_Task1-2_Training_Input/ATTRIBUTION.txt").write_text("text")


def isic2017(root):
    """Ids 2 (known by name), 7 (known by content) and 8, each in another part; and superpixels."""
    for part, number in (("Training", 2), ("Validation", 7), ("Test_v2", 8)):
        name = f"ISIC_{number:07d}"
        image(root / f"ISIC2017/ISIC-2017_{part}_Data/{name}.jpg", seed=100 + number)
        image(root / f"ISIC2017/ISIC-2017_{part}_Data/{name}_superpixels.png")
        mask(root / f"ISIC2017/ISIC-2017_{part}_Part1_GroundTruth/{name}_segmentation.png")
    shutil.copy(
        root / "ISIC2018/ISIC2018_Task1-2_Training_Input/ISIC_0000003.jpg",
        root / "ISIC2017/ISIC-2017_Validation_Data/ISIC_0000007.jpg",
    )


def test_isic2018(tmp_path):
    isic2018(tmp_path)
    image(tmp_path / "ISIC2018/ISIC2018_Task1-2_Test_Input/ISIC_0000009.jpg")
    dataset = Isic2018()
    cases = dataset.cases(dataset.locate(tmp_path))
    assert [case.id for case in cases] == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000003"]
    assert dataset.load(cases[0]).label.sum() == 8 * 16


def test_of_isic2017_what_isic2018_has_is_left_out_by_id_and_by_content(tmp_path):
    isic2018(tmp_path)
    isic2017(tmp_path)
    root = Isic2017().locate(tmp_path)
    assert [case.id for case in Isic2017().cases(root)] == ["ISIC_0000008"]
    everything = Isic2017(exclude_known=False).cases(root)
    assert [(case.id[-1], case.stratum) for case in everything] == [
        ("2", "training"), ("7", "validation"), ("8", "test_v2"),
    ]  # fmt: skip
    images = {case.id: case.images[0] for case in everything}
    others = sorted((tmp_path / "ISIC2018/ISIC2018_Task1-2_Training_Input").glob("*.jpg"))
    assert known_again(images, others) == {"ISIC_0000002": "id", "ISIC_0000007": "content"}
    assert [case.id for case in Isic2017(parts=("test_v2",)).cases(root)] == ["ISIC_0000008"]
    assert Isic2017(exclude_known=False, parts=("test_v2", "validation")).expected_cases == 750


def test_without_isic2018_beside_it_nobody_guesses(tmp_path):
    isic2018(tmp_path)
    isic2017(tmp_path)
    shutil.rmtree(tmp_path / "ISIC2018")
    with pytest.raises(DataError, match=r"isic2017: exclude_known: expected the images of ISIC 2018.*exclude_known: f"):
        Isic2017().cases(tmp_path / "ISIC2017")


def test_unknown_parts_are_refused():
    with pytest.raises(ValueError, match="parts: expected some of training, validation, test_v2, got test"):
        Isic2017(parts=("test",))


# ---- PolypGen ------------------------------------------------------------------------------------------------------


def test_polypgen(tmp_path):
    root = tmp_path / "PolypGen"
    place = root / "PolypGen2021_MultiCenterData_v3"
    image(place / "data_C1/images_C1/1_endocv2021_positive_1.jpg")
    expected = mask(place / "data_C1/masks_C1/1_endocv2021_positive_1_mask.jpg")
    image(place / "data_C6/images_C6/EndoCV2021_C6_0100001.jpg")
    mask(place / "data_C6/masks_C6/Mask-EndoCV2021_C6_0100001.jpg", empty=True)
    image(place / "sequenceData/positive/seq1/images_seq1/0001.jpg")
    image(place / "imagesAll_positive/1_endocv2021_positive_1.jpg")
    dataset = PolypGen()
    cases = dataset.cases(dataset.locate(tmp_path))
    assert [case.stratum for case in cases] == ["C1", "C6"]
    full, empty = (dataset.load(case).label for case in cases)
    assert np.array_equal(full, expected)
    assert empty.sum() == 0


def test_names_that_could_be_one_frame_are_refused(tmp_path):
    for name in ("frame_1.jpg", "Frame1_image.jpg"):
        image(tmp_path / "data_C2/images_C2" / name)
    assert plain("frame_1") == plain("Frame1_image") == "frame1"
    with pytest.raises(
        DataError, match=r"polypgen: case C2-frame1: expected one file of each kind, found .*remove one"
    ):
        PolypGen().cases(tmp_path)


# ---- MoNuSeg -------------------------------------------------------------------------------------------------------

SQUARE = [(2.0, 3.0), (10.0, 3.0), (10.0, 9.0), (2.0, 9.0)]


def outlines(path, *polygons):
    path.parent.mkdir(parents=True, exist_ok=True)
    corners = ["".join(f"<Vertex X='{x}' Y='{y}' Z='0'/>" for x, y in polygon) for polygon in polygons]
    regions = "".join(f"<Region Id='{i}'><Vertices>{each}</Vertices></Region>" for i, each in enumerate(corners))
    path.write_text(f"<Annotations><Annotation><Regions>{regions}</Regions></Annotation></Annotations>")


def monuseg(root, *polygons):
    train, test = root / "MoNuSeg/MoNuSeg 2018 Training Data", root / "MoNuSeg/MoNuSegTestData"
    for number in (1, 2):
        image(train / f"Tissue Images/TCGA-A7-A13E-01Z-00-DX{number}.tif")
        outlines(train / f"Annotations/TCGA-A7-A13E-01Z-00-DX{number}.xml", *polygons)
    image(test / "TCGA-2Z-A9J9-01A-01-TS1.tif")
    outlines(test / "TCGA-2Z-A9J9-01A-01-TS1.xml", *polygons)
    return root / "MoNuSeg"


def test_monuseg(tmp_path):
    root = monuseg(tmp_path, SQUARE)
    cases = MoNuSeg().cases(root)
    assert [(case.patient, case.stratum) for case in cases] == [
        ("TCGA-2Z-A9J9", "test"), ("TCGA-A7-A13E", "training"), ("TCGA-A7-A13E", "training"),
    ]  # fmt: skip
    for case in cases:
        label = MoNuSeg().load(case).label
        expected = np.zeros((24, 32))
        expected[3:9, 2:10] = 1  # the first region is a nucleus, no background
        assert np.array_equal(label, expected)
    assert len(MoNuSeg("test").cases(root)) == 1
    assert [MoNuSeg(part).expected_cases for part in ("training", "test", "all")] == [37, 14, 51]


def test_overlapping_cut_and_degenerate_polygons(tmp_path):
    beside = [(x + 4.0, y + 2.0) for x, y in SQUARE]
    cut = [(-5.0, -5.0), (1.0, -5.0), (1.0, 1.0), (-5.0, 1.0)]
    outside, line = [(900.0, 900.0), (910.0, 900.0), (910.0, 910.0)], [(5.0, 20.0), (9.0, 20.0)]
    root = monuseg(tmp_path, SQUARE, beside, cut, outside, line)
    label = MoNuSeg().load(MoNuSeg().cases(root)[0]).label
    expected = np.zeros((24, 32))
    expected[3:9, 2:10] = expected[5:11, 6:14] = 1  # the union: what both cover is no hole
    expected[0, 0] = 1
    assert np.array_equal(label, expected)


@pytest.mark.parametrize("seed", range(4))
def test_filling_by_another_library(seed):
    """Corners on thirds of pixels: Pillow draws them nine times as fine, and its centres are read."""
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    corners = np.round(3 * (12 + random.uniform(4, 14, (9, 1)) * np.stack([np.cos(angles), np.sin(angles)], 1))) / 3
    found = np.zeros((20, 26), bool)
    fill(found, corners)
    fine = Image.new("1", (26 * 9, 20 * 9))
    ImageDraw.Draw(fine).polygon([tuple(9 * corner) for corner in corners], fill=1)
    other = np.asarray(fine)[4::9, 4::9]
    assert (found != other).sum() <= 2  # Pillow counts the outline itself
    assert found.sum() > 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no xml", "outlines in XML .*syntax error"),
        ("<Annotations/>", "<Annotations> without any"),
        ("<A><Regions><Region><Vertex X='1'/></Region></Regions></A>", "found 'Y'"),
        ("<A><Regions><Region><Vertex X='1' Y='b'/></Region></Regions></A>", "could not convert"),
        ("<A><Regions><Region><Vertex X='nan' Y='1'/></Region></Regions></A>", "corners with finite X and Y"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "declarations of entities"),
    ],
)
def test_files_that_hold_no_outlines(tmp_path, text, words):
    root = monuseg(tmp_path, SQUARE)
    case = MoNuSeg().cases(root)[0]
    case.label.write_text(text)
    with pytest.raises(DataError, match=rf"^monuseg: case TCGA-2Z-A9J9-01A-01-TS1: .*{words}"):
        MoNuSeg().load(case)


def test_outlines_of_another_image_are_refused(tmp_path):
    root = monuseg(tmp_path, [(x + 500, y) for x, y in SQUARE])
    with pytest.raises(DataError, match=r"expected outlines inside of .*tif, 32 x 24 pixels, found 1, none of which"):
        MoNuSeg().load(MoNuSeg().cases(root)[0])


def test_no_nucleus_is_an_empty_mask(tmp_path):
    root = monuseg(tmp_path)
    assert read_polygons(MoNuSeg().cases(root)[0].label) == []
    assert MoNuSeg().load(MoNuSeg().cases(root)[0]).label.sum() == 0


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="part: expected all, training or test, got 'validation'"):
        MoNuSeg("validation")
