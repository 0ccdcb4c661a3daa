"""Claims that need no training: the numbers behind them, by another way."""

import numpy as np
import pytest

from spectralcal.report.claims import finding as f


@pytest.fixture
def nothing(make):
    return make(datasets=["phantom"])


@pytest.mark.parametrize("claim", ["C19", "C20", "C41", "T01", "T02", "T03", "T04", "T05", "T06"])
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


def test_rebalancing_keeps_the_energy(nothing):
    (found,) = nothing.entry("T02").findings
    assert found.verdict == f.REFUTED
    assert found.value == 0
    assert "-0.602" in found.found  # half the amplitude


def test_noise_that_cancels(nothing):
    (found,) = nothing.entry("T03").findings
    assert found.verdict == f.REFUTED
    assert found.value < 1e-12


def test_sharper_is_more_entropy(nothing):
    (found,) = nothing.entry("T04").findings
    assert (found.verdict, found.value) == (f.REFUTED, pytest.approx(-1))


def test_bound_is_reached_and_kept(nothing):
    (found,) = nothing.entry("T05").findings
    assert found.verdict == f.SUPPORTED
    assert found.value == pytest.approx(1, abs=1e-4)
    assert "at most 0.026" in found.found


def test_white_noise_has_shares_of_the_shells(nothing):
    (found,) = nothing.entry("T06").findings
    volumes = np.diff(np.arange(6) ** 3) / 125  # of five shells of a ball
    entropy = -(volumes * np.log(volumes)).sum()
    assert found.verdict == f.REFUTED
    assert found.value == pytest.approx(entropy / np.log(5), abs=0.02)
