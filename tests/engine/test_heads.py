import pytest
import torch
import torch.nn.functional as F

from spectralcal.engine.heads import auxiliary_terms, full_resolution


def test_one_output_has_no_auxiliary_terms():
    logits = torch.randn(2, 3, 8, 8)
    assert full_resolution(logits) is logits
    assert auxiliary_terms(logits, torch.zeros(2, 8, 8, dtype=torch.long)) == {}
    assert auxiliary_terms([logits], torch.zeros(2, 8, 8, dtype=torch.long)) == {}


def test_coarser_outputs_weigh_less_and_see_coarser_labels():
    target = torch.randint(0, 3, (2, 8, 8, 8))
    outputs = [torch.randn(2, 3, 8, 8, 8), torch.randn(2, 3, 4, 4, 4), torch.randn(2, 3, 2, 2, 2)]
    assert full_resolution(outputs) is outputs[0]
    expected = F.cross_entropy(outputs[1], target[:, ::2, ::2, ::2]) / 2
    expected = expected + F.cross_entropy(outputs[2], target[:, ::4, ::4, ::4]) / 4
    found = auxiliary_terms(outputs, target)["auxiliary"]
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_upsampled_outputs_keep_the_labels():
    target = torch.randint(0, 3, (1, 4, 4))
    outputs = [torch.randn(1, 3, 4, 4) for _ in range(2)]
    assert float(auxiliary_terms(outputs, target)["auxiliary"]) == pytest.approx(
        float(F.cross_entropy(outputs[1], target)) / 2
    )
