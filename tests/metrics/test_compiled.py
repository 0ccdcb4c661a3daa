"""The compiled loops against NumPy, bit for bit; what they cost a process that does not need them."""

import os
import pickle
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import CalibrationHistogram, accumulate, compiled, surface_distances
from spectralcal.metrics.cells import cell_grid


def volume(shape, classes=5, seed=0, sharpness=6.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(classes, *shape)) * sharpness
    e = np.exp(logits - logits.max(axis=0))
    p = (e / e.sum(axis=0)).astype(np.float32)
    return p, np.where(rng.random(shape) < 0.9, p.argmax(0), rng.integers(0, classes, shape))


def on(which, function):
    limit = 0 if which == "compiled" else 1 << 62
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "PAYS_FROM", limit)
        patch.setattr(compiled, "PAYS_TO_COMPILE_FROM", limit)
        return function()


def assert_same_bits(a, b):
    left, right = a.arrays(), b.arrays()
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


@given(
    seed=st.integers(0, 10**6),
    classes=st.integers(2, 7),
    voxels=st.integers(1, 1500),
    sharpness=st.floats(0.01, 40),
    keep=st.sampled_from([None, 0.0, 0.02, 0.6, 1.0]),
    bins=st.sampled_from([1, 10, 15, 100]),
)
@settings(max_examples=80, deadline=None)
def test_the_same_bits_as_numpy(seed, classes, voxels, sharpness, keep, bins):
    p, y = volume((voxels,), classes, seed, sharpness)
    rng = np.random.default_rng(seed)
    p += np.float32(8e-6) * rng.choice([-1, 0, 0, 1], p.shape).astype(np.float32)  # as averages of windows are off
    edges = cell_grid(bins).edges
    p[0, 0], p[1:, 0] = edges[seed % edges.size], (1 - edges[seed % edges.size]) / (classes - 1)
    mask = None if keep is None else rng.random((1, voxels)) < keep
    a, b = (
        on(which, lambda: CalibrationHistogram(classes, bins).update(p[None], y[None], mask))
        for which in ("numpy", "compiled")
    )
    assert_same_bits(a, b)


@pytest.mark.parametrize("layout", ["rows", "channels last", "reversed", "crop", "float64", "bytes", "read-only"])
def test_the_same_bits_in_every_layout(layout):
    p, y = volume((40, 50, 60))
    if layout == "channels last":
        p = np.moveaxis(np.moveaxis(p, 0, -1).copy(), -1, 0)
    elif layout == "reversed":
        p, y = p[:, ::-1, :, ::-1], y[::-1, :, ::-1]
    elif layout == "crop":
        p, y = p[:, 3:37, 5:44, 2:59:2], y[3:37, 5:44, 2:59:2]
    elif layout == "float64":
        p = p.astype(np.float64)
    elif layout == "bytes":
        y = y.astype(np.uint8)
    elif layout == "read-only":
        p.setflags(write=False)
        y.setflags(write=False)
    a, b = (on(which, lambda: CalibrationHistogram(5).update(p, y)) for which in ("numpy", "compiled"))
    assert_same_bits(a, b)


@pytest.mark.parametrize("which", ["numpy", "compiled"])
def test_threads_do_not_change_a_bit(which, monkeypatch):
    p, y = volume((70, 64, 64))
    mask = y > 0
    one = on(which, lambda: CalibrationHistogram(5).update(p, y, mask))
    monkeypatch.setattr(accumulate, "_FULL", 1 << 17)  # and neither does emptying packed sums halfway
    for threads in (1, 2, 3, 16):
        assert_same_bits(one, on(which, lambda n=threads: CalibrationHistogram(5).update(p, y, mask, threads=n)))


def test_the_kernel_is_also_plain_python(monkeypatch):
    from spectralcal.metrics import kernels

    p, y = volume((30, 23))
    expected = on("numpy", lambda: CalibrationHistogram(5).update(p, y))
    monkeypatch.setattr("spectralcal.metrics.calibration.kernel_if_it_pays", lambda *_: kernels.count_voxels)
    with np.errstate(over="ignore"):
        assert_same_bits(expected, CalibrationHistogram(5).update(p, y))


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
@settings(max_examples=40, deadline=None)
def test_surfaces_have_the_same_bits(seed, ndim):
    rng = np.random.default_rng(seed)
    shape, spacing = tuple(rng.integers(1, 40, ndim)), tuple(rng.choice([0.3, 0.8, 1.0, 2.5], ndim))
    p, r = rng.random(shape) < rng.choice([0.003, 0.3, 0.9]), rng.random(shape) < rng.choice([0.003, 0.3, 0.9])
    a, b = (on(which, lambda: surface_distances(p, r, spacing)) for which in ("numpy", "compiled"))
    assert a.status == b.status
    np.testing.assert_array_equal(a.prediction_to_reference_mm, b.prediction_to_reference_mm)
    np.testing.assert_array_equal(a.reference_to_prediction_mm, b.reference_to_prediction_mm)


def test_histograms_merge_over_processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(CalibrationHistogram(5).update, *volume((60, 60), seed=part)) for part in range(4)]
        parts = [job.result() for job in jobs]
    merged, whole = CalibrationHistogram(5), CalibrationHistogram(5)
    for number, part in enumerate(parts):
        merged.merge(part)
        whole.update(*volume((60, 60), seed=number))
    assert merged.count == 4 * 3600
    for name in ("count", "hits"):
        np.testing.assert_array_equal(merged.arrays()[name], whole.arrays()[name])
    assert merged.ece() == pytest.approx(whole.ece(), abs=1e-15)
    assert_same_bits(parts[0], pickle.loads(pickle.dumps(parts[0])))
    assert len(pickle.dumps(parts[0])) < 2 * sum(a.nbytes for a in parts[0].arrays().values())


def run(code, **environment):
    process = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    return process.stdout.split()


def test_little_work_never_waits_for_the_compiler():
    code = (
        "import sys, numpy as np; from spectralcal.metrics import CalibrationHistogram;"
        "h = CalibrationHistogram(2).update(np.full((2, 9), 0.5, np.float32), np.zeros(9, int));"
        "CalibrationHistogram.from_arrays(h.arrays()).ece(); print('numba' in sys.modules)"
    )
    assert run(code) == ["False"]


def test_compiled_code_is_kept_where_it_was_asked_for_and_nowhere_else(tmp_path):
    code = (
        "import numpy as np; from spectralcal.metrics import compiled, surface_distances;"
        "compiled.PAYS_FROM = compiled.PAYS_TO_COMPILE_FROM = 0; m = np.ones((3, 3), bool);"
        "surface_distances(m, m, (1, 1)); import spectralcal.metrics.kernels as k, pathlib;"
        "print(len(list(pathlib.Path(k.__file__).parent.rglob('*.nbi'))))"
    )
    assert run(code, XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="") == ["0"]
    kept = sorted(path.name.split("-")[0] for path in (tmp_path / "spectralcal" / "compiled").rglob("*.nbi"))
    assert kept == ["kernels.label_boxes", "kernels.mark_boundary", "kernels.nearest_marked"]


def test_without_a_writable_folder_or_a_compiler_the_numbers_stay(tmp_path, monkeypatch):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file is no folder, for the administrator too")
    assert stat.S_ISREG(blocked.stat().st_mode)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked / "inside"))
    assert compiled.cache_folder() is None
    p, y = volume((20, 20))
    expected = on("numpy", lambda: CalibrationHistogram(5).update(p, y))
    monkeypatch.setitem(sys.modules, "numba", None)
    compiled.kernel.cache_clear()
    try:
        assert compiled.kernel("count_voxels") is None
        assert_same_bits(expected, on("compiled", lambda: CalibrationHistogram(5).update(p, y)))
    finally:
        compiled.kernel.cache_clear()
