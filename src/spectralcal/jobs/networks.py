"""The network and the loss of a cell, as its configuration and its data say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.jobs.cell_data import dataset_facts
from spectralcal.records.light.files import read_sound
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import ResolvedCell

if TYPE_CHECKING:
    import torch


#: options of networks that name a file to start training from
STARTING = ("weights", "weights_sha256")


def build_network(cell: ResolvedCell, in_channels: int, *, to_train: bool = True) -> torch.nn.Module:
    """The untrained network of a cell; equal for all methods of one data set, architecture and seed.

    Args:
        to_train: read the file of weights that the configuration names. Without it the network only gives other
            weights a place, and the file need not be on this machine.

    Raises:
        ConfigError: an option, or the patch that stands in for one, is nothing that the architecture can take.
    """
    import torch

    from spectralcal.base.seeds import stream_seed
    from spectralcal.models import build_model
    from spectralcal.models.options import check_patch

    facts, architecture = dataset_facts(cell.study, cell.dataset), cell.key.architecture
    try:
        check_patch(cell.patch, facts.spatial_dims)
    except ValueError as error:
        raise ConfigError(f"training.patch of '{cell.dataset}' with '{architecture}': {error}") from error
    torch.manual_seed(stream_seed("weights", cell.dataset, cell.network, cell.seed))
    options = network_options(cell)
    if not to_train:
        options = {name: value for name, value in options.items() if name not in STARTING}
    try:
        return build_model(
            cell.network, in_channels, len(facts.classes) + 1, spatial_dims=facts.spatial_dims, **options
        )
    except ValueError as error:
        filled = [f"{name} {list(options[name])}" for name in options if name not in cell.network_options]
        source = f" ({' and '.join(filled)}: of the cell, where options name none)" if filled else ""
        raise ConfigError(f"architectures.{architecture}.options: {error}{source}") from error


def network_options(cell: ResolvedCell) -> dict[str, Any]:
    """All options of a cell's network: the configuration's, and the cell's patch and spacing where it needs them."""
    from spectralcal.data.manifest import read_manifest
    from spectralcal.models.options import resolved_options, takes, typical_spacing_mm

    manifest = StudyPaths(cell.study).manifest(cell.dataset)
    spacing_mm = None
    if takes(cell.network, "spacing_mm") and manifest.is_file():
        spacing_mm = typical_spacing_mm(case.spacing_mm for case in read_manifest(manifest))
    return resolved_options(cell.network, cell.network_options, cell.patch, spacing_mm)


def load_network(cell: ResolvedCell, in_channels: int) -> torch.nn.Module:
    """The network that a cell is scored with: the trained one, or an ensemble of those of its members.

    Raises:
        ResultError: as :func:`load_trained`.
    """
    from spectralcal.engine.ensemble import Ensemble

    networks = [load_trained(training, in_channels) for training in cell.trainings]
    return Ensemble(networks) if cell.method.members else networks[0]


def load_trained(cell: ResolvedCell, in_channels: int) -> torch.nn.Module:
    """The network of a cell that was trained.

    Raises:
        ResultError: the weights are damaged, or of another architecture, channel count or class count.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from spectralcal.engine.state import load_unique_state

    files, model = cell.files, build_network(cell, in_channels, to_train=False)
    recorded = read_sound(files.model) if files.model.is_file() else {}
    for name, value in network_facts(cell, in_channels).items():
        if recorded.get(name, value) != value:
            raise ResultError(
                f"{files.weights}: expected weights of {name} {value!r}, found {recorded[name]!r} "
                f"({files.model.name}); put the cell's own files back or train it again with --force"
            )
    try:
        load_unique_state(model, load_file(files.weights))
    except (OSError, ValueError, SafetensorError) as error:
        raise ResultError(
            f"{files.weights}: cannot be loaded into '{cell.key.architecture}': {error}; train the cell again with "
            "--force"
        ) from error
    return model


def network_facts(cell: ResolvedCell, in_channels: int) -> dict[str, Any]:
    """What weights must agree in with the network that they are loaded into; kept in model.json."""
    facts = dataset_facts(cell.study, cell.dataset)
    return {
        "architecture": cell.network,
        "in_channels": in_channels,
        "num_classes": len(facts.classes) + 1,
        "spatial_dims": facts.spatial_dims,
    }


def build_loss(cell: ResolvedCell) -> torch.nn.Module:
    """The training loss of a cell.

    Raises:
        ConfigError: an option is out of its range or of another type.
    """
    from spectralcal.losses import as_segmentation_loss

    loss = registry.load("losses", cell.method.loss)
    try:
        return as_segmentation_loss(loss(**dict(cell.method.arguments)))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"method '{cell.key.method}': {error}") from error
