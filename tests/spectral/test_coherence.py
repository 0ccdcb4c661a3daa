"""Coherence and correlation of spectra: by full transforms, and what they must and must not see."""

import numpy as np
import pytest
import torch

from spectralcal.spectral import log_spectrum, spectral_coherence, spectrum_correlation

SHAPES = [(2, 12, 9), (2, 8, 7, 10)]


def fields(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(shape, generator=generator, dtype=torch.float64)
    return first, 0.5 * first + torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("include_dc", [False, True])
def test_on_the_full_complex_spectrum(shape, bands, include_dc):
    first, second = fields(shape)
    radius = np.sqrt(sum(g**2 for g in np.meshgrid(*(np.fft.fftfreq(s) for s in shape[1:]), indexing="ij")))
    edges = np.linspace(0, radius.max() + 1e-12, bands + 1)
    found = spectral_coherence(first, second, bands, include_dc=include_dc)
    for sample in range(shape[0]):
        f, s = (np.fft.fftn(field[sample].numpy()) for field in (first, second))
        for band in range(bands):
            keep = (radius > edges[band]) & (radius <= edges[band + 1])
            keep |= (radius == 0) & (band == 0) & include_dc
            expected = (f * s.conj())[keep].real.sum() / np.sqrt(
                (np.abs(f[keep]) ** 2).sum() * (np.abs(s[keep]) ** 2).sum()
            )
            assert found[sample, band].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_over_all_frequencies_but_zero_it_is_pearsons_correlation(shape):
    first, second = fields(shape)
    expected = [np.corrcoef(a.numpy().ravel(), b.numpy().ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(spectral_coherence(first, second)[:, 0], expected, rtol=1e-10)


def test_limits():
    first, second = fields(SHAPES[0])
    one = torch.ones(2, 3, dtype=torch.float64)
    torch.testing.assert_close(spectral_coherence(first, 3 * first + 5, 3), one)
    torch.testing.assert_close(spectral_coherence(first, -first, 3), -one)
    assert torch.isnan(spectral_coherence(first, torch.zeros_like(first), 3)).all()
    assert spectral_coherence(first.float(), second.float()).dtype == torch.float32


def test_a_shift_changes_the_phase_and_no_amplitude():
    mask = torch.zeros(1, 24, 24)
    mask[0, 5:11, 6:12] = 1
    moved = mask.roll((6, 5), (1, 2))
    assert spectral_coherence(mask, moved, 3).abs().max() < 0.7
    for scale in ("log_amplitude", "amplitude", "power"):
        assert spectrum_correlation(mask, moved, scale).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", ["log_amplitude", "amplitude", "power"])
def test_correlation_of_maps_by_numpy(shape, scale):
    first, second = fields(shape)
    change = {"log_amplitude": np.log1p, "amplitude": np.abs, "power": np.square}[scale]
    for sample, value in enumerate(spectrum_correlation(first, second, scale)):
        maps = [change(np.abs(np.fft.fftn(field[sample].numpy()))).ravel() for field in (first, second)]
        assert value.item() == pytest.approx(np.corrcoef(*maps)[0, 1], rel=1e-10)


def test_the_map_has_zero_frequency_in_its_middle():
    found = log_spectrum(torch.ones(1, 6, 8))
    assert found.shape == (1, 6, 8)
    assert found[0, 3, 4].item() == pytest.approx(np.log1p(48))
    assert (found > 1e-3).sum() == 1


def test_a_slice_of_a_volume_is_a_picture():
    first, second = fields(SHAPES[0])
    flat = [field.unsqueeze(-1) for field in (first, second)]
    assert torch.equal(spectral_coherence(*flat, 3), spectral_coherence(first, second, 3))
    assert torch.equal(log_spectrum(flat[0]).squeeze(-1), log_spectrum(first))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((torch.zeros(1, 8, 8), torch.zeros(1, 8, 9)), r"\(1, 8, 8\), received \(1, 8, 9\)"),
        ((torch.zeros(1, 8, 8).long(), torch.zeros(1, 8, 8)), "first: expected a floating-point"),
        ((torch.zeros(1, 8, 8), torch.zeros(8, 8)), "second: expected shape"),
        ((torch.zeros(1, 8, 8), torch.zeros(1, 8, 8), 7), r"from 1 to 4, .* received 7 \(shell 1 of 7 has no"),
    ],
)
def test_bad_input_names_the_argument(arguments, words):
    with pytest.raises(ValueError, match=words):
        spectral_coherence(*arguments)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale: expected one of"):
        spectrum_correlation(*fields(SHAPES[0]), "phase")
