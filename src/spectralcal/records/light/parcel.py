"""Named arrays as bytes that compress well, and back, exactly. No pickles.

The sign of integers goes to the lowest bit, unused bytes are dropped, numbers that are float32 are stored as such, and
bytes of equal weight lie together, because they resemble each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np

_LENGTH = 4  # bytes of the length of the head
_KINDS = "biufU"
#: bytes of an unpacked array, at most: more is taken for an attack on the memory
LIMIT_BYTES = 2**28


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays of booleans, integers, floats or text, of any shape, as bytes.

    Raises:
        ValueError: an array of another kind.
    """
    head, parts = {}, []
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.kind not in _KINDS:
            raise ValueError(f"'{name}': expected booleans, numbers or text, got an array of {array.dtype}")
        entry: dict[str, object] = {"type": array.dtype.str, "shape": array.shape}
        if array.dtype.kind == "U":
            entry["text"] = array.ravel().tolist()
        else:
            planes = _planes(array)
            entry["planes"] = len(planes)
            parts.append(planes.tobytes())
        head[name] = entry
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts])


def from_bytes(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of :func:`to_bytes`.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
        head = json.loads(content[_LENGTH:start])
        arrays = {}
        for name, entry in head.items():
            kind, shape = np.dtype(entry["type"]), tuple(int(n) for n in entry["shape"])
            count = math.prod(shape)
            if kind.kind not in _KINDS or min(shape, default=0) < 0 or count * max(kind.itemsize, 8) > LIMIT_BYTES:
                raise ValueError(f"'{name}' cannot be {count} values of {kind}")
            if kind.kind == "U":
                arrays[name] = np.array([str(text) for text in entry["text"]], kind).reshape(shape)
                continue
            planes = int(entry["planes"])
            end = start + planes * count
            if not 0 <= planes <= 8 or end > len(content):
                raise ValueError(f"'{name}' does not fit into {len(content)} bytes")
            byte_planes = np.frombuffer(content, np.uint8, planes * count, start).reshape(planes, count)
            arrays[name] = _from_planes(byte_planes, kind).reshape(shape)
            start = end
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the list of arrays is damaged ({type(error).__name__}: {error})") from None
    return arrays


def pack_bits(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """(n,) integers of `widths` (n,) bits each as (bytes,) uint8; a width of 0 stores nothing.

    Raises:
        ValueError: a value has more bits than its width, or a width more than 63.
    """
    values, widths = np.asarray(values, np.uint64), np.asarray(widths, np.int64)
    if widths.size and (widths.max() > 63 or (values >> widths.astype(np.uint64)).any()):
        raise ValueError("expected values that fit into their widths of at most 63 bits")
    return np.packbits((np.repeat(values, widths) >> _within(widths).astype(np.uint64) & np.uint64(1)).astype(np.uint8))


def unpack_bits(content: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """(n,) int64 values of :func:`pack_bits`.

    Raises:
        ValueError: there are not as many bits.
    """
    widths = np.asarray(widths, np.int64)
    total = int(widths.sum())
    if (widths < 0).any() or (widths > 63).any() or content.ndim != 1 or not 0 <= 8 * content.size - total < 8:
        raise ValueError(f"expected {total} bits, got {8 * content.size}")
    bits = np.unpackbits(content.astype(np.uint8))[:total].astype(np.int64) << _within(widths)
    sums = np.concatenate([[0], np.cumsum(bits)])  # wraps where it must: differences are right modulo 2^64
    ends = np.cumsum(widths)
    return sums[ends] - sums[ends - widths]


def _within(widths: np.ndarray) -> np.ndarray:
    """For every bit its place in its value: 0, 1, ..., width - 1 for each value."""
    starts = np.cumsum(widths) - widths
    return np.arange(int(widths.sum())) - np.repeat(starts, widths)


def _planes(array: np.ndarray) -> np.ndarray:
    """(planes, n) uint8, lowest byte first."""
    flat = np.ascontiguousarray(array).ravel()
    if flat.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            single = flat.astype("<f4")
        back = single.astype(flat.dtype)
        exact = flat.dtype.itemsize > 4 and back.tobytes() == flat.tobytes()
        flat = single if exact else flat.astype(f"<f{flat.dtype.itemsize}")
        return flat.view(np.uint8).reshape(flat.size, flat.dtype.itemsize).T
    if flat.dtype.kind == "i":
        signed = flat.astype(np.int64)
        flat = (signed << 1) ^ (signed >> 63)
    plain = flat.astype("<u8") if flat.dtype.kind != "i" else flat.view(np.uint64).astype("<u8")
    planes = (int(plain.max()).bit_length() + 7) // 8 if plain.size else 0
    return plain.view(np.uint8).reshape(plain.size, 8).T[:planes]


def _from_planes(planes: np.ndarray, kind: np.dtype) -> np.ndarray:
    count = planes.shape[1]
    if kind.kind == "f":
        if len(planes) not in (kind.itemsize, 4):
            raise ValueError(f"{len(planes)} bytes are no {kind}")
        return np.ascontiguousarray(planes.T).view(f"<f{len(planes)}").reshape(count).astype(kind)
    whole = np.zeros((8, count), np.uint8)
    whole[: len(planes)] = planes
    plain = np.ascontiguousarray(whole.T).view("<u8").reshape(count).astype(np.uint64)
    if kind.kind == "i":
        plain = (plain >> np.uint64(1)).view(np.int64) ^ -(plain & np.uint64(1)).view(np.int64)
    return plain.astype(kind)
