"""The loss under MONAI's names, and inside MONAI's own wrappers."""

from __future__ import annotations

import warnings

import monai.losses
import pytest
import torch
from monai.data import MetaTensor

from spectralcal.base import registry
from spectralcal.integrations.monai import CalibrationMetric, DeepSupervisionLoss, MonaiLoss
from spectralcal.losses import CrossEntropyLoss, SpectralEntropyCELoss, SquaredDiceLoss
from spectralcal.metrics import CalibrationHistogram

NAMES = registry.names("losses")
TYPES = (torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64)


def heads(classes=2):
    generator = torch.Generator().manual_seed(0)
    logits = [torch.randn((2, classes, n, n, n), generator=generator) for n in (16, 12, 8)]
    target = torch.randint(0, classes, (2, 1, 4, 4, 4), generator=generator)
    for axis in (2, 3, 4):
        target = target.repeat_interleave(4, axis)
    return logits, target


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fewer bands for small heads
        yield


@pytest.mark.parametrize("name", NAMES)
def test_deep_supervision_takes_labels_of_every_type(name):
    logits, target = heads()

    def loss(wrapper, labels):
        return wrapper(registry.load("losses", name)())(logits, labels)

    expected = loss(monai.losses.DeepSupervisionLoss, target.to(torch.uint8))
    assert torch.isfinite(expected)
    assert torch.equal(loss(monai.losses.DeepSupervisionLoss, target.float()), expected)
    channels = torch.cat([target == 0, target == 1], 1)
    assert torch.equal(loss(monai.losses.DeepSupervisionLoss, channels.float()), expected)
    for kind in TYPES:
        assert torch.equal(loss(DeepSupervisionLoss, target.to(kind)), expected)
        assert torch.equal(loss(DeepSupervisionLoss, channels.to(kind)), expected)
    assert torch.equal(loss(DeepSupervisionLoss, target[:, 0]), expected)


@pytest.mark.parametrize("name", NAMES)
def test_monais_loader_gives_float_meta_tensors(name):
    logits, target = heads(3)
    make = registry.load("losses", name)
    expected = make()(logits[0], target)
    value = MonaiLoss(make(), softmax=True, to_onehot_y=True)(
        input=MetaTensor(logits[0]), target=MetaTensor(target.float())
    )
    assert type(value) is torch.Tensor
    assert torch.equal(value, expected)
    mask = torch.rand(target.shape) < 0.5
    assert torch.equal(MonaiLoss(make(), softmax=True)(logits[0], target, mask), make()(logits[0], target, mask))


def test_multi_label_means_what_it_means_in_monai():
    logits, target = heads(3)
    loss = MonaiLoss(SquaredDiceLoss(base="none", weight=1, eps=1e-5), sigmoid=True, to_onehot_y=True)
    theirs = monai.losses.DiceLoss(
        sigmoid=True, to_onehot_y=True, squared_pred=True, smooth_nr=1e-5, smooth_dr=1e-5
    )  # fmt: skip
    torch.testing.assert_close(loss(logits[0], target), theirs(logits[0], target))
    loss = MonaiLoss(SquaredDiceLoss(base="none", weight=1, eps=1e-5), False, True, sigmoid=True)
    theirs.include_background = False
    torch.testing.assert_close(loss(logits[0], target), theirs(logits[0], target))
    marked = torch.where(torch.rand(target.shape) < 0.5, 255, target)
    loss = MonaiLoss(CrossEntropyLoss(ignore_index=255), sigmoid=True, to_onehot_y=True)
    answers = torch.cat([marked == c for c in range(3)], 1).float()
    voxels = torch.nn.functional.binary_cross_entropy_with_logits(logits[0], answers, reduction="none")
    kept = (marked != 255).expand_as(voxels)
    torch.testing.assert_close(loss(logits[0], marked), voxels[kept].mean())


def test_softmax_dice_without_background_is_monais():
    logits, target = heads(3)
    for background in (True, False):
        loss = MonaiLoss(SquaredDiceLoss(base="none", weight=1, eps=1e-5), background, True, softmax=True)
        if background:
            loss.loss.include_background = True
        theirs = monai.losses.DiceLoss(
            softmax=True, to_onehot_y=True, squared_pred=True, include_background=background, smooth_nr=1e-5,
            smooth_dr=1e-5,
        )  # fmt: skip
        torch.testing.assert_close(loss(logits[0], target), theirs(logits[0], target))


def test_what_it_cannot_do_is_said():
    with pytest.raises(ValueError, match=r"softmax=True or sigmoid=True.*logits"):
        MonaiLoss(CrossEntropyLoss())
    with pytest.raises(ValueError, match="include_background: expected True for CrossEntropyLoss"):
        MonaiLoss(CrossEntropyLoss(), include_background=False, softmax=True)
    assert MonaiLoss(SpectralEntropyCELoss(reduction="sum"), softmax=True).reduction == "sum"


@pytest.mark.parametrize("measure", ["ece", "mce", "sce", "ace"])
def test_the_metric_has_the_histograms_values(measure):
    pooled = CalibrationMetric(3, measure, ignore_index=255)
    cases = CalibrationMetric(3, measure, "case", ignore_index=255)
    whole, values = CalibrationHistogram(3), []
    with pytest.raises(ValueError, match="at least one batch"):
        pooled.aggregate()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        probabilities = torch.randn((2, 3, 10, 9), generator=generator).softmax(1)
        target = torch.randint(0, 3, (2, 1, 10, 9), generator=generator)
        target[torch.rand(target.shape, generator=generator) < 0.2] = 255
        for metric in (pooled, cases):
            metric(y_pred=MetaTensor(probabilities), y=target.float())
        whole.update(probabilities, target, ignore_index=255)
        pair = (probabilities, target)
        cases_alone = [CalibrationHistogram(3).update(p, y, ignore_index=255) for p, y in zip(*pair, strict=True)]
        values += [getattr(case, measure)() for case in cases_alone]
    assert float(pooled.aggregate()) == pytest.approx(getattr(whole, measure)(), rel=1e-9)
    assert float(cases.aggregate()) == pytest.approx(sum(values) / len(values), rel=1e-9)
    pooled.reset()
    with pytest.raises(ValueError, match="at least one batch"):
        pooled.aggregate()
    cases(y_pred=probabilities, y=torch.full((2, 1, 10, 9), 255))  # nothing to see: left out of the mean
    assert float(cases.aggregate()) == pytest.approx(sum(values) / len(values), rel=1e-9)
    with pytest.raises(ValueError, match="measure: expected one of ece"):
        CalibrationMetric(3, "accuracy")
