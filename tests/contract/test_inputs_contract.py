"""One contract of inputs for every loss and every metric: forms of labels, ignored voxels, weights, reductions, types.

What a form means is compared with the plainest form of the same labels, integers without weights.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spectralcal.base import registry
from spectralcal.losses import (
    AverageCalibrationErrorLoss,
    CrossEntropyLoss,
    LabelledSpectralEntropyLoss,
    PlainLoss,
    SegmentationLoss,
    SpectralCorrelationLoss,
    SpectralEntropyLoss,
    SquaredDiceLoss,
)
from spectralcal.metrics import (
    REGIONS,
    CalibrationHistogram,
    dice,
    region_mask,
    status,
    surface_distances,
    surface_distances_by_label,
)
from spectralcal.metrics.distance_bands import band_sums, boundary_distance, signed_bands

LOSSES = {name: registry.load("losses", name) for name in registry.names("losses")} | {
    "spectral term": SpectralEntropyLoss,
    "labelled term": LabelledSpectralEntropyLoss,
    "boundary term": lambda **options: LabelledSpectralEntropyLoss(map="boundary", **options),
    "ace term": AverageCalibrationErrorLoss,
    "soft ace": lambda **options: AverageCalibrationErrorLoss(binning="soft", **options),
    "scc, high": lambda **options: SpectralCorrelationLoss(band="high", **options),
    "batch dice": lambda **options: SquaredDiceLoss(reduce="batch", base="ce_dice", **options),
}
#: a window of one batch: the loss of a call does not depend on the calls before
FIXED = {name: {"window": 1} for name in ("spectral", "spectral_labelled", "spectral term", "labelled term",
                                          "boundary term")}  # fmt: skip
#: what a voxel adds does not depend on its neighbours
LOCAL = ("ce", "focal", "ls", "mbls", "mace", "squared_dice", "scc", "ace term", "soft ace", "batch dice")
NO_SOFT_LABELS = ("boundary term", "batch dice", "ce_dice")
SHAPES = {"2d": (2, 3, 12, 13), "3d": (2, 3, 11, 10, 12)}
INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

every_loss = pytest.mark.parametrize("name", LOSSES)
both = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def make(name, **options):
    return LOSSES[name](**FIXED.get(name, {}), **options)


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator)
    logits[0] *= 3  # another spectrum and another certainty: every term has something to say
    target = torch.randint(0, shape[1], (shape[0], *[-(-s // 4) for s in shape[2:]]), generator=generator)
    for axis in range(1, target.ndim):
        target = target.repeat_interleave(4, axis).narrow(axis, 0, shape[axis + 1])
    return logits, target.contiguous()


def unlabelled(target, seed=1):
    """A third of the voxels, in a block and at random."""
    ignored = torch.rand(target.shape, generator=torch.Generator().manual_seed(seed)) < 0.2
    ignored[..., 3:5] = True
    return ignored


def one_hot(target, classes):
    return torch.nn.functional.one_hot(target, classes).movedim(-1, 1)


def value_and_gradient(loss, logits, target, *more):
    logits = logits.clone().requires_grad_()
    value = loss(logits, target, *more)
    return value.detach(), torch.autograd.grad(value.sum(), logits)[0]


def assert_same(a, b):
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])


def assert_near(a, b, rtol=1e-4):
    torch.testing.assert_close(a[0], b[0], rtol=rtol, atol=1e-6)
    torch.testing.assert_close(a[1], b[1], rtol=rtol, atol=2e-6)


@every_loss
@both
class TestLosses:
    def test_labels_mean_the_same_in_every_form(self, name, shape):
        logits, target = batch(shape)
        expected = value_and_gradient(make(name), logits, target)
        channels = one_hot(target, shape[1])
        forms = [target.to(kind) for kind in INTEGERS + FLOATS] + [target.unsqueeze(1).to(torch.float32)]
        forms += [channels.to(kind) for kind in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32)]
        for form in forms:
            assert_same(value_and_gradient(make(name), logits, form), expected)

    def test_booleans_are_the_labels_0_and_1(self, name, shape):
        logits, target = batch((shape[0], 2, *shape[2:]))
        expected = value_and_gradient(make(name), logits, target)
        assert_same(value_and_gradient(make(name), logits, target.bool()), expected)

    def test_one_sigmoid_channel_is_a_pair_of_logits(self, name, shape):
        logits, target = batch((shape[0], 2, *shape[2:]))
        single = logits[:, 1:] - logits[:, :1]
        expected, slope = value_and_gradient(make(name), torch.cat([-single / 2, single / 2], 1), target)
        for form in (target, target.float().unsqueeze(1), target.bool(), one_hot(target, 2)):
            value, gradient = value_and_gradient(make(name), single, form)
            assert torch.equal(value, expected)
            torch.testing.assert_close(gradient, (slope[:, 1:] - slope[:, :1]) / 2, rtol=1e-5, atol=1e-8)

    def test_channels_of_a_multi_label_task_are_samples_of_their_own(self, name, shape):
        logits, _ = batch(shape)
        answers = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.4
        single, flat = logits.reshape(-1, 1, *shape[2:]), answers.reshape(-1, *shape[2:])
        expected, slope = value_and_gradient(make(name), single, flat)
        for form in (answers, answers.long(), answers.float()):
            value, gradient = value_and_gradient(make(name, multilabel=True), logits, form)
            assert torch.equal(value, expected)
            assert torch.equal(gradient, slope.reshape(shape))
        mask = torch.rand(shape[0], *shape[2:], generator=torch.Generator().manual_seed(4)) < 0.5
        marked = torch.where(mask.unsqueeze(1), answers.float(), 255)
        named = value_and_gradient(make(name, multilabel=True, ignore_index=255), logits, marked)
        assert_same(named, value_and_gradient(make(name, multilabel=True), logits, answers, mask))
        assert make(name, multilabel=True, reduction="none")(logits, answers).shape == shape
        with pytest.raises(ValueError, match="multi-label"):
            make(name, multilabel=True)(logits, answers[:, 0])

    def test_ignored_voxels_have_no_say_and_no_gradient(self, name, shape):
        logits, target = batch(shape)
        ignored = unlabelled(target)
        expected = value_and_gradient(make(name), logits, target, ~ignored)
        assert (expected[1] * ignored.unsqueeze(1) == 0).all()
        assert expected[1].abs().sum() > 0
        elsewhere = torch.where(ignored.unsqueeze(1), 7 * logits.flip(1) - 3, logits)
        torch.testing.assert_close(make(name)(elsewhere, target, ~ignored), expected[0], rtol=1e-6, atol=0)
        channels = one_hot(target, shape[1]).float()
        for label, kind in ((255, torch.uint8), (255, torch.float32), (-100, torch.int64), (-1, torch.int8)):
            marked = torch.where(ignored, torch.tensor(label), target).to(kind)
            assert_same(value_and_gradient(make(name, ignore_index=label), logits, marked), expected)
        for nothing in (0.0, 255.0):
            marked = torch.where(ignored.unsqueeze(1), nothing, channels)
            assert_same(value_and_gradient(make(name, ignore_index=255), logits, marked), expected)
        with pytest.raises(ValueError, match="ignore_index"):
            make(name)(logits, torch.where(ignored, 255, target))

    def test_nothing_to_ignore_changes_no_bit_and_nothing_else_gives_zero(self, name, shape):
        logits, target = batch(shape)
        plain = value_and_gradient(make(name), logits, target)
        for label in (255, -100):
            assert_same(value_and_gradient(make(name, ignore_index=label), logits, target.to(torch.uint8)), plain)
        assert_same(value_and_gradient(make(name), logits, target, torch.ones_like(target, dtype=torch.bool)), plain)
        value, gradient = value_and_gradient(make(name, ignore_index=1), logits, torch.ones_like(target))
        assert value == 0
        assert (gradient == 0).all()

    def test_equal_weights_change_nothing_whatever_they_are(self, name, shape):
        logits, target = batch(shape)
        plain = value_and_gradient(make(name).double(), logits.double(), target)
        for weight in (torch.full_like(target, 2), torch.full(target.shape, 0.5).unsqueeze(1)):
            assert_near(value_and_gradient(make(name).double(), logits.double(), target, weight), plain, rtol=1e-6)

    def test_reductions_agree(self, name, shape):
        logits, target = batch(shape)
        weight = torch.rand(target.shape, generator=torch.Generator().manual_seed(5)) * ~unlabelled(target)
        for given in ((), (weight,), (~unlabelled(target),)):
            voxels = make(name, reduction="none")(logits, target, *given)
            number = given[0].sum() if given else target.numel()
            assert voxels.shape == target.shape
            total = make(name, reduction="sum")(logits, target, *given)
            torch.testing.assert_close(voxels.sum(), total, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(total / number, make(name)(logits, target, *given), rtol=1e-4, atol=1e-6)
            if given:
                assert (voxels[given[0] == 0] == 0).all()

    def test_soft_labels_near_hard_ones_cost_nearly_the_same(self, name, shape):
        logits, target = batch(shape)
        soft = one_hot(target, shape[1]) * (1 - 3e-6) + 1e-6
        loss = make(name).double()
        if name in NO_SOFT_LABELS:
            with pytest.raises(ValueError, match="soft labels"):
                loss(logits.double(), soft.double())
            return
        expected = value_and_gradient(make(name).double(), logits.double(), target)
        assert_near(value_and_gradient(loss, logits.double(), soft.double()), expected, rtol=1e-3)
        for kind in FLOATS:
            half = soft.to(kind) / soft.to(kind).sum(1, keepdim=True)
            assert torch.isfinite(make(name)(logits, half))

    def test_soft_labels_with_ignored_voxels_and_one_logit(self, name, shape):
        if name in NO_SOFT_LABELS:
            return
        logits, target = batch((shape[0], 2, *shape[2:]))
        share = 0.1 + 0.8 * target
        ignored = unlabelled(target)
        single = logits[:, 1:] - logits[:, :1]
        pair, soft = torch.cat([-single / 2, single / 2], 1), torch.stack([1 - share, share], 1)
        expected = make(name)(pair, soft, ~ignored)
        marked = torch.where(ignored, 255, share)
        torch.testing.assert_close(make(name, ignore_index=255)(single, marked), expected)
        without = soft * ~ignored.unsqueeze(1)
        torch.testing.assert_close(make(name, ignore_index=255)(pair, without), expected)

    def test_every_precision(self, name, shape):
        logits, target = batch(shape)
        weight = ~unlabelled(target)
        for kind in FLOATS:
            given = logits.to(kind).requires_grad_()
            value = make(name)(given, target.to(kind), weight)
            gradient = torch.autograd.grad(value, given)[0]
            assert value.dtype == (torch.float64 if kind == torch.float64 else torch.float32)
            assert gradient.dtype == kind
            assert torch.isfinite(gradient).all()
            expected = make(name).double()(given.detach().double(), target, weight)
            torch.testing.assert_close(value.double(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", LOCAL)
@both
def test_an_ignored_margin_is_as_good_as_cut_off(name, shape):
    logits, target = batch(shape)
    wide = torch.nn.functional.pad(logits, [2, 1] * (len(shape) - 2), value=5.0)
    marked = torch.nn.functional.pad(target, [2, 1] * (len(shape) - 2), value=255)
    inner = (..., *[slice(2, -1)] * (len(shape) - 2))
    value, gradient = value_and_gradient(make(name, ignore_index=255).double(), wide.double(), marked)
    assert_near((value, gradient[inner]), value_and_gradient(make(name).double(), logits.double(), target), rtol=1e-6)


def test_weights_are_those_of_torch():
    logits, target = batch(SHAPES["2d"])
    weight = torch.rand(target.shape)
    voxels = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    torch.testing.assert_close(CrossEntropyLoss()(logits, target, weight), (voxels * weight).sum() / weight.sum())
    marked = torch.where(unlabelled(target), 255, target)
    expected = torch.nn.functional.cross_entropy(logits, marked, ignore_index=255)
    torch.testing.assert_close(CrossEntropyLoss(ignore_index=255)(logits, marked), expected)
    soft = torch.rand(SHAPES["2d"]).softmax(1)
    expected = torch.nn.functional.cross_entropy(logits, soft)
    torch.testing.assert_close(CrossEntropyLoss()(logits, soft), expected)
    answers = torch.rand(SHAPES["2d"])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, answers)
    torch.testing.assert_close(CrossEntropyLoss(multilabel=True)(logits, answers), expected)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (torch.ones(2, 12, 12), r"weight: expected \(2, 12, 13\).*torch.float32 of shape \(2, 12, 12\)"),
        (-torch.ones(2, 12, 13), r"weight.*>= 0.*-1"),
        (torch.full((2, 12, 13), torch.inf), "weight.*finite"),
        (torch.full((2, 12, 13), torch.nan), "weight.*finite"),
        ([1.0], "weight: expected a tensor.*list"),
    ],
)
def test_bad_weights_are_named(weight, words):
    logits, target = batch(SHAPES["2d"])
    with pytest.raises(ValueError, match=words):
        CrossEntropyLoss()(logits, target, weight)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="reduction: expected one of 'none', 'mean', 'sum'"):
        CrossEntropyLoss(reduction="average")
    with pytest.raises(ValueError, match="ignore_index: expected an integer"):
        SpectralEntropyLoss(ignore_index=255.0)


class Own(SegmentationLoss):
    """Somebody's loss that knows nothing of forms."""

    def _terms(self, logits, target):
        assert target.dtype == torch.int64
        return {"own": torch.nn.functional.cross_entropy(logits, target)}


def test_somebodys_own_loss_gets_labels_from_every_form():
    logits, target = batch(SHAPES["3d"])
    expected = torch.nn.functional.cross_entropy(logits, target)
    for loss in (Own(), PlainLoss(torch.nn.CrossEntropyLoss()), PlainLoss(torch.nn.functional.cross_entropy)):
        for form in (target, target.float().unsqueeze(1), one_hot(target, 3).bool()):
            assert torch.equal(loss(logits, form), expected)
    with pytest.raises(ValueError, match="Own: expected a label for every voxel"):
        Own()(logits, target, unlabelled(target))
    with pytest.raises(ValueError, match="weight: expected none for CrossEntropyLoss"):
        PlainLoss(torch.nn.CrossEntropyLoss())(logits, target, unlabelled(target))
    marked = torch.where(unlabelled(target), 255, target).float()
    loss = PlainLoss(torch.nn.CrossEntropyLoss(ignore_index=255), ignore_index=255)
    expected = torch.nn.functional.cross_entropy(logits, marked.long(), ignore_index=255)
    torch.testing.assert_close(loss(logits, marked), expected)
    soft = one_hot(target, 3) * 0.7 + 0.1
    loss = PlainLoss(torch.nn.CrossEntropyLoss())
    torch.testing.assert_close(loss(logits, soft), torch.nn.functional.cross_entropy(logits, soft))


# --- metrics ---------------------------------------------------------------------------------------------------------

SPACING = (1.0, 2.0, 0.7)


def scene(shape, seed=0):
    """Probabilities (B, C, *S), prediction and reference (B, *S), and which voxels have no label."""
    logits, target = batch(shape, seed)
    probabilities = (logits + 4 * one_hot(target, shape[1])).softmax(1)
    return probabilities, probabilities.argmax(1), target, unlabelled(target)


def counted_histogram(classes, *arguments, **options):
    return CalibrationHistogram(classes).update(*arguments, **options)


def measures(classes):
    """Name -> what a metric says of probabilities and prediction (of one case) and a reference in some form.

    Each takes (probabilities (C, *S), prediction (*S), reference, ignore_index).
    """
    found = {
        "histogram": lambda p, q, y, ignore: counted_histogram(classes, p, y, ignore_index=ignore).arrays(),
        "surfaces": lambda p, q, y, ignore: {
            label: (d.prediction_to_reference_mm, d.reference_to_prediction_mm, d.status == "ok")
            for label, d in surface_distances_by_label(
                q, y, range(1, classes), SPACING[: q.ndim], ignore_index=ignore
            ).items()
        },
    }
    for region in REGIONS:
        found[region] = lambda p, q, y, ignore, region=region: {
            "mask": region_mask(region, y, q, SPACING[: q.ndim], ignore_index=ignore)
        }
    return found


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key, value in a.items():
        for x, y in zip(value, b[key], strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", measures(3))
@both
class TestMetrics:
    def test_labels_mean_the_same_in_every_form(self, name, shape):
        probabilities, prediction, target, _ = scene(shape)
        p, q, y = probabilities[0].numpy(), prediction[0].numpy(), target[0].numpy()
        measure = measures(3)[name]
        expected = measure(p, q, y, None)
        channels = np.moveaxis(np.eye(3)[y], -1, 0)
        kinds = (np.uint8, np.int8, np.int16, np.int32, np.uint16, np.float16, np.float32, np.float64)
        forms = [y.astype(kind) for kind in kinds] + [y[None].astype(np.float32), channels, channels.astype(bool)]
        forms += [target[0], target[:1].float(), one_hot(target, 3)[0], target[0].bfloat16()]
        for form in forms:
            assert_equal(measure(p, q, form, None), expected)

    def test_soft_labels_and_unknown_labels_are_errors(self, name, shape):
        probabilities, prediction, target, _ = scene(shape)
        p, q, y = probabilities[0].numpy(), prediction[0].numpy(), target[0].numpy()
        measure = measures(3)[name]
        for wrong in (y + 0.5, np.where(y == 1, np.nan, y), 0.4 + 0.0 * p, np.ones_like(p)):
            with pytest.raises(ValueError, match=r"soft ones are not defined.*|whole values"):
                measure(p, q, wrong, None)
        if name in ("histogram", "reference", "union", "boundary"):
            for label in (255, -1):
                with pytest.raises(ValueError, match="ignore_index"):
                    measure(p, q, np.where(y == 1, label, y), None)

    def test_ignored_voxels_have_no_say(self, name, shape):
        probabilities, prediction, target, ignored = scene(shape)
        p, q, y, ignored = (x[0].numpy() for x in (probabilities, prediction, target, ignored))
        measure = measures(3)[name]
        expected = measure(p, q, np.where(ignored, 255, y), 255)
        for label, kind in ((255, np.uint8), (-100, np.int64), (-1, np.float32), (254, np.uint16)):
            assert_equal(measure(p, q, np.where(ignored, label, y).astype(kind), label), expected)
        channels = np.moveaxis(np.eye(3)[y], -1, 0)
        assert_equal(measure(p, q, np.where(ignored, 0, channels), 255), expected)
        assert_equal(measure(p, q, np.where(ignored, 255, channels), 255), expected)
        if name not in ("predicted_boundary",):  # the prediction has boundaries where there is no label, too
            other_p = np.where(ignored, 1 / 3, p)
            other_q = np.where(ignored, (q + 1) % 3, q)
            assert_equal(measure(other_p, other_q, np.where(ignored, 255, y), 255), expected)
        assert_equal(measure(p, q, y, 255), measure(p, q, y, None))


@both
def test_histograms_of_other_forms(shape):
    probabilities, _, target, ignored = scene(shape)
    expected = counted_histogram(3, probabilities, target, ~ignored).arrays()
    for mask in ((~ignored).float(), (~ignored).unsqueeze(1), (~ignored).numpy().astype(np.uint8)):
        assert_equal(counted_histogram(3, probabilities, target, mask).arrays(), expected)
    marked = torch.where(ignored, 255, target)
    for form in (marked.unsqueeze(1), marked.unsqueeze(1).float().numpy()):
        assert_equal(counted_histogram(3, probabilities, form, ignore_index=255).arrays(), expected)
    with pytest.raises(ValueError, match="weights are not defined"):
        CalibrationHistogram(3).update(probabilities, target, torch.full(target.shape, 0.5))
    assert_equal(
        counted_histogram(3, probabilities.half(), target).arrays(),
        counted_histogram(3, probabilities.half().float(), target).arrays(),
    )


@both
def test_histograms_of_one_channel_and_of_several_answers(shape):
    probabilities, _, target, ignored = scene((shape[0], 2, *shape[2:]))
    share = probabilities[:, 1:]
    expected = counted_histogram(2, torch.cat([1 - share, share], 1), target, ~ignored).arrays()
    for form in (target, target.bool(), target.unsqueeze(1).float()):
        assert_equal(counted_histogram(2, share, form, ~ignored).arrays(), expected)
        assert_equal(counted_histogram(2, share.numpy(), form.numpy(), (~ignored).numpy()).arrays(), expected)
    case = counted_histogram(2, share[0], target[0]).arrays()
    assert_equal(case, counted_histogram(2, torch.cat([1 - share[0], share[0]]), target[0]).arrays())

    answers = torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.5
    yes = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    flat = counted_histogram(2, yes.reshape(-1, 1, *shape[2:]), answers.reshape(-1, *shape[2:])).arrays()
    for form in (answers, answers.int(), answers.double().numpy()):
        assert_equal(counted_histogram(2, yes, form, multilabel=True).arrays(), flat)
    mask = ~ignored
    wide = mask.unsqueeze(1).expand(shape)
    expected = counted_histogram(2, yes, answers, wide, multilabel=True).arrays()
    assert_equal(counted_histogram(2, yes, answers, mask, multilabel=True).arrays(), expected)
    marked = torch.where(wide, answers.long(), -1)
    assert_equal(counted_histogram(2, yes, marked, multilabel=True, ignore_index=-1).arrays(), expected)
    with pytest.raises(ValueError, match="multilabel"):
        CalibrationHistogram(3).update(yes, answers, multilabel=True)
    with pytest.raises(ValueError, match="sigmoid"):
        CalibrationHistogram(2).update(5 * yes[:, :1], answers[:, 0])


@both
def test_masks_of_one_structure(shape):
    _, prediction, target, ignored = scene(shape)
    p, r, ignored = (prediction[0] == 1).numpy(), (target[0] == 1).numpy(), ignored[0].numpy()
    marked = np.where(ignored, 255, r.astype(int))
    kept = 2 * (p & r & ~ignored).sum() / ((p & ~ignored).sum() + (r & ~ignored).sum())
    forms = (marked, marked.astype(np.uint8), marked.astype(np.float32), torch.from_numpy(marked)[None])
    distances = surface_distances(p, marked, SPACING[: p.ndim], ignore_index=255)
    for form in forms:
        assert dice(p, form, ignore_index=255) == pytest.approx(kept)
        assert status(p, form, ignore_index=255) == "ok"
        assert surface_distances(p, form, SPACING[: p.ndim], ignore_index=255).hd95 == distances.hd95
    assert dice(p, r, mask=~ignored) == pytest.approx(kept)
    assert status(p & ignored, r, mask=~ignored) == "missed"
    with pytest.raises(ValueError, match="must be a mask of 0 and 1"):
        dice(p, marked)
    with pytest.raises(ValueError, match="mask must have the shape"):
        dice(p, r, mask=ignored[1:])


def test_ignored_areas_make_no_boundary():
    target = np.zeros((12, 12), np.uint8)
    target[2:10, 2:6] = 1
    target[2:10, 6:] = 255  # the right half of the image was not looked at
    prediction = np.zeros_like(target)
    prediction[2:10, 2:12] = 1
    whole = np.where(target == 255, 1, target)
    distances = surface_distances_by_label(prediction, target, [1], (1, 1), ignore_index=255)[1]
    assert distances.hd95 == 0
    assert distances.reference_to_prediction_mm.size == 8 + 2 * 3  # left side, top and bottom; nothing at the border
    band = region_mask("boundary", target, prediction, (1, 1), ignore_index=255)
    seen = target != 255
    assert not band[~seen].any()
    np.testing.assert_array_equal(
        signed_bands(target, boundary_distance(target, (1, 1), ignore_index=255), ignore_index=255) == -1, ~seen
    )
    # Within what was looked at, distances are those to boundaries between labels alone.
    near = boundary_distance(target, (1, 1), ignore_index=255)
    plain = boundary_distance(whole, (1, 1))
    assert near.within(0, target.shape)[seen].sum() <= plain.within(0, target.shape)[seen].sum()
    sums = band_sums(np.full((2, 12, 12), 0.5), prediction, target, signed_bands(target, near, 255))
    assert sums["count"].sum() == seen.sum()


def test_the_region_of_the_reference_knows_what_255_means():
    target = np.zeros((20, 20), np.uint8)
    target[4:8, 4:8], target[10:] = 1, 255
    with pytest.raises(ValueError, match="255"):
        region_mask("reference", target, target * 0, (1, 1))
    assert region_mask("reference", target, target * 0, (1, 1), ignore_index=255).sum() == 16
    assert region_mask("reference", target, target * 0, (1, 1), num_classes=256).sum() == 16 + 200
    with pytest.raises(ValueError, match=r"0\.\.1 for 2 classes, got 0\.\.3"):
        region_mask("union", np.where(target == 1, 3, 0), target * 0, (1, 1), num_classes=2)
