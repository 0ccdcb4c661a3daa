import numpy as np
import pytest
import torch
from torch import nn

from spectralcal.config import InferenceConfig
from spectralcal.evaluation.predict import predict_probabilities

CPU = {"device": torch.device("cpu"), "precision": "fp32"}


class Pointwise(nn.Module):
    """Logits that depend on the voxel alone: any windowing must give the same answer as the whole volume at once."""

    def forward(self, x):
        return torch.cat([x, -x, 0.5 * x.square()], dim=1)


def image(*shape):
    return np.random.default_rng(0).standard_normal((1, *shape)).astype(np.float32)


@pytest.mark.parametrize("blending", ["gaussian", "constant"])
@pytest.mark.parametrize("shape", [(20, 17, 9), (6, 30, 5), (4, 4, 4)])
def test_windows_are_blended_without_a_trace(shape, blending):
    settings = InferenceConfig(blending=blending)
    found = predict_probabilities(Pointwise(), image(*shape), (8, 8, 8), settings, **CPU)
    expected = torch.softmax(Pointwise()(torch.from_numpy(image(*shape))[None]), 1)[0]
    assert found.shape == (3, *shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.sum(0), torch.ones(shape), rtol=0, atol=1e-6)


def test_probabilities_are_averaged_not_logits():
    """Two windows that disagree: the mean of their probabilities, not the softmax of their mean logits."""

    class Alternating(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            logits = torch.zeros(x.shape[0], 2, *x.shape[2:])
            logits[:, 0] = 4.0 if self.calls % 2 else -1.0
            return logits

    settings = InferenceConfig(overlap=0.5, blending="constant")
    found = predict_probabilities(Alternating(), image(8, 8, 12), (8, 8, 8), settings, **CPU)
    middle = found[0, 4, 4, 5]
    expected = (torch.sigmoid(torch.tensor(4.0)) + torch.sigmoid(torch.tensor(-1.0))) / 2
    assert float(middle) == pytest.approx(float(expected), abs=1e-5)


def test_a_post_hoc_step_acts_on_the_logits():
    found = predict_probabilities(
        Pointwise(), image(8, 8, 8), (8, 8, 8), InferenceConfig(), transform=lambda z: z / 3, **CPU
    )
    expected = torch.softmax(Pointwise()(torch.from_numpy(image(8, 8, 8))[None]) / 3, 1)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_two_dimensions():
    found = predict_probabilities(Pointwise(), image(20, 13), (8, 8), InferenceConfig(), **CPU)
    assert found.shape == (3, 20, 13)
