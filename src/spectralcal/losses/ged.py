"""The generalised energy distance between a network's samples and several raters' masks, as a loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from spectralcal.losses._validation import choice

#: added to intersections and unions, so that two empty maps have IoU 1 and nothing divides by 0
EPS = 1e-6


class GEDLoss(nn.Module):
    """``2 E d(sample, mask) - E d(sample, sample')`` over different samples, with d = 1 - soft IoU; mean over cases.

    The distance of masks among themselves is left out, since no weight changes it. The sample term leaves the pairs of
    a sample with itself out, so that the expected loss does not depend on the number of samples.

    Args:
        soft_iou: "product" (intersection sum p q, union sum p + q - p q; the usual one and the default) or "minmax"
            (sums of the minimum and the maximum). Under "product" K equal blurred maps at the raters' frequency cost
            as little as K different masks: the loss is then a Brier score of the mean sample, to first order.
            "minmax" is a metric, d(p, p) = 0, and blur pays.

    Shapes: samples (B, K, *S) probabilities, K >= 2; masks (B, n, *S) of 0 and 1; a scalar comes back, computed in
        float32 under autocast too.

    Raises:
        ValueError: an unknown `soft_iou`; in a call, shapes that do not fit or a single sample.

    Source: Szekely and Rizzo 2013; Kohl et al., NeurIPS 2018; as a training loss in the multi-rater harmoniser, CVPR
        2026, whose formula leaves the form of the soft IoU open.
    """

    def __init__(self, soft_iou: Literal["product", "minmax"] = "product") -> None:
        super().__init__()
        choice("soft_iou", soft_iou, ("product", "minmax"))
        self.soft_iou = soft_iou

    def forward(self, samples: Tensor, masks: Tensor) -> Tensor:
        """The loss of samples (B, K, *S) and masks (B, n, *S)."""
        if samples.ndim < 3 or samples.ndim != masks.ndim or samples.shape[2:] != masks.shape[2:]:
            raise ValueError(
                "expected samples (B, K, *S) and masks (B, n, *S) of one shape S, received "
                f"{tuple(samples.shape)} and {tuple(masks.shape)}"
            )
        if samples.shape[0] != masks.shape[0] or samples.shape[1] < 2 or masks.shape[1] < 1:
            raise ValueError(
                "expected one batch with at least two samples and one mask per case, received "
                f"{tuple(samples.shape)} and {tuple(masks.shape)}"
            )
        with torch.autocast(samples.device.type, enabled=False):
            p = samples.flatten(2).float() if samples.dtype != torch.float64 else samples.flatten(2)
            a = masks.flatten(2).to(p)
            count = p.shape[1]
            cross = self._distances(p, a).mean((1, 2))
            among = self._distances(p, p)
            other = ~torch.eye(count, dtype=torch.bool, device=p.device)
            diversity = (among * other).sum((1, 2)) / (count * (count - 1))
            return (2 * cross - diversity).mean()

    def _distances(self, p: Tensor, q: Tensor) -> Tensor:
        """1 - soft IoU of every row of p (B, K, V) with every row of q (B, n, V): (B, K, n)."""
        both = p.sum(2).unsqueeze(2) + q.sum(2).unsqueeze(1)
        if self.soft_iou == "product":
            shared = p @ q.transpose(1, 2)
        else:
            # Row by row of q: all pairs at once would hold K n maps.
            shared = torch.stack([torch.minimum(p, row.unsqueeze(1)).sum(2) for row in q.unbind(1)], dim=2)
        return 1 - (shared + EPS) / (both - shared + EPS)
