"""Against slow oracles written from the definitions (float64, masks, sorting) and against scikit-learn."""

import io
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.metrics import CalibrationHistogram, compiled, confidence_gaps
from spectralcal.metrics.accumulate import CHUNK, slabs
from spectralcal.metrics.cells import THRESHOLDS, cell_grid


@pytest.fixture(params=["numpy", "compiled"], autouse=True, scope="module")
def loops(request):
    """Every test of this file runs on both implementations."""
    with pytest.MonkeyPatch.context() as patch:
        limit = 0 if request.param == "compiled" else 1 << 62
        patch.setattr(compiled, "PAYS_FROM", limit)
        patch.setattr(compiled, "PAYS_TO_COMPILE_FROM", limit)
        yield


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=0, keepdims=True))
    return (e / e.sum(axis=0, keepdims=True)).astype(np.float32)


def volume(shape=(24, 20, 18), classes=4, scale=3.0, seed=0):
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(size=(classes, *shape)) * scale)
    y = np.where(rng.random(shape) < 0.8, p.argmax(0), rng.integers(0, classes, shape))
    return p, y


def slow_gap(p, hit, bins=15, unweighted=False):
    edges = (np.arange(bins + 1) / bins).astype(np.float32)
    gaps, weights = [], []
    for k in range(bins):
        inside = (p > edges[k]) & (p <= edges[k + 1]) | ((p == 0) & (k == 0))
        if inside.any():
            gaps.append(abs(hit[inside].astype(np.float64).mean() - p[inside].astype(np.float64).mean()))
            weights.append(inside.sum())
    return float(np.mean(gaps) if unweighted else np.average(gaps, weights=weights)) if gaps else 0.0


def slow_ece(p, y, bins=15):
    return slow_gap(p.max(0).ravel(), (p.argmax(0) == y).ravel(), bins)


def slow_sce(p, y, bins=15, first=0):
    return np.mean([slow_gap(p[c].ravel(), (y == c).ravel(), bins) for c in range(first, len(p))])


def slow_tace(p, y, threshold=1e-3, bins=15):
    errors = []
    for c in range(len(p)):
        kept = p[c] > np.float32(threshold)
        q, hit = p[c][kept].astype(np.float64), (y == c)[kept]
        _, tie, size = np.unique(q, return_inverse=True, return_counts=True)
        hit = (np.bincount(tie, hit) / size)[tie]  # equal probabilities have no order: each carries their mean
        order = np.argsort(q, kind="stable")
        ends = [j * q.size // bins for j in range(bins + 1)]
        parts = [order[a:b] for a, b in pairwise(ends) if b > a]
        errors.append(np.mean([abs(hit[i].mean() - q[i].mean()) for i in parts]) if parts else 0.0)
    return np.mean(errors)


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 16, 100])
def test_cells_refine_the_bins_at_every_float(bins):
    grid = cell_grid(bins)
    rng = np.random.default_rng(1)
    near = [np.nextafter(grid.edges, np.float32(side)) for side in (-1, 2)]
    special = [[0.0, -0.0, 0.5, 1.0], 2.0 ** -np.arange(40), 1 - 2.0 ** -np.arange(25), grid.edges, *near, THRESHOLDS]
    p = np.concatenate(
        [rng.random(20000), 10 ** (-8 * rng.random(20000)), 1 - 10 ** (-8 * rng.random(20000)), *special]
    )
    p = p.astype(np.float32)
    p = p[(p >= 0) & (p <= 1)]
    cell = grid.index(p)
    assert (np.diff(cell[np.argsort(p)]) >= 0).all()
    assert (p <= grid.top[cell]).all()
    assert (p > grid.top[np.maximum(cell - 1, 0)])[cell > 0].all()
    owner = np.searchsorted(grid.bin_starts, cell, side="right") - 1
    assert (owner == np.maximum(np.searchsorted(grid.edges, p) - 1, 0)).all()
    for threshold in THRESHOLDS:
        assert ((cell >= grid.first_above(threshold)) == (p > np.float32(threshold))).all()


@pytest.mark.parametrize("scale", [0.3, 3.0, 12.0])
@pytest.mark.parametrize("bins", [5, 15])
def test_against_brute_force(scale, bins):
    p, y = volume(scale=scale)
    h = CalibrationHistogram(4, bins).update(p, y)
    assert h.count == y.size
    assert h.ece() == pytest.approx(slow_ece(p, y, bins), abs=1e-12)
    assert h.sce() == pytest.approx(slow_sce(p, y, bins), abs=1e-12)
    assert h.sce(include_background=False) == pytest.approx(slow_sce(p, y, bins, first=1), abs=1e-12)
    flat = [(p[c].ravel(), (y == c).ravel()) for c in range(4)]
    assert h.ace() == pytest.approx(np.mean([slow_gap(*f, bins, unweighted=True) for f in flat]), abs=1e-12)
    kept = [(q[q > np.float32(1e-3)], hit[q > np.float32(1e-3)]) for q, hit in flat]
    assert h.tace_equal_width() == pytest.approx(np.mean([slow_gap(*f, bins) for f in kept]), abs=1e-12)
    assert h.label_counts().tolist() == np.bincount(y.ravel(), minlength=4).tolist()


@pytest.mark.parametrize("threshold", [0, 1e-3, 1e-2])
def test_tace_against_sort(threshold):
    p, y = volume((128, 96, 96), classes=4, scale=4.0)
    h = CalibrationHistogram(4).update(p, y)
    error = abs(h.tace(threshold) - slow_tace(p, y, threshold))
    assert error < 1e-5
    assert error <= h.tace_bound(threshold)
    if threshold:  # without one, the cell next to 0 is wide
        assert h.tace_bound(threshold) < 1e-3


@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(0.1, 8.0))
@settings(max_examples=60, deadline=None)
def test_tace_bound_holds_on_few_voxels(seed, voxels, scale):
    # Few voxels make cells of one voxel, where nothing is shared out, and bins that stay empty.
    p, y = volume((voxels,), classes=3, scale=scale, seed=seed)
    h = CalibrationHistogram(3).update(p[None], y[None])
    assert abs(h.tace() - slow_tace(p, y)) <= h.tace_bound() + 1e-9


def test_ties_are_shared_in_proportion():
    p = np.array([0.25, 0.75], np.float32)[:, None].repeat(30, axis=1)
    y = np.array([0] * 6 + [1] * 24)
    h = CalibrationHistogram(2).update(p, y)
    # Every bin of two voxels carries the group's rates, 0.2 against 0.25 and 0.8 against 0.75, in any order.
    assert h.tace() == pytest.approx(0.05, abs=1e-9)
    assert h.tace() == CalibrationHistogram(2).update(p, y[::-1].copy()).tace()


def test_brier_and_nll_against_scikit_learn():
    from sklearn.metrics import brier_score_loss, log_loss

    p, y = volume()
    h = CalibrationHistogram(4).update(p, y)
    rows = p.reshape(4, -1).T.astype(np.float64)
    rows /= rows.sum(axis=1, keepdims=True)
    assert h.nll() == pytest.approx(log_loss(y.ravel(), rows, labels=range(4)), rel=1e-6)
    assert h.brier() == pytest.approx(brier_score_loss(y.ravel(), rows, labels=range(4), scale_by_half=False), rel=1e-6)


def test_certain_and_right_is_perfect_and_certain_and_wrong_is_worst():
    y = np.arange(12) % 3
    p = np.eye(3, dtype=np.float32)[y].T.copy()
    right = CalibrationHistogram(3).update(p, y)
    assert (right.ece(), right.sce(), right.tace(), right.mce(), right.brier(), right.nll()) == (0,) * 6
    wrong = CalibrationHistogram(3).update(p, (y + 1) % 3)
    assert (wrong.ece(), wrong.mce(), wrong.brier()) == (1, 1, 2)
    assert wrong.sce() == pytest.approx(2 / 3)  # of each class's three thirds, one claims it wrongly, one misses it
    assert np.isfinite(wrong.nll())
    assert right.reliability().count.tolist() == [0] * 14 + [12]
    assert right.reliability(0).count.tolist() == [8] + [0] * 13 + [4]


@pytest.mark.parametrize("confidence", [0.0, 2.0**-20, 8 / 15, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("label", [0, 1])
def test_one_voxel(confidence, label):
    """Of one voxel every error is the distance between its probability and its label."""
    p = np.array([[confidence], [1 - confidence]], np.float32)
    h = CalibrationHistogram(2).update(p, np.array([label]))
    off = abs(float(p[0, 0]) - (label == 0))
    best = float(p.max())
    assert h.ece() == h.mce() == pytest.approx(abs(best - (p[:, 0].argmax() == label)), abs=1e-7)
    assert h.sce() == h.ace() == pytest.approx(off, abs=1e-7)
    assert h.brier() == pytest.approx(2 * off**2, abs=1e-7)
    assert h.nll() == pytest.approx(-np.log(max(1 - off, np.finfo(np.float32).tiny)), rel=1e-6, abs=1e-7)
    assert h.count == 1


def test_uniform_probabilities_on_uniform_labels_are_calibrated():
    p = np.full((4, 4000), 0.25, np.float32)
    h = CalibrationHistogram(4).update(p, np.arange(4000) % 4)
    assert h.ece() == pytest.approx(0, abs=1e-12)
    assert h.sce() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_edges_belong_to_the_lower_bin_in_every_precision(dtype):
    k = np.arange(1, 15)
    top = (k / 15).astype(dtype)
    h = CalibrationHistogram(2).update(np.stack([top, 1 - top]), np.zeros(14, int))
    assert h.reliability(0).count.tolist() == [1] * 14 + [0]


def test_over_and_under_confidence():
    p, y = volume()
    h = CalibrationHistogram(4).update(p, y)
    signed, over, under = h.over_under()
    assert over + under == pytest.approx(h.ece(), abs=1e-12)
    expected = p.max(0).astype(np.float64).mean() - (p.argmax(0) == y).mean()
    assert signed == pytest.approx(over - under) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("label", [None, 0, 3])
def test_signed_gaps_by_bin_and_class(label):
    p, y = volume()
    h = CalibrationHistogram(4).update(p, y)
    q, hit = (p.max(0), p.argmax(0) == y) if label is None else (p[label], y == label)
    gaps, diagram = h.signed_gaps(label), h.reliability(label)
    for lower, upper, gap in zip(diagram.lower, diagram.upper, gaps, strict=True):
        inside = (q > np.float32(lower)) & (q <= np.float32(upper))
        assert gap == pytest.approx((q[inside].astype(np.float64).sum() - hit[inside].sum()) / y.size, abs=1e-12)
    assert np.abs(gaps).sum() == pytest.approx(h.ece() if label is None else h.classwise_ece()[label], abs=1e-12)
    signed, over, under = h.over_under(label)
    assert (signed, over + under) == pytest.approx((gaps.sum(), np.abs(gaps).sum()))


def test_confidence_gaps_by_region():
    p, y = volume()
    regions = {"all": y >= 0, "reference": y > 0, "nowhere": y > 9}
    histograms = {name: CalibrationHistogram(4).update(p, y, mask) for name, mask in regions.items()}
    rows = confidence_gaps(histograms)
    assert len(rows) == 3 * (1 + 4) * 15
    for name in ("all", "reference"):
        for label in ("top", 0, 1, 2, 3):
            chosen = [r for r in rows if (r["region"], r["class"]) == (name, label)]
            assert [r["bin"] for r in chosen] == list(range(15))
            assert sum(r["count"] for r in chosen) == regions[name].sum()
            error = histograms[name].ece() if label == "top" else histograms[name].classwise_ece()[label]
            assert sum(abs(r["gap"]) for r in chosen) == pytest.approx(error, abs=1e-12)
            for r in chosen:
                if r["count"]:
                    share = r["count"] / regions[name].sum()
                    assert r["gap"] == pytest.approx((r["confidence"] - r["accuracy"]) * share, abs=1e-12)
    assert all(r["count"] == 0 and np.isnan(r["gap"]) for r in rows if r["region"] == "nowhere")


def test_reliability_diagram():
    p, y = volume()
    diagram = CalibrationHistogram(4).update(p, y).reliability()
    best, correct = p.max(0), p.argmax(0) == y
    for lower, upper, count, confidence, accuracy in zip(*diagram, strict=True):
        inside = (best > np.float32(lower)) & (best <= np.float32(upper))
        assert count == inside.sum()
        if count:
            assert lower < confidence <= upper
            assert accuracy == pytest.approx(correct[inside].mean())
            assert confidence == pytest.approx(best[inside].astype(np.float64).mean())
        else:
            assert np.isnan([confidence, accuracy]).all()


def same(a: CalibrationHistogram, b: CalibrationHistogram, rel=1e-12) -> None:
    left, right = a.arrays(), b.arrays()
    for name in ("layout", "cell", "count", "hits"):
        np.testing.assert_array_equal(left[name], right[name])
    np.testing.assert_allclose(left["confidence"], right["confidence"], rtol=rel, atol=1e-9)
    np.testing.assert_allclose(left["sums"], right["sums"], rtol=rel, atol=1e-9)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_order_and_grouping_of_voxels_do_not_matter(seed, classes, voxels):
    p, y = volume((voxels,), classes, seed=seed)
    order = np.random.default_rng(seed).permutation(voxels)
    whole = CalibrationHistogram(classes).update(p[None], y[None])  # a batch of one: as many voxels as classes may be
    same(whole, CalibrationHistogram(classes).update(p[None][..., order], y[None][..., order]))
    a, b, c = ([i for i in part if i < voxels] for part in (range(0, 50), range(50, 150), range(150, voxels)))

    def part(index):
        h = CalibrationHistogram(classes)
        return h.update(p[None][..., index], y[None][..., index]) if index else h

    same(whole, part(a).merge(part(b)).merge(part(c)))
    same(whole, part(a).merge(part(b).merge(part(c))))


@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0.1, 6.0))
@settings(max_examples=40, deadline=None)
def test_ece_is_bounded_by_the_classwise_errors(seed, classes, scale):
    p, y = volume((400,), classes, scale, seed)
    h = CalibrationHistogram(classes).update(p, y)
    assert h.ece() <= classes * h.sce() + (p.max(0) < 8 / 15).mean() + 1e-9
    assert 0 <= h.ece() <= h.mce() <= 1


def test_counts_pass_the_limit_of_float32():
    p, y = volume((40, 40, 30))  # a multiple of 15 voxels: the equal-count bins of the merged volume are the same
    one = CalibrationHistogram(4).update(p, y)
    many = CalibrationHistogram(4).update(p, y)
    for _ in range(9):  # 48,000 x 2^9 = 24.6 million voxels, past 2^24
        many.merge(CalibrationHistogram.from_arrays(many.arrays()))
    assert many.count == 48000 * 512 > 2**24
    for name in ("ece", "sce", "tace_equal_width", "brier", "nll", "mce", "ace"):
        assert getattr(many, name)() == pytest.approx(getattr(one, name)(), abs=1e-9), name
    assert many.tace(0) == pytest.approx(one.tace(0), abs=1e-9)
    assert many.ece() == pytest.approx(slow_ece(p, y), abs=1e-9)


def test_layouts_devices_and_precisions_agree():
    import torch

    p, y = volume((12, 10, 8))
    h = CalibrationHistogram(4).update(p, y)
    same(h, CalibrationHistogram(4).update(p[None], y[None]))
    same(h, CalibrationHistogram(4).update(torch.from_numpy(p), torch.from_numpy(y).to(torch.uint8)))
    last = torch.from_numpy(p)[None].to(memory_format=torch.channels_last_3d)
    same(h, CalibrationHistogram(4).update(last.requires_grad_(), torch.from_numpy(y)[None]))
    same(h, CalibrationHistogram(4).update(p.astype(np.float64), y))
    same(h, CalibrationHistogram(4).update(p.reshape(4, -1).T, y.ravel()))  # (N, C) with (N,)
    half = torch.from_numpy(p).to(torch.bfloat16)
    same(CalibrationHistogram(4).update(half, y), CalibrationHistogram(4).update(half.float().numpy(), y))


def test_a_volume_of_as_many_slices_as_classes_needs_a_batch_axis():
    p, y = volume((4, 9, 8))
    with pytest.raises(ValueError, match="batch axis"):
        CalibrationHistogram(4).update(p, y)
    same(CalibrationHistogram(4).update(p[None], y[None]), CalibrationHistogram(4).update(p.reshape(4, -1), y.ravel()))


def test_two_dimensional_batch():
    p, y = volume((3, 16, 17))
    batched = np.moveaxis(p, 1, 0)  # (3, 4, 16, 17): three slices
    same(CalibrationHistogram(4).update(p, y), CalibrationHistogram(4).update(batched, y))


def test_mask_chooses_voxels_and_hides_foreign_labels():
    p, y = volume()
    mask = y > 0
    chosen = CalibrationHistogram(4).update(p, np.where(mask, y, 255), mask)
    same(chosen, CalibrationHistogram(4).update(p[:, mask], y[mask]))
    empty = CalibrationHistogram(4).update(p, y, np.zeros(y.shape, bool))
    assert empty.count == 0
    names = ("ece", "sce", "tace", "tace_bound", "tace_equal_width", "ace", "mce", "brier", "nll")
    assert np.isnan([getattr(empty, name)() for name in names]).all()


def test_round_trip_through_npz_without_pickle():
    p, y = volume()
    h = CalibrationHistogram(4).update(p, y)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **h.arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        back = CalibrationHistogram.from_arrays(stored)
    same(h, back, rel=0)
    assert (back.ece(), back.tace(), back.nll()) == (h.ece(), h.tace(), h.nll())


def test_slabs_tile_every_voxel_once():
    for shape in [(1,), (200000,), (3, 70000), (2, 50, 60, 70), (1, 300, 300)]:
        seen = np.zeros(shape, int)
        for box in slabs(shape):
            seen[box] += 1
            assert seen[box].size <= CHUNK
        assert (seen == 1).all()


P, Y = volume((6, 5))


@pytest.mark.parametrize(
    ("p", "y", "mask", "message"),
    [
        (P * 2, Y, None, r"in \[0, 1\]"),
        (np.log(P), Y, None, "softmax"),
        (np.where(P > 0.5, np.nan, P).astype(np.float32), Y, None, "finite"),
        (np.where(P > 0.5, np.inf, P).astype(np.float32), Y, None, "finite"),
        (P - np.float32(0.01), Y, None, r"in \[0, 1\]"),
        (P * 0.9, Y, None, "sum to 1"),
        (P, np.where(Y == 3, 4, Y), None, r"0\.\.3"),
        (P, Y - 1, None, r"0\.\.3"),
        (P, Y + np.float32(0.5), None, "integer labels"),
        (P[:3], Y, None, "expected probabilities"),
        (P, Y[:-1], None, "expected probabilities"),
        (P[:, :0], Y[:0], None, "at least one voxel"),
        (P, Y, Y, "mask must be boolean"),
        (P, Y, Y[:3] > 0, "mask must be boolean"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_trace(p, y, mask, message):
    h = CalibrationHistogram(4)
    with pytest.raises(ValueError, match=message):
        h.update(p, y, mask)
    assert h.count == 0


def test_a_bad_last_chunk_leaves_no_trace():
    p, y = volume((CHUNK + 10,), classes=2)
    p[:, -1] = np.nan
    h = CalibrationHistogram(2)
    with pytest.raises(ValueError, match="finite"):
        h.update(p, y)
    assert h.count == 0
    assert h.arrays()["count"].size == 0


@pytest.mark.parametrize(("change", "accepted"), [(-0.9e-5, True), (-1.1e-5, False), (0.9e-5, True), (1.1e-5, False)])
def test_tolerance_of_the_range(change, accepted):
    """Probabilities of 0 and 1 that are off by rounding count as 0 and 1; further off they are refused."""
    p = np.array([[1 + max(change, 0)], [min(change, 0)]])
    h = CalibrationHistogram(2)
    if accepted:
        h.update(p, np.zeros(1, int))
        assert (h.ece(), h.brier(), h.nll()) == (0, 0, 0)
    else:
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            h.update(p, np.zeros(1, int))


@pytest.mark.parametrize(("total", "accepted"), [(0.9951, True), (0.9949, False), (1.0049, True), (1.0051, False)])
def test_tolerance_of_the_sum(total, accepted):
    h = CalibrationHistogram(2)
    p = np.array([[0.5], [total - 0.5]])
    if accepted:
        assert h.update(p, np.zeros(1, int)).count == 1
    else:
        with pytest.raises(ValueError, match=r"sum to 1 over the class axis within 0\.005"):
            h.update(p, np.zeros(1, int))


def test_bad_histograms_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        CalibrationHistogram(1)
    with pytest.raises(ValueError, match="bins must be"):
        CalibrationHistogram(2, 0)
    with pytest.raises(ValueError, match="to be merged"):
        CalibrationHistogram(2).merge(CalibrationHistogram(3))
    with pytest.raises(ValueError, match="to be merged"):
        CalibrationHistogram(2, 10).merge(CalibrationHistogram(2))
    with pytest.raises(ValueError, match="threshold must be"):
        CalibrationHistogram(2).tace(0.017)
    with pytest.raises(ValueError, match="label must be"):
        CalibrationHistogram(2).reliability(2)
    for method in ("signed_gaps", "over_under"):
        with pytest.raises(ValueError, match="label must be"):
            getattr(CalibrationHistogram(2), method)(-1)
    with pytest.raises(ValueError, match="at most 4096"):
        CalibrationHistogram(5000)
    for threads in (0, 1.5):
        with pytest.raises(ValueError, match="threads must be"):
            CalibrationHistogram(4).update(P, Y, threads=threads)
    with pytest.raises(ValueError, match="needs the arrays"):
        CalibrationHistogram.from_arrays({})
    arrays = CalibrationHistogram(2).arrays()
    arrays["layout"] = arrays["layout"] + [1, 0, 0, 0]
    with pytest.raises(ValueError, match="evaluate the cell again"):
        CalibrationHistogram.from_arrays(arrays)


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_memory_does_not_grow_with_the_volume(layout):
    import tracemalloc

    peaks = []
    for depth in (32, 128):
        p, y = volume((depth, 64, 128), classes=3)
        if layout == "channels last":
            p = np.moveaxis(np.moveaxis(p, 0, -1).copy(), -1, 0)
        h, mask = CalibrationHistogram(3), y >= 0
        h.update(p[:, :1], y[:1])
        tracemalloc.start()
        h.update(p, y, mask)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 16 * 2**20


def test_reading_needs_no_torch():
    code = (
        "import sys, spectralcal.metrics, spectralcal.statistics; sys.exit(bool({'torch', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
