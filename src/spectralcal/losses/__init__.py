"""Training losses for calibrated segmentation, in 2-D and 3-D; torch only.

Every loss takes logits (B, C, *spatial) and labels (B, *spatial) or (B, 1, *spatial) and returns a scalar::

    loss = SpectralEntropyCELoss(weight=0.01)
    loss(logits, target).backward()

Labels may have any type with whole values, or be one-hot or soft; ``ignore_index``, a weight per voxel, one sigmoid
channel, multi-label channels and ``reduction`` are the same for all (:mod:`spectralcal.losses.targets`).

They compute in float32 under autocast, and ``loss.terms(logits, target)`` gives the parts that add up. Two learn while
they train and belong in the checkpoint (``loss.state_dict()``): the spectral loss keeps a window of band powers, and
:class:`CRaCLoss` multipliers that ``update_multipliers`` refreshes once per epoch. The regularisers alone are
:class:`SpectralEntropyLoss` (logits only) and :class:`AverageCalibrationErrorLoss`. :class:`GEDLoss` compares samples
of a probabilistic network with the masks of several raters.

A file here is a method of the grid when it names its class: ``LOSS``, with ``LABEL`` for tables and ``REFERENCE``. What
a paper calls it is in the paper's folder.
"""

from spectralcal.losses._base import SegmentationLoss, cross_entropies, cross_entropy
from spectralcal.losses._plain import PlainLoss, as_segmentation_loss
from spectralcal.losses.ce import CrossEntropyLoss
from spectralcal.losses.ce_dice import CrossEntropyDiceLoss
from spectralcal.losses.crac import CRaCLoss
from spectralcal.losses.focal import FocalLoss
from spectralcal.losses.ged import GEDLoss
from spectralcal.losses.ls import LabelSmoothingLoss
from spectralcal.losses.mace import AverageCalibrationErrorCELoss, AverageCalibrationErrorLoss
from spectralcal.losses.mbls import MarginLabelSmoothingLoss
from spectralcal.losses.nacl import NACLLoss
from spectralcal.losses.scc import SpectralCorrelationLoss
from spectralcal.losses.spectral import SpectralEntropyCELoss, SpectralEntropyLoss
from spectralcal.losses.spectral_labelled import LabelledSpectralEntropyCELoss, LabelledSpectralEntropyLoss
from spectralcal.losses.squared_dice import SquaredDiceLoss
from spectralcal.losses.svls import SVLSLoss

__all__ = [
    "AverageCalibrationErrorCELoss",
    "AverageCalibrationErrorLoss",
    "CRaCLoss",
    "CrossEntropyDiceLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "GEDLoss",
    "LabelSmoothingLoss",
    "LabelledSpectralEntropyCELoss",
    "LabelledSpectralEntropyLoss",
    "MarginLabelSmoothingLoss",
    "NACLLoss",
    "PlainLoss",
    "SVLSLoss",
    "SegmentationLoss",
    "SpectralCorrelationLoss",
    "SpectralEntropyCELoss",
    "SpectralEntropyLoss",
    "SquaredDiceLoss",
    "as_segmentation_loss",
    "cross_entropies",
    "cross_entropy",
]
