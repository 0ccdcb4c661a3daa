"""What every post-hoc step keeps: one's own in `posthoc/` too, by being a file there."""

import json

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from voxel_samples import nll, voxels

from spectralcal.base import registry
from spectralcal.posthoc import _voxels

NAMES = registry.names("posthoc")
SHAPES = [(2, 3, 4, 5), (1, 3, 4, 5, 6)]


def fitted(name, classes=3, sharpness=2.5, count=4000):
    step = registry.load("posthoc", name)()
    step.fit(*voxels(count, classes, sharpness))
    return step


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_type(name, shape):
    logits = torch.randn(shape)
    fresh, step = registry.load("posthoc", name)(), fitted(name)
    assert torch.equal(fresh(logits), logits)
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        result = step(logits.to(dtype))
        assert result.shape == logits.shape
        assert result.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert result.isfinite().all()
    assert (step(1000 * logits)).isfinite().all()
    with torch.inference_mode():
        assert torch.equal(step(logits), step(logits))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_field_common_to_all_logits_changes_no_probability(name, classes):
    """Neither in the fit nor in its use: the network's own probabilities do not change either."""
    kind = registry.load("posthoc", name)
    if not kind.translation_invariant:
        pytest.skip(f"{name} says that it is not")
    generator = torch.Generator().manual_seed(3)
    logits, labels = voxels(3000, classes, 2.0, background=2.0)
    field = 5 * torch.randn(len(logits), 1, generator=generator, dtype=torch.float64)
    plain, shifted = kind(), kind()
    plain.fit(logits.double(), labels)
    shifted.fit(logits.double() + field, labels)
    volume = 3 * torch.randn(2, classes, 5, 6, 7, generator=generator, dtype=torch.float64)
    moved = volume + 9 * torch.randn(2, 1, 5, 6, 7, generator=generator, dtype=torch.float64)
    expected = plain(volume).softmax(1)
    torch.testing.assert_close(plain(moved).softmax(1), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(shifted(volume).softmax(1), expected, rtol=0, atol=1e-6)
    assert (expected - volume.softmax(1)).abs().max() > 1e-3, "the step does nothing"


@pytest.mark.parametrize("name", NAMES)
def test_a_record_gives_the_step_back(name):
    step = fitted(name)
    text = json.dumps(step.parameters())
    again = type(step).from_parameters(json.loads(text))
    logits = 4 * torch.randn(2, 3, 6, 7)
    assert torch.equal(again(logits), step(logits))
    assert json.dumps(again.parameters()) == text
    assert json.dumps(fitted(name).parameters()) == text, "a second fit differs"


@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_is_none_is_refused(name):
    kind = registry.load("posthoc", name)
    parameters = fitted(name).parameters()
    first = kind.state[0]
    with pytest.raises(ValueError, match=r"expected .*, got nothing"):
        kind.from_parameters({})
    with pytest.raises(ValueError, match=r"expected .*, got .*more"):
        kind.from_parameters({**parameters, "more": 1})
    for value in ("1", float("nan"), [[float("inf")]], {}):
        with pytest.raises(ValueError, match=f"expected finite numbers as {first}"):
            kind.from_parameters({**parameters, first: value})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("temperature", {"temperature": 0.0}),
        ("temperature", {"temperature": [1.0, 2.0]}),
        ("vector", {"weights": [1.0, 1.0, 1.0], "intercepts": [0.0, 0.0]}),
        ("vector", {"weights": None, "intercepts": [0.0, 0.0]}),
        ("matrix", {"weights": [[1.0, 0.0], [0.0, 1.0]], "intercepts": [0.0, 0.0, 0.0]}),
        ("dirichlet", {"weights": [[1.0, 0.0], [0.0]], "intercepts": [0.0, 0.0]}),
        ("beta", {"a": [1.0, 1.0], "b": [1.0], "c": [0.0, 0.0]}),
        ("ensemble_temperature", {"temperature": 1.0, "weights": [0.5, 0.5]}),
        ("isotonic", {"log_odds": [[0.0, 1.0]], "calibrated_log_odds": [[0.0, 1.0], [0.0, 1.0]]}),
        ("histogram_binning", {"edges": [-1.0, 0.0, 1.0], "log_odds": [[0.0], [0.0]]}),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(name, parameters):
    with pytest.raises(ValueError, match="do not make a map"):
        registry.load("posthoc", name).from_parameters(parameters)


@pytest.mark.parametrize("name", [name for name in NAMES if registry.load("posthoc", name).preserves_argmax])
@pytest.mark.parametrize("sharpness", [0.3, 5.0])
def test_the_most_probable_class_stays_where_that_is_declared(name, sharpness):
    logits = 4 * torch.randn(2, 3, 20, 21, 22, generator=torch.Generator().manual_seed(0))
    assert torch.equal(fitted(name, sharpness=sharpness)(logits).argmax(1), logits.argmax(1))


def test_what_may_change_the_most_probable_class_does_not_declare_otherwise():
    declared = {name for name in NAMES if registry.load("posthoc", name).preserves_argmax}
    assert declared == {"temperature", "ensemble_temperature"}


SAMPLES = {
    "overconfident": voxels(6000, 4, 3.0),
    "underconfident": voxels(6000, 4, 0.3),
    "calibrated": voxels(6000, 3, 1.0, background=4.0),
    "two classes": voxels(6000, 2, 4.0, background=3.0),
    "nearly certain": voxels(6000, 3, 40.0),
    "labels without relation": (voxels(6000, 3)[0], torch.arange(6000) % 3),
    "labels of the least likely class": (voxels(6000, 3)[0], voxels(6000, 3)[0].argmin(1)),
    "separable": (5 * torch.eye(3).repeat(100, 1), torch.arange(300) % 3),
    "no voxel of a class": (voxels(6000, 4)[0], voxels(6000, 4)[1].clamp_max(2)),
    "one class only": (voxels(500, 3)[0], torch.zeros(500, dtype=torch.int64)),
    "one voxel": (torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([0])),
    "constant logits": (torch.zeros(90, 3), torch.arange(90) % 3),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sample", SAMPLES)
def test_the_labels_that_it_was_fitted_to_are_never_less_likely_than_before(name, sample):
    logits, labels = SAMPLES[sample]
    step = registry.load("posthoc", name)()
    step.fit(logits, labels)
    result = step(logits)
    assert result.isfinite().all()
    assert nll(result, labels) <= nll(logits, labels) + 1e-5
    assert all(np.isfinite(value).all() for value in _flat(step.parameters().values()))


BOUNDED = ["temperature", "classwise_temperature", "vector", "ensemble_temperature", "beta"]


@pytest.mark.parametrize("name", BOUNDED)
def test_a_bound_that_is_reached_is_said_in_one_line(name):
    assert fitted(name).limits == []
    step = registry.load("posthoc", name)()
    step.fit(*SAMPLES["labels of the least likely class"])
    assert step.limits
    assert all("is at its limit" in line and "\n" not in line for line in step.limits)
    step.fit(*voxels(4000, 3, 2.5))
    assert step.limits == [], "an earlier fit's limits stay"


@pytest.mark.parametrize("name", [*BOUNDED, "matrix", "dirichlet"])
def test_labels_that_no_scale_fits_best_are_said(name):
    step = registry.load("posthoc", name)()
    step.fit(*SAMPLES["separable"])
    assert any("separate the labels" in line for line in step.limits)


@pytest.mark.parametrize("name", NAMES)
def test_voxels_that_nothing_can_be_fitted_to_are_refused(name):
    step = registry.load("posthoc", name)()
    for logits, labels, message in [
        (torch.zeros(3), torch.zeros(3).long(), r"expected logits \(N, C\)"),
        (torch.zeros(3, 2), torch.zeros(4).long(), r"got \(3, 2\) and \(4,\)"),
        (torch.zeros(0, 2), torch.zeros(0).long(), "at least one voxel"),
        (torch.full((3, 2), float("nan")), torch.zeros(3).long(), "finite"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), r"labels in 0\.\.1, got 0\.\.2"),
    ]:
        with pytest.raises(ValueError, match=message):
            step.fit(logits, labels)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("temperature", "ensemble_temperature")])
def test_logits_of_another_number_of_classes_are_refused(name):
    with pytest.raises(ValueError, match="fitted to 3 classes, got logits of 4"):
        fitted(name)(torch.zeros(1, 4, 5, 5))


class Largest(TorchDispatchMode):
    """The most bytes that one operation allocated."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs = {each.untyped_storage().data_ptr() for each in tree_flatten(args)[0] if torch.is_tensor(each)}
        for each in tree_flatten(result)[0]:
            if torch.is_tensor(each) and each.untyped_storage().data_ptr() not in inputs:
                self.bytes = max(self.bytes, each.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_makes_no_second_copy_of_all_voxels(name, monkeypatch):
    monkeypatch.setattr(_voxels, "CHUNK", 500)
    logits, labels = voxels(10_000, 3, 2.0)
    step = registry.load("posthoc", name)()
    with Largest() as largest:
        step.fit(logits, labels)
    assert 0 < largest.bytes <= 500 * 3 * 4 * 8, "more than a chunk's products"
    in_parts = step.parameters()
    monkeypatch.undo()
    step.fit(logits, labels)
    for one, other in zip(_flat(in_parts.values()), _flat(step.parameters().values()), strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


def _flat(values):
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        elif value is not None:
            yield value
