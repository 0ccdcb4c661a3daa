"""A condition with samples: a network from outside code draws several predictions of each image; they are scored."""

import json

import numpy as np
import pytest
import torch
from studies import tiny

from spectralcal.engine.predict import predict_probabilities
from spectralcal.jobs import cells, steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.collect import read_scores
from spectralcal.jobs.trained import trained_network
from spectralcal.scoring.samples import Drawn, log_mean, sample_seed, sampled
from spectralcal.study.config import InferenceConfig, parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import evaluation_identity, training_recipe
from spectralcal.study.resolved import resolve

CODE = '''
import numpy as np
import torch
from torch import nn

from spectralcal.scoring import POOLED, Scored, Scorer, row


class Drawing(nn.Module):
    """A convolution whose drawn predictions are moved by one number a class, the latent."""

    def __init__(self, in_channels, num_classes, *, spatial_dims=3):
        super().__init__()
        self.conv = (nn.Conv3d if spatial_dims == 3 else nn.Conv2d)(in_channels, num_classes, 3, padding=1)

    def forward(self, images):
        return self.conv(images)

    def draw(self, images, seed):
        latent = torch.randn(self.conv.out_channels, generator=torch.Generator().manual_seed(seed % 2**63))
        return self.conv(images) + latent.to(images.device).reshape(-1, *[1] * (images.ndim - 2))


class Spread(Scorer):
    """Largest standard deviation of a voxel's probabilities over samples, and how many samples there were."""

    needs = frozenset({"samples"})

    def case(self, prediction, case):
        assert prediction.samples.shape[1:] == prediction.probabilities.shape
        spread, count = prediction.samples.std(0).max(), len(prediction.samples)
        return Scored([row(POOLED, "spread", "samples", spread), row(POOLED, "count", "samples", count)])
'''
NETWORK = "drawing_package:Drawing"
DRAWN, PLAIN = Cell("phantom", "drawing", "ce", 0), Cell("phantom", "unet", "ce", 0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of a network that draws and of one that does not, both trained and scored with four samples."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "drawing_package.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        config = parse_config(
            tiny(
                folder,
                architectures={"drawing": {"network": NETWORK}, "unet": {"options": {"channels": [4, 8, 8]}}},
                experiments={"main": {"datasets": ["phantom"], "architectures": ["drawing", "unet"],
                                      "methods": ["ce"], "seeds": [0]}},
                evaluation={"scorers": ["segmentation", "calibration", "spectra", "drawing_package:Spread"],
                            "conditions": {"drawn": {"samples": 4}, "two": {"samples": 2}}},
            ),
            "study.yaml",
        )  # fmt: skip
        steps.prepare_step(config, "phantom")
        steps.split_step(config, "phantom")
        for cell in (DRAWN, PLAIN):
            cells.train_cell(config, cell)
            for condition in ("test", "drawn"):
                cells.evaluate_cell(config, cell, condition)
        yield config


def scores(study, cell, condition, metric):
    table = read_scores(StudyPaths(study).cell(cell, condition).cases).to_pandas()
    return table[table.metric == metric].set_index(["case", "class", "protocol"]).value


def test_a_scorer_of_samples_sees_them_all_and_is_left_out_where_there_are_none(study):
    assert set(scores(study, DRAWN, "drawn", "count")) == {4.0}
    assert (scores(study, DRAWN, "drawn", "spread") > 0.01).all()
    assert scores(study, DRAWN, "test", "count").empty


def test_a_network_that_draws_nothing_is_scored_as_ever_and_the_record_says_so(study):
    assert np.allclose(scores(study, PLAIN, "drawn", "spread"), 0)
    assert scores(study, PLAIN, "drawn", "DSC").equals(scores(study, PLAIN, "test", "DSC"))
    records = [json.loads(StudyPaths(study).cell(cell, "drawn").evaluation.read_text()) for cell in (DRAWN, PLAIN)]
    assert [(record["samples"], record["drawn"]) for record in records] == [(4, True), (4, False)]


def predictions(study, case, count, overlap=0.5, patch=(16, 16, 16)):
    network = trained_network(resolve(study, DRAWN), 1)
    place = {"device": torch.device("cpu"), "precision": "fp32"}
    inference = InferenceConfig(overlap=overlap)
    return sampled(network.model, case, patch, inference, count, **place), network.model, inference, place


def test_a_sample_is_one_prediction_of_the_whole_volume_and_the_mean_is_theirs(study):
    case = load_data(study, "phantom").scored[0]
    prediction, network, inference, place = predictions(study, case, 3, patch=(8, 8, 8))
    assert len(np.unique(prediction.samples[:, 0].reshape(3, -1).mean(1))) == 3
    for number, sample in enumerate(prediction.samples):
        # The seed alone decides what is drawn.
        drawn = predict_probabilities(
            Drawn(network, sample_seed(case.id, number)), case.image(), (8, 8, 8), inference, **place
        )
        assert np.allclose(sample, drawn, atol=1e-6)
    assert np.allclose(prediction.probabilities, prediction.samples.mean(0))
    fewer, *_ = predictions(study, case, 2, patch=(8, 8, 8))
    assert np.array_equal(fewer.samples, prediction.samples[:2])


def test_all_windows_of_a_sample_share_what_was_drawn(study):
    case = load_data(study, "phantom").scored[0]
    prediction, network, inference, place = predictions(study, case, 1, overlap=0, patch=(8, 8, 8))
    plain = predict_probabilities(network, case.image(), (8, 8, 8), inference, **place).numpy()
    # Without overlap a voxel has one window: the latent is what its logits differ by, up to one number for all classes.
    moved = np.log(prediction.samples[0]) - np.log(plain)
    moved -= moved[:1]
    assert np.allclose(moved, moved.reshape(len(moved), -1)[:, 0].reshape(-1, 1, 1, 1), atol=1e-3)
    assert np.abs(moved).max() > 0.1


def test_the_logits_of_several_predictions_are_those_of_their_mean_probability():
    logits = [torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 3, 4, 5))) for seed in range(5)]
    mean = torch.stack([one.softmax(1) for one in logits]).mean(0)
    assert torch.allclose(log_mean(logits).softmax(1), mean)
    assert torch.equal(log_mean(logits[:1]), logits[0])


def test_the_number_of_samples_identifies_scores_and_no_weights(study):
    drawn, two, plain = (evaluation_identity(resolve(study, DRAWN, name)) for name in ("drawn", "two", "test"))
    assert drawn["condition"] != two["condition"]
    assert "condition" not in plain
    assert drawn["condition"]["numerics"] == {"samples": 1}
    assert len({training_recipe(resolve(study, DRAWN, name)) for name in ("drawn", "two", "test")}) == 1
