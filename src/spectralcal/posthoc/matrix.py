"""Matrix scaling: every class's logit from all logits."""

from __future__ import annotations

from spectralcal.posthoc._affine import centred
from spectralcal.posthoc._full import FullMatrixScaling


class MatrixScaling(FullMatrixScaling):
    """softmax(W (z - mean z) + b): an affine map of the logits z less their mean over the classes.

    The mean changes no probability of the network, so that the map ignores it. Both penalties default to 1e-3: Kull et
    al. choose them by cross-validation, between 1e-7 and 10; one small value keeps a study to one fit, pins what the
    likelihood leaves open, and costs little where millions of voxels decide.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; regularisation by Kull et al., "Beyond
    temperature scaling", NeurIPS 2019.

    Args:
        off_diagonal: price of the mean square of the weights that mix classes.
        intercept: price of the mean square of the intercepts.
    """

    features = staticmethod(centred)


POST_HOC = MatrixScaling
NUMERICS = 1  # see spectralcal.study.numerics
