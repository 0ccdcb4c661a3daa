"""What scorers are given and must give: one view of a case for all, one pool, and no case too many in memory."""

import numpy as np
import pytest

from spectralcal.base.errors import ResultError
from spectralcal.datasets import DataFacts
from spectralcal.scoring import Prediction, Scored, ScoredCase, Scorer, row
from spectralcal.scoring.gather import ScorerPool
from spectralcal.scoring.load import load_scorers
from spectralcal.scoring.score import score_prediction
from spectralcal.study.config import SCORERS, EvaluationConfig


def seen(posterior=None):
    reference = np.zeros((8, 8), np.uint8)
    reference[2:5, 3:6] = 1
    return ScoredCase(
        reference, (1.0, 1.0), DataFacts(("organ",), 2, "mm", ()), EvaluationConfig(), posterior=posterior
    )


def predicted(asked):
    def probabilities():
        asked.append(1)
        share = np.linspace(0.05, 0.95, 64, dtype=np.float32).reshape(8, 8)
        return np.stack([1 - share, share])

    return Prediction(probabilities)


def test_the_prediction_is_made_once_for_all_scorers_and_not_at_all_for_none():
    asked = []
    prediction = predicted(asked)
    score_prediction({}, prediction, seen())
    assert asked == []
    without_network = {name: each for name, each in load_scorers(SCORERS).items() if name != "spectra"}
    score_prediction(without_network, prediction, seen())
    assert asked == [1]


def test_what_needs_a_posterior_is_silent_where_there_is_none():
    scorers = load_scorers(["truth"])
    assert score_prediction(scorers, predicted([]), seen()).rows == []
    posterior = np.full((2, 8, 8), 0.5)
    protocols = [each["protocol"] for each in score_prediction(scorers, predicted([]), seen(posterior)).rows]
    assert protocols == ["truth", "truth", "truth-boundary", "truth-boundary"]


def test_each_default_scorer_says_the_same_alone_as_among_the_others():
    names = [name for name in SCORERS if name != "spectra"]
    together = score_prediction(load_scorers(names), predicted([]), seen()).by_scorer
    for name in names:
        alone = score_prediction(load_scorers([name]), predicted([]), seen()).by_scorer[name]
        np.testing.assert_equal(list(alone.rows), list(together[name].rows))
        np.testing.assert_equal(dict(alone.arrays), dict(together[name].arrays))


class Count:
    def __init__(self, number):
        self.number = number

    def merge(self, other):
        self.number += other.number


def test_parts_are_merged_in_the_order_of_the_cases_and_arrays_stacked():
    pool = ScorerPool(3)
    for number in (1, 2, 4):
        pool.add("own", Scored(arrays={"n": np.array(number)}, parts={"sum": Count(number)}))
    assert pool.parts["sum"].number == 7
    np.testing.assert_array_equal(pool.arrays()["n"], [1, 2, 4])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"n": np.zeros(3)}, r"'own': n: expected shape \(2,\) as before, got \(3,\)"),
        ({}, r"'own': expected the arrays \['n'\] in every case, returned \[\]"),
        ({"m": np.zeros(2)}, r"'own': expected the arrays \['n'\] in every case, returned \['m'\]"),
    ],
)
def test_a_case_with_other_arrays_is_refused(arrays, message):
    pool = ScorerPool(2)
    pool.add("own", Scored(arrays={"n": np.zeros(2)}))
    with pytest.raises(ResultError, match=message):
        pool.add("own", Scored(arrays=arrays))


def test_two_scorers_cannot_give_one_score():
    class Twice(Scorer):
        def case(self, prediction, case):
            return Scored([row("organ", "DSC", "paper", 1.0)])

    scorers = {**load_scorers(["segmentation"]), "twice": Twice()}
    with pytest.raises(ResultError, match=r"'segmentation' and 'twice' give two scores of one name .*DSC"):
        score_prediction(scorers, predicted([]), seen())


def test_the_order_of_a_list_changes_nothing_and_a_name_stands_once():
    default = EvaluationConfig(scorers=tuple(reversed(SCORERS)))
    assert default == EvaluationConfig()
    assert "scorers" not in default.model_dump()
    further = EvaluationConfig(scorers=("a.b:C", "spectra", "segmentation"))
    assert further.scorers == ("segmentation", "spectra", "a.b:C")
    assert further.model_dump()["scorers"] == further.scorers
    with pytest.raises(ValueError, match="expected each scorer once"):
        EvaluationConfig(scorers=("spectra", "spectra"))
