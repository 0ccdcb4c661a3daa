"""The network and the loss of a cell, as its configuration and its data say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.base.files import read_json
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, parent_cells
from spectralcal.study.methods import loss_options, parse_method
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    import torch

    from spectralcal.datasets import DataFacts


def dataset_facts(config: StudyConfig, dataset: str) -> DataFacts:
    """The facts of a data set of the study.

    Where it is prepared they are what the arrays hold, and the raw folder need not be there any more; elsewhere they
    are those that its configuration and files give.

    Raises:
        DataError: damaged facts; or data of the user's own that are neither prepared nor in place.
    """
    from spectralcal.jobs.data_sets import build_dataset
    from spectralcal.preparation.facts import data_facts

    paths = StudyPaths(config)
    if paths.manifest(dataset).is_file():
        return data_facts(paths.prepared(dataset), registry.load("datasets", config.kind_of(dataset)))
    return build_dataset(config, dataset).facts


def label_facts(config: StudyConfig, dataset: str) -> tuple[tuple[str, ...], int]:
    """Names of a data set's foreground classes and its number of spatial axes, of :func:`dataset_facts`."""
    facts = dataset_facts(config, dataset)
    return facts.classes, facts.spatial_dims


#: options of networks that name a file to start training from
STARTING = ("weights", "weights_sha256")


def build_network(config: StudyConfig, cell: Cell, in_channels: int, *, to_train: bool = True) -> torch.nn.Module:
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

    classes, spatial_dims = label_facts(config, cell.dataset)
    patch = config.training_of(cell.dataset, cell.architecture).patch
    try:
        check_patch(patch, spatial_dims)
    except ValueError as error:
        raise ConfigError(f"training.patch of '{cell.dataset}' with '{cell.architecture}': {error}") from error
    network = config.network_of(cell.dataset, cell.architecture)
    torch.manual_seed(stream_seed("weights", cell.dataset, network, cell.seed))
    given, options = config.architecture_of(cell.dataset, cell.architecture).options, network_options(config, cell)
    if not to_train:
        options = {name: value for name, value in options.items() if name not in STARTING}
    try:
        return build_model(network, in_channels, len(classes) + 1, spatial_dims=spatial_dims, **options)
    except ValueError as error:
        filled = [f"{name} {list(options[name])}" for name in options if name not in given]
        source = f" ({' and '.join(filled)}: of the cell, where options name none)" if filled else ""
        raise ConfigError(f"architectures.{cell.architecture}.options: {error}{source}") from error


def network_options(config: StudyConfig, cell: Cell) -> dict[str, Any]:
    """All options of a cell's network: the configuration's, and the cell's patch and spacing where it needs them."""
    from spectralcal.data.manifest import read_manifest
    from spectralcal.models.options import resolved_options, takes, typical_spacing_mm

    manifest = StudyPaths(config).manifest(cell.dataset)
    spacing_mm = None
    network = config.network_of(cell.dataset, cell.architecture)
    if takes(network, "spacing_mm") and manifest.is_file():
        spacing_mm = typical_spacing_mm(case.spacing_mm for case in read_manifest(manifest))
    patch = config.training_of(cell.dataset, cell.architecture).patch
    return resolved_options(network, config.architecture_of(cell.dataset, cell.architecture).options, patch, spacing_mm)


def load_network(config: StudyConfig, cell: Cell, in_channels: int) -> torch.nn.Module:
    """The network that a cell is scored with: the trained one, or an ensemble of those of its members.

    Raises:
        ResultError: as :func:`load_trained`.
    """
    from spectralcal.engine.ensemble import Ensemble

    networks = [load_trained(config, parent, in_channels) for parent in parent_cells(config, cell)]
    return Ensemble(networks) if parse_method(cell.method, config.methods).members else networks[0]


def load_trained(config: StudyConfig, cell: Cell, in_channels: int) -> torch.nn.Module:
    """The network of a cell that was trained.

    Raises:
        ResultError: the weights are damaged, or of another architecture, channel count or class count.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from spectralcal.engine.state import load_unique_state

    files = StudyPaths(config).cell(cell)
    model = build_network(config, cell, in_channels, to_train=False)
    classes, spatial_dims = label_facts(config, cell.dataset)
    expected = {
        "architecture": config.network_of(cell.dataset, cell.architecture),
        "in_channels": in_channels,
        "num_classes": len(classes) + 1,
        "spatial_dims": spatial_dims,
    }
    found = read_json(files.model)
    for name, value in expected.items():
        if found.get(name, value) != value:
            raise ResultError(
                f"{files.weights}: expected weights of {name} {value!r}, found {found[name]!r} ({files.model.name}); "
                "put the cell's own files back or train it again with --force"
            )
    try:
        load_unique_state(model, load_file(files.weights))
    except (OSError, ValueError, SafetensorError) as error:
        raise ResultError(
            f"{files.weights}: cannot be loaded into '{cell.architecture}': {error}; train the cell again with --force"
        ) from error
    return model


def build_loss(config: StudyConfig, method: str) -> torch.nn.Module:
    """The training loss of a method.

    Raises:
        ConfigError: an option is out of its range or of another type.
    """
    from spectralcal.losses import as_segmentation_loss

    loss = registry.load("losses", parse_method(method, config.methods).loss)
    try:
        return as_segmentation_loss(loss(**loss_options(config, method)))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"method '{method}': {error}") from error
