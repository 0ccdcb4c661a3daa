"""What every notebook needs: the study that it is about, and its tables and figures, made again and shown."""

from __future__ import annotations

import os
from pathlib import Path

from spectralcal.base import registry
from spectralcal.base.errors import SpectralcalError
from spectralcal.report.results import Results
from spectralcal.study.config import load_config

#: read where the environment variable SPECTRALCAL_CONFIG names no study
DEFAULT = Path("results/demo/config.json")


def open_study() -> Results:
    """Results of the study that SPECTRALCAL_CONFIG names (a resolved ``config.json``), else of the demo.

    Sets the figures' style at a resolution for screens, and goes to the root of the repository, from which the paths in
    a configuration are seen, if the notebook runs in its own folder.
    """
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    path = Path(os.environ.get("SPECTRALCAL_CONFIG", DEFAULT))
    if not path.exists() and Path.cwd().name == "notebooks":
        os.chdir("..")
    use_style()
    plt.rcParams["figure.dpi"] = 130
    return Results(load_config(path))


def show(results: Results, kind: str, name: str) -> bool:
    """Make one output of the study and show it; a problem with one does not hide the others.

    Args:
        results: the study.
        kind: ``tables`` or ``figures``.
        name: a name under that section of the configuration.

    Returns:
        Whether it could be made.
    """
    import matplotlib.pyplot as plt
    from IPython.display import Markdown, display

    output = getattr(results.config, kind)[name]
    source = output.source or name
    try:
        shown = results.under(output.condition)
        made = registry.load(kind, source, results.config.paper)(shown, output.experiment, **output.options)
    except SpectralcalError as error:
        display(Markdown(f"`{name}` cannot be made: {error}"))
        return False
    if kind == "tables":
        display(Markdown(made.markdown.replace("# ", "### ", 1)))
        return True
    title = registry.constant("figures", source, "TITLE", results.config.paper)
    display(Markdown(f"### {title}"))
    display(made.drawing, metadata={"image/png": {"alt": title}})
    plt.close(made.drawing)
    display(Markdown(made.caption))
    return True


def show_made_by(results: Results, kind: str, *sources: str) -> None:
    """Show the study's outputs that the registered files `sources` make; say so where it has none."""
    from IPython.display import Markdown, display

    for source in sources:
        named = [name for name, output in getattr(results.config, kind).items() if (output.source or name) == source]
        if not named:
            display(Markdown(f"Study `{results.config.study}` has no `{source}` among its {kind}."))
        for name in named:
            show(results, kind, name)
