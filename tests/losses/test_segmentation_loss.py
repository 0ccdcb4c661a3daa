"""What the base class does for its subclasses."""

from __future__ import annotations

import pytest
import torch

from spectralcal.losses import SegmentationLoss


class Probe(SegmentationLoss):
    """Remembers how it was called."""

    def _terms(self, logits, target):
        self.seen = (logits.dtype, target.dtype, tuple(target.shape), torch.is_autocast_enabled("cpu"))
        return {"a": logits.mean(), "b": 2 * logits.mean()}


def test_terms_are_computed_in_full_precision_with_autocast_off():
    probe = Probe()
    logits = torch.ones(2, 3, 4, 5, dtype=torch.float16)
    with torch.autocast("cpu", torch.bfloat16):
        value = probe(logits, torch.zeros(2, 1, 4, 5, dtype=torch.uint8))
        assert torch.is_autocast_enabled("cpu")
    assert probe.seen == (torch.float32, torch.int64, (2, 4, 5), False)
    assert value.item() == 3


def test_a_loss_without_terms_says_so():
    with pytest.raises(NotImplementedError, match="_terms"):
        SegmentationLoss()(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4).long())
