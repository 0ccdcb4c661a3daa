"""Several networks that predict as one: the mean of their probabilities, window by window."""

import numpy as np
import pytest
import torch
from golden.memory_case import MemoryCase
from golden.networks import FormulaNetwork
from torch import nn

from spectralcal.engine.ensemble import Ensemble
from spectralcal.engine.fit_post_hoc import fit_post_hoc
from spectralcal.engine.predict import predict_probabilities
from spectralcal.posthoc.temperature import TemperatureScaling
from spectralcal.study.config import InferenceConfig

CPU = torch.device("cpu")
MEMBERS = [FormulaNetwork(seed=10 * k) for k in range(3)]


class Fixed(nn.Module):
    """A network that gives the same logits everywhere."""

    def __init__(self, *logits):
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits))

    def forward(self, x):
        return self.logits.reshape(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:])


def predict(network):
    image = np.random.default_rng(0).normal(size=(1, 13, 11, 9)).astype(np.float32)
    options = {"device": CPU, "precision": "fp32"}
    return predict_probabilities(network.eval(), image, (8, 8, 6), InferenceConfig(), **options)


def test_probabilities_of_a_volume_are_the_mean_of_its_members_probabilities():
    """Blending is linear, so that averaging each member's whole prediction gives the same."""
    expected = torch.stack([predict(member) for member in MEMBERS]).mean(0)
    torch.testing.assert_close(predict(Ensemble(MEMBERS)), expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(predict(MEMBERS[0]), expected, atol=1e-2)


def test_a_mean_of_probabilities_is_no_mean_of_logits():
    """Two sure members that disagree: 0.5 each; averaged logits would agree with the surer one."""
    both = Ensemble([Fixed(9.0, 0.0), Fixed(0.0, 6.0)])(torch.zeros(1, 1, 2, 2)).softmax(1)
    expected = (1 / (1 + np.exp(-9)) + 1 / (1 + np.exp(6))) / 2
    torch.testing.assert_close(both[0, 0], torch.full((2, 2), float(expected)))


def test_equal_members_are_one_and_their_order_does_not_count():
    x = torch.randn(2, 1, 9, 8, 7)
    one = MEMBERS[0](x).log_softmax(1)
    torch.testing.assert_close(Ensemble([MEMBERS[0]] * 4)(x), one, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(Ensemble(MEMBERS)(x), Ensemble(MEMBERS[::-1])(x), rtol=1e-5, atol=1e-5)


def test_probabilities_that_float32_cannot_hold_keep_finite_logarithms():
    found = Ensemble([Fixed(0.0, -200.0), Fixed(0.0, -150.0)])(torch.zeros(1, 1, 2, 2))
    torch.testing.assert_close(found[0, 1, 0, 0], torch.tensor(-150.0 - np.log(2.0), dtype=torch.float32))


def test_members_run_one_after_another():
    """What a window takes is one member's work and two outputs, however many members there are."""
    running, most = [], []

    class Watched(Fixed):
        def forward(self, x):
            running.append(self)
            most.append(len(running))
            found = super().forward(x)
            running.remove(self)
            return found

    Ensemble([Watched(1.0, 0.0) for _ in range(5)])(torch.zeros(1, 1, 2, 2))
    assert most == [1] * 5


def test_a_temperature_is_fitted_to_the_ensemble_itself():
    """The likelihood of the fitted step is what a search over temperatures of the mean probabilities finds."""
    case, patch = MemoryCase("a", (12, 11, 10), seed=1), (12, 11, 10)
    step, network = TemperatureScaling(), Ensemble(MEMBERS)
    fit_post_hoc(step, network, [case], patch, device=CPU, precision="fp32")
    logits = network(torch.from_numpy(case.image())[None]).detach()
    label = torch.from_numpy(case.label().astype(np.int64))[None]

    def loss(temperature):
        return float(nn.functional.cross_entropy(logits / temperature, label))

    best = min(loss(t) for t in np.linspace(0.2, 30, 600))
    assert float(nn.functional.cross_entropy(step(logits), label)) <= best + 1e-6
    assert loss(1.0) > best + 1e-3


def test_no_networks_are_no_ensemble():
    with pytest.raises(ValueError, match="expected networks, received none"):
        Ensemble([])
