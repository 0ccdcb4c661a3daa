import numpy as np
import pytest

from spectralcal.scoring.score import score_case
from spectralcal.study.config import EvaluationConfig


def one_hot(labels, classes):
    return np.stack([labels == value for value in range(classes)]).astype(np.float32)


def value(rows, metric, protocol="paper", name=None):
    found = [r for r in rows if r["metric"] == metric and r["protocol"] == protocol and name in (None, r["class"])]
    assert len(found) == 1, found
    return found[0]["value"], found[0]["status"]


@pytest.fixture
def reference():
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:8, 2:8, 2:8] = 1
    labels[9:11, 9:11, 9:11] = 2
    return labels


def test_a_perfect_prediction(reference):
    rows = score_case(one_hot(reference, 3), reference, (1, 1, 2), ("a", "b"), EvaluationConfig()).rows
    for name in ("a", "b"):
        assert value(rows, "DSC", name=name) == (1, "ok")
        assert value(rows, "HD95", name=name) == (0, "ok")
        assert value(rows, "NSD", name=name) == (1, "ok")
    assert value(rows, "ECE") == (0, "ok")
    assert value(rows, "Brier") == (0, "ok")


def test_a_missed_structure_is_priced_and_named(reference):
    predicted = np.where(reference == 2, 0, reference)
    rows = score_case(one_hot(predicted, 3), reference, (1, 1, 2), ("a", "b"), EvaluationConfig()).rows
    diagonal = np.sqrt(12**2 + 12**2 + 24**2)
    distance, status = value(rows, "HD95", name="b")
    assert status == "missed"
    assert distance == pytest.approx(diagonal, rel=0.1)
    assert value(rows, "DSC", name="b") == (0, "missed")
    assert value(rows, "DSC", name="a") == (1, "ok")


def test_an_absent_class_has_no_value(reference):
    labels = np.where(reference == 2, 0, reference)
    rows = score_case(one_hot(labels, 3), labels, (1, 1, 2), ("a", "b"), EvaluationConfig()).rows
    for metric in ("DSC", "HD95", "ASD"):
        number, status = value(rows, metric, name="b")
        assert np.isnan(number)
        assert status == "absent"


def test_spacing_counts(reference):
    shifted = np.roll(reference, 1, axis=2)
    near = score_case(one_hot(shifted, 3), reference, (1, 1, 1), ("a", "b"), EvaluationConfig()).rows
    far = score_case(one_hot(shifted, 3), reference, (1, 1, 5), ("a", "b"), EvaluationConfig()).rows
    assert value(near, "HD", name="a")[0] == 1
    assert value(far, "HD", name="a")[0] == 5


def test_ece_of_constant_confidence_is_the_gap(reference):
    """Confidence 0.7 in the right class everywhere: the gap is 0.3, in every region that has voxels."""
    probabilities = 0.15 + 0.55 * one_hot(reference, 3)
    scores = score_case(probabilities, reference, (1, 1, 1), ("a", "b"), EvaluationConfig())
    assert value(scores.rows, "ECE")[0] == pytest.approx(0.3, abs=1e-6)
    assert value(scores.rows, "ECE", "crac-legacy")[0] == 0.3
    assert value(scores.rows, "signed_gap")[0] == pytest.approx(-0.3, abs=1e-6)
    assert scores.by_scorer["calibration"].parts["all"].count == reference.size
    assert scores.by_scorer["calibration"].parts["reference"].count == (reference > 0).sum()


def test_a_region_without_voxels_is_undefined():
    empty = np.zeros((6, 6, 6), np.uint8)
    rows = score_case(one_hot(empty, 2), empty, (1, 1, 1), ("a",), EvaluationConfig()).rows
    number, status = value(rows, "ECE", "crac-legacy")
    assert np.isnan(number)
    assert status == "undefined"


def test_a_prediction_equal_to_the_posterior_has_no_true_error(reference):
    posterior = 0.1 + 0.7 * one_hot(reference, 3)
    rows = score_case(posterior, reference, (1, 1, 1), ("a", "b"), EvaluationConfig(), posterior).rows
    assert value(rows, "distance_to_posterior", "truth")[0] == pytest.approx(0, abs=1e-6)
    assert value(rows, "excess_brier", "truth")[0] == pytest.approx(0, abs=1e-9)
    assert value(rows, "ECE")[0] > 0.1


def test_nested_regions_are_scored_beside_the_classes(reference):
    """Necrosis taken for enhancing tumour spoils both tissues and leaves core and whole as they are."""
    from spectralcal.datasets.brats2020 import Brats2020

    labels = reference.copy()
    labels[3:5, 3:5, 3:5] = 3
    swapped = np.array([0, 3, 2, 1], np.uint8)[labels]
    names, nested = Brats2020.classes, Brats2020.nested
    rows = score_case(one_hot(swapped, 4), labels, (1, 1, 2), names, EvaluationConfig(), nested=nested).rows
    plain = score_case(one_hot(swapped, 4), labels, (1, 1, 2), names, EvaluationConfig()).rows
    assert [r for r in rows if r["protocol"] != "nested"] == plain
    for region in ("whole tumour", "tumour core"):
        assert value(rows, "DSC", "nested", region) == (1, "ok")
        assert value(rows, "HD95", "nested", region) == (0, "ok")
    assert value(rows, "DSC", name="necrotic core")[0] == 0
    without = np.where(labels == 2, 0, labels)
    rows = score_case(one_hot(without, 4), labels, (1, 1, 2), names, EvaluationConfig(), nested=nested).rows
    assert value(rows, "DSC", "nested", "tumour core")[0] == 1
    assert value(rows, "DSC", "nested", "whole tumour")[0] == pytest.approx(2 * 216 / (216 + 224))
    rows = score_case(one_hot(labels * 0, 4), labels, (1, 1, 2), names, EvaluationConfig(), nested=nested).rows
    assert value(rows, "HD95", "nested", "tumour core")[1] == "missed"


def false_structure(reference):
    """Probabilities of a prediction with a structure that the reference, given back, has not."""
    return one_hot(reference, 3), np.where(reference == 2, 0, reference)


@pytest.mark.parametrize(("spurious", "priced"), [("left_out", False), ("priced", True)])
def test_a_false_structure_costs_what_the_settings_say(reference, spurious, priced):
    probabilities, without = false_structure(reference)
    diagonal = np.linalg.norm([12, 12, 24])
    nested = {"whole": (1, 2), "small": (2,)}
    rows = score_case(
        probabilities, without, (1, 1, 2), ("a", "b"), EvaluationConfig(spurious=spurious), nested=nested
    ).rows
    for protocol, name in (("paper", "b"), ("nested", "small")):
        for metric in ("HD95", "ASD"):
            number, status = value(rows, metric, protocol, name)
            assert status == "spurious"
            assert number == pytest.approx(diagonal) if priced else np.isnan(number)
        assert value(rows, "DSC", protocol, name) == (0, "spurious")
    assert value(rows, "HD95", "paper", "a") == (0, "ok")


def test_brats_prices_a_false_structure_whatever_the_settings_say(reference):
    probabilities, without = false_structure(reference)
    settings = EvaluationConfig(scorers=("segmentation", "brats"))
    nested = {"whole": (1, 2)}
    rows = score_case(probabilities, without, (1, 1, 2), ("a", "b"), settings, nested=nested).rows
    assert value(rows, "HD95", "brats", "b") == (pytest.approx(np.linalg.norm([12, 12, 24])), "spurious")
    assert np.isnan(value(rows, "HD95", "paper", "b")[0])
    assert {row["class"] for row in rows if row["protocol"] == "brats"} == {"a", "b", "whole"}
    same = score_case(probabilities, reference, (1, 1, 2), ("a", "b"), settings).rows
    for metric in ("DSC", "HD95", "ASD", "NSD"):
        assert value(same, metric, "brats", "b") == value(same, metric, "paper", "b")


def test_the_price_enters_the_identity_only_where_it_is_asked_for():
    assert "spurious" not in EvaluationConfig().model_dump()
    assert EvaluationConfig(spurious="priced").model_dump()["spurious"] == "priced"
