"""Counting in torch operations against NumPy, bit for bit: on the CPU, and on a CUDA device where there is one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import CalibrationHistogram, calibration, on_device
from spectralcal.metrics.cells import cell_grid

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


@pytest.fixture(autouse=True)
def in_place(monkeypatch):
    monkeypatch.setattr(calibration, "_in_place", lambda p: isinstance(p, torch.Tensor))


def volume(shape, classes=4, seed=0, sharpness=6.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(classes, *shape)) * sharpness
    e = np.exp(logits - logits.max(axis=0))
    p = (e / e.sum(axis=0)).astype(np.float32)
    return p, np.where(rng.random(shape) < 0.9, p.argmax(0), rng.integers(0, classes, shape))


def assert_same_bits(a, b):
    for name, values in a.arrays().items():
        np.testing.assert_array_equal(values, b.arrays()[name], err_msg=name)


@pytest.mark.parametrize("device", DEVICES)
@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(2, 6),
    voxels=st.integers(1, 1200),
    sharpness=st.floats(0.01, 40),
    keep=st.sampled_from([None, 0.0, 0.3, 1.0]),
    bins=st.sampled_from([1, 10, 15, 100]),
)
@settings(max_examples=60, deadline=None)
def test_the_same_bits_as_numpy(device, seed, classes, voxels, sharpness, keep, bins):
    p, y = volume((voxels,), classes, seed, sharpness)
    rng = np.random.default_rng(seed)
    p += np.float32(8e-6) * rng.choice([-1, 0, 0, 1], p.shape).astype(np.float32)
    edges = cell_grid(bins).edges
    p[0, 0], p[1:, 0] = edges[seed % edges.size], (1 - edges[seed % edges.size]) / (classes - 1)
    mask = None if keep is None else rng.random((1, voxels)) < keep
    there = torch.from_numpy(p).to(device)[None]
    a = CalibrationHistogram(classes, bins).update(p[None], y[None], mask)
    assert_same_bits(a, CalibrationHistogram(classes, bins).update(there, y[None], mask))


@pytest.mark.parametrize("device", DEVICES)
def test_layouts_precisions_and_chunks(device, monkeypatch):
    monkeypatch.setattr(on_device, "CHUNK", 1000)
    p, y = volume((3, 20, 30))
    whole = CalibrationHistogram(4).update(p, y)
    there, labels = torch.from_numpy(p).to(device), torch.from_numpy(y)
    last = there[None].to(memory_format=torch.channels_last_3d).requires_grad_()
    for form in ((there, labels.to(device)), (there[None], labels[None].to(torch.uint8)), (last, y[None]),
                 (there.movedim(0, 1).contiguous(), labels)):  # fmt: skip
        assert_same_bits(whole, CalibrationHistogram(4).update(*form))
    half = there.to(torch.bfloat16)
    assert_same_bits(
        CalibrationHistogram(4).update(half.float().cpu().numpy(), y), CalibrationHistogram(4).update(half, y)
    )
    mask = labels > 0
    chosen = CalibrationHistogram(4).update(there, torch.where(mask, labels, 255), mask)
    assert_same_bits(CalibrationHistogram(4).update(p, y, mask.numpy()), chosen)
    both = CalibrationHistogram(4).update(there, labels).update(there, labels)
    assert_same_bits(both, CalibrationHistogram(4).merge(whole).merge(whole))


P, Y = volume((6, 5))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("p", "y", "mask", "message"),
    [
        (P * 2, Y, None, r"in \[0, 1\]"),
        (np.where(P > 0.5, np.nan, P), Y, None, "finite"),
        (np.where(P > 0.5, np.inf, P), Y, None, "finite"),
        (P * 0.9, Y, None, "sum to 1"),
        (P, np.where(Y == 3, 4, Y), None, r"0\.\.3 for 4 classes, got 0\.\.4"),
        (P, Y - 1, None, r"0\.\.3"),
        (P, Y + 0.5, None, "integer labels"),
        (P[:3], Y, None, "expected probabilities"),
        (P[:, :0], Y[:0], None, "at least one voxel"),
        (P, Y, Y, "mask must be boolean"),
        (P, Y, Y[:3] > 0, "mask must be boolean"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_trace(device, p, y, mask, message):
    h = CalibrationHistogram(4)
    with pytest.raises(ValueError, match=message):
        h.update(torch.from_numpy(p).to(device), torch.from_numpy(y).to(device), mask)
    assert h.count == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_a_cuda_tensor_is_counted_where_it_is(monkeypatch):
    monkeypatch.undo()
    p, y = volume((64, 64, 64))
    there, labels = torch.from_numpy(p).cuda(), torch.from_numpy(y).cuda()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        h = CalibrationHistogram(4).update(there, labels)
    copied = [event for event in profile.events() if "memcpy dtoh" in event.name.lower()]
    assert len(copied) < 10
    assert_same_bits(CalibrationHistogram(4).update(p, y), h)
