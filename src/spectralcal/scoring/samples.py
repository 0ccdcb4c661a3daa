"""Several predictions of one image, by a network that draws its predictions: a probabilistic U-Net and its kin.

Such a network has a method ``draw(images, seed)``, one drawn prediction as logits (B, C, *spatial). What it draws comes
from the seed alone and not from the window, so that a prediction of a volume is drawn once and not window by window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from spectralcal.base.seeds import stream_seed
from spectralcal.engine.predict import Transform, predict_probabilities, unchanged
from spectralcal.preparation.resample import to_original_grid
from spectralcal.scoring.contract import Prediction
from spectralcal.scoring.patch import patch_logits

if TYPE_CHECKING:
    from spectralcal.data.manifest import PreparedCase
    from spectralcal.study.config import InferenceConfig


class Drawn(nn.Module):
    """One drawn prediction, as a network.

    Args:
        network: has a method ``draw``.
        seed: of everything that is drawn.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        super().__init__()
        self.network, self.seed = network, seed

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *spatial) -> (B, classes, *spatial) logits."""
        return self.network.draw(images, self.seed)


def draws(network: nn.Module) -> bool:
    """Whether a network draws its predictions."""
    return callable(getattr(network, "draw", None))


def sample_seed(case: str, number: int) -> int:
    """Seed of a case's drawn prediction of that number: the same for every method, as all draws of a study."""
    return stream_seed("sample", case, number)


def sampled(
    network: nn.Module,
    case: PreparedCase,
    patch: Sequence[int],
    inference: InferenceConfig,
    samples: int,
    *,
    device: torch.device,
    precision: str,
    transform: Transform = unchanged,
) -> Prediction:
    """The prediction of a case by the mean of several that are drawn; each is computed when it is asked for.

    A network that draws nothing always predicts the same, and so do its samples: its one prediction stands for each.

    Args:
        network, case, patch, inference, device, precision: as for :func:`spectralcal.scoring.evaluate.evaluate_cases`.
        samples: how many are drawn.
        transform: applied to the logits of each.
    """
    place = {"device": device, "precision": precision}
    networks = [Drawn(network, sample_seed(case.id, k)) for k in range(samples)] if draws(network) else [network]

    def all_samples() -> np.ndarray:
        image = case.image()
        each = [predict_probabilities(net, image, patch, inference, transform=transform, **place) for net in networks]
        grids = np.stack([to_original_grid(one, case.crop, case.original_shape).numpy() for one in each])
        return np.broadcast_to(grids, (samples, *grids.shape[1:]))

    def logits() -> Tensor:
        return log_mean([transform(patch_logits(net, case, patch, **place)) for net in networks])

    return Prediction(patch_logits=logits, patch_spacing_mm=case.spacing_mm, samples=all_samples)


def log_mean(logits: Sequence[Tensor]) -> Tensor:
    """Logits whose softmax over the second axis is the mean of those of the given ones; a single one stays as it is."""
    if len(logits) == 1:
        return logits[0]
    return torch.stack([one.log_softmax(1) for one in logits]).logsumexp(0) - float(np.log(len(logits)))
