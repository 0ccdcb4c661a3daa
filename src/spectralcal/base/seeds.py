"""Common random numbers: every random draw has a seed of its own, made from names and not from what ran before.

For one data set, architecture and seed, all methods start from the same weights and see the same patches and
augmentations in the same order, so differences between methods are the loss's alone. And because step 731 does not
depend on steps 0-730, a resumed run continues exactly, with no generator state to save.
"""

from __future__ import annotations

import hashlib


def stream_seed(*parts: str | int) -> int:
    """A 63-bit seed for the stream named by `parts`, for example ``("batch", "hippocampus", 0, 731)``."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
