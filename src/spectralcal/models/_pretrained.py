"""Weights that somebody trained before, from a file on this machine: nothing is downloaded, nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from spectralcal.base.digests import file_digest
from spectralcal.base.errors import ConfigError

#: counters of batch normalisation, which files of before 2018 lack and evaluation does not read
COUNTER = "num_batches_tracked"
#: shortest beginning of a digest that names a file
SHORTEST = 8


def read_weights(file: str, sha256: str | None) -> dict[str, Tensor]:
    """Tensors of a ``.safetensors`` file, or of a ``.pth`` or ``.pt`` state dictionary read with ``weights_only``.

    Args:
        file: path; relative ones from the working directory.
        sha256: SHA-256 of the file, or its first eight characters or more. It is asked for because the path alone
            does not say what a study was made from.

    Raises:
        ConfigError: one line: there is no such file, it has another digest or none is given, or it holds something
            else than tensors by name.
    """
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"weights: {file}: no such file; nothing is downloaded: put it there, or leave weights out")
    digest = file_digest(path)
    if sha256 is None or len(sha256) < SHORTEST or not digest.startswith(sha256.lower()):
        found = "none" if sha256 is None else f"'{sha256}'"
        raise ConfigError(
            f"weights: {file}: expected weights_sha256 to be the file's digest, {digest}, or the first {SHORTEST} or "
            f"more characters of it, found {found}; correct it, or put the right file there"
        )
    return _safetensors(path) if path.suffix == ".safetensors" else _state_dictionary(path)


def put_weights(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    file: str,
    spare: tuple[str, ...] = (),
    own: tuple[str, ...] = (),
    fitted: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> None:
    """Put tensors of a file in place of those that a module was built with.

    Args:
        module: a network, or its part that the file is of.
        tensors: by names of ``module.state_dict()``.
        file: for messages.
        spare: beginnings of names in the file that are left out, such as a classifier's.
        own: beginnings of names of the module that keep their values.
        fitted: name -> function of the file's tensor and the module's that makes the former fit.

    Raises:
        ConfigError: one line: the file lacks a tensor, has one too many, or one of another shape.
    """
    state = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(own or "\0")}
    given = {name: tensor for name, tensor in tensors.items() if not name.startswith((*spare, *own) or "\0")}
    missing = [name for name in state if name not in given and not name.endswith(COUNTER)]
    further = [name for name in given if name not in state]
    for names, word in ((missing, "no"), (further, "an unknown")):
        if names:
            raise ConfigError(
                f"weights: {file}: expected weights of this network, found {word} '{names[0]}' ({len(missing)} of "
                f"{len(state)} missing, {len(further)} unknown); name the file of the right network"
            )
    for name, tensor in given.items():
        if fitted and name in fitted:
            given[name] = tensor = fitted[name](tensor, state[name])
        if tensor.shape != state[name].shape:
            raise ConfigError(
                f"weights: {file}: '{name}': expected shape {tuple(state[name].shape)}, found {tuple(tensor.shape)}; "
                "name the file of the right network"
            )
    module.load_state_dict(given, strict=False)


def of_image_channels(weight: Tensor, place: Tensor) -> Tensor:
    """A first convolution of three channels (K, 3, ...) for images of one: summed, as if the image were repeated."""
    return weight.sum(1, keepdim=True) if place.shape[1] == 1 and weight.shape[1] == 3 else weight


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"weights: {path}: cannot be read as safetensors ({' '.join(str(error).split())})") from error


def _state_dictionary(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no archive of tensors fails in as many ways as there are files
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"weights: {path}: expected a state dictionary of tensors alone, got: {reason}; convert it to safetensors"
        ) from error
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ConfigError(f"weights: {path}: expected a state dictionary of tensors by name, found something else")
    return {str(name): tensor for name, tensor in content.items()}
