"""Networks and cases slice by slice, as figures and class activation maps look at them. Imports torch."""

from __future__ import annotations

import re

import numpy as np
from torch import nn

from spectralcal.explain.cam import layer_names

#: names of blocks from which the last one is taken: that before the head
_BLOCK = re.compile(r"(.*\.)?(upsamples|decoder|decoder\.blocks)\.\d+")


def planar(network: nn.Module) -> nn.Module:
    """The network of pictures inside of one that takes volumes slice by slice; a network of pictures itself."""
    if getattr(network, "axis", None) is None:
        return network
    body = getattr(network, "body", None)
    if body is not None and hasattr(body, "padded_sizes"):
        return body
    network.axis = None  # the network was loaded for this
    return network


def last_block(network: nn.Module) -> str:
    """Name of the last block of the decoder, whose output the head reads.

    Raises:
        ValueError: the network has no decoder of blocks under a known name.
    """
    blocks = [name for name in layer_names(network) if _BLOCK.fullmatch(name)]
    if not blocks:
        raise ValueError(f"{type(network).__name__}: expected blocks called decoder.N or upsamples.N, found none")
    return blocks[-1]


def plane(field: np.ndarray, index: int, axes: int) -> np.ndarray:
    """Slice `index` along the last axis of a field (..., *spatial) of `axes` spatial axes; a picture as it is."""
    return np.asarray(field) if axes == 2 else np.asarray(field[..., index])


def fullest(mask: np.ndarray) -> int:
    """The slice along the last axis that has most of a mask, the first of equals; 0 of a picture."""
    return 0 if mask.ndim == 2 else int(np.argmax(mask.sum((0, 1))))
