"""Maps of one class's odds against all others, one per class, normalised to probabilities afterwards."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.posthoc._step import PostHocStep
from spectralcal.posthoc._voxels import log_likelihood


def log_odds(logits: Tensor) -> Tensor:
    """log p_c / (1 - p_c) of each class (N, C, ...), exact where p_c rounds to one."""
    rest = [torch.cat([logits[:, :c], logits[:, c + 1 :]], 1).logsumexp(1) for c in range(logits.shape[1])]
    return logits - torch.stack(rest, 1)


class OneVsRest(PostHocStep):
    """Calibrated probabilities p'_c of each class apart, divided by their sum.

    Each p'_c is fitted to whether a voxel is of class c. Divided by their sum they can be less likely than what the
    network said; such a fit is left out, and `limits` says so.
    """

    def fit(self, logits: Tensor, labels: Tensor) -> None:
        """Fit to logits (N, C) and labels (N,) as every step; without an effect if the likelihood fell."""
        super().fit(logits, labels)
        before, after = log_likelihood(lambda part: part, logits, labels), log_likelihood(self, logits, labels)
        if after < before:
            for name in self.state:
                setattr(self, name, None)
            self.limits = [
                f"left out: the mean log-likelihood of the validation voxels would fall from {before:g} to {after:g}"
            ]

    def transform(self, logits: Tensor) -> Tensor:
        """log p'_c of logits (B, C, *spatial); softmax divides by their sum."""
        return F.logsigmoid(self.calibrated(log_odds(logits)))

    def calibrated(self, odds: Tensor) -> Tensor:
        """Calibrated log-odds of the network's (B, C, *spatial), each class on its own."""
        raise NotImplementedError
