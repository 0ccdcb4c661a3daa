"""Scoring of many images: the same arrays as from histograms that are all kept, and memory that is not theirs."""

import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from spectralcal.datasets import DataFacts
from spectralcal.engine import fit_post_hoc as fitting
from spectralcal.engine.predict import predict_probabilities
from spectralcal.metrics import PROTOCOLS, CalibrationHistogram
from spectralcal.scorers.calibration import SCORED, calibration_rows
from spectralcal.scorers.spectra import Spectra
from spectralcal.scoring.contract import Prediction, ScoredCase
from spectralcal.scoring.evaluate import POOL, evaluate_cases
from spectralcal.scoring.gather import CaseArrays, ScoreRows
from spectralcal.scoring.patch import patch_logits
from spectralcal.scoring.score import score_case
from spectralcal.study.config import EvaluationConfig, InferenceConfig

CPU = torch.device("cpu")
CLASSES = ("organ", "lesion")
FACTS = DataFacts(CLASSES, 2, "mm", ("image",))
PATCH = (24, 24)


class Image(SimpleNamespace):
    """A prepared 2-D case in memory: a disc in a square, and noise; the first of five has background only."""

    def __init__(self, number, size=24):
        random = np.random.default_rng(number)
        label = np.zeros((size, size), np.uint8)
        if number % 5:
            label[4:16, 5:15] = 1
            label[7:10, 8 : 9 + number % 4] = 2
        shape = label.shape
        super().__init__(
            id=f"image{number}", patient=f"patient{number // 2}", shape=shape, original_shape=shape,
            spacing_mm=(1.0, 1.0), original_spacing_mm=(1.0, 1.0), crop=((0, size), (0, size)), _label=label,
            _image=(label + random.normal(0, 0.4, shape)).astype(np.float32)[None],
        )  # fmt: skip

    def image(self):
        return self._image

    def label(self):
        return self._label

    reference = label

    def foreground(self):
        return np.column_stack([self._label[self._label > 0], np.argwhere(self._label)]).astype(np.int32)

    def posterior(self):
        return None


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1)).eval()


def scored(network, cases, **options):
    settings = InferenceConfig(), EvaluationConfig()
    return evaluate_cases(network, cases, FACTS, PATCH, *settings, device=CPU, precision="fp32", **options)


def test_arrays_and_rows_are_those_of_histograms_that_are_all_kept(network):
    """The pool is merged and the bins are stacked at the end, from lists of all cases, as it was done at first."""
    cases = [Image(number) for number in range(12)]
    found = scored(network, cases)
    rows, histograms, bands, spectra = [], [], [], []
    for case in cases:
        probabilities = predict_probabilities(
            network, case.image(), PATCH, InferenceConfig(), device=CPU, precision="fp32"
        )
        one = score_case(probabilities.numpy(), case.reference(), (1.0, 1.0), CLASSES, EvaluationConfig())
        rows += [{"case": case.id, "patient": case.patient, **row} for row in one.rows]
        histograms.append(one.by_scorer["calibration"].parts)
        bands.append(one.by_scorer["distance"].arrays)
        logits = patch_logits(network, case, PATCH, device=CPU, precision="fp32")
        prediction = Prediction(probabilities.numpy, lambda logits=logits: logits, case.spacing_mm)
        seen = ScoredCase(case.reference(), (1.0, 1.0), FACTS, EvaluationConfig())
        spectra.append(Spectra().case(prediction, seen).arrays)
    pools = {region: CalibrationHistogram(3) for region in SCORED}
    for case in histograms:
        for region in SCORED:
            pools[region].merge(case[region])
    for name in [name for name, protocol in PROTOCOLS.items() if protocol.aggregation == "pooled"]:
        rows += [{"case": POOL, "patient": POOL, **row} for row in calibration_rows(pools, name)]
    np.testing.assert_equal(list(found.rows), rows)  # also where a value is NaN
    assert [list(row) for row in found.rows[:3]] == [list(row) for row in rows[:3]]

    expected = {"cases": np.array([case.id for case in cases])}
    for region in SCORED:
        expected |= {f"{region}/pooled/{key}": value for key, value in pools[region].arrays().items()}
        diagrams = [[case[region].reliability(label) for label in (None, 0, 1, 2)] for case in histograms]
        for name in ("count", "confidence", "accuracy"):
            stacked = np.array([[getattr(diagram, name) for diagram in case] for case in diagrams])
            expected[f"{region}/cases/{name}"] = stacked
    expected |= {f"distance/{key}": np.stack([case[key] for case in bands]) for key in bands[0]}
    assert list(found.calibration) == [*expected, "distance/edges_mm"]
    for key, value in expected.items():
        assert found.calibration[key].dtype == value.dtype
        assert found.calibration[key].tobytes() == value.tobytes(), key
    assert list(found.spectra) == ["cases", *spectra[0]]
    for key, first in spectra[0].items():
        value = first if key == "frequency" else np.stack([one[key] for one in spectra])
        np.testing.assert_array_equal(found.spectra[key], value)


def test_no_histogram_of_a_finished_case_is_kept(network, monkeypatch):
    """One pool for each region, which those of the first case become, and the histograms of the case in work."""
    alive, most = weakref.WeakSet(), []
    original = CalibrationHistogram.__init__

    def counted(self, *arguments, **options):
        original(self, *arguments, **options)
        alive.add(self)

    monkeypatch.setattr(CalibrationHistogram, "__init__", counted)
    scored(network, [Image(number) for number in range(9)], advance=lambda case: most.append(len(alive)))
    assert most == [len(SCORED), *[2 * len(SCORED)] * 8]


def test_memory_grows_by_the_numbers_of_a_case_and_not_by_its_histograms(network):
    """Between 10 and 40 images at most 50 kB an image; the fine histograms of one take more than 2 MiB."""
    few, many = [Image(number) for number in range(10)], [Image(number) for number in range(40)]
    scored(network, few[:2])  # caches and imports
    peaks = []
    for cases in (few, many):
        tracemalloc.start()
        scored(network, cases)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (len(many) - len(few)) < 50_000


def test_rows_read_as_they_were_added():
    rows = ScoreRows()
    first = [
        {"class": "organ", "metric": "DSC", "protocol": "paper", "value": 0.1 + 0.2, "status": "ok"},
        {"class": "organ", "metric": "HD95", "protocol": "paper", "value": float("nan"), "status": "absent"},
    ]
    rows.add("a", "p", first)
    rows.add("b", "p", [first[0] | {"value": -0.0}])
    rows.add("c", "q", [])
    expected = [{"case": "a", "patient": "p", **row} for row in first]
    expected.append({"case": "b", "patient": "p", **first[0], "value": -0.0})
    assert len(rows) == 3
    np.testing.assert_equal(list(rows), expected)
    np.testing.assert_equal(rows[1:], expected[1:])
    assert rows[-1]["case"] == "b"
    assert str(rows[2]["value"]) == "-0.0"
    with pytest.raises(IndexError):
        rows[3]


def test_arrays_of_cases_keep_type_and_bits_and_refuse_another_shape():
    odd = np.array([[np.nan, -np.nan, -0.0], [np.inf, 5e-324, 1.0]])
    entries = [{"x": odd, "n": np.array(3)}, {"x": odd[:, ::-1], "n": np.array(4)}]
    found = CaseArrays(2)
    for entry in entries:
        found.append(entry)
    for key in ("x", "n"):
        stacked = np.stack([entry[key] for entry in entries])
        assert (found.arrays[key].dtype, found.arrays[key].shape) == (stacked.dtype, stacked.shape)
        assert found.arrays[key].tobytes() == stacked.tobytes()
    wrong = CaseArrays(2)
    wrong.append({"x": odd})
    with pytest.raises(ValueError, match=r"x: expected shape \(2, 3\) as before, got \(1, 3\)"):
        wrong.append({"x": odd[:1]})


class Fit:
    """A post-hoc step that keeps what it is fitted to."""

    def fit(self, logits, labels):
        self.logits, self.labels = logits, labels


def fitted(network, cases):
    step = Fit()
    fitting.fit_post_hoc(step, network, cases, PATCH, device=CPU, precision="fp32")
    return step


def test_a_fit_takes_all_voxels_of_few_cases_and_a_share_of_many(network, monkeypatch):
    cases = [Image(number) for number in range(6)]
    whole = 24 * 24
    few = fitted(network, cases)
    assert few.logits.shape == (6 * whole, 3)
    monkeypatch.setattr(fitting, "VOXELS", 6 * whole)  # just enough: the limit changes nothing
    np.testing.assert_array_equal(fitted(network, cases).logits, few.logits)
    monkeypatch.setattr(fitting, "VOXELS", 600)
    many = fitted(network, cases)
    assert many.logits.shape == (600, 3)
    assert many.labels.shape == (600,)
    known = {tuple(row) for row in few.logits[whole : 2 * whole].tolist()}
    assert {tuple(row) for row in many.logits[100:200].tolist()} <= known  # a hundred of each case
