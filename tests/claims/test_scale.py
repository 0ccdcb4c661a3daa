"""The spectral term and the level of confidence, by other ways than the claims' own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spectralcal.losses import SpectralEntropyLoss
from spectralcal.papers.spectral_entropy.claims.scale import (
    BANDS,
    STEPS,
    TEMPERATURES,
    by_temperature,
    common_share,
    gradient_directions,
    posteriors,
)
from spectralcal.report.claims import finding as f


@pytest.fixture
def nothing(make):
    return make(datasets=["phantom"])


def entropy(field, bands=BANDS):
    """Spectral entropy of a cube by looping over shells."""
    radius = np.sqrt(sum(np.square(g) for g in np.meshgrid(*[np.fft.fftfreq(n) for n in field.shape], indexing="ij")))
    power = np.abs(np.fft.fftn(field)) ** 2
    ends = np.arange(1, bands + 1) / (2 * bands) + 1e-9
    shells = [power[(radius > low) & (radius <= high)].sum() for low, high in zip([0, *ends[:-1]], ends, strict=True)]
    shares = np.array(shells) / sum(shells)
    return -(shares * np.log(shares)).sum()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_the_entropy_of_logits_ignores_a_temperature_and_that_of_probabilities_does_not(seed, temperature):
    logits = np.random.default_rng(seed).standard_normal((3, 12, 12, 12))
    for kind in (lambda z: z.max(0), lambda z: np.sort(z, 0)[-1] - np.sort(z, 0)[-2]):
        assert entropy(kind(logits / temperature)) == pytest.approx(entropy(kind(logits)), abs=1e-9)


def test_rows_by_temperature_are_those_of_a_loop():
    posterior = next(posteriors(1, 16))
    for row, temperature in zip(by_temperature(posterior), TEMPERATURES, strict=True):
        scaled = posterior ** (1 / temperature)
        scaled /= scaled.sum(0)
        assert row["max_prob"] == pytest.approx(entropy(scaled.max(0)), abs=1e-3)
        chosen = np.take_along_axis(posterior, scaled.argmax(0)[None], 0)[0]  # accuracy if the label is drawn
        assert row["gap"] == pytest.approx((scaled.max(0) - chosen).mean(), abs=1e-12)
        assert np.sign(round(row["gap"], 9)) == np.sign(round(1 - temperature, 9))


def test_one_share_in_c_of_the_squared_gradient_is_common_to_all_classes():
    cosine, share, classes = gradient_directions()
    assert (abs(cosine) < 1e-9, classes) == (True, 4)
    assert share == pytest.approx(1 / classes, abs=1e-12)
    random = np.random.default_rng(0).standard_normal((5, 7))
    common = np.broadcast_to(random.mean(0), random.shape)
    assert common_share(random) == pytest.approx((common**2).sum() / (random**2).sum())


def test_the_gradient_is_orthogonal_to_the_logits_by_finite_differences():
    """The derivative of the term along the logits is none, that along another direction is one."""
    logits = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 10, 10, 10)))
    other = torch.from_numpy(np.random.default_rng(2).standard_normal((1, 3, 10, 10, 10)))

    def along(direction, step=1e-4):
        loss = SpectralEntropyLoss(bands=BANDS, target="maximum")
        return float(loss(logits + step * direction) - loss(logits - step * direction)) / (2 * step)

    assert abs(along(logits)) < 1e-6
    assert abs(along(other)) > 1e-3


def test_claims_on_the_level_of_confidence(nothing):
    found = {claim: nothing.findings(claim) for claim in ("T07", "T08", "T09")}
    assert {nothing.entry(claim).verdict for claim in found} == {f.REFUTED}
    (level,), (blobs,), (steps,) = (list(one.values()) for one in found.values())
    assert level.value < 1e-9
    assert "0.2500 of its square, 1/C with C = 4 classes" in level.found
    assert blobs.value > 0.1
    # Of an orthogonal step of length s the norm grows by sqrt(1 + s^2).
    assert steps.value == pytest.approx(np.sqrt(1 + STEPS[0] ** 2) - 1, rel=1e-3)
