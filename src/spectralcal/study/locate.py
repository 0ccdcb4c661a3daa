"""Which study something belongs to: by name, by configuration, or by a file among its results or figures."""

from __future__ import annotations

from pathlib import Path

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.study.config import StudyConfig, load_config

RECORD = "config.json"


def find_study(text: str, results_root: Path = Path("results")) -> StudyConfig:
    """A study from its name (``demo``), its results folder (``results/demo``) or a configuration file.

    Raises:
        ConfigError: there is no such study.
    """
    given = Path(text)
    if given.is_file():
        return load_config(given)
    for folder in (given, results_root / text):
        if (folder / RECORD).is_file():
            return study_in(folder)
    raise ConfigError(
        f"'{text}': expected a configuration, a results folder with {RECORD} or the name of one in {results_root}"
    )


def study_in(folder: Path) -> StudyConfig:
    """The study whose results lie in `folder`, its relative roots seen from where the folder is now."""
    config = load_config(folder / RECORD)
    if folder.resolve().name != config.study:
        raise ConfigError(f"{folder / RECORD}: is of the study '{config.study}'; its folder must have that name")
    if folder.resolve() == config.results.resolve():
        return config
    base = folder.resolve().parent
    if not config.results_root.is_absolute():
        for _ in config.results_root.parts:
            base = base.parent
    roots = {
        name: base / root
        for name in ("data_root", "prepared_root", "figures_root")
        if (root := getattr(config, name)) is not None and not root.is_absolute()
    }
    return config.model_copy(update={**roots, "results_root": folder.parent})


def study_of(path: Path, config: StudyConfig | None = None) -> StudyConfig:
    """The study that a file among its results or figures belongs to.

    Args:
        path: an existing file or folder.
        config: the study, if the caller knows it; needed where figures lie away from results.

    Raises:
        ResultError: no study has this file.
    """
    path = path.resolve()
    if config is not None:
        if any(path.is_relative_to(root.resolve()) for root in (config.results, config.figures_folder)):
            return config
        raise ResultError(f"{path}: is neither under {config.results} nor under {config.figures_folder}")
    for folder in (path, *path.parents):
        if (folder / RECORD).is_file() and (folder.parent / folder.name) == folder:
            return study_in(_shortened(folder))
    for folder in path.parents:
        # figures/<study>/<name>.pdf beside results/<study>
        beside = folder.parent.parent / "results" / folder.name
        if (beside / RECORD).is_file():
            return study_in(_shortened(beside))
    raise ResultError(f"{path}: belongs to no study found from here; name it with --config")


def _shortened(folder: Path) -> Path:
    """Relative to the working folder where that is shorter to read."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
