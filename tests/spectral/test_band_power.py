"""Band power against definitions written out in exact integers and full complex transforms."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.spectral import band_power, spectral_entropy
from spectralcal.spectral.power import _group_sums, _masked_sums
from spectralcal.spectral.shells import shell_edges, shells

SHAPES = [(12, 12), (11, 14), (9, 9), (8, 8, 8), (7, 10, 9), (12, 8, 11)]


def slow_band_power(field, bands, edges="inscribed", include_dc=False, beyond="drop", frequency="cycles", reduce="sum"):
    """Every frequency one by one on the full, centred spectrum, with rational squared radii."""
    shape = field.shape
    power = np.abs(np.fft.fftshift(np.fft.fftn(field))) ** 2
    short = min(shape)
    centred = [range(-(size // 2), size - size // 2) for size in shape]
    scale = [Fraction(short, size) if frequency == "cycles" else Fraction(1) for size in shape]

    def squared(index):
        return sum((i * s) ** 2 for i, s in zip(index, scale, strict=True))

    largest = max(squared(index) for index in itertools.product(*centred))
    outer = {
        "inscribed": [Fraction(k * short, 2 * bands) ** 2 for k in range(1, bands + 1)],
        "corner": [Fraction(k, bands) ** 2 * largest for k in range(1, bands + 1)],
        "as_printed": [Fraction(k * short, 2) ** 2 for k in range(1, bands + 1)],
    }[edges]
    members = [[] for _ in range(bands)]
    for position in itertools.product(*(range(size) for size in shape)):
        r2 = squared([axis[p] for axis, p in zip(centred, position, strict=True)])
        if r2 == 0:
            if include_dc:
                members[0].append(power[position])
            continue
        shell = next((k for k, edge in enumerate(outer) if r2 <= edge), None)
        if shell is None and beyond == "merge":
            shell = bands - 1
        if shell is not None:
            members[shell].append(power[position])
    total = np.array([math.fsum(values) for values in members])
    return total / np.array([max(len(values), 1) for values in members]) if reduce == "mean" else total


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frequency", ["cycles", "index"])
@pytest.mark.parametrize(
    ("edges", "include_dc", "beyond", "reduce"),
    [
        ("inscribed", False, "drop", "sum"),
        ("inscribed", True, "merge", "mean"),
        ("corner", True, "drop", "sum"),
        ("as_printed", False, "merge", "mean"),
    ],
)
def test_matches_every_frequency_counted_one_by_one(shape, frequency, edges, include_dc, beyond, reduce):
    field = np.random.default_rng(0).normal(size=shape) + 0.5
    options = {
        "edges": edges, "include_dc": include_dc, "beyond": beyond, "frequency": frequency, "reduce": reduce
    }  # fmt: skip
    ours = band_power(torch.from_numpy(field)[None], bands=3, **options)[0]
    np.testing.assert_allclose(ours.numpy(), slow_band_power(field, 3, **options), rtol=1e-10)


def test_cycles_and_index_agree_on_cubes_and_differ_elsewhere():
    cube, slab = torch.randn(2, 10, 10, 10), torch.randn(2, 10, 10, 24)
    torch.testing.assert_close(band_power(cube, frequency="cycles"), band_power(cube, frequency="index"))
    assert not torch.allclose(band_power(slab, frequency="cycles"), band_power(slab, frequency="index"), rtol=0.05)


def test_edges_as_printed_leave_all_shells_after_the_corners_empty():
    power = band_power(torch.randn(1, 32, 32, 32), bands=5, edges="as_printed")[0]
    assert (power[:2] > 0).all()
    assert (power[2:] == 0).all()
    counts = shells((96, 96, 96), 5, "as_printed").count
    # The inscribed ball and the corners of a 96^3 spectrum, counted from x^2 + y^2 + z^2 <= 48^2.
    axis = np.arange(-48, 48) ** 2
    ball = int((axis[:, None, None] + axis[None, :, None] + axis[None, None, :] <= 48**2).sum())
    assert counts.tolist() == [ball - 1, 96**3 - ball, 0, 0, 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shell_is_empty_up_to_the_allowed_number_of_bands(shape):
    for bands in range(1, min(shape) // 2 + 1):
        for edges in ("inscribed", "corner"):
            assert (shells(shape, bands, edges).count > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_parseval_all_bins_hold_the_energy_of_the_field(shape):
    field = torch.randn(3, *shape, dtype=torch.float64)
    total = band_power(field, bands=2, edges="corner", include_dc=True).sum(1)
    torch.testing.assert_close(total, field.square().flatten(1).sum(1) * math.prod(shape))


def test_the_largest_radius_is_inside_the_last_corner_shell():
    for shape, bands in itertools.product(SHAPES, (2, 3, 4)):
        assert shells(shape, bands, "corner", True).count.sum() == math.prod(shape)
        assert shell_edges(shape, bands, "corner").shape == (bands,)


def test_a_cosine_lands_in_the_shell_of_its_frequency():
    x = torch.arange(40, dtype=torch.float64)
    for frequency in (1, 4, 5, 8, 9, 16, 17, 20):
        field = torch.cos(2 * math.pi * frequency * x / 40)[None, :, None].expand(1, 40, 40)
        power = band_power(field, bands=5)[0]
        assert power.argmax() == math.ceil(frequency / 4) - 1  # shells (0, 4], (4, 8], ... cycles per field
        assert power.max() > 0.999 * power.sum()


def test_white_noise_is_flat_per_bin_and_grows_with_the_shell_in_sum():
    field = torch.randn(8, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    assert spectral_entropy(band_power(field, reduce="mean").mean(0)) > 0.999 * math.log(5)
    shares = band_power(field).sum(0) / band_power(field).sum()
    volumes = torch.tensor([k**3 - (k - 1) ** 3 for k in range(1, 6)]) / 125
    torch.testing.assert_close(shares, volumes, atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [(7, 6), (6, 9), (5, 4, 6), (4, 6, 5)])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_gradient_is_exact(shape, reduce):
    field = torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
    for options in ({"include_dc": True, "beyond": "merge"}, {"edges": "corner"}, {"frequency": "index"}):
        assert torch.autograd.gradcheck(lambda f, o=options: band_power(f, 2, reduce=reduce, **o), field)


def test_gradient_may_be_asked_for_twice():
    field = torch.randn(1, 8, 8, 8, requires_grad=True)
    power = band_power(field, 2).sum()
    first = torch.autograd.grad(power, field, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(power, field)[0], first, rtol=0, atol=0)


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-3, 1e4), st.integers(0, 2**31 - 1))
def test_entropy_ignores_scale_sign_shift_and_mirroring(scale, seed):
    field = torch.randn(1, 9, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    entropy = spectral_entropy(band_power(field, 4), eps=1e-12)
    for other in (scale * field, -field, field + scale, field.roll(3, 2), field.flip(1), field.transpose(1, 3)):
        torch.testing.assert_close(spectral_entropy(band_power(other, 4), eps=1e-12), entropy, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype):
    field = (100 * torch.randn(2, 16, 16, 16)).to(dtype)
    wide = band_power(field.float())
    with torch.autocast("cpu", torch.bfloat16):
        for power in (band_power(field), band_power(field.float())):
            assert power.dtype == torch.float32
            torch.testing.assert_close(power, wide, rtol=0, atol=0)
    assert torch.isfinite(wide).all()


def test_the_transform_runs_with_autocast_off(monkeypatch):
    seen, transform = [], torch.fft.rfftn
    monkeypatch.setattr(
        torch.fft, "rfftn", lambda *a, **k: seen.append(torch.is_autocast_enabled("cpu")) or transform(*a, **k)
    )
    with torch.autocast("cpu", torch.bfloat16):
        band_power(torch.randn(1, 16, 16))
    assert seen == [False]


def test_float32_sums_do_not_depend_on_the_matmul_precision():
    field = torch.randn(1, 48, 48, 48)
    exact = band_power(field.double())
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        torch.testing.assert_close(band_power(field).double(), exact, rtol=1e-5, atol=0)
    finally:
        torch.set_float32_matmul_precision(before)


def test_sums_without_a_histogram_agree_with_those_by_histogram():
    values = torch.rand(2, 1000)
    group = torch.randint(0, 11, (1000,), dtype=torch.int32)
    expected = _group_sums(values, group, 11).float()
    for limit in (0, 2**26):
        torch.testing.assert_close(_masked_sums(values, group, 11, limit), expected)


def test_a_table_made_in_inference_mode_serves_training():
    shells.cache_clear()
    with torch.inference_mode():
        band_power(torch.randn(1, 10, 12))
    field = torch.randn(1, 10, 12, requires_grad=True)
    band_power(field).sum().backward()
    assert torch.isfinite(field.grad).all()


@pytest.mark.parametrize(
    ("field", "options", "words"),
    [
        (torch.zeros(2, 8), {}, "shape"),
        (torch.zeros(2, 3, 8, 8, 8), {}, "confidence_map"),
        (torch.zeros(2, 8, 8, dtype=torch.int64), {}, "floating"),
        (torch.zeros(2, 8, 8), {"bands": 5}, "1 to 4"),
        (torch.zeros(2, 8, 8), {"bands": 0}, "bands"),
        (torch.zeros(2, 8, 8), {"bands": 2, "edges": "round"}, "inscribed"),
        (torch.zeros(2, 8, 8), {"bands": 2, "beyond": "keep"}, "drop"),
        (torch.zeros(2, 8, 8), {"bands": 2, "frequency": "mm"}, "cycles"),
        (torch.zeros(2, 8, 8), {"bands": 2, "reduce": "max"}, "mean"),
    ],
)
def test_bad_input_is_named(field, options, words):
    with pytest.raises(ValueError, match=words):
        band_power(field, **options)
