"""Scores that the second paper prints, against definitions written out here and limit cases."""

import numpy as np
import pytest

from spectralcal.datasets import DataFacts
from spectralcal.papers.spectral_correlation.scorers.agreement import Agreement
from spectralcal.papers.spectral_correlation.scorers.confidence import Confidence
from spectralcal.papers.spectral_correlation.scorers.overlap import POOL, Overlap
from spectralcal.papers.spectral_correlation.scorers.transunet import TransUNetConvention
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.study.config import EvaluationConfig

CLASSES = ("large", "small")


def case(reference):
    facts = DataFacts(CLASSES, reference.ndim, "px", ("grey",))
    return ScoredCase(reference, (1.0,) * reference.ndim, facts, EvaluationConfig())


def prediction(probabilities):
    return Prediction(lambda: np.asarray(probabilities, np.float32))


def sure(labels, certainty=1.0):
    """Probabilities of the labels, `certainty` for each and the rest shared."""
    one_hot = np.moveaxis(np.eye(3)[labels], -1, 0)
    return certainty * one_hot + (1 - certainty) * (1 - one_hot) / 2


def values(scored, protocol="paper"):
    return {(row["class"], row["metric"]): row["value"] for row in scored.rows if row["protocol"] == protocol}


@pytest.fixture
def reference():
    labels = np.zeros((24, 20), np.uint8)
    labels[2:10, 3:12] = 1
    labels[14:16, 5:7] = labels[18:20, 14:16] = labels[16:18, 7:9] = 2  # the last touches the first by a corner
    return labels


@pytest.fixture
def predicted(reference):
    labels = np.roll(reference, 2, 1)
    labels[18:20, 16:18] = 0
    return labels


def test_shares_of_the_confusion_matrix(reference, predicted):
    found = values(Overlap().case(prediction(sure(predicted)), case(reference)))
    for label, name in enumerate(CLASSES, start=1):
        p, r = predicted == label, reference == label
        tp, fp, fn, tn = (p & r).sum(), (p & ~r).sum(), (~p & r).sum(), (~p & ~r).sum()
        assert found[name, "IOU"] == tp / (tp + fp + fn)
        assert found[name, "SE"] == tp / (tp + fn)
        assert found[name, "SP"] == tn / (tn + fp)
        assert found[name, "ACC"] == (tp + tn) / p.size
    assert found["all", "objects"] == 3
    assert found["all", "structures"] == 2


def test_a_pool_is_one_matrix_of_all_cases(reference, predicted):
    scorer = Overlap()
    empty = np.zeros_like(reference)
    parts = [scorer.case(prediction(sure(p)), case(r)) for p, r in ((predicted, reference), (reference, empty))]
    arrays = {name: np.stack([part.arrays[name] for part in parts]) for name in parts[0].arrays}
    pooled = scorer.pool({}, arrays)
    found = values(pooled, POOL)
    both, present = np.concatenate([predicted, reference]) == 1, np.concatenate([reference, empty]) == 1
    assert found["large", "IOU"] == (both & present).sum() / (both | present).sum()
    assert found["large", "DSC"] == 2 * (both & present).sum() / (both.sum() + present.sum())
    assert pooled.arrays["counts"].shape == (2, 2, 4)


def test_what_is_in_neither_is_absent(reference):
    only = np.where(reference == 1, 1, 0).astype(np.uint8)
    rows = Overlap().case(prediction(sure(only)), case(only)).rows
    absent = {(row["class"], row["metric"]) for row in rows if row["status"] == "absent"}
    assert absent == {("small", "IOU"), ("small", "SE")}
    assert all(np.isnan(row["value"]) == (row["status"] == "absent") for row in rows)


def test_the_convention_on_what_is_missed(reference):
    nothing = np.zeros_like(reference)
    scorer = TransUNetConvention()

    def of(p, r):
        return values(scorer.case(prediction(sure(p)), case(r)), "transunet")

    assert of(nothing, reference) == {(name, metric): 0.0 for name in CLASSES for metric in ("DSC", "HD95")}
    assert of(nothing, nothing)["large", "DSC"] == 0  # absent and not predicted
    assert of(reference, nothing)["large", "DSC"] == 1  # predicted and absent
    assert of(reference, nothing)["large", "HD95"] == 0
    assert of(reference, reference)["small", "DSC"] == 1
    moved = of(np.roll(reference, 3, 1), reference)["large", "HD95"]
    assert moved == 3  # pixels, whatever the spacing


def test_confidence_and_its_readings(reference, predicted):
    found = Confidence().case(prediction(sure(predicted, 0.9)), case(reference))
    own, right = values(found), predicted == reference
    for name in ("confidence", "confidence_right", "confidence_wrong"):
        assert own["all", name] == pytest.approx(0.9, abs=1e-6)
    assert own["all", "sure"] == 0
    missing = np.where(right, 0.1, 0.95)  # 1 - probability of the true class
    inside = reference != 0
    pair = missing[inside].mean(), missing[~inside].mean()
    two = values(found, "two_classes")
    assert two["all", "ECE"] == pytest.approx(np.mean(pair), abs=1e-6)
    assert two["all", "MCE"] == pytest.approx(max(pair), abs=1e-6)
    pair = (~right)[predicted != 0].mean(), (~right)[predicted == 0].mean()
    bins = values(found, "two_bins")
    assert (bins["all", "ECE"], bins["all", "MCE"]) == (pytest.approx(np.mean(pair)), pytest.approx(max(pair)))
    share, truth = np.where(predicted != 0, 0.95, 0.1), inside
    gaps = {value: abs(value - truth[share == value].mean()) for value in (0.95, 0.1)}
    weights = {value: (share == value).mean() for value in gaps}
    positive = values(found, "positive")
    assert positive["all", "ECE"] == pytest.approx(sum(gaps[v] * weights[v] for v in gaps), abs=1e-6)
    assert positive["all", "MCE"] == pytest.approx(max(gaps.values()), abs=1e-6)


def test_a_perfect_network_has_no_error_in_any_reading(reference):
    found = Confidence().case(prediction(sure(reference)), case(reference))
    assert all(row["value"] == 0 for row in found.rows if row["metric"] in ("ECE", "MCE"))
    wrong = next(row for row in found.rows if row["metric"] == "confidence_wrong")
    assert (wrong["status"], np.isnan(wrong["value"])) == ("undefined", True)


def test_ratio_of_two_numbers_is_at_most_two(reference, predicted):
    found = Confidence().case(prediction(sure(predicted, 0.8)), case(reference))
    for protocol in ("two_classes", "two_bins"):
        two = values(found, protocol)
        assert 1 <= two["all", "MCE"] / two["all", "ECE"] <= 2


def test_agreement_is_one_with_oneself_and_blind_to_shifts_only_without_phase(reference):
    same = values(Agreement().case(prediction(sure(reference)), case(reference)))
    assert all(value == pytest.approx(1, abs=1e-5) for value in same.values())
    moved = values(Agreement().case(prediction(sure(np.roll(reference, 5, 0))), case(reference)))
    assert moved["large", "spectral_correlation"] == pytest.approx(1, abs=1e-5)
    assert moved["large", "coherence_middle"] < 0.9


def test_agreement_of_a_volume_is_the_mean_of_its_slices(reference):
    other = np.where(np.roll(reference, 1, 0) == 1, 1, 0).astype(np.uint8)
    volume, guess = np.stack([reference, other, np.zeros_like(other)], -1), np.stack([reference] * 3, -1)
    whole = values(Agreement().case(prediction(sure(guess)), case(volume)))
    flat = [values(Agreement().case(prediction(sure(reference)), case(each))) for each in (reference, other)]
    for metric in ("spectral_correlation", "coherence_high"):
        assert whole["large", metric] == pytest.approx(np.mean([one["large", metric] for one in flat]), abs=1e-5)
        assert whole["small", metric] == pytest.approx(flat[0]["small", metric], abs=1e-5)
