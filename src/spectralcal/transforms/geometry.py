"""Mirroring, turning and scaling of patches, of images and labels alike. Sampling is apart from applying.

Off unless a study asks for it: the paper names no geometric augmentation (docs/ambiguities.md, D11). Transforms are of
the voxel grid: a rotation keeps shapes where the two axes of its plane have one spacing, as prepared images have unless
the study keeps their own. Mirroring and quarter turns move voxels and change no value. What lies beyond a patch is its
own mirror image, of the image and of the label, so that no voxel gets a label that it does not look like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spectralcal.base.seeds import stream_seed
from spectralcal.transforms.contract import Transform

if TYPE_CHECKING:
    from spectralcal.study.config import GeometryConfig


class GeometrySettings(Protocol):
    """What geometric transforms are drawn by: the options of :class:`GeometricTransform`, or the configuration's
    section `training.augmentation.geometry`."""

    flip_probability: float
    flip_axes: tuple[int, ...] | None
    rot90_probability: float
    rotation_probability: float
    rotation_degrees: tuple[float, float]
    scaling_probability: float
    scaling_factor: tuple[float, float]
    plane: tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Sampled transforms of a batch, in the order in which they are applied; the neutral value means "not applied"."""

    flips: np.ndarray  # (B, axes) bool, by spatial axis
    quarter_turns: np.ndarray  # (B,) 0 to 3, from the plane's first axis to its second
    degrees: np.ndarray  # (B,) the same way round, 0: none
    factor: np.ndarray  # (B,) above 1 structures grow, 1: none
    plane: tuple[int, int] = (0, 1)  # spatial axes


class GeometricTransform(Transform):
    """Mirrors, turns and scales a patch with its label; all probabilities are 0 unless they are given.

    Args:
        flip_probability: of mirroring, per axis.
        flip_axes: spatial axes that may be mirrored, counted from 0; None: all.
        rot90_probability: of one to three quarter turns.
        rotation_probability: of a rotation by any angle.
        rotation_degrees: range of the angle.
        scaling_probability: of scaling.
        scaling_factor: range of the factor, one for all axes; above 1 structures grow.
        plane: spatial axes of the plane of turns and rotations.

    Raises:
        ValueError: a probability outside 0 to 1, a range whose ends are the wrong way round, a factor that is not above
            0, or a plane of one axis.
    """

    moves_voxels = True

    def __init__(
        self,
        flip_probability: float = 0.0,
        flip_axes: tuple[int, ...] | None = None,
        rot90_probability: float = 0.0,
        rotation_probability: float = 0.0,
        rotation_degrees: tuple[float, float] = (-30.0, 30.0),
        scaling_probability: float = 0.0,
        scaling_factor: tuple[float, float] = (0.7, 1.4),
        plane: tuple[int, int] = (0, 1),
    ) -> None:
        shares = {"flip": flip_probability, "rot90": rot90_probability, "rotation": rotation_probability,
                  "scaling": scaling_probability}  # fmt: skip
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name}_probability must be 0 to 1, got {share}")
        if not rotation_degrees[0] <= rotation_degrees[1] or not 0 < scaling_factor[0] <= scaling_factor[1]:
            raise ValueError(
                f"expected ranges from low to high, and factors above 0, got rotation_degrees {list(rotation_degrees)} "
                f"and scaling_factor {list(scaling_factor)}"
            )
        if plane[0] == plane[1]:
            raise ValueError(f"plane needs two different axes, got {list(plane)}")
        self.flip_probability, self.flip_axes = flip_probability, flip_axes
        self.rot90_probability, self.rotation_probability = rot90_probability, rotation_probability
        self.rotation_degrees, self.scaling_probability = rotation_degrees, scaling_probability
        self.scaling_factor, self.plane = scaling_factor, plane

    def __call__(self, image: Tensor, seed: int) -> Tensor:
        """(C, *spatial) moved as `seed` draws."""
        return self.with_label(image, torch.zeros(image.shape[1:], dtype=torch.int64, device=image.device), seed)[0]

    def with_label(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """(C, *spatial) and its label, moved alike as `seed` draws."""
        drawn = sample_geometry(self, 1, image.ndim - 1, (seed,))
        images, labels = apply_geometry(image[None], label[None], drawn)
        return images[0], labels[0]


def transform_batch(
    settings: GeometryConfig, images: Tensor, labels: Tensor, stream: tuple[str | int, ...]
) -> tuple[Tensor, Tensor]:
    """A batch after transforms from the random stream named by `stream`; the same tensors where none is switched on.

    Args:
        settings: probabilities and ranges.
        images: (B, C, *spatial).
        labels: (B, *spatial) integers, or (B, R, *spatial).
        stream: names of the stream.
    """
    if not settings.active:
        return images, labels
    return apply_geometry(images, labels, sample_geometry(settings, len(images), images.ndim - 2, stream))


def sample_geometry(settings: GeometrySettings, batch_size: int, axes: int, stream: tuple[str | int, ...]) -> Geometry:
    """Draw the transforms of one batch from the random stream named by `stream`.

    The stream is another than that of the intensity augmentations: their draws do not depend on this one's settings.
    """
    rng = np.random.default_rng(stream_seed("geometry", *stream))
    allowed = np.isin(np.arange(axes), range(axes) if settings.flip_axes is None else settings.flip_axes)
    flips = (rng.random((batch_size, axes)) < settings.flip_probability) & allowed

    def draw(probability: float, values: np.ndarray, neutral: float) -> np.ndarray:
        # Both draws always happen: a changed probability must not shift the draws that follow.
        return np.where(rng.random(batch_size) < probability, values, neutral)

    return Geometry(
        flips=flips,
        quarter_turns=draw(settings.rot90_probability, rng.integers(1, 4, batch_size), 0),
        degrees=draw(settings.rotation_probability, rng.uniform(*settings.rotation_degrees, batch_size), 0.0),
        factor=draw(settings.scaling_probability, rng.uniform(*settings.scaling_factor, batch_size), 1.0),
        plane=settings.plane,
    )


def apply_geometry(images: Tensor, labels: Tensor, parameters: Geometry) -> tuple[Tensor, Tensor]:
    """Apply sampled transforms to images (B, C, *spatial), linearly, and labels (B, ..., *spatial), nearest neighbour.

    The inputs are left as they are; values of labels stay in their type and set.

    Raises:
        ValueError: an odd number of quarter turns where the two axes of the plane differ in size.
    """
    axes = images.ndim - 2
    sizes = [images.shape[2 + axis] for axis in parameters.plane]
    if sizes[0] != sizes[1] and (parameters.quarter_turns % 2).any():
        raise ValueError(f"quarter turns need two axes of one size, got {sizes} along axes {list(parameters.plane)}")
    new_images, new_labels = [], []
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        turns = int(parameters.quarter_turns[index])
        flips = np.flatnonzero(parameters.flips[index]) - axes  # counted from the last axis
        plane = [axis - axes for axis in parameters.plane]
        pair = [torch.rot90(tensor.flip(flips.tolist()), turns, plane) for tensor in (image, label)]
        degrees, factor = float(parameters.degrees[index]), float(parameters.factor[index])
        if degrees != 0 or factor != 1:
            affine = _affine(image.shape[1:], degrees, factor, parameters.plane).to(image.device, non_blocking=True)
            grid = F.affine_grid(affine[None], [1, 1, *image.shape[1:]], align_corners=False)  # (1, *spatial, axes)
            pair = [_resampled(pair[0], grid, "bilinear"), _resampled(pair[1], grid, "nearest")]
        new_images.append(pair[0])
        new_labels.append(pair[1])
    return torch.stack(new_images), torch.stack(new_labels)


def _affine(shape: tuple[int, ...], degrees: float, factor: float, plane: tuple[int, int]) -> Tensor:
    """From places in the result to places in the patch, (axes, axes + 1) in the coordinates of ``affine_grid``."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    source = np.eye(len(shape))
    source[np.ix_(plane, plane)] = [[cosine, sine], [-sine, cosine]]
    # From voxels to shares of each axis, whose order torch turns round.
    source *= np.array(shape)[None] / np.array(shape)[:, None] / factor
    return torch.from_numpy(np.column_stack([source[::-1, ::-1], np.zeros(len(shape))])).float()


def _resampled(tensor: Tensor, grid: Tensor, mode: str) -> Tensor:
    """`tensor` (..., *spatial) at the places of `grid`, in its own type; float32 represents every label exactly."""
    stacked = tensor.reshape(1, -1, *grid.shape[1:-1]).float()
    samples = F.grid_sample(stacked, grid, mode=mode, padding_mode="reflection", align_corners=False)
    return samples.reshape(tensor.shape).to(tensor.dtype)


TRANSFORM = GeometricTransform
NUMERICS = 1  # see spectralcal.study.numerics
