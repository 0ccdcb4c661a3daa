"""Golden values of the engine see changes of a percent or two, another stream, another rule."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from golden.mutation import Mutation, moved, through, value

import spectralcal.data.splits as splits
import spectralcal.engine.ensemble as together
import spectralcal.engine.fit_post_hoc as calibrate
import spectralcal.engine.objective as objective
import spectralcal.engine.patches as patches
import spectralcal.engine.predict as predict
import spectralcal.engine.trainer as train
import spectralcal.preparation._case as case
import spectralcal.preparation.intensity as intensity
import spectralcal.preparation.resample as resample
import spectralcal.probes.maps as maps
import spectralcal.scorers.calibration as calibration
import spectralcal.scorers.segmentation as segmentation
import spectralcal.scoring.contract as contract
import spectralcal.scoring.hotspots as hotspots
import spectralcal.transforms.blur as blur
import spectralcal.transforms.gamma as gamma
import spectralcal.transforms.intensity as augment
from golden import ensemble, posthoc, prediction, preparation, scoring, seen_cases, split, training
from spectralcal.metrics import PROTOCOLS, CalibrationHistogram
from spectralcal.preparation import crop

ADAMW, CRAC, BEST, DEEP = "ce, adamw", "crac, sgd", "ce, best by validation", "ce, deep supervision"


def run(name):
    return partial(training.trained, (name,))


def scenes():
    return {name: scoring.scored(name) for name in scoring.SCENES}


def multiplier_batches(change):
    """What the training of a cell says when it makes a sampler of validation patches, changed."""

    def mutate(patch):
        plain = patches.PatchSampler.__init__

        def init(self, cases, size, batch_size, share, stream):
            if stream[0] == "validation":
                share, stream = change(share, stream)
            plain(self, cases, size, batch_size, share, stream)

        patch.setattr(patches.PatchSampler, "__init__", init)

    return mutate


def other_stream(plain, *parts):
    return plain("other", *parts)


def sixteen_bins(patch):
    patch.setattr(calibration, "CalibrationHistogram", partial(CalibrationHistogram, bins=16))
    for name, protocol in PROTOCOLS.items():
        patch.setitem(PROTOCOLS, name, replace(protocol, bins=16))


def mean_logarithms(patch):
    """The geometric mean, which is what averaged logits give, instead of the arithmetic one."""
    patch.setattr(
        together.Ensemble,
        "forward",
        lambda self, x: torch.stack([member(x) for member in self.members]).mean(0).log_softmax(1),
    )


def less_sure(patch):
    plain = torch.log_softmax
    patch.setattr(together.torch, "log_softmax", lambda logits, dim: plain(0.99 * logits, dim))


def shifted_starts(plain, size, window, overlap):
    first, *middle = plain(size, window, overlap)
    return [first, *(start - 1 for start in middle[:-1]), *middle[-1:]]


def without_weight_decay(plain, model, settings):
    return plain(model, settings.model_copy(update={"weight_decay": 0.0}))


def without_nesterov(plain, model, settings):
    return torch.optim.SGD(
        model.parameters(), settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    )


def sample_deviation(plain, channel, clip, method, **options):
    shift, scale = plain(channel, clip, method, **options)
    return shift, scale * (channel.size / (channel.size - 1)) ** 0.5


def best_case(plain, scores):
    return scores.sort_values("value").case.tolist()[-1]


FOREGROUND = multiplier_batches(lambda share, stream: (0.0, stream))
STREAM = multiplier_batches(lambda share, stream: (share, ("other", *stream)))

MUTATIONS = {
    "blur 2 % wider": Mutation(
        "training",
        training.computed,
        through(blur, "gaussian_blur", lambda plain, image, sigma: plain(image, 1.02 * sigma)),
    ),
    "gamma about a mean 0.001 higher": Mutation(
        "training",
        training.computed,
        through(gamma, "gamma_transform", lambda plain, image, gamma: plain(image, gamma) + 0.001),
    ),
    "another stream of augmentations": Mutation(
        "training", training.drawn, through(augment, "stream_seed", other_stream)
    ),
    "another stream of patches": Mutation("training", training.drawn, through(patches, "stream_seed", other_stream)),
    "another stream of dropout": Mutation("training", run(ADAMW), through(train, "stream_seed", other_stream)),
    "weight decay left out": Mutation("training", run(ADAMW), through(train, "build_optimizer", without_weight_decay)),
    "momentum without Nesterov": Mutation("training", run(CRAC), through(train, "build_optimizer", without_nesterov)),
    "schedule one step behind": Mutation(
        "training",
        run(CRAC),
        through(train, "learning_rate", lambda plain, settings, step: plain(settings, max(step - 1, 0))),
    ),
    "gradients clipped at a norm 2 % higher": Mutation(
        "training",
        run(BEST),
        through(train.nn.utils, "clip_grad_norm_", lambda plain, weights, limit: plain(weights, 1.02 * limit)),
    ),
    "coarse heads 1 % heavier": Mutation(
        "training",
        run(DEEP),
        through(
            objective, "auxiliary_terms", lambda plain, *args: {key: 1.01 * term for key, term in plain(*args).items()}
        ),
    ),
    "foreground share of multiplier batches": Mutation("training", run(CRAC), FOREGROUND),
    "stream of multiplier batches": Mutation("training", run(CRAC), STREAM),
    "selection by other windows": Mutation(
        "training",
        run(BEST),
        through(predict, "window_starts", lambda plain, size, window, overlap: plain(size, window, 0.5)),
    ),
    "windows that start elsewhere": Mutation(
        "prediction", prediction.values, through(predict, "window_starts", shifted_starts)
    ),
    "blending 5 % narrower": Mutation("prediction", prediction.values, value(predict, "SIGMA", 0.95 * predict.SIGMA)),
    "sixteen bins": Mutation("scoring", scenes, sixteen_bins),
    "distances without spacing": Mutation(
        "scoring",
        scenes,
        through(
            segmentation,
            "surface_distances_by_label",
            lambda plain, first, second, labels, spacing: plain(first, second, labels, (1.0,) * first.ndim),
        ),
    ),
    "a boundary of 3.4 mm": Mutation("scoring", scenes, value(contract, "BOUNDARY_MM", 3.4)),
    "post-hoc voxels of another stream": Mutation(
        "post-hoc fit", posthoc.fit_values, through(calibrate, "stream_seed", other_stream)
    ),
    "2 % fewer post-hoc voxels": Mutation(
        "post-hoc fit", posthoc.fit_values, value(calibrate, "VOXELS_PER_CASE", 49_000)
    ),
    "an ensemble of mean logarithms": Mutation("ensemble", ensemble.values, mean_logarithms),
    "members 1 % less sure": Mutation("ensemble", ensemble.values, less_sure),
    "deviation of a sample": Mutation(
        "preparation", preparation.values, through(intensity, "_statistics", sample_deviation)
    ),
    "a box one voxel larger": Mutation(
        "preparation",
        preparation.values,
        through(crop, "nonzero_box", lambda plain, image: ((0, plain(image)[0][1]), *plain(image)[1:])),
    ),
    "corners aligned": Mutation(
        "preparation",
        preparation.values,
        through(resample, "_linear", lambda plain, old, new: (*plain(old, new)[:2], torch.linspace(0, 1, new))),
    ),
    "foreground drawn by another name": Mutation(
        "preparation",
        preparation.values,
        through(case, "foreground_voxels", lambda plain, label, samples, name: plain(label, samples, name + "x")),
    ),
    "patients shuffled by another seed": Mutation(
        "split", split.values, through(splits, "draw", lambda plain, seed, name: plain(seed + 1, name))
    ),
    "the best case instead of the median": Mutation(
        "probes/maps", partial(seen_cases.values, "maps"), through(maps, "median_case", best_case)
    ),
    "hotspots from 0.33 cycles on": Mutation(
        "probes/hotspots",
        partial(seen_cases.values, "hotspots"),
        through(hotspots, "baseline_of", lambda plain, *arguments: plain(*arguments, 0.33)),
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_small_change_is_seen(name, monkeypatch):
    assert MUTATIONS[name].moved(monkeypatch)


@pytest.mark.parametrize("change", [FOREGROUND, STREAM])
def test_multiplier_batches_are_seen_in_the_numbers_of_a_training_too(change, monkeypatch):
    names = {each.name for each in Mutation("training", run(CRAC), change).moved(monkeypatch)}
    assert any(name.startswith(f"{CRAC}/batches") for name in names)
    assert any(name.startswith(f"{CRAC}/history/multiplier_mean") for name in names)
    assert any(name.startswith(f"{CRAC}/history/loss_constraint") for name in names)


def test_after_all_these_everything_is_as_recorded():
    assert moved("training", run(CRAC)) == []
    assert moved("prediction", prediction.values) == []
    assert moved("scoring", scenes) == []
