"""Dirichlet calibration: every class's log-probability from all log-probabilities."""

from __future__ import annotations

from spectralcal.posthoc._affine import log_probabilities
from spectralcal.posthoc._full import FullMatrixScaling


class DirichletCalibration(FullMatrixScaling):
    """softmax(W log p + b): the right map if each class's probability vectors follow a Dirichlet distribution.

    Unlike a matrix on logits it sees the probability that is left for the other classes. The penalties (ODIR) and their
    defaults are those of matrix scaling.

    Source: Kull et al., "Beyond temperature scaling", NeurIPS 2019.

    Args:
        off_diagonal: price of the mean square of the weights that mix classes.
        intercept: price of the mean square of the intercepts.
    """

    features = staticmethod(log_probabilities)


POST_HOC = DirichletCalibration
NUMERICS = 1  # see spectralcal.study.numerics
