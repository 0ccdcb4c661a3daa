"""Claims that need no training: the numbers behind them, by another way."""

import re

import numpy as np
import pytest

from spectralcal.report.claims import finding as f
from spectralcal.report.figures.boundary_ring import ring_map


@pytest.fixture
def nothing(make):
    return make(datasets=["phantom"])


@pytest.mark.parametrize("claim", ["C19", "C20", "C41", "T01", "T03", "T04", "T05", "T06", "T07", "T08", "T09"])
def test_they_are_decided_without_results(nothing, claim):
    entry = nothing.entry(claim)
    assert entry.verdict != f.NOT_MEASURED
    built = [finding for finding in entry.findings if finding.source == f.CONSTRUCTION]
    assert built
    assert all(finding.verdict in (f.SUPPORTED, f.REFUTED) for finding in built)


def test_figure_1_depends_on_the_reading(nothing):
    entry = nothing.entry("C19")
    verdicts = {finding.where: finding.verdict for finding in entry.findings}
    assert entry.verdict == f.INCONCLUSIVE
    assert verdicts["confidence map (background 1, mean removed)"] == f.SUPPORTED
    assert verdicts["foreground map (background 0, mean removed)"] == f.REFUTED
    assert nothing.entry("C20").verdict == f.INCONCLUSIVE


def test_printed_shells_by_counting_spheres(nothing):
    (found,) = nothing.entry("T01").findings
    assert (found.verdict, found.value) == (f.REFUTED, 2)
    index = np.arange(-48, 48)
    squared = index[:, None, None] ** 2 + index[None, :, None] ** 2 + index[None, None, :] ** 2
    ball = int(((squared > 0) & (squared <= 48**2)).sum())
    assert f"Frequencies by band: {ball}, {96**3 - 1 - ball}, 0, 0, 0" in found.found


def test_noise_that_cancels(nothing):
    (found,) = nothing.entry("T03").findings
    assert found.verdict == f.REFUTED
    assert found.value < 1e-12


def test_the_ring_of_figure_1_has_one_entropy_whatever_its_confidence(nothing):
    """On the confidence map the ring is (1 - alpha) times a fixed pattern: its shares of power do not know alpha."""
    found = {finding.where: finding for finding in nothing.entry("T04").findings}
    assert {finding.verdict for finding in found.values()} == {f.REFUTED}
    assert found["confidence map (background 1)"].value == pytest.approx(0, abs=1e-6)
    field = 1 - ring_map((64, 64), 19.2, 2, 0.0, 1.0)
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64)))
    power = np.abs(np.fft.fft2(field)) ** 2
    shells = np.array([power[(radius > k / 10 + 1e-9) & (radius <= (k + 1) / 10 + 1e-9)].sum() for k in range(5)])
    shells[0] = power[(radius > 0) & (radius <= 0.1 + 1e-9)].sum()
    shares = shells / shells.sum()
    assert f"0.9: {-(shares * np.log(shares)).sum():.3f}" in found["confidence map (background 1)"].found
    assert found["foreground map (background 0)"].value < -0.1


def test_bound_is_reached_and_kept(nothing):
    (found,) = nothing.entry("T05").findings
    assert nothing.entry("T05").verdict == f.TRIVIAL
    assert found.verdict == f.SUPPORTED
    assert found.value == pytest.approx(1, abs=1e-4)
    assert "at most 0.026" in found.found


def test_equal_bands_are_the_highest_and_white_noise_has_shares_of_the_shells(nothing):
    (found,) = nothing.entry("T06").findings
    volumes = np.diff(np.arange(6) ** 3) / 125  # of five shells of a ball
    entropy = -(volumes * np.log(volumes)).sum()
    assert nothing.entry("T06").verdict == f.TRIVIAL
    assert found.value == pytest.approx(1, abs=1e-4)
    said = float(re.search(r"has ([\d.]+) of 1.61 nat", found.found)[1])
    assert said == pytest.approx(entropy, abs=0.03)
