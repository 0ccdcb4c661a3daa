"""Smooth random anatomy in mm: a compact organ, a lesion nested in it and a thin branching vessel.

All functions evaluate signed distances (negative inside) at points, so that one anatomy can be put on any grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blob:
    """A star-shaped closed surface: an ellipsoid whose radius is modulated by harmonics of degree 2 and 3.

    Attributes:
        centre: (3,) mm.
        radii: (3,) half axes, mm.
        harmonics: (7,) relative modulation of the radius.
    """

    centre: np.ndarray
    radii: np.ndarray
    harmonics: np.ndarray


@dataclass(frozen=True)
class Tree:
    """Tapering tubes around line segments.

    Attributes:
        starts, ends: (N, 3) mm.
        start_radii, end_radii: (N,) mm.
    """

    starts: np.ndarray
    ends: np.ndarray
    start_radii: np.ndarray
    end_radii: np.ndarray


def draw_anatomy(random: np.random.Generator, extent_mm: float) -> tuple[Blob, Blob, Tree]:
    """Organ, lesion and vessel for a field of view of `extent_mm` around the origin."""
    half = extent_mm / 2
    organ = Blob(random.uniform(-0.12, 0.12, 3) * half, random.uniform(0.5, 0.72, 3) * half, _harmonics(random, 0.07))
    # Inside the organ for any draw: offset and size stay below its smallest radius.
    smallest = organ.radii.min()
    direction = _unit(random.normal(size=3))
    lesion = Blob(
        organ.centre + direction * random.uniform(0.1, 0.3) * smallest,
        random.uniform(0.45, 0.6, 3) * smallest,
        _harmonics(random, 0.1),
    )
    return organ, lesion, _draw_tree(random, half)


def blob_distance(blob: Blob, points: np.ndarray) -> np.ndarray:
    """Signed distance (...) in mm of points (..., 3) to a blob, exact to first order near its surface."""
    step = 1e-3 * float(blob.radii.min())
    value = _radial_excess(blob, points)
    slope = np.zeros(points.shape[:-1], points.dtype)
    for axis in range(3):
        shift = np.zeros(3, points.dtype)
        shift[axis] = step
        slope += ((_radial_excess(blob, points + shift) - value) / step) ** 2
    # The radial part of the gradient is 1; below that the centre is near, where differences are meaningless.
    return value / np.sqrt(np.maximum(slope, 1))


def tree_distance(tree: Tree, points: np.ndarray) -> np.ndarray:
    """Signed distance (...) in mm of points (..., 3) to the nearest tube wall."""
    nearest = np.full(points.shape[:-1], np.inf, points.dtype)
    for start, end, start_radius, end_radius in zip(
        tree.starts, tree.ends, tree.start_radii, tree.end_radii, strict=True
    ):
        along = (end - start).astype(points.dtype)
        offset = points - start.astype(points.dtype)
        position = np.clip(offset @ along / (along @ along), 0, 1)
        away = offset - position[..., None] * along
        radius = start_radius + position * (end_radius - start_radius)
        np.minimum(nearest, np.sqrt(np.einsum("...i,...i", away, away)) - radius, out=nearest)
    return nearest


def _radial_excess(blob: Blob, points: np.ndarray) -> np.ndarray:
    """Distance from the centre less the surface's radius in that direction."""
    offset = points - blob.centre.astype(points.dtype)
    distance = np.sqrt(np.einsum("...i,...i", offset, offset)) + 1e-6
    direction = offset / distance[..., None]
    scaled = direction / blob.radii.astype(points.dtype)
    x, y, z = np.moveaxis(direction, -1, 0)
    basis = (x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1, 5 * x * y * z, x * (x * x - 3 * y * y))
    modulation = 1 + sum(weight * term for weight, term in zip(blob.harmonics, basis, strict=True))
    return distance - modulation / np.sqrt(np.einsum("...i,...i", scaled, scaled))


def _harmonics(random: np.random.Generator, scale: float) -> np.ndarray:
    return np.clip(random.normal(0, scale, 7), -1.5 * scale, 1.5 * scale)


def _draw_tree(random: np.random.Generator, half: float) -> Tree:
    """A curved trunk that enters from below and forks twice, as vessels do."""
    radius = random.uniform(0.15, 0.2) * half
    root = np.array([*random.uniform(-0.3, 0.3, 2) * half, -0.95 * half])
    heading = _unit(np.array([*random.normal(0, 0.35, 2), 1.0]))
    starts, ends, start_radii, end_radii = [], [], [], []
    tips = [(root, heading, radius)]
    for generation in range(3):
        grown = []
        for position, direction, thickness in tips:
            for _ in range(2):
                direction = _unit(direction + random.normal(0, 0.18, 3))
                reach = position + direction * random.uniform(0.26, 0.36) * half
                starts.append(position)
                ends.append(reach)
                start_radii.append(thickness)
                thickness = 0.93 * thickness
                end_radii.append(thickness)
                position = reach
            fork = _unit(np.cross(direction, random.normal(size=3)))
            grown += [(position, _unit(direction + sign * 0.75 * fork), 0.85 * thickness) for sign in (1, -1)]
        tips = grown if generation == 0 else grown[::2]
    return Tree(np.array(starts), np.array(ends), np.array(start_radii), np.array(end_radii))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
